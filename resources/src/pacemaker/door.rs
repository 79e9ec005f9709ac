//! The one door to the cluster's configuration: Pacemaker's own tools, on the running cluster or on a file.
//!
//! Everything goes through their standard input: a configuration may hold passwords.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keel_engine::resource::{Failure, ObserveError};

use super::agent_metadata::{AgentMetadata, AgentName};
use super::cib::Cib;
use super::simulation::{self, Action};
use crate::host::command::Command;
use crate::host::output::{End, Output};
use crate::host::{Backup, Host, NewFile, Ownership};

/// Where Pacemaker keeps its configuration, and where that of a host that is only a folder is.
const KEPT: &str = "/var/lib/pacemaker/cib/cib.xml";
/// Where the configuration stands that a patch starts from, for as long as it takes to make the patch.
const ORIGINAL: &str = "/run/keel/cib-original.xml";
const FOLDER: &str = "/run/keel";
/// How long the cluster may take to become idle after a change.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How the tools end when there is no cluster to talk to (CRM_EX_DISCONNECT).
const DISCONNECTED: i32 = 102;
/// The largest configuration that is read.
const CIB_BYTES_MAX: usize = 64 << 20;

/// The configuration of one cluster.
pub(super) struct Door<'h> {
    host: &'h Host,
    /// The file it is in; none for the cluster that runs here.
    file: Option<PathBuf>,
}

/// What came of a patch.
pub(super) enum Pushed {
    /// It is in.
    Done,
    /// Somebody else changed the configuration meanwhile; nothing was done.
    Outdated,
}

impl<'h> Door<'h> {
    /// The door to the cluster that the host belongs to.
    pub(super) fn of(host: &'h Host) -> Self {
        let file = host.cib().map(PathBuf::from).or_else(|| (!host.is_machine()).then(|| host.locate(KEPT)));
        Self { host, file }
    }

    /// Whether it leads to a cluster that runs.
    pub(super) fn is_live(&self) -> bool {
        self.file.is_none()
    }

    fn tool(&self, program: &str) -> Command {
        let command = self.host.command(program).capture(CIB_BYTES_MAX);
        match &self.file {
            Some(file) => command.environment("CIB_file", file.to_string_lossy()),
            None => command,
        }
    }

    /// Reads the configuration with the cluster's state.
    ///
    /// # Errors
    /// There is none yet, or it cannot be read.
    pub(super) fn query(&self) -> Result<Cib, ObserveError> {
        if let Some(file) = self.file.as_ref().filter(|file| !file.exists()) {
            let failure = Failure::new(format!("there is no cluster configuration in {}", file.display()));
            return Err(ObserveError::NotYet(failure.help("`cibadmin --empty` prints an empty one")));
        }
        let output = self.tool("cibadmin").argument("--query").run()?;
        match output.end {
            End::Exited(0) => Ok(Cib::parse(&output.text()?)?),
            End::Exited(DISCONNECTED) => {
                let failure = Failure::new("Pacemaker does not run on this host");
                Err(ObserveError::NotYet(failure.help("start it; the service pacemaker should come before")))
            }
            _ => Err(output.failure().into()),
        }
    }

    /// The node that makes changes for the cluster, if that is not this one.
    ///
    /// # Errors
    /// There is none at the moment, or nobody can say who this one is.
    pub(super) fn other_actor(&self, cib: &Cib) -> Result<Option<String>, ObserveError> {
        if !self.is_live() {
            return Ok(None);
        }
        let Some(controller) = cib.designated_controller() else {
            let failure = Failure::new("the cluster has no designated controller (DC) yet");
            return Err(ObserveError::NotYet(
                failure.help("it elects one when enough nodes are online; a `wait` can hold this up until then"),
            ));
        };
        let output = self.tool("crm_node").argument("--name").run()?;
        if !output.is_success() {
            return Err(output.failure().into());
        }
        let own = output.text()?;
        Ok((own.trim() != controller).then(|| controller.to_owned()))
    }

