//! The address of a server, as people write it: `keel.example.org`, with a port or as an https URL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: Option<u16>,
}

/// The port of agents, where none is named.
pub const AGENT_PORT: u16 = 7440;

impl ServerAddress {
    /// The same address, with this port if none was named.
    pub fn or_port(mut self, port: u16) -> Self {
        self.port.get_or_insert(port);
        self
    }

    /// The URL of a path on the server.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{self}{path}")
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address of a server; write keel.example.org, perhaps with :PORT");
        if text.starts_with("http://") {
            return Err("a server is only ever spoken to over https".to_owned());
        }
        let rest = text.strip_prefix("https://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (rest, None),
        };
        let is_name = |host: &str| host.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'));
        let literal = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let is_literal = literal.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
        if host.is_empty() || !(is_name(host) || is_literal) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl<'de> Deserialize<'de> for ServerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_people_write() {
        let url = |text: &str| text.parse::<ServerAddress>().map(|address| address.or_port(1).url("/v1"));
        assert_eq!(url("Keel.example.org").unwrap(), "https://keel.example.org:1/v1");
        assert_eq!(url("https://127.0.0.1:8443/").unwrap(), "https://127.0.0.1:8443/v1");
        assert_eq!(url("[::1]:7").unwrap(), "https://[::1]:7/v1");
        for wrong in ["", "http://a", "a/b", "a:x", "a b", "https://u@h", "::1", "a:99999", "[x]"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
