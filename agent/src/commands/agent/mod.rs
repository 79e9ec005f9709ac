//! `keel agent`.

mod enroll;
mod pause;
pub(super) mod round;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::error::Result;
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
    /// The folder that is treated as the host's root.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    Enroll(enroll::Arguments),
    Status(status::Arguments),
    Disable(pause::DisableArguments),
    /// Let the agent run again.
    #[command(after_help = "Example:\n  keel agent enable")]
    Enable,
    #[command(hide = true)]
    Round(round::Arguments),
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
        Some(Action::Enable) => pause::enable(&home),
        Some(Action::Round(arguments)) => round::run(arguments, &home),
        None if arguments.once => round::once(&home, context),
        None => {
            process::normalise();
            let settings = ready(&home)?;
            service::run(&home, settings)
        }
    }
}

/// What every run begins with: settings, folders, and nobody who could meddle with them.
fn ready(home: &Home) -> Result<AgentSettings> {
    let settings = AgentSettings::load(home)?;
    home.make_folders()?;
    self_check::check(home)?;
    Ok(settings)
}
