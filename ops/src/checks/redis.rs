//! Redis: reachable, new enough, and kept in a way that loses no work.

use std::collections::BTreeMap;

use celeriac_process::in_words;
use celeriac_queue::KeyRing;

use super::{Finding, Level};
use crate::stores::Stores;

const ABOUT: &str = "redis";
/// The scripts use commands of this version.
const VERSION_MIN: (u32, u32) = (6, 2);

pub(super) async fn check(stores: &Stores) -> Vec<Finding> {
    if stores.settings().maybe("REDIS_URL").is_none() {
        return Vec::new();
    }
    let read = async {
        let connection = stores.redis().await?;
        anyhow::Ok((connection.infos().await?, encryption(connection.payload_keys())))
    };
    match read.await {
        Ok((infos, encryption)) => {
            let of_servers = [version, eviction, persistence].into_iter().filter_map(|check| worst(infos.iter().map(check)));
            of_servers.chain([encryption]).collect()
        }
        Err(error) => {
            let hint = "start Redis, or mend REDIS_URL (rediss:// for TLS; REDIS_CA_FILE for a private authority)";
            vec![Finding::problem(ABOUT, in_words(&error), hint)]
        }
    }
}

/// Of a cluster's servers the one that is worst off speaks for all.
fn worst(findings: impl Iterator<Item = Finding>) -> Option<Finding> {
    let rank = |finding: &Finding| match finding.level {
        Level::Problem => 0,
        Level::Warning => 1,
        Level::Ok => 2,
    };
    findings.min_by_key(rank)
}

fn version(info: &BTreeMap<String, String>) -> Finding {
    // Valkey tells its own version besides the Redis version it is compatible with.
    let text = info.get("redis_version").map_or("", String::as_str);
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let name = info.get("server_name").filter(|name| *name == "valkey").map_or("Redis", |_| "Valkey, compatible with Redis");
    if version >= VERSION_MIN {
        return Finding::ok(ABOUT, format!("{name} {text} answers"));
    }
    let (major, minor) = VERSION_MIN;
    Finding::problem(ABOUT, format!("{name} {text} is too old"), format!("use {major}.{minor} or newer, or Valkey"))
}

fn eviction(info: &BTreeMap<String, String>) -> Finding {
    match info.get("maxmemory_policy").map(String::as_str) {
        Some("noeviction") => Finding::ok(ABOUT, "maxmemory-policy is noeviction"),
        policy => Finding::problem(
            ABOUT,
            format!("maxmemory-policy is {}: when memory runs short, Redis throws jobs away", policy.unwrap_or("unknown")),
            "set it: redis-cli config set maxmemory-policy noeviction, and in redis.conf (or in your provider's console)",
        ),
    }
}

fn persistence(info: &BTreeMap<String, String>) -> Finding {
    let is = |name: &str, value: &str| info.get(name).is_some_and(|given| given == value);
    if is("aof_enabled", "1") && is("aof_last_write_status", "ok") {
        return Finding::ok(ABOUT, "the append-only file is on");
    }
    if is("aof_enabled", "1") {
        let hint = "see Redis's log: most often the disk is full";
        return Finding::problem(ABOUT, "the append-only file is on, but its last write failed", hint);
    }
    Finding::warning(
        ABOUT,
        "the append-only file is off: after a crash of Redis, work that did not come through the outbox is lost",
        "set appendonly yes and appendfsync everysec, or enqueue through the outbox only",
    )
}

fn encryption(keys: Option<&KeyRing>) -> Finding {
    let Some(names) = keys.map(KeyRing::names) else {
        return Finding::ok(ABOUT, "arguments of jobs are stored as they are: PAYLOAD_ENCRYPTION_KEYS is not set");
    };
    let names: Vec<&str> = names.collect();
    let (newest, older) = names.split_first().expect("a ring has a key");
    let older = if older.is_empty() { String::new() } else { format!("; older ones ({}) are still read", older.join(", ")) };
    Finding::ok(ABOUT, format!("arguments of new jobs are encrypted with key {newest}{older}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_redis_that_would_lose_work_is_called_so() {
        assert_eq!(version(&info(&[("redis_version", "6.0.16")])).level, Level::Problem);
        assert_eq!(version(&info(&[("redis_version", "6.2.0")])).level, Level::Ok);
        assert_eq!(version(&info(&[("redis_version", "10.0.1")])).level, Level::Ok);
        assert_eq!(eviction(&info(&[("maxmemory_policy", "allkeys-lru")])).level, Level::Problem);
        assert_eq!(eviction(&info(&[])).level, Level::Problem);
        assert_eq!(persistence(&info(&[("aof_enabled", "0")])).level, Level::Warning);
        assert_eq!(persistence(&info(&[("aof_enabled", "1"), ("aof_last_write_status", "err")])).level, Level::Problem);
        let cluster = [info(&[("maxmemory_policy", "noeviction")]), info(&[("maxmemory_policy", "volatile-ttl")])];
        assert_eq!(worst(cluster.iter().map(eviction)).unwrap().level, Level::Problem);
    }

    #[test]
    fn the_keys_of_payloads_are_told_by_their_names_and_never_shown() {
        let keys = ["bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=", "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0="];
        let found = encryption(Some(&KeyRing::parse(&keys.join(",")).unwrap())).message;
        insta::assert_snapshot!(found, @"arguments of new jobs are encrypted with key c81a855d; older ones (58571eb2) are still read");
        assert!(encryption(None).message.contains("as they are"));
    }
}
