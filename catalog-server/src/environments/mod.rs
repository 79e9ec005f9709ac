//! Environments: branches that hosts follow. Each new commit is examined; hosts get it only if it is
//! good, and otherwise keep the last good one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use git2::Oid;
use keel_engine::protocol::environment::{EnvironmentState, RefusedCommit};
use keel_manifests::pattern::Pattern;
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::compiler::facts::Later;
use crate::compiler::{Commit, Compiler};
use crate::repository::{AllowedSigners, Branch, Repository};
use crate::store::Store;

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
    /// Only commits signed by one of these keys are followed, if given.
    pub signers: Option<AllowedSigners>,
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
    signers: Option<AllowedSigners>,
    compiler: Compiler,
    states: Mutex<BTreeMap<String, EnvironmentState>>,
    store: Arc<dyn EnvironmentStore>,
    wake: Notify,
    /// How many rounds began.
    begun: AtomicU64,
    /// How many rounds are over, for those who wait until the repository was looked at.
    over: watch::Sender<u64>,
    /// What is wrong with the repository as a whole.
    trouble: Mutex<Option<String>>,
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
            store,
            wake: Notify::new(),
            begun: AtomicU64::new(0),
            over: watch::channel(0).0,
            trouble: Mutex::default(),
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

    /// The names and patterns of branches that no environment has.
    pub fn missing(&self) -> Vec<String> {
        let states = self.states();
        let unmet = self.patterns.iter().filter(|pattern| !states.keys().any(|name| pattern.matches(name)));
        unmet.map(|pattern| pattern.as_str().to_owned()).collect()
    }

    /// What is wrong with the repository as a whole.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, EnvironmentState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
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
        let followed =
            branches.unwrap_or_default().into_iter().filter(|branch| self.patterns.iter().any(|pattern| pattern.matches(&branch.name)));
        for branch in followed {
            let id = branch.commit.to_string();
            let known = self.states().get(&branch.name).is_some_and(|state| {
                let refused = state.refused.as_ref().map(|refused| &refused.commit);
                refused == Some(&id) || (refused.is_none() && state.commit.as_ref() == Some(&id))
            });
            if !known {
                self.take(branch).await;
            }
        }
    }

    /// Takes a new commit of a branch, or refuses it.
    async fn take(&self, branch: Branch) {
        let id = branch.commit.to_string();
        let mut state = self.states().get(&branch.name).cloned().unwrap_or_else(|| EnvironmentState {
            name: branch.name.clone(),
            commit: None,
            since: None,
            refused: None,
        });
        let refuse = |reason: String, findings| Some(RefusedCommit { commit: id.clone(), at: now(), reason, findings });
        let current = state.commit.as_deref().and_then(|commit| Oid::from_str(commit).ok());
        state.refused = match self.admitted(branch.commit, current).await {
            Err(reason) => refuse(reason, Vec::new()),
            Ok(commit) => {
                let examination = self.compiler.examine(&branch.name, &commit).await;
                match examination.refused {
                    Some(reason) => refuse(reason, examination.findings),
                    None => {
                        if state.commit.as_ref() != Some(&id) {
                            state.since = Some(now());
                        }
                        state.commit = Some(id.clone());
                        self.compiler.follow(&branch.name, commit);
                        None
                    }
                }
            }
        };
        let kept = self.store.keep(&state).await;
        self.states().insert(branch.name.clone(), state);
        if let Err(why) = kept {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("cannot keep what is known of environments: {why}"));
        }
    }

    /// The commit, if its signature and its files are as they must be.
    async fn admitted(&self, id: Oid, current: Option<Oid>) -> Result<Arc<Commit>, String> {
        if let Some(signers) = self.signers.clone() {
            let repository = self.compiler.repository().clone();
            read(move || signed(&repository, &signers, id, current)).await?;
        }
        self.read_commit(id).await
    }

    async fn read_commit(&self, id: Oid) -> Result<Arc<Commit>, String> {
        let repository = self.compiler.repository().clone();
        let files = read(move || repository.files(id).map_err(|error| error.to_string())).await?;
        Ok(Arc::new(Commit::new(id.to_string(), files)))
    }
}

/// Whether a commit is signed by somebody who may, and does not take the environment back to what was
/// signed once for another time.
fn signed(repository: &Repository, signers: &AllowedSigners, id: Oid, current: Option<Oid>) -> Result<(), String> {
    signers.check(repository, id)?;
    match current.map(|current| repository.descends(id, current)) {
        Some(Ok(false)) => Err("it does not come after the commit that hosts have now: the branch was rewritten".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

async fn read<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
