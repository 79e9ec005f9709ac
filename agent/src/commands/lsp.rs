//! `keel lsp`.

use clap::Args;

use crate::cli::Context;
use crate::error::Result;
use crate::language_server;

/// Serve an editor: diagnostics while typing, completion, hover, definitions and formatting of manifests.
///
/// Speaks the Language Server Protocol on standard input and output; editors start it themselves. What is wrong with
/// the whole site is shown, as `keel check` says it, with the files as they stand in the editor.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel lsp --stdio")]
pub struct Arguments {
    /// Speak on standard input and output, as it always does; some editors insist on saying so.
    #[arg(long)]
    stdio: bool,
}

/// Runs it until the editor takes its leave.
///
/// # Errors
/// The editor does not keep to the protocol.
pub fn run(_arguments: &Arguments, _context: &Context) -> Result<u8> {
    language_server::serve()
}
