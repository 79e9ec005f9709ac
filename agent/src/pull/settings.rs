//! The agent's settings: `/etc/keel/agent.toml`.

use std::path::Path;
use std::time::Duration;

use keel_engine::attributes::{AttributeValue, Size, Span};
use keel_engine::value::Value;
use keel_resources::host::Retention;
use serde::{Deserialize, Deserializer};

use super::home::Home;
use crate::client::ServerAddress;
use crate::error::{Error, Result};
use crate::state::read_if_there;

/// What a host lacks that has no server.
const JOIN: &str = "let this host join with `keel agent enroll --server NAME --token TOKEN --fingerprint FINGERPRINT`";

/// What `agent.toml` may say; a key that nobody knows is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// The catalog server: a name, perhaps with a port.
    pub server: ServerAddress,
    /// From one run to the next.
    #[serde(default = "half_an_hour", deserialize_with = "interval")]
    pub interval: Duration,
    /// How long a run waits for other hosts, and for leases, while everything else goes on.
    #[serde(default = "two_minutes", deserialize_with = "span")]
    pub gate_wait: Duration,
    /// Whether a managed file that is touched and a managed service that stops are mended at once.
    #[serde(default)]
    pub watch: bool,
    /// Whether runs only ever show what they would change.
    #[serde(default)]
    pub noop: bool,
    /// How long what a run replaced can be brought back; the last 20 runs in any case.
    #[serde(default = "ninety_days", deserialize_with = "span")]
    pub backup_age: Duration,
    /// How much of it there may be together.
    #[serde(default = "one_gibibyte", deserialize_with = "size")]
    pub backup_size: u64,
}

fn ninety_days() -> Duration {
    Retention::default().age
}

fn one_gibibyte() -> u64 {
    Retention::default().bytes
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Size::read(&value).map(|size| size.0).map_err(serde::de::Error::custom)
}

/// The interval, where the settings name none.
pub(super) fn half_an_hour() -> Duration {
    Duration::from_secs(30 * 60)
}

fn two_minutes() -> Duration {
    Duration::from_secs(120)
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Span::read(&value).map(|span| span.0).map_err(serde::de::Error::custom)
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    match span(deserializer)? {
        Duration::ZERO => Err(serde::de::Error::custom("interval has to be a second or more")),
        interval => Ok(interval),
    }
}

/// The settings that the package brings; every line but a comment shows a default.
const PACKAGED: &str = include_str!("../../../packaging/keel/agent.toml");

impl AgentSettings {
    /// Reads the settings of a host.
    ///
    /// # Errors
    /// They are not there, or wrong; says where.
    pub fn load(home: &Home) -> Result<Self> {
        let path = &home.settings;
        let Some(bytes) = read_if_there(path).map_err(Error::host)? else {
            return Err(Error::host(format!("the agent has no settings: there is no {}", path.display())).hint(JOIN));
        };
        Self::parse(&String::from_utf8_lossy(&bytes), path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        // The package's file names none.
        if text.parse::<toml::Table>().is_ok_and(|table| !table.contains_key("server")) {
            return Err(Error::host(format!("{} names no server", path.display())).hint(JOIN));
        }
        toml::from_str(text).map_err(|error| Error::host(format!("{}: {}", path.display(), error.to_string().trim_end())))
    }

    /// Whether a host has a server: it has joined one, or its settings name one. Settings that are wrong do not say that
    /// it has none.
    pub fn names_server(home: &Home) -> bool {
        let names = |bytes: Vec<u8>| {
            let table = String::from_utf8_lossy(&bytes).parse::<toml::Table>();
            table.map_or(true, |table| table.contains_key("server"))
        };
        home.node().exists() || read_if_there(&home.settings).map_or(true, |bytes| bytes.is_some_and(names))
    }

    /// The text of a settings file that names a server and leaves the rest to be filled in: the package's own.
    pub fn template(server: &ServerAddress) -> String {
        let named = |line: &str| if line.starts_with("# server = ") { format!("server = \"{server}\"\n") } else { format!("{line}\n") };
        PACKAGED.lines().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_server_once_it_is_named_or_joined_and_also_where_that_cannot_be_told() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        let says = |text: &str| {
            std::fs::create_dir_all(home.settings.parent().unwrap()).unwrap();
            std::fs::write(&home.settings, text).unwrap();
            AgentSettings::names_server(&home)
        };
        assert!(!AgentSettings::names_server(&home));
        assert!(!says(PACKAGED));
        assert!(says("server = \"keel.example.org\"\n"));
        assert!(says("server = "));
        assert!(!says("backup_age = '1d'\n"));
        home.make_folders().unwrap();
        std::fs::write(home.node(), "").unwrap();
        assert!(says(PACKAGED));
    }

    fn parse(text: &str) -> Result<AgentSettings> {
        AgentSettings::parse(text, Path::new("agent.toml"))
    }

    #[test]
    fn what_is_not_said_has_the_default_that_the_template_shows() {
        let template = AgentSettings::template(&"keel.example.org".parse().unwrap());
        let plain = parse(&template).unwrap();
        assert_eq!((plain.interval, plain.watch), (Duration::from_secs(1800), false));
        let shown = template
            .lines()
            .map(|line| format!("{}\n", if line.contains(" = ") { line.trim_start_matches("# ") } else { line }))
            .collect::<String>();
        assert_eq!(parse(&shown).unwrap(), plain);
    }

    #[test]
    fn unknown_keys_and_odd_values_are_errors() {
        assert!(parse("server = 'a'\nintervall = '1m'").unwrap_err().message.contains("line 2"));
        assert!(parse("interval = '1m'").unwrap_err().hints.iter().any(|hint| hint.contains("enroll")));
        for wrong in ["", "server = 'a'\ninterval = '0'", "server = 'a'\ninterval = 'soon'", "server = 'http://a'", "server = 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let why = parse("server = 'a'\ninterval = '0'").unwrap_err().message;
        assert!(why.contains("line 2") && why.contains("a second or more"), "{why}");
        assert_eq!(parse("server = 'a'\ninterval = 90").unwrap().interval, Duration::from_secs(90));
    }
}
