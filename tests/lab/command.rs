//! Running the machine's own tools, and what came of it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::{LabError, Result};

/// What a command printed and how it ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit status; 128 and more where a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Its standard output without the last newline.
    ///
    /// # Panics
    /// When it failed; the message holds everything it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success(), "ended with {}\n{}{}", self.status, self.stdout, self.stderr);
        self.stdout.trim_end_matches('\n').to_owned()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Runs a command to its end, whatever that is.
pub(super) fn run(command: &mut Command) -> Result<Ran> {
    let output = command.stdin(Stdio::null()).output().map_err(LabError::doing(name(command)))?;
    Ok(Ran::from(output))
}

/// Runs a command that has to succeed; gives what it printed.
pub(super) fn run_ok(command: &mut Command) -> Result<String> {
    let ran = run(command)?;
    if ran.success() {
        return Ok(ran.stdout);
    }
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let last: Vec<&str> = said.lines().rev().take(20).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(LabError::new(format!("{} {}: ended with {}\n{}", name(command), arguments.join(" "), ran.status, last.join("\n"))))
}

/// A line for the people who watch.
pub fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
