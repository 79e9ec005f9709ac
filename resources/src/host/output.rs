//! What came of a command, and why one could not be started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use keel_engine::resource::{Failure, ObserveError};
use keel_engine::secret::{PLACEHOLDER, Secret};

use super::capture::Captured;

/// Lines of a command's output that a failure quotes.
const QUOTED_LINES_MAX: usize = 12;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was ended after this time, and everything it had begun.
    TimedOut(Duration),
    /// Somebody asked that all commands end; it was ended, and everything it had begun.
    Abandoned,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(status) => write!(f, "exited with status {status}"),
            End::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            End::TimedOut(time) => write!(f, "took longer than {} seconds and was ended", time.as_secs_f32()),
            End::Abandoned => f.write_str("was ended, because the run was asked twice to stop"),
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Output {
    pub(crate) command: String,
    /// How it ended.
    pub end: End,
    /// What it wrote to its standard output; may hold secrets, see [`Output::shown`].
    pub stdout: Captured,
    /// What it wrote to its standard error; may hold secrets.
    pub stderr: Captured,
    pub(crate) secrets: Vec<Secret>,
}

impl Output {
    /// Whether it ended with status 0.
    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// The whole standard output as text, for parsers.
    ///
    /// # Errors
    /// When it was longer than what is captured.
    pub fn text(&self) -> Result<String, Failure> {
        let whole = self.stdout.whole().ok_or_else(|| Failure::new(format!("`{}` wrote more than can be read", self.command)))?;
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }

    /// The last lines of both streams, secrets blotted out.
    pub fn shown(&self) -> String {
        let streams = [self.stderr.last_lines(QUOTED_LINES_MAX), self.stdout.last_lines(QUOTED_LINES_MAX)];
        let streams: Vec<String> = streams.into_iter().filter(|lines| !lines.is_empty()).collect();
        blot(&streams.join("\n"), &self.secrets)
    }

    /// The failure that this end means where it was not wanted.
    pub fn failure(&self) -> Failure {
        let shown = self.shown();
        let quoted = if shown.is_empty() { String::new() } else { format!(": {shown}") };
        Failure::new(format!("`{}` {}{quoted}", self.command, self.end))
    }
}

/// Why a command could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such program; a package may still bring it.
    NotFound {
        /// Its name or path.
        program: String,
        /// Where it was looked for.
        search: Vec<PathBuf>,
    },
    /// There is no such user or group yet.
    NoAccount {
        /// The command as people may see it.
        command: String,
        /// Which: `user app`.
        account: String,
    },
    /// Anything else.
    Failed {
        /// The command as people may see it.
        command: String,
        /// What went wrong.
        reason: String,
    },
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound { program, .. } if program.starts_with('/') => {
                Failure::new(format!("there is no program {program}")).help("require the package that brings it")
            }
            CommandError::NotFound { program, search } => {
                let folders: Vec<_> = search.iter().map(|folder| folder.display().to_string()).collect();
                Failure::new(format!("there is no program {program} in {}", folders.join(", ")))
                    .help("require the package that brings it, or name it by its absolute path")
            }
            CommandError::NoAccount { command, account } => {
                Failure::new(format!("cannot run `{command}`: there is no {account}")).help("declare it, or name another one")
            }
            CommandError::Failed { command, reason } => Failure::new(format!("cannot run `{command}`: {reason}")),
        }
    }
}

impl From<CommandError> for ObserveError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound { .. } | CommandError::NoAccount { .. } => ObserveError::NotYet(error.into()),
            CommandError::Failed { .. } => ObserveError::Failed(error.into()),
        }
    }
}

/// The text without the secrets.
pub(crate) fn blot(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Secret::reveal_secret_text) {
        // A secret of several lines may be printed one by one.
        for line in std::iter::once(secret).chain(secret.lines()).filter(|line| !line.is_empty()) {
            text = text.replace(line, PLACEHOLDER);
        }
    }
    text
}
