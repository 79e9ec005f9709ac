//! The program `keel`: reads its command line, runs one command, and turns what came of it into an
//! exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(keel_agent::cli::main(std::env::args_os()))
}
