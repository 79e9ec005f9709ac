//! `keel-server compile-worker`.

use clap::Args;

use crate::compile_worker;
use crate::error::{Error, Result};

/// Compile for the server that started this process, over its pipes.
#[derive(Debug, Args)]
#[command(after_help = "Example, as the server starts it:\n  keel-server compile-worker --memory 1073741824")]
pub struct Arguments {
    /// The most bytes of memory.
    #[arg(long, value_name = "BYTES", default_value_t = compile_worker::MEMORY_BYTES)]
    memory: u64,
}

/// Runs it.
///
/// # Errors
/// The process cannot be limited, or the pipes broke.
pub fn run(arguments: &Arguments) -> Result<()> {
    compile_worker::main(arguments.memory).map_err(|why| Error::trouble(format!("compile worker: {why}")))
}
