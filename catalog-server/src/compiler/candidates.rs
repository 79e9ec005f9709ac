//! Candidates: commits that no host gets, compiled for hosts that are asked what they would change. What comes of it
//! lies on the shelf until it is swept, and is made anew where that was too early or the server has begun anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use git2::Oid;
use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::Finding;
use keel_engine::protocol::inquiries::DEADLINE_S_MAX;

use super::facts::StoredFacts;
use super::messages::{Bytes, Compiled, Opened, Selected};
use super::shelf::Entry;
use super::{Commit, Compiler, Lane, NoCatalog, blocking, entry_of};

/// How long after its last use a candidate is kept open.
const KEPT: Duration = Duration::from_secs(DEADLINE_S_MAX);

/// A commit and a host.
type Place = (String, String);

/// The facts that a host was compiled with, and what came of it.
type Done = (Digest, Arc<Entry>);

/// All candidates of a server, and what was compiled of them.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    commits: Mutex<BTreeMap<String, (Arc<Commit>, Instant)>>,
    entries: Mutex<HashMap<Place, Done>>,
}

impl Candidates {
    fn commits(&self) -> MutexGuard<'_, BTreeMap<String, (Arc<Commit>, Instant)>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Place, Done>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The commits that are in use; the others are forgotten, with what was compiled of them.
    pub(super) fn in_use(&self, now: Instant) -> Vec<String> {
        let mut commits = self.commits();
        let before = commits.len();
        commits.retain(|_, (_, used)| now.saturating_duration_since(*used) < KEPT);
        if commits.len() < before {
            self.entries().retain(|(commit, _), _| commits.contains_key(commit));
        }
        commits.keys().cloned().collect()
    }
}

/// The hosts of a candidate that are meant, or why nobody can be.
#[derive(Debug)]
pub enum Meant {
    /// These.
    Hosts(Selected, Vec<Finding>),
    /// The site does not load.
    BadSite(Vec<Finding>),
    /// The selector is none; why.
    BadSelector(String),
}

