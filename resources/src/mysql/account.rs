//! Accounts: a user's name and where it comes from.

use std::fmt;

use keel_engine::attributes::{AttributeValue, wrong_type};
use keel_engine::schema::Kind;
use keel_engine::value::Value;

/// An account, `user@host`. The host may be a pattern: `%` is any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The name; empty for everybody.
    pub user: String,
    /// Where from; the server keeps it in small letters.
    pub host: String,
}

const USER_LENGTH_MAX: usize = 128;
const HOST_LENGTH_MAX: usize = 255;

impl Account {
    /// Reads `user@host`; the last `@` separates.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((user, host)) = text.rsplit_once('@') else {
            return Err(format!("{text:?} names no host: write \"{text}@localhost\", or \"{text}@%\" for any host"));
        };
        let is_odd = |part: &str| part.contains(|char: char| char.is_control() || char.is_whitespace() || matches!(char, '\'' | '"' | '`'));
        if host.is_empty() || is_odd(host) || host.len() > HOST_LENGTH_MAX {
            return Err(format!("{host:?} cannot be the host of an account"));
        }
        if user.chars().any(char::is_control) || user.chars().count() > USER_LENGTH_MAX {
            return Err(format!("{user:?} cannot be the name of a user"));
        }
        Ok(Self { user: user.to_owned(), host: host.to_lowercase() })
    }

    /// Reads the form that the information schema has: `'user'@'host'`, without any escapes.
    pub(super) fn of_grantee(text: &str) -> Option<Self> {
        let (user, host) = text.strip_prefix('\'')?.strip_suffix('\'')?.rsplit_once("'@'")?;
        Some(Self { user: user.to_owned(), host: host.to_owned() })
    }

    /// Whether the server itself cannot do without it.
    pub(super) fn is_of_the_system(&self) -> bool {
        matches!(self.user.as_str(), "root" | "mysql" | "mariadb.sys" | "debian-sys-maint" | "PUBLIC")
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

impl AttributeValue for Account {
    fn kind() -> Kind {
        Kind::String
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_at_separates() {
        let account = |text: &str| Account::parse(text).map(|account| (account.user, account.host));
        assert_eq!(account("app@LocalHost"), Ok(("app".to_owned(), "localhost".to_owned())));
        assert_eq!(account("a@b@10.0.0.%"), Ok(("a@b".to_owned(), "10.0.0.%".to_owned())));
        assert_eq!(account("@localhost"), Ok((String::new(), "localhost".to_owned())));
        assert!(account("app").is_err_and(|error| error.contains("app@localhost")));
        for text in ["app@", "app@a b", "app@'x", "a\nb@x"] {
            assert!(account(text).is_err(), "{text}");
        }
    }

    #[test]
    fn grantees_are_read_without_escapes() {
        assert_eq!(Account::of_grantee("'it's'@'%'").map(|account| account.to_string()).as_deref(), Some("it's@%"));
        assert_eq!(Account::of_grantee("PUBLIC"), None);
    }
}
