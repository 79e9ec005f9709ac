//! The compiler: gives every host its catalog, compiled by workers of their own, kept on a shelf, and
//! made again only when the commit or facts that it depends on changed.

mod candidates;
pub mod declared;
pub mod examination;
pub mod facts;
mod known;
pub mod messages;
mod pool;
mod process;
pub mod shelf;
mod validity;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::catalog::CATALOG_BYTES_MAX;
use keel_engine::protocol::environment::Finding;
use thiserror::Error;

use crate::gates::Fingerprints;
use crate::repository::Repository;
use crate::store::GivenCatalog;
use candidates::Candidates;
use facts::{FactStore, StoredFacts};
use known::{Failed, KnownHosts};
use messages::{Compiled, Packed};
use pool::Pool;
use process::{Received, Sources};
use shelf::{Entry, Record, Shelf};

pub use candidates::Meant;
pub use known::Brief;
pub use pool::{Commit, Lane};
pub use process::{WorkerFailure, WorkerSettings};

/// How a compiler works.
#[derive(Debug, Clone)]
pub struct CompilerSettings {
    /// Where catalogs and contents are kept.
    pub folder: PathBuf,
    /// How many workers there are.
    pub workers: usize,
    /// How they are started and limited.
    pub worker: WorkerSettings,
}

/// Why a host has no catalog now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoCatalog {
    /// No commit of the environment was good yet.
    #[error("the environment {0} has no commit that compiles yet: push one to the branch {0}")]
    NoCommit(String),
    /// The facts that the host speaks of are not there.
    #[error("the facts of {0} are not known here")]
    FactsNeeded(String),
    /// The compile failed, and there is no earlier catalog.
    #[error("{reason}")]
    DoesNotCompile {
        /// Why, in one sentence.
        reason: String,
        /// What the compiler found.
        findings: Vec<Finding>,
    },
    /// Something that the compiler stands on failed.
    #[error("{0}")]
    Unavailable(String),
}

/// A catalog on its way to a host.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Which one it is.
    pub brief: Brief,
    /// The binary form, compressed by zstd.
    pub compressed: Vec<u8>,
}

impl Delivered {
    /// The binary form itself.
    ///
    /// # Errors
    /// The compressed form is damaged.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        inflated(&self.compressed)
    }
}

/// The binary form of a catalog from its compressed one.
///
/// # Errors
/// The compressed form is damaged.
pub fn inflated(compressed: &[u8]) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(compressed, CATALOG_BYTES_MAX).map_err(|error| error.to_string())
}

/// A host whose newest compile failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedHost {
    /// The host.
    pub host: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What the compiler found.
    pub findings: Vec<Finding>,
}

/// Who hears which hosts have another catalog now, and of which commit.
pub type Announce = Arc<dyn Fn(Vec<String>, &str) + Send + Sync>;

/// The compiler of a server. Copies share everything.
#[derive(Clone)]
pub struct Compiler {
    inner: Arc<Inner>,
}

