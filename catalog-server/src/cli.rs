//! The command line: global options, the table of commands, and how an error leaves the program.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{compile_worker, completions, init, man, notify, openapi, operator, serve, token};
use crate::error::{Error, Kind, Result};
use crate::settings::Settings;

/// Serves catalogs: reads a site from git, compiles it for each host, and takes their reports.
#[derive(Debug, Parser)]
#[command(
    name = "keel-server",
    version,
    max_term_width = 100,
    after_help = "Example:\n  keel-server init --name keel.example.org\n  keel-server operator add alice --role admin\n  keel-server serve"
)]
pub struct Cli {
    /// The server's settings.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/keel/server.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// The commands. One file each in `commands/`, one line each here and in `run`.
#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Serve(serve::Arguments),
    Operator(operator::Arguments),
    Token(token::Arguments),
    Notify(notify::Arguments),
    Openapi(openapi::Arguments),
    #[command(hide = true)]
    CompileWorker(compile_worker::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// What every command may use.
pub struct Context {
    /// Where the settings stand.
    config: PathBuf,
}

impl Context {
    /// With settings that stand here.
    pub fn of(config: PathBuf) -> Self {
        Self { config }
    }

    /// Where the settings stand.
    pub fn config(&self) -> &std::path::Path {
        &self.config
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// They cannot be read, or are wrong.
    pub fn settings(&self) -> Result<Settings> {
        Settings::load(&self.config)
    }
}

/// Prints to standard output.
///
/// # Errors
/// Nobody reads it, or it cannot be written.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints data as JSON, a line at the end.
///
/// # Errors
/// As [`print()`].
pub fn print_json(data: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(data).map_err(|error| Error::trouble(format!("cannot write JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// The whole command line as clap knows it, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors.
            let _ = error.print();
            return if error.use_stderr() { 64 } else { 0 };
        }
    };
    match run(cli.command, &Context::of(cli.config)) {
        Ok(()) => 0,
        Err(error) => {
            if error.kind != Kind::BrokenPipe {
                // There is nobody to tell if this fails.
                let _ = writeln!(std::io::stderr().lock(), "keel-server: {error}");
            }
            error.exit_code()
        }
    }
}

fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Init(arguments) => init::run(&arguments, context),
        Command::Serve(arguments) => serve::run(&arguments, context),
        Command::Operator(arguments) => operator::run(&arguments, context),
        Command::Token(arguments) => token::run(&arguments, context),
        Command::Notify(arguments) => notify::run(&arguments, context),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::CompileWorker(arguments) => compile_worker::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn look(command: &clap::Command, path: &str) {
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                let help = sub.clone().render_long_help().to_string();
                assert!(help.contains("Example"), "{path} has no example");
                look(sub, &path);
            }
        }
        look(&command(), "keel-server");
    }

    #[test]
    fn a_wrong_command_line_has_an_exit_code_of_its_own() {
        assert_eq!(main(["keel-server", "serve", "--no-such-option"].map(OsString::from)), 64);
    }
}
