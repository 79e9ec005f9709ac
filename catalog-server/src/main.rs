//! The program `keel-server`: reads its command line, runs one command, and turns what came of it into
//! an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(keel_server::cli::main(std::env::args_os()))
}