impl Compiler {
    /// A commit of the repository, kept open for a while.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn candidate(&self, id: &str) -> Result<Arc<Commit>, NoCatalog> {
        let followed = self.inner.commits.read().unwrap_or_else(PoisonError::into_inner).values().find(|commit| commit.id == id).cloned();
        let known = followed.or_else(|| self.inner.candidates.commits().get(id).map(|(commit, _)| Arc::clone(commit)));
        let commit = match known {
            Some(commit) => commit,
            None => {
                let (repository, name) = (self.repository().clone(), id.to_owned());
                let read = move || {
                    let oid = Oid::from_str(&name).map_err(|error| error.message().to_owned())?;
                    repository.files(oid).map_err(|error| error.to_string())
                };
                let files = tokio::task::spawn_blocking(read).await.map_err(|error| NoCatalog::Unavailable(error.to_string()))?;
                Arc::new(Commit::new(id.to_owned(), files.map_err(NoCatalog::Unavailable)?))
            }
        };
        self.inner.candidates.commits().insert(id.to_owned(), (Arc::clone(&commit), Instant::now()));
        self.want_commits();
        Ok(commit)
    }

    /// The hosts of a candidate that a selector means; all of them, if there is none.
    ///
    /// # Errors
    /// The worker that looks was stopped.
    pub async fn meant(&self, commit: &Arc<Commit>, selector: Option<&str>) -> Result<Meant, NoCatalog> {
        let stopped = |failure: super::WorkerFailure| NoCatalog::Unavailable(format!("loading the site {failure}"));
        let Opened { good, findings, .. } = self.inner.pool.open(commit).await.map_err(stopped)?;
        if !good {
            return Ok(Meant::BadSite(findings));
        }
        let selected = self.inner.pool.select(commit, selector).await.map_err(stopped)?;
        Ok(selected.map_or_else(Meant::BadSelector, |selected| Meant::Hosts(selected, findings)))
    }

    /// What a candidate comes to for a host, compiled if need be, with the catalog in its compressed form. `facts` are
    /// those that the host speaks of; without them the newest known will do.
    ///
    /// # Errors
    /// See [`NoCatalog`]; there is no earlier catalog to fall back to.
    pub async fn candidate_catalog(&self, commit: &str, host: &str, facts: Option<Digest>) -> Result<(Arc<Entry>, Vec<u8>), NoCatalog> {
        let (compiler, commit, host) = (self.clone(), commit.to_owned(), host.to_owned());
        // Who asks may give up where many ask at once; what was done for them is there when they ask again.
        let work = tokio::spawn(async move { compiler.make_candidate_catalog(&commit, &host, facts).await });
        work.await.map_err(|error| NoCatalog::Unavailable(error.to_string()))?
    }

    /// Lets go what a host will not ask for again.
    pub fn forget_candidate(&self, commit: &str, host: &str) {
        self.inner.candidates.entries().remove(&(commit.to_owned(), host.to_owned()));
    }

    async fn make_candidate_catalog(&self, commit: &str, host: &str, facts: Option<Digest>) -> Result<(Arc<Entry>, Vec<u8>), NoCatalog> {
        let commit = self.candidate(commit).await?;
        let _turn = self.turn(&format!("{} {host}", commit.id)).await;
        let key = (commit.id.clone(), host.to_owned());
        let known = self.inner.candidates.entries().get(&key).cloned();
        if let Some((_, entry)) = known.filter(|(with, _)| facts.is_none_or(|facts| facts == *with)) {
            let (shelf, id) = (Arc::clone(&self.inner.shelf), entry.id);
            if let Some(compressed) = blocking(move || Ok(shelf.catalog(&id))).await? {
                return Ok((entry, compressed));
            }
        }
        let stored = match facts {
            Some(facts) => self.stored_facts(host, facts).await?,
            None => self.newest_facts(host).await?,
        };
        let digest = stored.digest;
        let (entry, compressed) = self.compile_candidate(&commit, host, stored).await?;
        let entry = Arc::new(entry);
        self.inner.candidates.entries().insert(key, (digest, Arc::clone(&entry)));
        Ok((entry, compressed))
    }

    /// A content that a candidate's catalog names for a host; none if it names no such content.
    ///
    /// # Errors
    /// As [`Compiler::candidate_catalog`].
    pub async fn candidate_content(&self, commit: &str, host: &str, digest: Digest) -> Result<Option<(Blob, std::fs::File)>, NoCatalog> {
        let (entry, _) = self.candidate_catalog(commit, host, None).await?;
        let Some(blob) = entry.contents.iter().find(|blob| blob.digest == digest).copied() else { return Ok(None) };
        let shelf = Arc::clone(&self.inner.shelf);
        if let Some(file) = blocking(move || Ok(shelf.content(&blob))).await? {
            return Ok(Some((blob, file)));
        }
        let commit = self.candidate(commit).await?;
        let stored = self.newest_facts(host).await?;
        self.compile_candidate(&commit, host, stored).await?;
        let shelf = Arc::clone(&self.inner.shelf);
        let file = blocking(move || Ok(shelf.content(&blob))).await?;
        let lost = || NoCatalog::Unavailable(format!("content {} is lost here; ask for the catalog again", digest.short()));
        Ok(Some((blob, file.ok_or_else(lost)?)))
    }

    async fn newest_facts(&self, host: &str) -> Result<StoredFacts, NoCatalog> {
        let stored = self.inner.facts.facts(host).await.map_err(NoCatalog::Unavailable)?;
        stored.ok_or_else(|| NoCatalog::FactsNeeded(host.to_owned()))
    }

    /// Compiles, and puts what comes of it on the shelf.
    async fn compile_candidate(&self, commit: &Arc<Commit>, host: &str, facts: StoredFacts) -> Result<(Entry, Vec<u8>), NoCatalog> {
        let compiled = self.inner.pool.compile(Lane::Ahead, commit, host, Some(facts.json), true).await;
        let (Compiled { catalog, findings, reads, fleet_state, .. }, contents) =
            compiled.map_err(|failure| NoCatalog::Unavailable(format!("compiling {host} {failure}")))?;
        let Some(packed) = catalog else {
            let errors = findings.iter().filter(|finding| finding.error).count();
            let reason = format!("{host} does not compile in {}: {errors} errors", commit.id);
            return Err(NoCatalog::DoesNotCompile { reason, findings });
        };
        // No gate is judged by it, and nobody looks at it after its facts changed.
        let entry = Entry { fingerprints: Bytes::default(), reads: Vec::new(), ..entry_of(&packed, &commit.id, "", reads, fleet_state) };
        let (shelf, compressed) = (Arc::clone(&self.inner.shelf), packed.compressed.0);
        let kept = compressed.clone();
        blocking(move || {
            contents.iter().try_for_each(|bytes| shelf.put_content(bytes))?;
            shelf.put_catalog(&packed.id, &kept)
        })
        .await?;
        Ok((entry, compressed))
    }
}
