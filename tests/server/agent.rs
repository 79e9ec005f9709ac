//! A host of the server under test: the program `keel agent` below a scratch folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::CatalogServer;
use crate::program::keel;

/// Longer than anything that is right takes on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host that has joined. Its agent is killed when this is dropped.
pub struct AgentHost {
    /// The name.
    pub name: String,
    root: TempDir,
    agent: Option<Child>,
}

impl AgentHost {
    /// A host that joins with a token; its agent does not run yet.
    ///
    /// # Panics
    /// It is not let in.
    pub fn join(server: &CatalogServer, name: &str) -> Self {
        let root = tempfile::Builder::new().prefix("keel-host-").tempdir().unwrap();
        let host = Self { name: name.to_owned(), root, agent: None };
        let command = server.command(&["token", "create", "--host", name]);
        let word = |option: &str| command.split_whitespace().skip_while(|word| *word != option).nth(1).unwrap();
        let address = format!("localhost:{}", server.agents_address().port());
        let (token, fingerprint) = (word("--token"), word("--fingerprint"));
        host.keel(&["agent", "enroll", "--server", &address, "--host", name, "--token", token, "--fingerprint", fingerprint]);
        host
    }

    /// A path below the host's root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Adds lines to `agent.toml`.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn set(&mut self, lines: &str) -> &mut Self {
        let path = self.path("etc/keel/agent.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{lines}\n")).unwrap();
        self
    }

    /// Starts the agent.
    ///
    /// # Panics
    /// The program cannot be started.
    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("agent.log")).unwrap();
        let mut command = Command::new(keel());
        command.args(["agent", "--root"]).arg(self.root.path()).current_dir("/");
        self.agent = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Asks the agent to stop, waits for it, and returns its exit code.
    ///
    /// # Panics
    /// It does not run.
    pub fn stop(&mut self) -> Option<i32> {
        let mut agent = self.agent.take().unwrap();
        kill(Pid::from_raw(i32::try_from(agent.id()).unwrap()), Signal::SIGTERM).unwrap();
        agent.wait().unwrap().code()
    }

    /// Runs a command of the program on this host, which has to succeed.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn keel(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "keel {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(keel());
        command.args(arguments).arg("--root").arg(self.root.path()).current_dir("/").output().unwrap()
    }

    /// What `keel agent status --json` says.
    ///
    /// # Panics
    /// It is no JSON.
    pub fn status(&self) -> Value {
        let output = self.output(&["agent", "status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Waits until the host is as it should be.
    ///
    /// # Panics
    /// It is not, after a long time.
    #[track_caller]
    pub fn until(&self, what: &str, good: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !good(self) {
            assert!(Instant::now() < deadline, "{}: not in time: {what}\n{}\n{}", self.name, self.status(), self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Everything that the agent said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    /// The folder that is the host's root.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

impl Drop for AgentHost {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}
