//! `keel-server completions`.

use clap::Args;
use clap_complete::Shell;

use crate::cli::{command, print};
use crate::error::Result;

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server completions bash > /etc/bash_completion.d/keel-server")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Runs it.
///
/// # Errors
/// The output cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "keel-server", &mut text);
    print(&String::from_utf8_lossy(&text))
}
