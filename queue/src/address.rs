//! Where the servers are: REDIS_URL as text, and the addresses that a cluster's nodes tell each other by.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::Error;

/// A server in the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// As nodes write it: `host:port`, where IPv6 has colons too, and no host means the host that was asked.
    pub(crate) fn parse(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self { host: if host.is_empty() { asked.host.clone() } else { host.to_owned() }, port: port.parse().ok()? })
    }

    fn of(info: &ConnectionInfo) -> Option<Self> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some(Self { host: host.clone(), port: *port }),
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// REDIS_URL, read.
#[derive(Debug)]
pub(crate) struct Places {
    /// The first URL, with the credentials and the TLS choice that hold for all.
    pub(crate) first: ConnectionInfo,
    /// Of every URL. Empty for a Unix socket.
    pub(crate) addresses: Vec<Address>,
}

impl Places {
    /// One URL: a server, or any node of a cluster. Several, separated by commas: nodes of a cluster.
    ///
    /// # Errors
    /// [`Error::Url`], in words that do not repeat the URL, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let infos = split(text).into_iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        let addresses: Vec<Address> = infos.iter().filter_map(Address::of).collect();
        let first = infos[0].clone();
        if infos.len() > 1 {
            refuse_what_no_cluster_can(&infos, &addresses)?;
        }
        Ok(Self { first, addresses })
    }
}

/// At commas before a scheme only: a password may hold a comma.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let begins_a_url =
        |text: &str| text.trim_start().split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_lowercase()));
    while let Some(at) = rest.match_indices(',').map(|(at, _)| at).find(|at| begins_a_url(&rest[at + 1..])) {
        parts.push(rest[..at].trim());
        rest = &rest[at + 1..];
    }
    parts.push(rest.trim());
    parts
}

fn read(url: &str) -> Result<ConnectionInfo, Error> {
    // Behind user and password, which may hold commas.
    let place = url.rsplit_once('@').map_or(url, |(_, place)| place);
    if place.contains(',') {
        return Err(refusal("the nodes of a cluster are written as URLs of their own: redis://a:6379,redis://b:6379"));
    }
    url.into_connection_info().map_err(|_| refusal("it is not a URL like redis://host:6379"))
}

fn refuse_what_no_cluster_can(infos: &[ConnectionInfo], addresses: &[Address]) -> Result<(), Error> {
    let [first, others @ ..] = infos else { return Ok(()) };
    let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let who =
        |info: &ConnectionInfo| (info.redis_settings().username().map(str::to_owned), info.redis_settings().password().map(str::to_owned));
    if addresses.len() < infos.len() {
        return Err(refusal("a cluster's nodes cannot be reached by a socket file"));
    }
    if others.iter().any(|other| is_tls(other) != is_tls(first)) {
        return Err(refusal("the nodes of a cluster must be all redis:// or all rediss://"));
    }
    if others.iter().any(|other| who(other) != who(first)) {
        return Err(refusal("the nodes of a cluster must all bear the same user and password"));
    }
    if infos.iter().any(|info| info.redis_settings().db() != 0) {
        return Err(refusal("a cluster has database 0 only"));
    }
    Ok(())
}

fn refusal(reason: &'static str) -> Error {
    Error::Url { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        Places::parse(text).unwrap().addresses.iter().map(ToString::to_string).collect()
    }

    fn refused(text: &str) -> String {
        Places::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn several_urls_name_the_nodes_of_a_cluster() {
        assert_eq!(addresses("redis://a:1, redis://b:2/0,redis://[::1]:3"), ["a:1", "b:2", "::1:3"]);
        assert_eq!(addresses("rediss://u:p@a:1,rediss://u:p@b"), ["a:1", "b:6379"]);
        assert_eq!(addresses("redis://:pass,word@a:1/3"), ["a:1"]);
    }

    #[test]
    fn what_cannot_be_a_cluster_is_refused_without_repeating_it() {
        for (text, reason) in [
            ("redis://a:1,b:2", "URLs of their own"),
            ("redis://a:1,rediss://b:2", "all redis:// or all rediss://"),
            ("redis://:one@a:1,redis://:secret@b:2", "same user and password"),
            ("redis://a:1/2,redis://b:2/2", "database 0 only"),
            ("redis://a:1,redis://b:port", "not a URL"),
        ] {
            let said = refused(text);
            assert!(said.contains(reason) && !said.contains("secret"), "{text}: {said}");
        }
    }

    #[test]
    fn a_node_without_a_host_is_where_the_answer_came_from() {
        let asked = Address { host: "a".into(), port: 1 };
        assert_eq!(Address::parse(":7", &asked).unwrap().to_string(), "a:7");
        assert_eq!(Address::parse("10.0.0.1:7", &asked).unwrap().to_string(), "10.0.0.1:7");
        assert_eq!(Address::parse("::1:7", &asked).unwrap(), Address { host: "::1".into(), port: 7 });
        assert_eq!(Address::parse("nonsense", &asked), None);
    }
}
