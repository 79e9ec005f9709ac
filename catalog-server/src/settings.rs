//! The server's settings: `/etc/keel/server.toml`. Every folder and address can be moved.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keel_manifests::pattern::Pattern;
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};
use crate::log::printable;
use crate::store::{Database, Retention};

/// What `server.toml` may say. Everything has a default; a key that nobody knows is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The site: a bare git repository.
    pub repository: PathBuf,
    /// The branches that hosts may follow, by name or pattern: `main`, `release/*`.
    pub environments: Vec<String>,
    /// How often the repository is looked at, in seconds. A push hook that calls `keel-server notify` is faster.
    pub poll_s: u64,
    /// Only commits signed by a key in this file are followed, if it is set: an `allowed_signers` file as ssh-keygen knows it.
    pub allowed_signers: Option<PathBuf>,
    /// The age identity that opens the site's secrets, if it has some.
    pub identity: Option<PathBuf>,
    /// The names and addresses under which agents and operators reach this server; they stand in its certificate.
    pub names: Vec<String>,
    /// Where agents connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub operator_listen: SocketAddr,
    /// What has to survive: keys and the database of a single server.
    pub state: PathBuf,
    /// What lives as long as the server runs: the socket that `keel-server notify` speaks to.
    pub run: PathBuf,
    /// `postgres://...` where several servers share the load; otherwise one SQLite file in `state`.
    #[serde(deserialize_with = "database")]
    pub database: Option<String>,
    /// The environment of hosts that were let in without one.
    pub environment: String,
    /// How long reports are kept.
    pub reports: Retention,
    /// What one peer may ask of the server.
    pub limits: Limits,
}

/// What one peer may ask of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections, all together.
    pub connections: usize,
    /// Requests that are worked on at once, all together; long polls do not count.
    pub requests: usize,
    /// Requests of one host that are worked on at once; long polls do not count.
    pub host_requests: u32,
    /// Requests of one host in a minute.
    pub host_requests_per_minute: u32,
    /// Enrolments from one address in a minute.
    pub enrolments_per_minute: u32,
}

/// What names no database is refused with its line.
fn database<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    let setting = String::deserialize(deserializer)?;
    Database::from_setting(&setting).map_err(serde::de::Error::custom)?;
    Ok(Some(setting))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            repository: PathBuf::from("/srv/git/site.git"),
            environments: vec!["production".to_owned()],
            poll_s: 15,
            allowed_signers: None,
            identity: None,
            names: Vec::new(),
            listen: SocketAddr::from(([0, 0, 0, 0], 7440)),
            operator_listen: SocketAddr::from(([0, 0, 0, 0], 7441)),
            state: PathBuf::from("/var/lib/keel-server"),
            run: PathBuf::from("/run/keel-server"),
            database: None,
            environment: "production".to_owned(),
            reports: Retention::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20_000, requests: 1_024, host_requests: 8, host_requests_per_minute: 600, enrolments_per_minute: 120 }
    }
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is wrong; says where.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::trouble(format!("cannot read the settings {}: {error}", path.display()))
                .hint("write them with `keel-server init --name NAME`, or say where they are with --config FILE")
        })?;
        Self::parse(&text).map_err(|why| Error::trouble(format!("{}: {why}", path.display())))
    }

    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// Says what is wrong, with its line.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        for text in &settings.environments {
            Pattern::parse(text).map_err(|why| format!("`environments` has {}, which is no name or pattern: {why}", printable(text)))?;
        }
        settings.serves(&settings.environment)?;
        Ok(settings)
    }

    /// Whether hosts may follow an environment. That it is there yet does not matter.
    ///
    /// # Errors
    /// None of `environments` lets it in; says which do.
    pub fn serves(&self, environment: &str) -> std::result::Result<(), String> {
        let named = |text: &String| Pattern::parse(text).is_ok_and(|pattern| pattern.matches(environment));
        if self.environments.iter().any(named) {
            return Ok(());
        }
        let served = self.environments.join(", ");
        Err(format!("no environment {} is served: `environments` in server.toml has {served}", printable(environment)))
    }

    /// The folder of the authority's keys.
    pub fn authority(&self) -> PathBuf {
        self.state.join("authority")
    }

    /// Where agents reach this server. Where the system chooses the port anew at each start, `PORT` stands for it.
    pub fn agents_url(&self) -> String {
        let name = self.names.first().map_or("localhost", String::as_str);
        let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        match self.listen.port() {
            0 => format!("https://{name}:PORT"),
            port => format!("https://{name}:{port}"),
        }
    }

    /// The socket that `keel-server notify` speaks to.
    pub fn socket(&self) -> PathBuf {
        self.run.join("notify.sock")
    }

    /// The database: what the settings say, or a file in the state folder.
    ///
    /// # Errors
    /// The setting names no database.
    pub fn database(&self) -> Result<Database> {
        Ok(match &self.database {
            Some(setting) => Database::from_setting(setting)?,
            None => Database::Sqlite(self.state.join("server.db")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = Settings::parse("names = ['keel.example.org']\n[limits]\nhost_requests = 2\n").unwrap();
        assert_eq!(settings.names, ["keel.example.org"]);
        assert_eq!((settings.limits.host_requests, settings.limits.connections), (2, 20_000));
        assert_eq!(settings.environments, [settings.environment.as_str()], "a host that is let in follows what the server follows");
        assert_eq!(settings.socket(), Path::new("/run/keel-server/notify.sock"));
    }

    #[test]
    fn hosts_follow_what_is_served() {
        let settings = Settings::parse("environments = ['main', 'release/*']\nenvironment = 'main'").unwrap();
        assert_eq!(settings.serves("release/7"), Ok(()));
        assert_eq!(
            settings.serves("mian").unwrap_err(),
            "no environment mian is served: `environments` in server.toml has main, release/*"
        );
        let why = Settings::parse("environments = ['main', '[a']\nenvironment = 'main'").unwrap_err();
        assert!(why.contains("no name or pattern"), "{why}");
        let why = Settings::parse("environments = ['main']").unwrap_err();
        assert!(why.contains("no environment production"), "{why}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let why = Settings::parse("names = []\nlistn = '[::]:1'\n").unwrap_err();
        assert!(why.contains("line 2") && why.contains("listn"), "{why}");
        let why = Settings::parse("names = []\ndatabase = 'mysql://db'\n").unwrap_err();
        assert!(why.contains("line 2") && why.contains("mysql"), "{why}");
    }

    #[test]
    fn the_packages_file_shows_every_setting_with_its_default() {
        let page = include_str!("../../packaging/keel-server/server.toml");
        let shown = |optional: bool| -> String {
            let lines = page.lines().filter(|line| line.contains(" = ") || line.starts_with("# ["));
            let lines = lines.filter(|line| optional || !line.contains("# if set"));
            lines.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect()
        };
        assert_eq!(Settings::parse(&shown(false)).unwrap(), Settings::default());
        assert!(Settings::parse(&shown(true)).is_ok());
    }
}
