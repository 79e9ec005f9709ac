//! One worker process from the server's side: started, asked under a deadline, and killed when it is over.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keel_engine::protocol::environment::Finding;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::facts::FactStore;
use super::messages::{Answer, Bytes, Compiled, Opened, Order, Selected, Supply, body, body_length, frame};
use crate::repository::{Repository, RepositoryError, TreeEntry};

/// The most of a worker's last words that is kept.
const LAST_WORDS_BYTES: usize = 4096;

/// How the C library keeps freed memory ready in a worker: a compile drops thousands of values of a size, and
/// seven of them is what it keeps otherwise.
const ALLOCATOR: &str = "glibc.malloc.tcache_count=8000";

/// How workers are started and how long they may take.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The program and its first arguments; normally this server's own file with `compile-worker`.
    pub command: (PathBuf, Vec<String>),
    /// The address space of a worker in bytes.
    pub memory: u64,
    /// The longest that loading a site may take.
    pub open_limit: Duration,
    /// The longest that compiling a host may take.
    pub compile_limit: Duration,
}

impl WorkerSettings {
    /// Workers of this program with the usual limits.
    ///
    /// # Errors
    /// The program's own file cannot be found.
    pub fn of_this_program() -> std::io::Result<Self> {
        Ok(Self {
            command: (std::env::current_exe()?, vec!["compile-worker".to_owned()]),
            memory: crate::compile_worker::MEMORY_BYTES,
            open_limit: Duration::from_secs(60),
            compile_limit: Duration::from_secs(10),
        })
    }
}

/// Why a worker did not answer. It is gone then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkerFailure {
    /// It took too long.
    #[error("took longer than {} s and was stopped", .0.as_secs())]
    Deadline(Duration),
    /// It asked for more memory than it may have.
    #[error("needed more than {} MiB of memory and was stopped", .0 >> 20)]
    Memory(u64),
    /// It ended, or said what cannot be understood.
    #[error("failed: {0}")]
    Broken(String),
}

/// A running worker.
pub(super) struct Worker {
    settings: WorkerSettings,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_words: Arc<Mutex<Vec<u8>>>,
}

/// Where a worker's questions are answered from.
pub(super) struct Sources {
    pub(super) repository: Repository,
    pub(super) facts: Arc<dyn FactStore>,
}

/// Catalogs to be judged together.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// The packed catalogs.
    pub(super) catalogs: Vec<Vec<u8>>,
    /// Hosts that cannot be judged yet.
    pub(super) without: BTreeSet<String>,
}

/// Contents that came with a compile.
pub(super) type Received = Vec<Vec<u8>>;