    /// Has Pacemaker judge a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn verify(&self, cib: &Cib) -> Result<(), Failure> {
        let output = self.host.command("crm_verify").arguments(["--xml-pipe", "--verbose"]).input(cib.root.text()).run()?;
        if output.is_success() {
            return Ok(());
        }
        let said: Vec<String> = said(&output).into_iter().filter(|line| !is_warning(line) && !is_of_fencing(line)).collect();
        if said.is_empty() {
            return Ok(());
        }
        let help = match said.iter().any(|line| line.contains("is not a valid resource or tag")) {
            true => "a constraint on what stands in a clone or bundle names the clone or bundle; nothing was changed",
            false => "nothing was changed",
        };
        Err(Failure::new(format!("Pacemaker refuses the configuration: {}", said.join("; "))).help(help))
    }

    /// What Pacemaker would do with a configuration.
    ///
    /// # Errors
    /// It cannot be told.
    pub(super) fn simulate(&self, cib: &Cib) -> Result<Vec<Action>, Failure> {
        let command = self.host.command("crm_simulate").capture(CIB_BYTES_MAX);
        let output = command.arguments(["--xml-pipe", "--run", "--output-as=xml"]).input(cib.root.text()).run()?;
        if !output.is_success() {
            return Err(Failure::new(format!("Pacemaker cannot simulate the change: {}", said(&output).join("; "))));
        }
        simulation::actions(&output.text()?)
    }

    /// Makes one patch of the difference and pushes it against the configuration that was read.
    ///
    /// # Errors
    /// It was refused.
    pub(super) fn push(&self, original: &Cib, target: Cib) -> Result<Pushed, Failure> {
        let patch = self.difference(original, &target.next_version())?;
        let output = self.tool("cibadmin").arguments(["--patch", "--xml-pipe"]).input(patch).run()?;
        if output.is_success() {
            return Ok(Pushed::Done);
        }
        let now = self.query().map_err(|error| error.failure().clone())?;
        if now.root.attribute("num_updates") != original.root.attribute("num_updates") || now.version() != original.version() {
            return Ok(Pushed::Outdated);
        }
        Err(Failure::new(format!("the cluster refused the change: {}", said(&output).join("; "))))
    }

    fn difference(&self, original: &Cib, target: &Cib) -> Result<String, Failure> {
        let Some(file) = &self.file else {
            let ownership = Ownership { mode: Some(0o600), ..Ownership::default() };
            let bytes = original.root.text();
            if self.host.stat(FOLDER)?.is_none() {
                self.host.create_folder(FOLDER, Ownership::default())?;
            }
            self.host.replace(ORIGINAL, &NewFile { ownership, backup: Backup::None, ..NewFile::of(bytes.as_bytes()) })?;
            let patch = self.patch(&self.host.locate(ORIGINAL), target);
            self.host.remove(ORIGINAL)?;
            return patch;
        };
        self.patch(file, target)
    }

    fn patch(&self, original: &Path, target: &Cib) -> Result<String, Failure> {
        let command = self.host.command("crm_diff").capture(CIB_BYTES_MAX);
        let arguments = ["--original", &original.to_string_lossy(), "--new", "/dev/stdin"];
        let output = command.arguments(arguments).input(target.root.text()).run()?;
        // 1 means that there is a difference.
        match output.end {
            End::Exited(0 | 1) => output.text(),
            _ => Err(Failure::new(format!("no patch can be made: {}", said(&output).join("; ")))),
        }
    }

    /// Waits until the cluster has done what follows from its configuration.
    ///
    /// # Errors
    /// It does not come to rest.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        if !self.is_live() {
            return Ok(());
        }
        let seconds = format!("--timeout={}s", IDLE_TIMEOUT.as_secs());
        let command = self.tool("crm_resource").arguments(["--wait", &seconds]).timeout(Some(IDLE_TIMEOUT + Duration::from_secs(30)));
        let output = command.run()?;
        if output.is_success() {
            return Ok(());
        }
        let message = format!("the configuration is in, but the cluster does not come to rest: {}", said(&output).join("; "));
        Err(Failure::new(message).help("crm_mon -1 shows what it is doing"))
    }

    /// Asks an agent what it takes.
    ///
    /// # Errors
    /// There is no such agent; a package may still bring it.
    pub(super) fn agent(&self, agent: &AgentName) -> Result<AgentMetadata, ObserveError> {
        let words = agent.words();
        let output = self.host.command("crm_resource").arguments(["--show-metadata", &words]).run()?;
        if !output.is_success() {
            let failure = Failure::new(format!("there is no agent {words} on this host"));
            let help = format!(
                "mend its name, or require the package that brings it; `crm_resource --list-agents {}` lists those that are here",
                agent.class
            );
            return Err(ObserveError::NotYet(failure.help(help)));
        }
        let odd = |failure: Failure| Failure::new(format!("what the agent {words} says of itself cannot be read: {}", failure.message));
        Ok(AgentMetadata::parse(&output.text()?).map_err(odd)?)
    }
}

/// Whether a line of crm_verify is a warning, or says at the end that there were some.
fn is_warning(line: &str) -> bool {
    line.contains("warning:") || line.contains("Warnings found during check")
}

/// Whether a line of crm_verify says no more than that fencing is on and there is nothing to fence with: a cluster in
/// the making is like that, and reports warn of it.
fn is_of_fencing(line: &str) -> bool {
    const LINES: [&str; 4] = [
        "no STONITH resources have been defined",
        "disable STONITH with",
        "need STONITH to ensure",
        "Errors found during check: config not valid",
    ];
    LINES.iter().any(|known| line.contains(known))
}

/// The lines that a tool wrote of what went wrong.
fn said(output: &Output) -> Vec<String> {
    let shown = output.stderr.last_lines(usize::MAX);
    let mut lines: Vec<String> = Vec::new();
    for line in shown.lines().map(|line| line.replace('\t', " ")) {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        lines.push(output.failure().message);
    }
    lines
}
