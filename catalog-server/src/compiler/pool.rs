//! The compile workers: a queue with two lanes, and one task a worker that serves it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keel_engine::protocol::environment::Finding;
use tokio::sync::{Semaphore, oneshot};

use super::messages::{Compiled, Opened, Selected};
use super::process::{Fleet, Received, Sources, Worker, WorkerFailure, WorkerSettings};
use crate::repository::TreeEntry;

/// A commit whose site workers may have open.
#[derive(Debug)]
pub struct Commit {
    /// Its name in hexadecimal.
    pub id: String,
    /// Its files.
    pub files: Vec<TreeEntry>,
    /// Raised when facts changed what they decide for all: what was opened before is out of date.
    generation: AtomicU64,
}

impl Commit {
    /// A commit of these files.
    pub fn new(id: String, files: Vec<TreeEntry>) -> Self {
        Self { id, files, generation: AtomicU64::new(0) }
    }
}

/// Who waits for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// An agent.
    Urgent,
    /// Nobody yet.
    Ahead,
}

/// The result of a job.
type Reply<T> = oneshot::Sender<Result<T, WorkerFailure>>;

enum Work {
    Open(Reply<Opened>),
    Compile { host: String, facts: Option<Vec<u8>>, again: bool, reply: Reply<(Compiled, Received)> },
    Judge { fleet: Fleet, reply: Reply<Vec<Finding>> },
    Select { selector: Option<String>, reply: Reply<Result<Selected, String>> },
}

struct Job {
    commit: Arc<Commit>,
    work: Work,
}

/// The workers of a server.
pub(super) struct Pool {
    queue: Arc<Queue>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

struct Queue {
    lanes: Mutex<(VecDeque<Job>, VecDeque<Job>)>,
    waiting: Semaphore,
    /// The commits that anybody may still ask for; workers let others go.
    wanted: Mutex<BTreeSet<String>>,
    stopped: AtomicU64,
}

impl Pool {
    /// Starts tasks for so many workers; their processes start with their first job.
    pub(super) fn start(workers: usize, settings: &WorkerSettings, sources: Sources) -> Self {
        let queue =
            Arc::new(Queue { lanes: Mutex::default(), waiting: Semaphore::new(0), wanted: Mutex::default(), stopped: AtomicU64::new(0) });
        let sources = Arc::new(sources);
        let task = |_| {
            let seat = Seat { settings: settings.clone(), sources: Arc::clone(&sources), worker: None, open: Vec::new() };
            tokio::spawn(seat.serve(Arc::clone(&queue)))
        };
        let tasks = (0..workers.max(1)).map(task).collect();
        Self { queue, tasks }
    }

    /// Has the site of a commit loaded by one worker.
    pub(super) async fn open(&self, commit: &Arc<Commit>) -> Result<Opened, WorkerFailure> {
        self.run(Lane::Ahead, commit, Work::Open).await
    }

    /// Has a host compiled.
    pub(super) async fn compile(
        &self,
        lane: Lane,
        commit: &Arc<Commit>,
        host: &str,
        facts: Option<Vec<u8>>,
        again: bool,
    ) -> Result<(Compiled, Received), WorkerFailure> {
        let host = host.to_owned();
        self.run(lane, commit, |reply| Work::Compile { host, facts, again, reply }).await
    }

    /// Has relations across hosts judged.
    pub(super) async fn judge(&self, commit: &Arc<Commit>, fleet: Fleet) -> Result<Vec<Finding>, WorkerFailure> {
        self.run(Lane::Ahead, commit, |reply| Work::Judge { fleet, reply }).await
    }

    /// Has the hosts looked up that a selector means.
    pub(super) async fn select(&self, commit: &Arc<Commit>, selector: Option<&str>) -> Result<Result<Selected, String>, WorkerFailure> {
        let selector = selector.map(str::to_owned);
        self.run(Lane::Ahead, commit, |reply| Work::Select { selector, reply }).await
    }

    /// Says which commits anybody may still ask for.
    pub(super) fn want(&self, commits: BTreeSet<String>) {
        *self.queue.wanted.lock().unwrap_or_else(PoisonError::into_inner) = commits;
    }

    /// How many workers were stopped because of what they compiled, or broke.
    pub(super) fn stopped(&self) -> u64 {
        self.queue.stopped.load(Ordering::Relaxed)
    }

