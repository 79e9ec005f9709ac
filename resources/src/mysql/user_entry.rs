//! What MariaDB keeps of an account: its own form of it, read.

use keel_engine::resource::Failure;
use serde_json::Value as Json;

use super::account::Account;
use crate::host::sql::Row;

/// The query that gives all accounts.
pub(super) const QUERY: &str = "SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host";

/// One way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) plugin: String,
    /// What the plugin keeps, such as the hash of a password.
    pub(super) kept: String,
}

/// Limits by their names in manifests, with the server's own words for them in its table and in statements.
pub(super) const LIMITS: [(&str, &str, &str); 5] = [
    ("max_queries_per_hour", "max_questions", " MAX_QUERIES_PER_HOUR "),
    ("max_updates_per_hour", "max_updates", " MAX_UPDATES_PER_HOUR "),
    ("max_connections_per_hour", "max_connections", " MAX_CONNECTIONS_PER_HOUR "),
    ("max_user_connections", "max_user_connections", " MAX_USER_CONNECTIONS "),
    ("max_statement_time", "max_statement_time", " MAX_STATEMENT_TIME "),
];

/// An account as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) account: Account,
    /// The ways to log in; any of them will do.
    pub(super) ways: Vec<Way>,
    /// `none`, `ssl`, `x509` or `specified`.
    pub(super) tls: &'static str,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) cipher: String,
    /// In the order of [`LIMITS`]; 0 is none.
    pub(super) limits: [f64; 5],
    pub(super) is_locked: bool,
    pub(super) is_role: bool,
}

impl Entry {
    /// Reads a row of the table.
    ///
    /// # Errors
    /// It is not in the form that MariaDB 10.4 and later have.
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let account = Account { user: row.text("User").to_owned(), host: row.text("Host").to_owned() };
        let json: Json = serde_json::from_str(row.text("Priv"))
            .map_err(|_| Failure::new(format!("what MariaDB keeps of {account} in mysql.global_priv cannot be read")))?;
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| json.get(name).and_then(Json::as_bool).unwrap_or_default();
        let tls = match json.get("ssl_type").and_then(Json::as_u64).unwrap_or_default() {
            0 => "none",
            1 => "ssl",
            2 => "x509",
            _ => "specified",
        };
        Ok(Self {
            ways: ways(&json),
            tls,
            issuer: text("x509_issuer"),
            subject: text("x509_subject"),
            cipher: text("ssl_cipher"),
            limits: LIMITS.map(|(_, kept, _)| json.get(kept).and_then(Json::as_f64).unwrap_or_default()),
            is_locked: flag("account_locked"),
            is_role: flag("is_role"),
            account,
        })
    }

    /// The plugins, as people say it.
    pub(super) fn plugins(&self) -> String {
        self.ways.iter().map(|way| way.plugin.as_str()).collect::<Vec<_>>().join(" or ")
    }
}

/// The ways to log in. Where there are several, an empty one stands for what is said outside of the list.
fn ways(json: &Json) -> Vec<Way> {
    let way = |json: &Json| {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        Way { plugin: text("plugin"), kept: text("authentication_string") }
    };
    match json.get("auth_or").and_then(Json::as_array) {
        Some(several) => several.iter().map(|one| if one.get("plugin").is_some() { way(one) } else { way(json) }).collect(),
        None => vec![way(json)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> Entry {
        Entry::read(&Row::of(&[("User", "app"), ("Host", "%"), ("Priv", json)])).unwrap()
    }

    #[test]
    fn what_the_server_keeps_is_read() {
        let read = entry(
            r#"{"access":0,"plugin":"mysql_native_password","authentication_string":"*2470","auth_or":[{},{"plugin":"unix_socket","authentication_string":"bob"}],
            "ssl_type":3,"ssl_cipher":"","x509_issuer":"x","x509_subject":"y","max_questions":5,"max_statement_time":1.500000,"account_locked":true}"#,
        );
        assert_eq!(read.plugins(), "mysql_native_password or unix_socket");
        assert_eq!(read.ways[1].kept, "bob");
        assert_eq!((read.tls, read.issuer.as_str(), read.subject.as_str(), read.cipher.as_str()), ("specified", "x", "y", ""));
        assert_eq!(read.limits, [5.0, 0.0, 0.0, 0.0, 1.5]);
        assert!(read.is_locked && !read.is_role);
    }

    #[test]
    fn what_is_not_said_is_nothing() {
        let read = entry(r#"{"access":18446744073709551615}"#);
        assert_eq!((read.tls, read.limits, read.is_locked), ("none", [0.0; 5], false));
        assert!(Entry::read(&Row::of(&[("Priv", "{")])).is_err());
        assert!(entry(r#"{"is_role":true}"#).is_role);
    }
}
