//! The command line: global options, the table of commands, and how an error leaves the program.

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::commands::{
    agent, apply, check, compile, completions, diff, doc, explain, facts, fmt, graph, inspect, lease, lsp, man, node, plan, report, secret,
    status, test, undo, why,
};
use crate::error::{Error, Kind, Result};
use crate::render::paint::Paint;
use crate::settings::Environment;

/// Converges hosts to the state that a site's manifests declare, and shows before what it would do.
///
/// A site is a folder with a keel.toml; without an argument, the nearest one upward is taken.
#[derive(Debug, Parser)]
#[command(
    name = "keel",
    version,
    max_term_width = 100,
    after_help = "Example:\n  keel plan examples/quickstart --host here --root \"$(mktemp -d)\""
)]
pub struct Cli {
    /// When to use colour; NO_COLOR in the environment means never.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    #[command(subcommand)]
    command: Command,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands. One file each in `commands/`, one line each here and in `run`.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Compile(compile::Arguments),
    Test(test::Arguments),
    Diff(diff::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Undo(undo::Arguments),
    Explain(explain::Arguments),
    Graph(graph::Arguments),
    Doc(doc::Arguments),
    Facts(facts::Arguments),
    Inspect(inspect::Arguments),
    Secret(secret::Arguments),
    Agent(agent::Arguments),
    Lease(lease::Arguments),
    Status(status::Arguments),
    Why(why::Arguments),
    Report(report::Arguments),
    Node(node::Arguments),
    Fmt(fmt::Arguments),
    Lsp(lsp::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// What every command may use: the environment, and whether to paint.
pub struct Context {
    /// What the environment says.
    pub environment: Environment,
    /// The choice of `--color`.
    pub colour: Colour,
}

impl Context {
    /// Paint for standard output.
    pub fn paint(&self) -> Paint {
        self.paint_for(self.environment.stdout_is_terminal)
    }

    /// Paint for standard error.
    pub fn paint_errors(&self) -> Paint {
        self.paint_for(self.environment.stderr_is_terminal)
    }

    fn paint_for(&self, is_terminal: bool) -> Paint {
        let colour = match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && !self.environment.no_color,
        };
        Paint { colour }
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
    let text = serde_json::to_string_pretty(data).map_err(|error| Error::host(format!("cannot write JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// Prints to standard error; there is nobody to tell if that fails.
pub fn print_error(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The whole command line as clap knows it, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(root) = agent::root_to_stay_for(&arguments) {
        return agent::stay(&root).unwrap_or_else(|error| leave(&error, Paint { colour: false }));
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap's own 2 for the others would look like "changes".
            let _ = error.print();
            return if error.use_stderr() { 64 } else { 0 };
        }
    };
    let context = Context { environment: Environment::read(), colour: cli.color };
    run(cli.command, &context).unwrap_or_else(|error| leave(&error, context.paint_errors()))
}

/// Says what went wrong, and returns the exit code.
fn leave(error: &Error, paint: Paint) -> u8 {
    if error.kind != Kind::BrokenPipe {
        print_error(&format!("{} {error}\n", paint.red("keel:")));
    }
    error.exit_code()
}

fn run(command: Command, context: &Context) -> Result<u8> {
    match command {
        Command::Check(arguments) => check::run(&arguments, context),
        Command::Compile(arguments) => compile::run(&arguments, context),
        Command::Test(arguments) => test::run(&arguments, context),
        Command::Diff(arguments) => diff::run(&arguments, context),
        Command::Plan(arguments) => plan::run(&arguments, context),
        Command::Apply(arguments) => apply::run(&arguments, context),
        Command::Undo(arguments) => undo::run(&arguments, context),
        Command::Explain(arguments) => explain::run(&arguments, context),
        Command::Graph(arguments) => graph::run(&arguments, context),
        Command::Doc(arguments) => doc::run(&arguments, context),
        Command::Facts(arguments) => facts::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Secret(arguments) => secret::run(&arguments, context),
        Command::Agent(arguments) => agent::run(&arguments, context),
        Command::Lease(arguments) => lease::run(&arguments, context),
        Command::Status(arguments) => status::run(&arguments, context),
        Command::Why(arguments) => why::run(&arguments, context),
        Command::Report(arguments) => report::run(&arguments, context),
        Command::Node(arguments) => node::run(&arguments, context),
        Command::Fmt(arguments) => fmt::run(&arguments, context),
        Command::Lsp(arguments) => lsp::run(&arguments, context),
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
        for sub in command().get_subcommands() {
            let help = sub.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "keel {} has no example", sub.get_name());
        }
    }

    #[test]
    fn a_wrong_command_line_is_not_taken_for_changes() {
        assert_eq!(main(["keel", "plan", "--no-such-option"].map(OsString::from)), 64);
    }
}
