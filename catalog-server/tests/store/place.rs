//! Where a scenario has its database.

use keel_server::store::{Database, Store};
use tempfile::TempDir;

/// A database of its own, empty.
pub(crate) struct Place {
    pub(crate) database: Database,
    _folder: Option<TempDir>,
}

impl Place {
    /// A file in a folder that goes away.
    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("store.db"));
        Self { database, _folder: Some(folder) }
    }

    /// A database of a cluster.
    pub(crate) fn url(url: String) -> Self {
        Self { database: Database::Postgres(url), _folder: None }
    }

    /// A server's connection to it.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.database).await.unwrap()
    }
}
