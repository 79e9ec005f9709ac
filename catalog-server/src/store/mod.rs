//! The store: everything that outlives a request, in SQLite or PostgreSQL.
//!
//! The database is the only truth: what one server of several writes, the others read. What is
//! acknowledged is committed. Secrets are never in it; of tokens it keeps the blake3.

mod arrivals;
mod board;
mod certificates;
mod database;
mod deliveries;
mod enrolments;
mod environments;
mod error;
mod facts;
mod history;
mod inquiries;
mod leases;
mod listener;
mod machines;
mod migrations;
mod news;
mod nodes;
mod operators;
mod reports;
mod statuses;
mod tokens;
mod words;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use keel_engine::digest::Digest;
use sqlx::{Any, Transaction};

pub use board::{Topic, Watch};
pub use certificates::{Listed, NewCertificate};
pub use database::Database;
pub use deliveries::GivenCatalog;
pub use enrolments::{Pending, PendingState};
pub use error::StoreError;
pub use facts::KeptFacts;
pub use inquiries::{About, NewInquiry};
pub use leases::Look;
pub use machines::Meeting;
pub use nodes::{Admission, Leave, Node, NodeState};
pub use operators::{Operator, Role};
pub use reports::Retention;
pub use statuses::StatusFilter;
pub use tokens::NewToken;

use arrivals::Arrivals;
use board::Board;
use database::{Flavour, Pools};

/// What methods of the store return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    board: Arc<Board>,
    arrivals: Arrivals,
    listener: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Store {
    /// Opens the database and brings its tables up to date. A damaged file is opened to be read only.
    ///
    /// # Errors
    /// It cannot be reached or opened, or a newer server has written it.
    pub async fn open(database: &Database) -> Result<Self> {
        let pools = Pools::open(database).await?;
        if pools.damage.is_none() {
            let mut transaction = pools.writer.begin_with(pools.flavour.begin()).await?;
            migrations::migrate(&mut transaction, pools.flavour).await?;
            transaction.commit().await?;
        }
        let board = Arc::new(Board::default());
        let listener = match database {
            Database::Postgres(url) => Some(listener::start(url.clone(), Arc::clone(&board))),
            Database::Sqlite(_) => None,
        };
        Ok(Self { inner: Arc::new(Inner { pools, board, arrivals: Arrivals::default(), listener }) })
    }

    /// Waits for these topics from now on; look at the data after making it, then wait, then look again.
    pub fn watch(&self, topics: Vec<Topic>) -> Watch {
        self.inner.board.watch(topics)
    }

    /// How many wait for something to happen.
    pub fn watching(&self) -> usize {
        self.inner.board.watching()
    }

    /// Closes all connections; what was acknowledged is on disk in any case.
    pub async fn close(&self) {
        self.inner.pools.writer.close().await;
        self.inner.pools.reader.close().await;
    }

    /// What is wrong with the database, if it is only read.
    pub fn damage(&self) -> Option<&str> {
        self.inner.pools.damage.as_deref()
    }

    /// How many bytes are left on the disk of the database's file; none if it is no file, or nobody can tell.
    pub fn room(&self) -> Option<u64> {
        let folder = self.inner.pools.file.as_deref()?.parent()?;
        let disk = nix::sys::statvfs::statvfs(folder).ok()?;
        Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }

    fn reader(&self) -> &sqlx::AnyPool {
        &self.inner.pools.reader
    }

    async fn begin(&self) -> Result<Write> {
        let pools = &self.inner.pools;
        if let Some(damage) = &pools.damage {
            return Err(StoreError::Damaged(damage.clone()));
        }
        let transaction = pools.writer.begin_with(pools.flavour.begin()).await?;
        Ok(Write { transaction, flavour: pools.flavour, board: Arc::clone(&self.inner.board), topics: Vec::new() })
    }
}

/// A transaction, with the news that goes out when it is committed. Dropped, it never was.
struct Write {
    transaction: Transaction<'static, Any>,
    flavour: Flavour,
    board: Arc<Board>,
    topics: Vec<Topic>,
}

impl Write {
    fn on(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.transaction
    }

    fn tell(&mut self, topic: Topic) {
        self.topics.push(topic);
    }

    /// Commits, then wakes who waits, here and at other servers.
    async fn commit(mut self) -> Result<()> {
        if self.flavour == Flavour::Postgres {
            for topic in &self.topics {
                sqlx::query("SELECT pg_notify($1, $2)").bind(listener::CHANNEL).bind(topic.line()).execute(&mut *self.transaction).await?;
            }
        }
        self.transaction.commit().await?;
        self.topics.iter().for_each(|topic| self.board.wake(topic));
        Ok(())
    }
}

/// Milliseconds since 1970 by the server's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A value as the text of a column.
fn text(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unprocessable(format!("it cannot be kept: {error}")))
}

/// A value from the text of a column.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("a row cannot be read: {error}")))
}

/// A digest from the text of a column.
fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|error| StoreError::Damaged(format!("a row cannot be read: {error}")))
}
