//! The process in which the agent answers inquiries.

use clap::Args;

use crate::cli::{print, print_error};
use crate::error::Result;
use crate::pull::home::Home;
use crate::pull::{answers, process};
use crate::stop;

/// Answer what the server asks about commits, for the agent that started this.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent --once")]
pub(super) struct Arguments {}

/// Answers, with a few words for the journal, and the reason for it if it cannot.
///
/// # Errors
/// The server is away.
pub(super) fn run(home: &Home) -> Result<u8> {
    process::normalise();
    let stop = stop::on_signals()?;
    match answers::make(home, &stop, |line| print_error(&format!("keel: {line}\n"))) {
        Ok(()) => Ok(0),
        Err(error) => {
            print(&error.message)?;
            Err(error)
        }
    }
}
