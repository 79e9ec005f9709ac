//! The program `keel-server`, running in a scratch folder on ports of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Client, Identity, Site, Usage};
use crate::program::{keel, keel_server};

/// How long a machine with other things to do may take to start the program.
const START: Duration = Duration::from_secs(120);

/// The port that agents are used to.
const AGENTS_PORT: u16 = 7440;

/// A server with its folders. Killed when dropped.
pub struct CatalogServer {
    folder: TempDir,
    /// What operators push.
    pub site: Site,
    settings: String,
    child: Option<Child>,
    agents: SocketAddr,
    operators: SocketAddr,
}

impl CatalogServer {
    /// A server with an empty site.
    ///
    /// # Panics
    /// It does not start.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A server with more settings, as lines of `server.toml`.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_with(settings: &str) -> Self {
        let mut server = Self::prepare(settings);
        server.resume();
        server
    }

    /// A server that agents on other hosts reach at an address of this machine, always on the same port.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_at(address: Ipv4Addr) -> Self {
        let folder = scratch();
        let mut server = Self::in_folder_at(Site::new(folder.path()), folder, "", SocketAddr::from((address, AGENTS_PORT)));
        server.command(&["init"]);
        server.resume();
        server
    }

    /// Everything but a running program.
    ///
    /// # Panics
    /// `keel-server init` fails.
    pub fn prepare(settings: &str) -> Self {
        let folder = scratch();
        let server = Self::in_folder(Site::new(folder.path()), folder, settings);
        server.command(&["init"]);
        server
    }

    /// Another server for the same site, over the same database (which has to be PostgreSQL): it has the
    /// authority's keys, and folders and ports of its own.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_neighbour(&self) -> Self {
        let mut server = Self::in_folder(self.site.clone(), scratch(), &self.settings);
        std::fs::create_dir(server.path("state")).unwrap();
        let copied = Command::new("cp").arg("-a").args([self.path("state/authority"), server.path("state/authority")]).status().unwrap();
        assert!(copied.success());
        server.resume();
        server
    }

    /// A server's settings in a folder of its own.
    fn in_folder(site: Site, folder: TempDir, settings: &str) -> Self {
        Self::in_folder_at(site, folder, settings, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    fn in_folder_at(site: Site, folder: TempDir, settings: &str, listen: SocketAddr) -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Self { site, settings: settings.to_owned(), child: None, agents: nowhere, operators: nowhere, folder };
        let text = format!(
            "names = ['localhost', '{}']\nlisten = '{listen}'\noperator_listen = '127.0.0.1:0'\n\
             repository = '{}'\nstate = '{}'\nrun = '{}'\n{settings}\n",
            listen.ip(),
            server.site.repository().display(),
            server.path("state").display(),
            server.path("run").display(),
        );
        std::fs::write(server.path("server.toml"), text).unwrap();
        server
    }

    /// A path below the server's scratch folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program again; it keeps its state and gets other ports.
    ///
    /// # Panics
    /// It does not start.
    pub fn resume(&mut self) {
        let log = self.path("server.log");
        let from = std::fs::read_to_string(&log).unwrap_or_default().len();
        let append = |name: &str| std::fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        let mut command = Command::new(keel_server());
        command.args(["serve", "--config"]).arg(self.path("server.toml")).current_dir("/");
        command.stdin(Stdio::null()).stdout(append("audit.log")).stderr(append("server.log"));
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + START;
        let ready = loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Some(line) = text[from..].lines().find(|line| line.starts_with("keel-server: ready ")) {
                break line.to_owned();
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "keel-server serve does not start ({ended:?}):\n{}", &text[from..]);
            std::thread::sleep(Duration::from_millis(20));
        };
        let address = |name: &str| -> SocketAddr {
            let word = ready.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
            word.parse().unwrap()
        };
        (self.agents, self.operators) = (address("agents="), address("operators="));
        self.child = Some(child);
    }

    /// Kills the program as a crash would.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the program to stop, waits for it, and returns its exit code.
    ///
    /// # Panics
    /// It does not run.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        child.wait().unwrap().code()
    }

    /// The program's process, for a look at what it uses.
    ///
    /// # Panics
    /// It does not run.
    pub fn process(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What the program and its compile workers use.
    ///
    /// # Panics
    /// It does not run.
    pub fn usage(&self) -> Usage {
        Usage::of(self.process())
    }

    /// Runs a command of the program with this server's settings, which has to succeed.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(keel_server());
        command.args(arguments).arg("--config").arg(self.path("server.toml")).current_dir("/");
        let output = command.output().unwrap();
        assert!(output.status.success(), "keel-server {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where agents connect.
    pub fn agents_address(&self) -> SocketAddr {
        self.agents
    }

    /// Where operators connect.
    pub fn operators_address(&self) -> SocketAddr {
        self.operators
    }

    /// The URL for `keel agent enroll --server`.
    pub fn agents_url(&self) -> String {
        format!("https://localhost:{}", self.agents.port())
    }

    /// The root certificate as PEM.
    ///
    /// # Panics
    /// There is none.
    pub fn root(&self) -> String {
        self.authority_file("root.pem")
    }

    /// A file of the authority.
    ///
    /// # Panics
    /// It is not there.
    pub fn authority_file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("state/authority").join(name)).unwrap()
    }

    /// Everything that the program wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// The lines of the audit log.
    ///
    /// # Panics
    /// A line is not JSON.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("audit.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A client of the agents' API.
    pub fn agent(&self, identity: Option<&Identity>) -> Client {
        Client::new(self.agents, &self.root(), identity, None)
    }

    /// A client of the operators' API with a bearer token.
    pub fn operator(&self, token: Option<&str>) -> Client {
        Client::new(self.operators, &self.root(), None, token)
    }

    /// Adds an operator, and returns a client with its token.
    pub fn add_operator(&self, name: &str, role: &str) -> Client {
        let token = self.command(&["operator", "add", name, "--role", role]);
        self.operator(Some(token.trim()))
    }

    /// What `keel status` says to an operator.
    ///
    /// # Panics
    /// It fails.
    pub fn fleet_status(&self) -> String {
        let token = self.command(&["operator", "add", "vera", "--role", "viewer"]);
        let folder = self.path("operator");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ca.pem"), self.root()).unwrap();
        let settings = folder.join("operator.toml");
        let server = format!("localhost:{}", self.operators.port());
        std::fs::write(&settings, format!("server = \"{server}\"\nca = \"ca.pem\"\ntoken = \"{}\"\n", token.trim())).unwrap();
        std::os::unix::fs::chown(&settings, Some(0), Some(0)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&settings, mode).unwrap();
        let output = Command::new(keel()).args(["status", "--operator-settings"]).arg(&settings).output().unwrap();
        self.command(&["operator", "remove", "vera"]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}");
        said
    }

    /// Makes a one-time token with `keel-server token create`.
    ///
    /// # Panics
    /// The command's output is not what it should be.
    pub fn token(&self, more: &[&str]) -> String {
        let arguments = [&["token", "create", "--json"], more].concat();
        let answer: Value = serde_json::from_str(&self.command(&arguments)).unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Enrols a host by a token.
    ///
    /// # Panics
    /// It is not let in.
    pub fn enrol(&self, host: &str) -> Identity {
        let candidate = Identity::candidate(host);
        let answer = self.ask(&candidate, Some(&self.token(&[])));
        assert_eq!(answer.status, 200, "{}", answer.text());
        candidate.with_chain(answer.json()["certificate"]["chain"].as_str().unwrap())
    }

    /// Asks to be let in.
    ///
    /// # Panics
    /// The server does not answer.
    pub fn ask(&self, candidate: &Identity, token: Option<&str>) -> Answer {
        self.agent(None).post("/v1/enrolment", &candidate.request(token)).unwrap()
    }
}

impl Drop for CatalogServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            show(&self.path("server.log"));
        }
    }
}

/// A folder that goes away.
fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("keel-server-").tempdir().unwrap()
}

/// What the server said is worth reading when a test failed.
fn show(log: &Path) {
    println!("{}", std::fs::read_to_string(log).unwrap_or_default());
}
