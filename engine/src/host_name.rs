//! Host names: the identity of a host in inventories, certificates, reports and addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a host, in the one form it has: lower case, no address, no dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct HostName(#[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{0,252}$")))] String);

impl HostName {
    /// Takes a text that can be the name of a host.
    ///
    /// # Errors
    /// Says why it cannot.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        check_host_name(&name).map(|()| Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::new(name).map_err(|why| format!("not a host name: {why}"))
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

/// Whether a text can be the name of a host.
///
/// # Errors
/// Says why it cannot.
pub fn check_host_name(name: &str) -> Result<(), String> {
    let first_is_plain = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > 253 {
        "it is longer than 253 characters"
    } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "it has upper-case letters"
    } else if name.ends_with('.') {
        "it ends in a dot"
    } else if name.contains("..") {
        "it has an empty part between two dots"
    } else if name.parse::<std::net::IpAddr>().is_ok() || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        "it is an address"
    } else if !first_is_plain || !name.bytes().all(plain) {
        "it has other characters than a-z, 0-9, dot and hyphen, or starts with one of the last two"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identities() {
        for name in ["db-1", "web.example.org", "7of9", "a", &"a".repeat(253)] {
            assert_eq!(check_host_name(name), Ok(()), "{name}");
        }
        for name in ["", "Db-1", "db-1.", "a..b", "..", "10.0.0.1", "::1", "1.2", "-a", ".a", "a_b", "a/b", "é", &"a".repeat(254)] {
            assert!(check_host_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_cannot_come_in_as_json() {
        assert_eq!(serde_json::from_str::<HostName>("\"db-1\"").unwrap().as_str(), "db-1");
        assert!(serde_json::from_str::<HostName>("\"../db-1\"").is_err());
    }
}
