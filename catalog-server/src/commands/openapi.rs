//! `keel-server openapi`.

use clap::Args;

use crate::cli::print_json;
use crate::error::Result;

/// Print the description of the server's API: OpenAPI 3.1, as JSON.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server openapi > openapi.json")]
pub struct Arguments {}

/// Runs it.
///
/// # Errors
/// The output cannot be written.
pub fn run(_: &Arguments) -> Result<()> {
    print_json(&crate::openapi::document())
}
