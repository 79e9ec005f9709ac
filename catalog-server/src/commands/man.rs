//! `keel-server man`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::command;
use crate::error::{Error, Result};

/// Write the manual pages of all commands into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server man /usr/local/share/man/man1")]
pub struct Arguments {
    /// The folder; it has to exist.
    folder: PathBuf,
}

/// Runs it.
///
/// # Errors
/// The folder cannot be written to.
pub fn run(arguments: &Arguments) -> Result<()> {
    let written = clap_mangen::generate_to(command(), &arguments.folder);
    written.map_err(|error| Error::trouble(format!("cannot write to {}: {error}", arguments.folder.display())))
}
