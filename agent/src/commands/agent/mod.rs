//! `keel agent`.

mod answer;
mod enroll;
mod pause;
mod prove;
pub(super) mod round;
mod status;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::error::{Error, Result};
use crate::pull::home::Home;
use crate::pull::settings::AgentSettings;
use crate::pull::{process, self_check, service};

/// Keep this host as its catalog server says, run after run.
///
/// The agent fetches this host's catalog, converges the host to it, and reports, every interval, and at
/// once when the server has news. While the server is away it converges to the catalog that it had.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  keel agent enroll --server keel.example.org --token TOKEN --fingerprint FINGERPRINT\n  keel agent --once\n  keel agent status"
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Make one run and show what was changed, as `keel apply` does.
    #[arg(long)]
    once: bool,
    /// Print the report of the run as JSON.
    #[arg(long, requires = "once")]
    json: bool,
    /// The folder that is treated as the host's root.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    Enroll(enroll::Arguments),
    Status(status::Arguments),
    Disable(pause::DisableArguments),
    Enable(pause::EnableArguments),
    #[command(hide = true)]
    Round(round::Arguments),
    #[command(hide = true)]
    Answer(answer::Arguments),
    #[command(hide = true)]
    Prove(prove::Arguments),
}

/// Runs it.
///
/// # Errors
/// The agent cannot work, or another one does.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let home = Home::below(&arguments.root)?;
    match &arguments.action {
        Some(Action::Enroll(arguments)) => enroll::run(arguments, home),
        Some(Action::Status(arguments)) => status::run(arguments, &home, context),
        Some(Action::Disable(arguments)) => pause::disable(arguments, &home, context),
        Some(Action::Enable(arguments)) => pause::enable(arguments, &home),
        Some(Action::Round(arguments)) => round::run(arguments, &home),
        Some(Action::Answer(answer::Arguments {})) => answer::run(&home),
        Some(Action::Prove(arguments)) => prove::run(arguments, &home),
        None if arguments.once => round::once(&home, arguments.json, context),
        None => begin_to_stay(&home),
    }
}

/// The name under which the program is the agent that stays.
const STAYING: &str = "keel-agent";

/// Starts the program anew in the same process, under the name of the agent that stays: what was needed
/// to understand a command line is then no longer in memory.
fn begin_to_stay(home: &Home) -> Result<u8> {
    process::normalise();
    ready(home)?;
    let failed = |error: std::io::Error| Error::host(format!("cannot start this program anew: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    Err(failed(Command::new(program).arg0(STAYING).arg(&home.root).exec()))
}

/// The host's root folder, if this is the command line of an agent that stays.
pub fn root_to_stay_for(arguments: &[OsString]) -> Option<PathBuf> {
    match arguments {
        [name, root] if name == STAYING => Some(PathBuf::from(root)),
        _ => None,
    }
}

/// Stays until it is asked to stop.
///
/// # Errors
/// As [`run`].
pub fn stay(root: &Path) -> Result<u8> {
    process::normalise();
    let home = Home::below(root)?;
    let settings = ready(&home)?;
    service::run(&home, settings)
}

/// What every run begins with: settings, folders, and nobody who could meddle with them.
fn ready(home: &Home) -> Result<AgentSettings> {
    let settings = AgentSettings::load(home)?;
    home.make_folders()?;
    self_check::check(home)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_agent_that_stays_makes_one() {
        let root = |words: &[&str]| root_to_stay_for(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(root(&["keel-agent", "/"]), Some(PathBuf::from("/")));
        for other in [&["keel", "agent"][..], &["keel-agent"], &["/usr/bin/keel-agent", "status", "--json"], &[]] {
            assert_eq!(root(other), None, "{other:?}");
        }
    }
}
