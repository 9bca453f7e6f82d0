//! Reads every key of a namespace as it is.

use std::collections::{BTreeMap, BTreeSet};

use redis::aio::MultiplexedConnection;

/// One key's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Hash(BTreeMap<String, Vec<u8>>),
    Set(BTreeSet<String>),
    /// In rising order of score.
    Zset(Vec<(String, f64)>),
    List(Vec<Vec<u8>>),
}

/// All keys at one moment; those of the queue without their stem, as in `ready:5`.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The Redis clock when it was taken, ms.
    pub(crate) now: u64,
    pub(crate) keys: BTreeMap<String, Data>,
}

impl Snapshot {
    pub(crate) async fn read(line: &mut MultiplexedConnection, namespace: &str, stem: &str) -> Self {
        let names = scan(line, namespace).await;
        let mut types = redis::pipe();
        types.cmd("TIME");
        for name in &names {
            types.cmd("TYPE").arg(name);
        }
        let mut replies: Vec<redis::Value> = types.query_async(line).await.unwrap();
        let kinds: Vec<String> = replies.split_off(1).into_iter().map(|kind| redis::from_redis_value(kind).unwrap()).collect();
        let (seconds, micros): (u64, u64) = redis::from_redis_value(replies.remove(0)).unwrap();
        let mut reads = redis::pipe();
        // Never empty, which Redis would not take.
        reads.ping().ignore();
        let named: Vec<(&String, &String)> =
            names.iter().zip(&kinds).filter(|(name, kind)| **name != format!("{namespace}:queues") && *kind != "none").collect();
        for (name, kind) in &named {
            reads.add_command(read(name, kind));
        }
        let values: Vec<redis::Value> = reads.query_async(line).await.unwrap();
        let short = |name: &str| name.strip_prefix(stem).unwrap_or(name).to_owned();
        let keys = named.iter().zip(values).map(|((name, kind), value)| (short(name), Data::from(kind, value))).collect();
        Self { now: seconds * 1_000 + micros / 1_000, keys }
    }

    pub(crate) fn hash(&self, key: &str) -> BTreeMap<String, Vec<u8>> {
        match self.keys.get(key) {
            None => BTreeMap::new(),
            Some(Data::Hash(fields)) => fields.clone(),
            Some(other) => panic!("{key} is not a hash: {other:?}"),
        }
    }

    pub(crate) fn set(&self, key: &str) -> BTreeSet<String> {
        match self.keys.get(key) {
            None => BTreeSet::new(),
            Some(Data::Set(members)) => members.clone(),
            Some(other) => panic!("{key} is not a set: {other:?}"),
        }
    }

    pub(crate) fn zset(&self, key: &str) -> Vec<(String, f64)> {
        match self.keys.get(key) {
            None => Vec::new(),
            Some(Data::Zset(members)) => members.clone(),
            Some(other) => panic!("{key} is not a sorted set: {other:?}"),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        match self.keys.get(key) {
            None => Vec::new(),
            Some(Data::List(items)) => items.iter().map(|item| String::from_utf8(item.clone()).unwrap()).collect(),
            Some(other) => panic!("{key} is not a list: {other:?}"),
        }
    }

    pub(crate) fn members(&self, zset: &str) -> BTreeSet<String> {
        self.zset(zset).into_iter().map(|(id, _)| id).collect()
    }

    pub(crate) fn fields(&self, hash: &str) -> BTreeSet<String> {
        self.hash(hash).into_keys().collect()
    }
}

async fn scan(line: &mut MultiplexedConnection, namespace: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut cursor = 0_u64;
    loop {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(format!("{namespace}:*")).arg("COUNT").arg(10_000);
        let (next, part): (u64, Vec<String>) = command.query_async(line).await.unwrap();
        names.extend(part);
        cursor = next;
        if cursor == 0 {
            return names;
        }
    }
}

fn read(name: &str, kind: &str) -> redis::Cmd {
    let (verb, rest): (&str, &[&str]) = match kind {
        "hash" => ("HGETALL", &[]),
        "set" => ("SMEMBERS", &[]),
        "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        "list" => ("LRANGE", &["0", "-1"]),
        other => panic!("{name} is a {other}, which the engine never makes"),
    };
    let mut command = redis::cmd(verb);
    command.arg(name).arg(rest);
    command
}

impl Data {
    fn from(kind: &str, value: redis::Value) -> Self {
        match kind {
            "hash" => Self::Hash(redis::from_redis_value(value).unwrap()),
            "set" => Self::Set(redis::from_redis_value(value).unwrap()),
            "zset" => Self::Zset(redis::from_redis_value(value).unwrap()),
            _ => Self::List(redis::from_redis_value(value).unwrap()),
        }
    }
}
