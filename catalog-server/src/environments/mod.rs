//! Environments: branches that hosts follow. Each new commit is examined; hosts get it only if it is
//! good, and otherwise keep the last good one.

mod candidate;
mod judged;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use git2::Oid;
use keel_engine::protocol::environment::{EnvironmentState, RefusedCommit, Verdict};
use keel_manifests::pattern::Pattern;
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::compiler::examination::Examination;
use crate::compiler::facts::Later;
use crate::compiler::{Commit, Compiler};
use crate::log;
use crate::repository::{AllowedSigners, Branch, Repository, RepositoryError};
use crate::server::now_s;
use crate::store::Store;
use judged::{Judged, Signers};

/// What is wrong with the settings of environments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvironmentError {
    /// A name or pattern is none.
    #[error("`{0}` is no name or pattern of branches: {1}")]
    Pattern(String, String),
    /// What was known of environments cannot be read.
    #[error("cannot read what is known of environments: {0}")]
    Store(String),
}

/// Which environments there are, and who may change them.
#[derive(Debug, Clone)]
pub struct EnvironmentSettings {
    /// Names of branches; `*` stands for any characters.
    pub branches: Vec<String>,
    /// How often the repository is looked at.
    pub poll: Duration,
    /// Only commits signed by a key in this file are followed, if given. It is read before each look.
    pub signers: Option<PathBuf>,
}

/// Where it is kept how environments stand.
pub trait EnvironmentStore: Send + Sync {
    /// All that is known.
    fn load(&self) -> Later<'_, Vec<EnvironmentState>>;
    /// Keeps how one of them stands.
    fn keep<'a>(&'a self, state: &'a EnvironmentState) -> Later<'a, ()>;
}

impl EnvironmentStore for Store {
    fn load(&self) -> Later<'_, Vec<EnvironmentState>> {
        Box::pin(async move { self.environments().await.map_err(|error| error.to_string()) })
    }

    fn keep<'a>(&'a self, state: &'a EnvironmentState) -> Later<'a, ()> {
        Box::pin(async move { self.keep_environment(state).await.map_err(|error| error.to_string()) })
    }
}

/// All environments of a server.
pub struct Environments {
    patterns: Vec<Pattern>,
    poll: Duration,
    signers: Option<PathBuf>,
    compiler: Compiler,
    states: Mutex<BTreeMap<String, EnvironmentState>>,
    /// What this process judged last, by environment.
    judged: Mutex<BTreeMap<String, Judged>>,
    store: Arc<dyn EnvironmentStore>,
    wake: Notify,
    /// How many rounds began.
    begun: AtomicU64,
    /// How many rounds are over, for those who wait until the repository was looked at.
    over: watch::Sender<u64>,
    /// What is wrong with the repository as a whole.
    trouble: Mutex<Option<String>>,
    /// The branches that are followed, as the last look found them; none before the first.
    followed: Mutex<Option<BTreeSet<String>>>,
}

impl Environments {
    /// Environments over a compiler, with what an earlier process knew of them: hosts are served before
    /// the repository is looked at.
    ///
    /// # Errors
    /// A pattern is wrong, or what was known cannot be read.
    pub async fn start(
        settings: EnvironmentSettings,
        compiler: Compiler,
        store: Arc<dyn EnvironmentStore>,
    ) -> Result<Arc<Self>, EnvironmentError> {
        let parse = |text: &String| Pattern::parse(text).map_err(|why| EnvironmentError::Pattern(text.clone(), why));
        let patterns = settings.branches.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let states = store.load().await.map_err(EnvironmentError::Store)?;
        let states = states.into_iter().map(|state| (state.name.clone(), state)).collect();
        let environments = Arc::new(Self {
            patterns,
            poll: settings.poll,
            signers: settings.signers,
            compiler,
            states: Mutex::new(states),
            judged: Mutex::default(),
            store,
            wake: Notify::new(),
            begun: AtomicU64::new(0),
            over: watch::channel(0).0,
            trouble: Mutex::default(),
            followed: Mutex::default(),
        });
        for (name, commit) in environments.known_commits() {
            // A commit that is gone from the repository has no catalogs; the next round finds another.
            if let Ok(commit) = environments.read_commit(commit).await {
                environments.compiler.follow(&name, commit);
            }
        }
        Ok(environments)
    }

