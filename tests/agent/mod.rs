//! The agent under test: the real program `keel`, with a scratch folder for the host's root.
//!
//! - [`AgentHost`]: a host that has joined, its folders and its runs.
//! - [`AgentHost::furnish`]: makes it a machine of its own, on which commands run.
//! - [`Line`]: the network between it and the server, which a test can cut.

mod line;
mod machine;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub use line::Line;

use crate::program::keel;
use crate::server::CatalogServer;

/// How long something that takes a moment may take on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host with an agent.
pub struct AgentHost {
    root: TempDir,
    name: String,
    /// The folder that it has in common with others, if it is a machine of its own.
    shared: Option<PathBuf>,
}

/// An agent that stays; it is ended when dropped.
pub struct Agent {
    child: Child,
    log: PathBuf,
}

impl AgentHost {
    /// A host that has joined.
    ///
    /// # Panics
    /// It is not let in.
    pub fn join(server: &CatalogServer, name: &str) -> Self {
        Self::join_at(server, &format!("localhost:{}", server.agents_address().port()), name)
    }

    /// A host that has joined over a line.
    ///
    /// # Panics
    /// It is not let in.
    pub fn join_over(line: &Line, server: &CatalogServer, name: &str) -> Self {
        Self::join_at(server, &line.url(), name)
    }

    fn join_at(server: &CatalogServer, address: &str, name: &str) -> Self {
        let host = Self::alone(name);
        let token = server.token(&["--host", name]);
        let output = host.enroll(server, address, &["--token", &token]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        host
    }

    /// A host that has not joined.
    ///
    /// # Panics
    /// There is no room for it.
    pub fn alone(name: &str) -> Self {
        let root = tempfile::Builder::new().prefix("keel-agent-").tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hostname"), format!("{name}\n")).unwrap();
        Self { root, name: name.to_owned(), shared: None }
    }

    /// `keel agent enroll` at a server, about to run.
    ///
    /// # Panics
    /// The server does not say who it is.
    pub fn enroll(&self, server: &CatalogServer, address: &str, more: &[&str]) -> Command {
        let published: Value = server.agent(None).get("/v1/authority").unwrap().json();
        let fingerprint = published["fingerprint"].as_str().unwrap();
        self.command(&[&["agent", "enroll", "--server", address, "--fingerprint", fingerprint], more].concat())
    }

    /// Makes it a machine of its own: its folder is the root of all that runs on it, and `/shared` there is a folder that it
    /// has in common with others. Only root may do that.
    ///
    /// # Panics
    /// The folders cannot be made.
    #[must_use]
    pub fn furnish(mut self, shared: &Path) -> Self {
        machine::furnish(self.root.path());
        self.shared = Some(shared.to_owned());
        self
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path of the host.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// What a file of the host holds; nothing, if it is not there.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Adds lines to `agent.toml`.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn set(&self, lines: &str) -> &Self {
        let path = self.path("etc/keel/agent.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{lines}\n")).unwrap();
        self
    }

    /// Tells the agent where the server is now.
    ///
    /// # Panics
    /// The settings cannot be written.
    pub fn follow(&self, server: &CatalogServer) {
        let path = self.path("etc/keel/agent.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let others = text.lines().filter(|line| !line.starts_with("server ="));
        let address = format!("server = \"localhost:{}\"", server.agents_address().port());
        std::fs::write(&path, others.chain([address.as_str()]).collect::<Vec<_>>().join("\n")).unwrap();
    }

    /// Runs `keel` on the host.
    ///
    /// # Panics
    /// There is no such program.
    pub fn keel(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `keel` on the host, about to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.shared {
            None => Command::new(keel()),
            Some(shared) => machine::inside(self.root.path(), shared),
        };
        let root = self.shared.as_ref().map_or(self.root.path(), |_| Path::new("/"));
        command.args(arguments).arg("--root").arg(root).current_dir("/").stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// One run.
    ///
    /// # Panics
    /// There is no such program.
    pub fn once(&self) -> Output {
        self.keel(&["agent", "--once"])
    }

    /// Starts the agent to stay, and waits until it is there.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(&self) -> Agent {
        let log = self.path("agent.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let standing = self.path("run/keel/agent.json");
        let _ = std::fs::remove_file(&standing);
        let child = self.command(&["agent"]).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let agent = Agent { child, log };
        // From here on it hears signals.
        until("the agent is there", || standing.exists());
        agent
    }

    /// What `keel agent status --json` says.
    ///
    /// # Panics
    /// It is no JSON.
    pub fn status(&self) -> Value {
        let output = self.keel(&["agent", "status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// How many reports wait on the host.
    ///
    /// # Panics
    /// `keel agent status` does not work.
    pub fn waiting_reports(&self) -> u64 {
        self.status()["waiting_reports"].as_u64().unwrap()
    }
}

impl Agent {
    /// Sends a signal.
    ///
    /// # Panics
    /// The agent is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Asks it to stop and waits for the exit code.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Waits for its end and returns the exit code.
    ///
    /// # Panics
    /// It does not end.
    pub fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the agent does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it and all that it started, as a loss of power would.
    ///
    /// # Panics
    /// It is gone already.
    pub fn kill_with_all(mut self) {
        let mut processes = machine::descendants(self.child.id());
        processes.insert(0, self.child.id());
        // All are stopped first, so that nobody goes on who sees another one end.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for process in &processes {
                let _ = kill(Pid::from_raw(i32::try_from(*process).unwrap()), signal);
            }
        }
        self.child.wait().unwrap();
    }

    /// Kills the process of the run that is under way, and nothing else.
    ///
    /// # Panics
    /// None is.
    pub fn kill_run(&self) {
        let is_run = |process: &u32| {
            let words = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            words.contains("\0agent\0round\0")
        };
        let run = machine::descendants(self.child.id()).into_iter().find(is_run).unwrap();
        kill(Pid::from_raw(i32::try_from(run).unwrap()), Signal::SIGKILL).unwrap();
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", self.log());
        }
    }
}

/// A server with a site of one host, `db-1`, that has joined and gets this manifest.
///
/// # Panics
/// The programs do not work.
pub fn stage(manifest: &str) -> (CatalogServer, AgentHost) {
    let server = CatalogServer::start_with("environments = ['production']");
    server.site.write("keel.toml", "name = \"s\"\n").write("inventory/hosts.toml", "[hosts.db-1]\n");
    push(&server, manifest);
    let host = AgentHost::join(&server, "db-1");
    (server, host)
}

/// Pushes another manifest for the site.
///
/// # Panics
/// Git or the server does not work.
pub fn push(server: &CatalogServer, manifest: &str) {
    server.site.write("manifests/site.kdl", manifest).push("a manifest");
    server.command(&["notify"]);
}

/// Waits until something holds.
///
/// # Panics
/// It never does.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Everything that a program wrote.
pub fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?}\n{out}{err}", output.status.code())
}