struct Inner {
    repository: Repository,
    facts: Arc<dyn FactStore>,
    shelf: Arc<Shelf>,
    pool: Pool,
    workers: usize,
    announce: Announce,
    known: KnownHosts,
    /// The commit that hosts of an environment get.
    commits: RwLock<BTreeMap<String, Arc<Commit>>>,
    /// What facts decide for all catalogs together, by commit.
    fleet_state: Mutex<HashMap<Arc<str>, Option<Digest>>>,
    /// What no host gets and somebody asks about.
    candidates: Candidates,
    /// One compile of a host at a time.
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Compiler {
    /// Starts a compiler over a repository. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// Its folder cannot be used.
    pub fn start(
        settings: &CompilerSettings,
        repository: Repository,
        facts: Arc<dyn FactStore>,
        announce: Announce,
    ) -> std::io::Result<Self> {
        let shelf = Arc::new(Shelf::at(&settings.folder)?);
        let known = KnownHosts::restore(&shelf.records());
        let sources = Sources { repository: repository.clone(), facts: Arc::clone(&facts) };
        let pool = Pool::start(settings.workers, &settings.worker, sources);
        let inner = Inner {
            repository,
            facts,
            shelf,
            pool,
            workers: settings.workers.max(1),
            announce,
            known,
            commits: RwLock::default(),
            fleet_state: Mutex::default(),
            candidates: Candidates::default(),
            under_way: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The repository that it compiles from.
    pub fn repository(&self) -> &Repository {
        &self.inner.repository
    }

    /// The catalog of a host, compiled if need be.
    ///
    /// # Errors
    /// See [`NoCatalog`].
    pub async fn catalog(&self, environment: &str, host: &str, facts: Digest) -> Result<Delivered, NoCatalog> {
        for again in [false, true] {
            let brief = match again {
                false => self.current(environment, host, facts).await?,
                true => self.compile_again(environment, host, facts).await?,
            };
            let shelf = Arc::clone(&self.inner.shelf);
            let id = brief.id;
            if let Some(compressed) = blocking(move || Ok(shelf.catalog(&id))).await? {
                return Ok(Delivered { brief, compressed });
            }
        }
        Err(NoCatalog::Unavailable("the catalog cannot be kept: is the disk full?".to_owned()))
    }

    /// Which catalog a host has now, compiled if need be.
    ///
    /// # Errors
    /// See [`NoCatalog`].
    pub async fn current(&self, environment: &str, host: &str, facts: Digest) -> Result<Brief, NoCatalog> {
        let commit = match self.commit(environment) {
            Ok(commit) => commit,
            Err(none) => {
                // A host that is here before the first commit leaves its facts, so that it is told of its catalog then.
                self.stored_facts(host, facts).await?;
                return Err(none);
            }
        };
        if let Some(brief) = self.fresh(&commit, host, facts) {
            return Ok(brief);
        }
        let _turn = self.turn(host).await;
        if let Some(brief) = self.fresh(&commit, host, facts) {
            return Ok(brief);
        }
        let stored = self.stored_facts(host, facts).await?;
        if let Some(brief) = self.still_right(environment, &commit, host, &stored).await? {
            return Ok(brief);
        }
        self.compile_now(environment, &commit, host, stored, false).await
    }

    /// What the host's newest catalogs name besides resources.
    pub async fn record(&self, host: &str) -> Option<Record> {
        let (shelf, host) = (Arc::clone(&self.inner.shelf), host.to_owned());
        tokio::task::spawn_blocking(move || shelf.record(&host)).await.ok().flatten()
    }

    /// A content that a host's current or previous catalog names; none if it names no such content. One
    /// that got lost is made again by compiling.
    ///
    /// # Errors
    /// It cannot be had now.
    pub async fn content(&self, host: &str, digest: Digest) -> Result<Option<(Blob, std::fs::File)>, NoCatalog> {
        let Some(blob) = self.record(host).await.and_then(|record| record.names(&digest)) else { return Ok(None) };
        let shelf = Arc::clone(&self.inner.shelf);
        if let Some(file) = blocking(move || Ok(shelf.content(&blob))).await? {
            return Ok(Some((blob, file)));
        }
        let lost = || NoCatalog::Unavailable(format!("content {} is lost here; ask for the catalog again", digest.short()));
        let current = self.record(host).await.and_then(|record| record.current).ok_or_else(lost)?;
        let facts = self.inner.facts.facts(host).await.map_err(NoCatalog::Unavailable)?.ok_or_else(lost)?;
        self.compile_again(&current.environment, host, facts.digest).await?;
        let shelf = Arc::clone(&self.inner.shelf);
        let file = blocking(move || Ok(shelf.content(&blob))).await?;
        Ok(Some((blob, file.ok_or_else(lost)?)))
    }

    /// What a host is being given, as the store remembers it; none if it is lost.
    pub async fn given(&self, host: &str, brief: &Brief) -> Option<GivenCatalog> {
        let record = self.record(host).await?;
        let entry = [record.current, record.previous].into_iter().flatten().find(|entry| entry.id == brief.id)?;
        Some(GivenCatalog {
            catalog: entry.id,
            environment: brief.environment.to_string(),
            commit: brief.commit.to_string(),
            definitions: Fingerprints::from_bytes(&entry.fingerprints.0),
            contents: entry.contents.iter().map(|blob| blob.digest).collect(),
        })
    }

    /// Whether the store remembers already that a host was given this.
    pub fn is_delivered(&self, host: &str, brief: &Brief) -> bool {
        let hosts = self.inner.known.hosts();
        let delivered = hosts.get(host).and_then(|known| known.delivered.as_ref());
        delivered.is_some_and(|(id, commit)| *id == brief.id && *commit == brief.commit)
    }

    /// Notes that the store remembers it.
    pub fn delivered(&self, host: &str, brief: &Brief) {
        if let Some(known) = self.inner.known.hosts().get_mut(host) {
            known.delivered = Some((brief.id, Arc::clone(&brief.commit)));
        }
    }

    /// Notes that a host's facts are these now: catalogs that depend on them are looked at again.
    pub fn facts_are(&self, host: &str, digest: Digest) {
        self.inner.known.facts_are(host, digest);
    }

    /// The hosts whose newest compile failed, in the order of their names.
    pub fn failed_hosts(&self) -> Vec<FailedHost> {
        let hosts = self.inner.known.hosts();
        let failed = hosts.iter().filter_map(|(host, known)| Some((host.clone(), known.failed.clone()?)));
        let mut all: Vec<FailedHost> =
            failed.map(|(host, failed)| FailedHost { host, reason: failed.reason, findings: failed.findings }).collect();
        all.sort_by(|one, other| one.host.cmp(&other.host));
        all
    }

    /// How many workers were stopped because of what they compiled, or broke.
    pub fn workers_stopped(&self) -> u64 {
        self.inner.pool.stopped()
    }

    /// Removes what no host's catalogs name from the shelf.
    pub async fn sweep(&self) {
        self.want_commits();
        let shelf = Arc::clone(&self.inner.shelf);
        // A sweep that fails is repeated at the next.
        let _ = tokio::task::spawn_blocking(move || shelf.sweep()).await;
    }

    /// The commit that hosts of an environment get.
    ///
    /// # Errors
    /// There is none yet.
    pub fn commit(&self, environment: &str) -> Result<Arc<Commit>, NoCatalog> {
        let commits = self.inner.commits.read().unwrap_or_else(PoisonError::into_inner);
        commits.get(environment).cloned().ok_or_else(|| NoCatalog::NoCommit(environment.to_owned()))
    }

    /// Gives hosts of an environment a commit from now on, and tells those whose catalog is already known
    /// to be another one.
    pub fn follow(&self, environment: &str, commit: Arc<Commit>) {
        let id = commit.id.clone();
        self.inner.commits.write().unwrap_or_else(PoisonError::into_inner).insert(environment.to_owned(), commit);
        self.want_commits();
        let moved = |known: &known::Known| match (&known.ahead, &known.current) {
            (Some(ahead), current) => {
                *ahead.commit == *id && *ahead.environment == *environment && current.as_ref().is_none_or(|current| current.id != ahead.id)
            }
            _ => false,
        };
        let told: Vec<String> = self.inner.known.hosts().iter().filter(|(_, known)| moved(known)).map(|(host, _)| host.clone()).collect();
        if !told.is_empty() {
            (self.inner.announce)(told, &id);
        }
    }

    /// Lets go what belongs to commits that nobody asks for any more.
    fn want_commits(&self) {
        let mut wanted: BTreeSet<String> = self.inner.candidates.in_use(Instant::now()).into_iter().collect();
        let commits = self.inner.commits.read().unwrap_or_else(PoisonError::into_inner);
        wanted.extend(commits.values().map(|commit| commit.id.clone()));
        drop(commits);
        self.inner.fleet_state.lock().unwrap_or_else(PoisonError::into_inner).retain(|known, _| wanted.contains(&**known));
        self.inner.pool.want(wanted);
    }

    fn fresh(&self, commit: &Commit, host: &str, facts: Digest) -> Option<Brief> {
        let fleet_state = self.fleet_state_of(&commit.id);
        let clock = self.inner.known.clock();
        let hosts = self.inner.known.hosts();
        hosts.get(host)?.current.as_ref().filter(|brief| brief.is_fresh(&commit.id, facts, fleet_state, clock)).cloned()
    }

    /// Waits until nobody else compiles the host.
    async fn turn(&self, host: &str) -> Turn<'_> {
        let lock = Arc::clone(self.under_way().entry(host.to_owned()).or_default());
        let held = Arc::clone(&lock).lock_owned().await;
        Turn { compiler: self, host: host.to_owned(), held: Some(held) }
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.inner.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stored_facts(&self, host: &str, digest: Digest) -> Result<StoredFacts, NoCatalog> {
        let stored = self.inner.facts.facts(host).await.map_err(NoCatalog::Unavailable)?;
        let stored = stored.filter(|stored| stored.digest == digest).ok_or_else(|| NoCatalog::FactsNeeded(host.to_owned()))?;
        self.inner.known.facts_are(host, stored.digest);
        Ok(stored)
    }

    async fn compile_again(&self, environment: &str, host: &str, facts: Digest) -> Result<Brief, NoCatalog> {
        let commit = self.commit(environment)?;
        let _turn = self.turn(host).await;
        let stored = self.stored_facts(host, facts).await?;
        self.compile_now(environment, &commit, host, stored, true).await
    }

    /// Compiles a host for an agent that waits.
    async fn compile_now(
        &self,
        environment: &str,
        commit: &Arc<Commit>,
        host: &str,
        facts: StoredFacts,
        again: bool,
    ) -> Result<Brief, NoCatalog> {
        let word = self.inner.known.names.one(&commit.id);
        let digest = facts.digest;
        let known = self.inner.known.hosts().get(host).and_then(|known| known.failed.clone());
        if let Some(failed) = known.filter(|failed| failed.holds(&commit.id, digest, self.inner.known.clock(), Instant::now())) {
            return self.fall_back(environment, host, &failed);
        }
        let clock = self.inner.known.clock();
        let failed = match self.inner.pool.compile(Lane::Urgent, commit, host, Some(facts.json), again).await {
            Ok((Compiled { catalog: Some(packed), reads, fleet_state, .. }, contents)) => {
                self.set_fleet_state(&word, fleet_state);
                let entry = entry_of(&packed, &commit.id, environment, reads, fleet_state);
                self.keep(host, entry.clone(), packed, contents, Slot::Current).await?;
                let brief = Brief::of(host, &entry, &self.inner.known.names, Some(digest), Some(clock));
                let mut hosts = self.inner.known.hosts();
                let known = hosts.entry(host.to_owned()).or_default();
                known.current = Some(brief.clone());
                known.failed = None;
                return Ok(brief);
            }
            Ok((compiled, _)) => {
                let errors = compiled.findings.iter().filter(|finding| finding.error).count();
                let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
                let reason = format!("{host} does not compile in {environment}: {errors}");
                let by_others = compiled.fleet_state.is_some() || compiled.reads.iter().any(|read| read.host != host);
                let failed = Failed::new(&word, digest, reason, compiled.findings);
                if by_others { failed.by_others(clock) } else { failed }
            }
            Err(failure) => {
                let reason = format!("compiling {host} in {environment} {failure}");
                Failed::new(&word, digest, reason, Vec::new()).stopped(Instant::now())
            }
        };
        self.inner.known.hosts().entry(host.to_owned()).or_default().failed = Some(failed.clone());
        self.fall_back(environment, host, &failed)
    }

    /// The catalog that the host has from before, if its environment is the same.
    fn fall_back(&self, environment: &str, host: &str, failed: &Failed) -> Result<Brief, NoCatalog> {
        let current = self.inner.known.hosts().get(host).and_then(|known| known.current.clone());
        current
            .filter(|brief| *brief.environment == *environment)
            .ok_or_else(|| NoCatalog::DoesNotCompile { reason: failed.reason.clone(), findings: failed.findings.clone() })
    }

    /// Puts a compiled catalog on the shelf.
    async fn keep(&self, host: &str, entry: Entry, packed: Packed, contents: Received, slot: Slot) -> Result<(), NoCatalog> {
        let (shelf, host) = (Arc::clone(&self.inner.shelf), host.to_owned());
        blocking(move || {
            contents.iter().try_for_each(|bytes| shelf.put_content(bytes))?;
            shelf.put_catalog(&packed.id, &packed.compressed.0)?;
            let old = shelf.record(&host).unwrap_or_else(|| Record { host, ..Record::default() });
            let new = slot.filled(&old, entry);
            shelf.put_record(&new)?;
            old.gone(&new).for_each(|id| shelf.drop_catalog(&id));
            Ok(())
        })
        .await
    }

    fn fleet_state_of(&self, commit: &str) -> Option<Digest> {
        self.inner.fleet_state.lock().unwrap_or_else(PoisonError::into_inner).get(commit).copied().flatten()
    }

    fn set_fleet_state(&self, commit: &Arc<str>, fleet_state: Option<Digest>) {
        self.inner.fleet_state.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(commit), fleet_state);
    }
}

/// Which catalog of a host's record a new one becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Current,
    Ahead,
}

impl Slot {
    fn filled(self, old: &Record, entry: Entry) -> Record {
        match self {
            Slot::Ahead => Record { ahead: Some(entry), ..old.clone() },
            Slot::Current => old.with_current(entry),
        }
    }
}

/// A host's turn; nobody else compiles it until this is dropped.
struct Turn<'c> {
    compiler: &'c Compiler,
    host: String,
    held: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut under_way = self.compiler.under_way();
        if under_way.get(&self.host).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            under_way.remove(&self.host);
        }
    }
}

fn entry_of(packed: &Packed, commit: &str, environment: &str, reads: Vec<messages::FactsRead>, fleet_state: Option<Digest>) -> Entry {
    Entry {
        id: packed.id,
        size: packed.size,
        commit: commit.to_owned(),
        environment: environment.to_owned(),
        reads,
        fleet_state,
        contents: packed.contents.clone(),
        secrets: packed.secrets.clone(),
        gates: packed.gates.clone(),
        fingerprints: packed.fingerprints.clone(),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, NoCatalog> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(NoCatalog::Unavailable(format!("the server cannot use its folder of catalogs: {error}"))),
        Err(error) => Err(NoCatalog::Unavailable(error.to_string())),
    }
}