    /// Looks at the repository again and again, and at once when told to.
    pub async fn watch(&self) {
        loop {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.round().await;
            self.over.send_modify(|rounds| *rounds += 1);
            // Nobody calls off a round that is asked for while one goes on: `Notify` keeps one permit.
            let _ = tokio::time::timeout(self.poll, self.wake.notified()).await;
        }
    }

    /// Has the repository looked at now, as after a push.
    pub fn notify(&self) {
        self.wake.notify_one();
    }

    /// Waits until a look at the repository that began after this call is over.
    pub async fn settled(&self) {
        let next = self.begun.load(Ordering::SeqCst) + 1;
        self.notify();
        // The sender lives as long as this does.
        let _ = self.over.subscribe().wait_for(|rounds| *rounds >= next).await;
    }

    /// All environments, in the order of their names.
    pub fn list(&self) -> Vec<EnvironmentState> {
        self.states().values().cloned().collect()
    }

    /// The branches that the settings name and no environment has. A pattern may wait for its first branch.
    pub fn missing(&self) -> Vec<String> {
        let states = self.states();
        let names = self.patterns.iter().filter(|pattern| !pattern.as_str().contains(['*', '?', '[']));
        let unmet = names.filter(|name| !states.keys().any(|state| name.matches(state)));
        unmet.map(|pattern| pattern.as_str().to_owned()).collect()
    }

    /// Whether who follows an environment gets nothing new, for its branch is gone or not followed any more.
    pub fn is_deserted(&self, environment: &str) -> bool {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.as_ref().is_some_and(|followed| !followed.contains(environment))
    }

    /// What is wrong with the repository as a whole.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, EnvironmentState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judged(&self) -> MutexGuard<'_, BTreeMap<String, Judged>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_commits(&self) -> Vec<(String, Oid)> {
        let good = |state: &EnvironmentState| Some((state.name.clone(), Oid::from_str(state.commit.as_deref()?).ok()?));
        self.states().values().filter_map(good).collect()
    }

    /// One look at all branches.
    async fn round(&self) {
        let repository = self.compiler.repository().clone();
        let branches = read(move || repository.branches().map_err(|error| error.to_string())).await;
        let trouble = branches.as_ref().err().cloned();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        let Ok(branches) = branches else { return };
        let is_followed = |branch: &Branch| self.patterns.iter().any(|pattern| pattern.matches(&branch.name));
        let followed: Vec<Branch> = branches.into_iter().filter(is_followed).collect();
        let names = followed.iter().map(|branch| branch.name.clone()).collect();
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        let signers = self.signers().await;
        for branch in followed {
            let id = branch.commit.to_string();
            let is_followed =
                self.states().get(&branch.name).is_some_and(|state| state.refused.is_none() && state.commit.as_ref() == Some(&id));
            let is_judged = self.judged().get(&branch.name).is_some_and(|judged| judged.holds(&id, &signers, Instant::now()));
            if !is_followed && !is_judged {
                self.take(branch, &signers).await;
            }
        }
    }

    /// Whose signatures let commits in, as the file says now.
    async fn signers(&self) -> Signers {
        let Some(path) = self.signers.clone() else { return Ok(None) };
        read(move || AllowedSigners::load(&path)).await.map(Some)
    }

    /// Takes a new commit of a branch, or refuses it.
    async fn take(&self, branch: Branch, signers: &Signers) {
        let id = branch.commit.to_string();
        let begun = Instant::now();
        let mut state = self.states().get(&branch.name).cloned().unwrap_or_else(|| EnvironmentState {
            name: branch.name.clone(),
            commit: None,
            since: None,
            refused: None,
        });
        let current = state.commit.as_deref().and_then(|commit| Oid::from_str(commit).ok());
        let (examination, commit) = match self.admitted(branch.commit, current, signers).await {
            Err(examination) => (examination, None),
            Ok(commit) => (self.compiler.examine(&branch.name, &commit).await, Some(commit)),
        };
        let judged = match examination {
            Examination::CannotTell { .. } => Judged::undecided(&id, signers, Instant::now(), begun.elapsed()),
            _ => Judged::verdict(&id, signers),
        };
        self.judged().insert(branch.name.clone(), judged);
        if let (Examination::Good, Some(commit)) = (&examination, commit) {
            if state.commit.as_ref() != Some(&id) {
                state.since = Some(now());
            }
            state.commit = Some(id.clone());
            self.compiler.follow(&branch.name, commit);
        }
        let refused = refusal(&id, examination, state.refused.take());
        state.refused = refused;
        self.keep(state).await;
    }

    /// Writes down how an environment stands, where that is news.
    async fn keep(&self, state: EnvironmentState) {
        if self.states().get(&state.name) == Some(&state) {
            return;
        }
        log_news(&state);
        let kept = self.store.keep(&state).await;
        self.states().insert(state.name.clone(), state);
        if let Err(why) = kept {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("cannot keep what is known of environments: {why}"));
        }
    }

    /// The commit, if its signature and its files are as they must be.
    async fn admitted(&self, id: Oid, current: Option<Oid>, signers: &Signers) -> Result<Arc<Commit>, Examination> {
        let signers = signers.clone().map_err(|reason| Examination::CannotTell { reason })?;
        let repository = self.compiler.repository().clone();
        let admit = move || {
            signers.iter().try_for_each(|signers| signed(&repository, signers, id, current))?;
            repository.files(id)
        };
        match tokio::task::spawn_blocking(admit).await {
            Ok(Ok(files)) => Ok(Arc::new(Commit::new(id.to_string(), files))),
            Ok(Err(RepositoryError::Refused(reason))) => Err(Examination::Bad { reason, findings: Vec::new() }),
            Ok(Err(error)) => Err(Examination::CannotTell { reason: error.to_string() }),
            Err(error) => Err(Examination::CannotTell { reason: error.to_string() }),
        }
    }

    async fn read_commit(&self, id: Oid) -> Result<Arc<Commit>, String> {
        let repository = self.compiler.repository().clone();
        let files = read(move || repository.files(id).map_err(|error| error.to_string())).await?;
        Ok(Arc::new(Commit::new(id.to_string(), files)))
    }
}

