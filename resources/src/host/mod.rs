//! The one door to the host: files, commands, the system bus and its database server, below a root folder.
//!
//! No resource type opens a file, starts a process or talks to a daemon in any other way.

mod accounts;
pub(crate) mod attend;
mod backups;
mod batch;
pub mod bus;
mod candidates;
pub mod capture;
mod claims;
pub mod command;
mod digests;
mod extended;
mod fault;
mod files;
mod folders;
mod journal;
mod label;
mod locks;
pub mod output;
mod place;
pub(crate) mod process_tree;
mod remove;
mod replace;
mod retention;
mod run_as;
mod runtime_socket;
pub mod sql;
mod staging;
mod stat;
pub mod statement;
mod trust;
pub mod units;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use keel_engine::contents::{Contents, MemoryContents};
use keel_engine::resource::Failure;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};

pub use accounts::Accounts;
pub use attend::abandon_commands;
pub use backups::{Backups, Replaced};
pub use batch::Batch;
pub use claims::Claims;
pub use digests::Digests;
pub use files::Entry;
pub use folders::Folders;
pub use journal::Journal;
pub use process_tree::left_by;
pub use replace::{Backup, NewFile, Ownership, Seen};
pub use retention::Retention;
pub use staging::{Staging, TREE};
pub use stat::{FileKind, Stat};

/// The host that a run looks at and changes.
pub struct Host {
    root: PathBuf,
    root_folder: OnceLock<OwnedFd>,
    contents: Arc<dyn Contents>,
    backups: Option<Backups>,
    digests: Option<Digests>,
    claims: Claims,
    cib: Option<PathBuf>,
    accounts: Mutex<Option<Arc<Accounts>>>,
    locks: locks::Locks,
    packaging: Mutex<()>,
    candidates: candidates::Candidates,
    bus: bus::BusSlot,
    sql: sql::SqlSlots,
}

impl Host {
    /// The host below a folder: `/` for the machine itself, a scratch folder for tests and `--root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            root_folder: OnceLock::new(),
            contents: Arc::new(MemoryContents::default()),
            backups: None,
            digests: None,
            claims: Claims::default(),
            cib: None,
            accounts: Mutex::default(),
            locks: locks::Locks::default(),
            packaging: Mutex::default(),
            candidates: candidates::Candidates::default(),
            bus: bus::BusSlot::default(),
            sql: sql::SqlSlots::default(),
        }
    }

    /// The same with a catalog's contents.
    pub fn with_contents(mut self, contents: Arc<dyn Contents>) -> Self {
        self.contents = contents;
        self
    }

    /// The same with a store that keeps what files held before they were replaced.
    pub fn with_backups(mut self, backups: Backups) -> Self {
        self.backups = Some(backups);
        self
    }

    /// The store of what files held, if there is one.
    pub fn backups(&self) -> Option<&Backups> {
        self.backups.as_ref()
    }

    /// The same with the digests that earlier runs found.
    pub fn with_digests(mut self, digests: Digests) -> Self {
        self.digests = Some(digests);
        self
    }

    /// The same with a journal of the folders in which things are written.
    pub fn with_journal(mut self, journal: Journal) -> Self {
        self.candidates.keep_journal(journal);
        self
    }

    /// The same with what the whole catalog claims, so that a purged folder keeps what others put there.
    pub fn with_claims(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// The same with a file of this machine that is taken for the configuration of the host's cluster.
    pub fn with_cib(mut self, file: impl Into<PathBuf>) -> Self {
        self.cib = Some(file.into());
        self
    }

    /// The file that is taken for the configuration of the host's cluster, if there is one.
    pub fn cib(&self) -> Option<&Path> {
        self.cib.as_deref()
    }

    /// The digests to be kept for the next run, see [`Digests::to_bytes`].
    pub fn digests(&self) -> Option<&Digests> {
        self.digests.as_ref()
    }

    /// What the catalog claims.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The turn to install packages or answer their questions: they ask debconf, whose files only one may have.
    pub(crate) fn packaging(&self) -> MutexGuard<'_, ()> {
        self.packaging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the machine itself and not a folder on it.
    pub fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the host is on this machine, for commands that are given file names.
    pub fn locate(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The bytes that the catalog's values name.
    pub fn contents(&self) -> &dyn Contents {
        &*self.contents
    }

    /// The opened root folder.
    fn root_folder(&self) -> Result<&OwnedFd, Failure> {
        if let Some(folder) = self.root_folder.get() {
            return Ok(folder);
        }
        let folder = open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| fault::failure("open the root folder", &self.root, errno))?;
        Ok(self.root_folder.get_or_init(|| folder))
    }
}