    async fn run<T>(&self, lane: Lane, commit: &Arc<Commit>, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, WorkerFailure> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(lane, Job { commit: Arc::clone(commit), work: work(reply) });
        answer.await.unwrap_or_else(|_| Err(WorkerFailure::Broken("the server is stopping".to_owned())))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Queue {
    fn push(&self, lane: Lane, job: Job) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lane {
            Lane::Urgent => lanes.0.push_back(job),
            Lane::Ahead => lanes.1.push_back(job),
        }
        self.waiting.add_permits(1);
    }

    /// The next job: those that an agent waits for come first.
    async fn next(&self) -> Option<Job> {
        self.waiting.acquire().await.ok()?.forget();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.0.pop_front().or_else(|| lanes.1.pop_front())
    }
}

/// The place of one worker: its process may come and go.
struct Seat {
    settings: WorkerSettings,
    sources: Arc<Sources>,
    worker: Option<Worker>,
    /// The commits that the process has open, with the generation that it saw.
    open: Vec<(Arc<Commit>, u64)>,
}

impl Seat {
    async fn serve(mut self, queue: Arc<Queue>) {
        while let Some(job) = queue.next().await {
            let wanted = queue.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let failed = self.let_go(&wanted, &job.commit).await.is_err() || self.job(job).await;
            if failed {
                queue.stopped.fetch_add(1, Ordering::Relaxed);
                self.worker = None;
                self.open.clear();
            }
        }
    }

    /// Does a job and says whether the worker is gone.
    async fn job(&mut self, job: Job) -> bool {
        let Job { commit, work } = job;
        match work {
            Work::Open(reply) => answered(reply, self.opened(&commit, true).await),
            Work::Compile { host, facts, again, reply } => answered(reply, self.compile(&commit, &host, facts, again).await),
            Work::Judge { fleet, reply } => answered(reply, self.judge(&commit, &fleet).await),
            Work::Select { selector, reply } => answered(reply, self.select(&commit, selector.as_deref()).await),
        }
    }

    async fn compile(
        &mut self,
        commit: &Arc<Commit>,
        host: &str,
        facts: Option<Vec<u8>>,
        again: bool,
    ) -> Result<(Compiled, Received), WorkerFailure> {
        self.opened(commit, false).await?;
        let sources = Arc::clone(&self.sources);
        let compiled = self.worker()?.compile(&commit.id, host, facts, again, &sources).await?;
        if compiled.0.reloaded {
            // This worker has loaded the site anew; the others have yet to.
            let generation = commit.generation.fetch_add(1, Ordering::Relaxed) + 1;
            self.open.iter_mut().filter(|(open, _)| open.id == commit.id).for_each(|(_, seen)| *seen = generation);
        }
        Ok(compiled)
    }

    async fn judge(&mut self, commit: &Arc<Commit>, fleet: &Fleet) -> Result<Vec<Finding>, WorkerFailure> {
        self.opened(commit, false).await?;
        let sources = Arc::clone(&self.sources);
        self.worker()?.judge(&commit.id, fleet, &sources).await
    }

    async fn select(&mut self, commit: &Arc<Commit>, selector: Option<&str>) -> Result<Result<Selected, String>, WorkerFailure> {
        self.opened(commit, false).await?;
        let sources = Arc::clone(&self.sources);
        self.worker()?.select(&commit.id, selector, &sources).await
    }

    /// Loads a commit's site, if that is asked for, or if it is not there as it should be.
    async fn opened(&mut self, commit: &Arc<Commit>, anew: bool) -> Result<Opened, WorkerFailure> {
        let generation = commit.generation.load(Ordering::Relaxed);
        let current = self.open.iter().any(|(open, seen)| open.id == commit.id && *seen == generation);
        if current && !anew {
            return Ok(Opened::default());
        }
        let sources = Arc::clone(&self.sources);
        let opened = self.worker()?.open(&commit.id, &commit.files, &sources).await?;
        self.open.retain(|(open, _)| open.id != commit.id);
        self.open.push((Arc::clone(commit), generation));
        Ok(opened)
    }

    async fn let_go(&mut self, wanted: &BTreeSet<String>, next: &Commit) -> Result<(), WorkerFailure> {
        let Some(worker) = &mut self.worker else { return Ok(()) };
        let (keep, gone) =
            std::mem::take(&mut self.open).into_iter().partition(|(open, _)| wanted.contains(&open.id) || open.id == next.id);
        self.open = keep;
        let gone: Vec<(Arc<Commit>, u64)> = gone;
        for (commit, _) in gone {
            worker.close(&commit.id).await?;
        }
        Ok(())
    }

    fn worker(&mut self) -> Result<&mut Worker, WorkerFailure> {
        match &mut self.worker {
            Some(worker) => Ok(worker),
            none => Ok(none.insert(Worker::start(&self.settings)?)),
        }
    }
}

/// Passes a result on and says whether the worker is gone.
fn answered<T>(reply: Reply<T>, result: Result<T, WorkerFailure>) -> bool {
    let failed = result.is_err();
    // Whoever asked may be gone; the work was not in vain, for it is cached by those who go on.
    let _ = reply.send(result);
    failed
}
