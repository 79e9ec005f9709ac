//! How long this host keeps what runs replaced: `backup_age` and `backup_size` of `/etc/keel/agent.toml`.

use std::path::Path;
use std::time::Duration;

use keel_engine::attributes::{AttributeValue, Size, Span};
use keel_engine::value::Value;
use keel_resources::host::{Backups, Retention};

use super::read_if_there;

/// Forgets what need not be kept.
///
/// # Errors
/// The settings or the store cannot be read, or the store cannot be written.
pub fn shorten(root: &Path, backups: &Backups, now_ms: u64) -> Result<(), String> {
    let bytes = read_if_there(&root.join("etc/keel/agent.toml"))?.unwrap_or_default();
    let retention = parse(&String::from_utf8_lossy(&bytes))?;
    backups.shorten(&retention, now_ms).map_err(|error| format!("the store of backups cannot be shortened: {error}"))
}

/// What the settings say, also those of a host without a server.
pub fn parse(text: &str) -> Result<Retention, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| format!("agent.toml: {}", error.to_string().trim_end()))?;
    let given = |key: &str| {
        table.get(key).map(|value| value.as_integer().map_or_else(|| Value::from(value.as_str().unwrap_or_default()), Value::Int))
    };
    let failed = |key: &str, why: String| format!("agent.toml: {key}: {why}");
    let default = Retention::default();
    let age = given("backup_age").map(|value| Span::read(&value).map(|span| span.0)).transpose();
    let bytes = given("backup_size").map(|value| Size::read(&value).map(|size| size.0)).transpose();
    let age: Option<Duration> = age.map_err(|why| failed("backup_age", why))?;
    let bytes = bytes.map_err(|why| failed("backup_size", why))?;
    Ok(Retention { age: age.unwrap_or(default.age), bytes: bytes.unwrap_or(default.bytes), ..default })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default_and_nonsense_is_an_error() {
        assert_eq!(parse("").unwrap(), Retention::default());
        let said = parse("interval = '5m'\nbackup_age = '7d'\nbackup_size = '10MiB'\n").unwrap();
        assert_eq!((said.age, said.bytes), (Duration::from_secs(7 * 86_400), 10 << 20));
        assert!(parse("backup_age = 'long'").unwrap_err().contains("backup_age"));
        assert!(parse("backup_size = true").is_err());
    }
}
