//! The commands, one file each: an argument struct whose doc comment is the help, and `run`.

pub mod compile_worker;
pub mod completions;
pub mod init;
pub mod man;
pub mod notify;
pub mod openapi;
pub mod operator;
pub mod serve;
pub mod token;

use crate::error::{Error, Result};

/// Runs something that waits, where a command does not otherwise.
fn wait_for<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::trouble(format!("cannot start: {error}")))?.block_on(future)
}