/// What is said of a commit after its examination; what was said before in the same words keeps its time.
fn refusal(commit: &str, examination: Examination, before: Option<RefusedCommit>) -> Option<RefusedCommit> {
    let (reason, findings, verdict) = match examination {
        Examination::Good => return None,
        Examination::Bad { reason, findings } => (reason, findings, Verdict::Bad),
        Examination::CannotTell { reason } => (reason, Vec::new(), Verdict::CannotTell),
    };
    let same = before.filter(|before| before.commit == commit && before.verdict == verdict);
    Some(RefusedCommit { commit: commit.to_owned(), at: same.map_or_else(now, |before| before.at), reason, findings, verdict })
}

fn log_news(state: &EnvironmentState) {
    let environment = &state.name;
    match &state.refused {
        None => {
            let commit = state.commit.as_deref().unwrap_or("none");
            log::info("commit accepted", &[("environment", environment), ("commit", &commit)]);
        }
        Some(RefusedCommit { commit, reason, verdict: Verdict::Bad, .. }) => {
            log::warning("commit refused", &[("environment", environment), ("commit", commit), ("why", reason)]);
        }
        Some(RefusedCommit { commit, reason, .. }) => {
            log::warning("commit cannot be judged now", &[("environment", environment), ("commit", commit), ("why", reason)]);
        }
    }
}

/// Whether a commit is signed by somebody who may, and does not take the environment back to what was
/// signed once for another time.
fn signed(repository: &Repository, signers: &AllowedSigners, id: Oid, current: Option<Oid>) -> Result<(), RepositoryError> {
    signers.check(repository, id)?;
    match current.map(|current| repository.descends(id, current)).transpose()? {
        Some(false) => {
            Err(RepositoryError::Refused("it does not come after the commit that hosts have now: the branch was rewritten".to_owned()))
        }
        _ => Ok(()),
    }
}

async fn read<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

fn now() -> i64 {
    i64::try_from(now_s()).unwrap_or(i64::MAX)
}