impl Worker {
    /// Starts one.
    pub(super) fn start(settings: &WorkerSettings) -> Result<Self, WorkerFailure> {
        let failed = |why: &str| WorkerFailure::Broken(format!("cannot start a worker: {why}"));
        let (program, arguments) = &settings.command;
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--memory")
            .arg(settings.memory.to_string())
            .env_clear()
            .env("GLIBC_TUNABLES", ALLOCATOR)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(failed("it has no pipes"));
        };
        let last_words = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep_last_words(errors, Arc::clone(&last_words)));
        Ok(Self { settings: settings.clone(), child, input, output: BufReader::with_capacity(64 << 10, output), last_words })
    }

    /// Has the site of a commit loaded.
    pub(super) async fn open(&mut self, commit: &str, files: &[TreeEntry], sources: &Sources) -> Result<Opened, WorkerFailure> {
        let order = Order::Open { commit: commit.to_owned(), files: files.to_vec() };
        match self.ask(&order, &[], self.settings.open_limit, sources).await? {
            (Answer::Opened(opened), _) => Ok(opened),
            _ => Err(self.unexpected().await),
        }
    }

    /// Has a host compiled, whose site is open.
    pub(super) async fn compile(
        &mut self,
        commit: &str,
        host: &str,
        facts: Option<Vec<u8>>,
        again: bool,
        sources: &Sources,
    ) -> Result<(Compiled, Received), WorkerFailure> {
        let order = Order::Compile { commit: commit.to_owned(), host: host.to_owned(), facts: facts.map(Bytes), again };
        match self.ask(&order, &[], self.settings.compile_limit, sources).await? {
            (Answer::Compiled(compiled), contents) => Ok((*compiled, contents)),
            _ => Err(self.unexpected().await),
        }
    }

    /// Has relations across hosts judged.
    pub(super) async fn judge(&mut self, commit: &str, fleet: &Fleet, sources: &Sources) -> Result<Vec<Finding>, WorkerFailure> {
        let count = u32::try_from(fleet.catalogs.len()).unwrap_or(u32::MAX);
        let order = Order::Judge { commit: commit.to_owned(), catalogs: count, without: fleet.without.clone() };
        match self.ask(&order, &fleet.catalogs, self.settings.open_limit, sources).await? {
            (Answer::Judged(findings), _) => Ok(findings),
            _ => Err(self.unexpected().await),
        }
    }

    /// Has hosts looked up, whose site is open.
    pub(super) async fn select(
        &mut self,
        commit: &str,
        selector: Option<&str>,
        sources: &Sources,
    ) -> Result<Result<Selected, String>, WorkerFailure> {
        let order = Order::Select { commit: commit.to_owned(), selector: selector.map(str::to_owned) };
        match self.ask(&order, &[], self.settings.open_limit, sources).await? {
            (Answer::Selected(selected), _) => Ok(selected),
            _ => Err(self.unexpected().await),
        }
    }

    /// Lets the site of a commit go.
    pub(super) async fn close(&mut self, commit: &str) -> Result<(), WorkerFailure> {
        let order = Order::Close { commit: commit.to_owned() };
        match self.send(&order).await {
            Ok(()) => Ok(()),
            Err(why) => Err(self.explain(why).await),
        }
    }

    /// Runs an exchange under a deadline; whatever goes wrong, the process is gone afterwards.
    async fn ask(
        &mut self,
        order: &Order,
        following: &[Vec<u8>],
        limit: Duration,
        sources: &Sources,
    ) -> Result<(Answer, Received), WorkerFailure> {
        match tokio::time::timeout(limit, self.exchange(order, following, sources)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(self.explain(why).await),
            Err(_) => {
                self.kill().await;
                Err(WorkerFailure::Deadline(limit))
            }
        }
    }

    /// Sends an order and serves the worker until it has the answer.
    async fn exchange(&mut self, order: &Order, following: &[Vec<u8>], sources: &Sources) -> Result<(Answer, Received), String> {
        self.send(order).await?;
        for bytes in following {
            self.send(&Bytes(bytes.clone())).await?;
        }
        let mut received = Vec::new();
        loop {
            match self.receive().await? {
                Answer::NeedFile { id } => {
                    let supply = Supply::File(sources.file(id).await?.map(Bytes));
                    self.send(&supply).await?;
                }
                Answer::NeedFacts { host } => {
                    let facts = sources.facts.facts(&host).await?;
                    self.send(&Supply::Facts(facts.map(|facts| Bytes(facts.json)))).await?;
                }
                Answer::Content { bytes } => received.push(bytes.0),
                answer => return Ok((answer, received)),
            }
        }
    }

    async fn send(&mut self, message: &impl serde::Serialize) -> Result<(), String> {
        let bytes = frame(message)?;
        self.input.write_all(&bytes).await.map_err(|error| error.to_string())?;
        self.input.flush().await.map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Result<Answer, String> {
        let mut head = [0; 4];
        self.output.read_exact(&mut head).await.map_err(|error| error.to_string())?;
        let mut bytes = vec![0; body_length(head)?];
        self.output.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
        body(&bytes)
    }

    async fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
    }

    /// Ends the process and says why it failed, in its own last words where it has some.
    async fn explain(&mut self, why: String) -> WorkerFailure {
        // A process whose pipe broke is about to end; what it says on the way is wanted.
        let ended = tokio::time::timeout(Duration::from_secs(1), self.child.wait()).await;
        self.kill().await;
        let words = String::from_utf8_lossy(&self.last_words.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        if words.contains("memory allocation of") {
            return WorkerFailure::Memory(self.settings.memory);
        }
        let status = ended.ok().and_then(Result::ok).map_or(why, |status| format!("the worker ended with {status}"));
        let last = words.trim().lines().next_back().map(|line| format!(": {}", line.escape_debug())).unwrap_or_default();
        WorkerFailure::Broken(format!("{status}{last}"))
    }

    async fn unexpected(&mut self) -> WorkerFailure {
        self.kill().await;
        WorkerFailure::Broken("the worker answered with something else".to_owned())
    }
}

impl Sources {
    /// A file, or why no site may hold it.
    ///
    /// # Errors
    /// The repository cannot be read, for which no commit is to blame.
    async fn file(&self, id: String) -> Result<Result<Vec<u8>, String>, String> {
        let repository = self.repository.clone();
        let read = tokio::task::spawn_blocking(move || {
            let id = git2::Oid::from_str(&id).map_err(|error| error.message().to_owned())?;
            match repository.blob(id) {
                Err(RepositoryError::Refused(why)) => Ok(Err(why)),
                other => other.map(Ok).map_err(|error| error.to_string()),
            }
        });
        read.await.map_err(|error| error.to_string())?
    }
}

async fn keep_last_words(mut errors: ChildStderr, words: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count) = errors.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = words.len().saturating_sub(LAST_WORDS_BYTES);
        words.drain(..surplus);
    }
}
