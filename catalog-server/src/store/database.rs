//! The two databases behind the store: how each is opened, and the few things in which they differ.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_drivers};
use sqlx::pool::PoolOptions;
use sqlx::{Any, AnyPool, Connection, Row};

use super::error::StoreError;

/// How long a request waits for a connection before it is told to come again.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// One file, one server.
    Sqlite(PathBuf),
    /// A URL, `postgres://...`; several servers may share it.
    Postgres(String),
}

impl Database {
    /// Reads the setting: a URL of PostgreSQL, or the path of a file.
    ///
    /// # Errors
    /// Names a kind of database that is not supported.
    pub fn from_setting(setting: &str) -> Result<Self, StoreError> {
        match setting.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Ok(Database::Postgres(setting.to_owned())),
            Some(("sqlite", path)) => Ok(Database::Sqlite(PathBuf::from(path))),
            Some((kind, _)) => {
                Err(StoreError::Setting(format!("a database of kind {kind:?} is not supported: try postgres://... or a file's path")))
            }
            None => Ok(Database::Sqlite(PathBuf::from(setting))),
        }
    }
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Sqlite,
    Postgres,
}

impl Flavour {
    /// SQLite's writers wait for each other at the start, so that none of them fails half-way.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Flavour::Sqlite => "BEGIN IMMEDIATE",
            Flavour::Postgres => "BEGIN",
        }
    }
}

/// The connections to one database. SQLite has one writer; readers never wait for it.
pub(super) struct Pools {
    pub(super) flavour: Flavour,
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
    /// What is wrong with the file, if it is damaged.
    pub(super) damage: Option<String>,
    /// The file, if it is one.
    pub(super) file: Option<PathBuf>,
}

impl Pools {
    pub(super) async fn open(database: &Database) -> Result<Self, StoreError> {
        // Only the first call of a process installs them, and all of them install the same.
        let _ = install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]);
        match database {
            Database::Sqlite(path) => open_file(path).await,
            Database::Postgres(url) => {
                let pool = options(8).connect(url).await.map_err(|error| match StoreError::from(error) {
                    StoreError::Defect(why) => {
                        StoreError::Setting(format!("the database of the setting `database` cannot be opened: {why}"))
                    }
                    other => other,
                })?;
                Ok(Self { flavour: Flavour::Postgres, writer: pool.clone(), reader: pool, damage: None, file: None })
            }
        }
    }
}

fn options(connections: u32) -> PoolOptions<Any> {
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE)
}

const PRAGMAS: [&str; 4] =
    ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 5000", "PRAGMA wal_autocheckpoint = 1000"];

async fn open_file(path: &Path) -> Result<Pools, StoreError> {
    let failed = |why: String| StoreError::Setting(format!("the database {} cannot be opened: {why}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        return Err(failed(format!("there is no folder {}; `keel-server init` makes what a new server needs", folder.display())));
    }
    let url = format!("sqlite://{}?mode=rwc", escaped(path));
    let connect = AnyConnectOptions::from_str(&url).map_err(|error| failed(error.to_string()))?;
    let opened = |connections| {
        let options = options(connections).after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in PRAGMAS {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        });
        // A full disk ends a transaction without sqlx noticing; such a connection would never begin another one.
        options.after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
    };
    let writer = opened(1).connect_with(connect.clone()).await.map_err(|error| failed(error.to_string()))?;
    let damage = quick_check(&writer).await;
    Ok(Pools { flavour: Flavour::Sqlite, writer, reader: opened(4).connect_lazy_with(connect), damage, file: Some(path.to_owned()) })
}

/// What the file's own check finds first, if it finds anything.
async fn quick_check(pool: &AnyPool) -> Option<String> {
    match sqlx::query("PRAGMA quick_check(1)").fetch_one(pool).await.and_then(|row| row.try_get::<String, _>(0)) {
        Ok(found) if found == "ok" => None,
        Ok(found) => Some(found),
        Err(error) => Some(error.to_string()),
    }
}

/// A path as a URL takes it.
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_a_url_or_a_path() {
        assert_eq!(Database::from_setting("postgres://keel@db/keel").unwrap(), Database::Postgres("postgres://keel@db/keel".to_owned()));
        assert_eq!(Database::from_setting("/var/lib/x.db").unwrap(), Database::Sqlite(PathBuf::from("/var/lib/x.db")));
        assert!(Database::from_setting("mysql://x").unwrap_err().to_string().contains("mysql"));
    }

    #[test]
    fn no_path_breaks_the_url() {
        assert_eq!(escaped(Path::new("/a b/50%?#.db")), "/a%20b/50%25%3F%23.db");
    }
}
