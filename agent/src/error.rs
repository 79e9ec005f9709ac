//! Errors at the program's edge: a kind that decides the exit code, one sentence, and what to try.

use std::fmt;

/// What kind of trouble it is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asks for something that cannot be: 64.
    Usage,
    /// The site is wrong; the diagnostics have been printed: 1.
    Site,
    /// The host or its state stands against the run: 1.
    Host,
    /// Another run holds the lock: 75.
    Locked,
    /// Nobody reads the output any more: 0, in silence.
    BrokenPipe,
}

/// An error that ends a command.
#[derive(Debug)]
pub struct Error {
    /// Its kind.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
    /// What to try, one sentence each.
    pub hints: Vec<String>,
}

/// What commands return: the exit code, or the error that ended them.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A wrong site.
    pub fn site(message: impl Into<String>) -> Self {
        Self::new(Kind::Site, message)
    }

    /// Trouble with the host.
    pub fn host(message: impl Into<String>) -> Self {
        Self::new(Kind::Host, message)
    }

    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// Adds what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what to try, if there is anything.
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hints.extend(hint);
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 64,
            Kind::Site | Kind::Host => 1,
            Kind::Locked => 75,
            Kind::BrokenPipe => 0,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\n  try: {hint}"))
    }
}

/// Trouble with standard output.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(Kind::BrokenPipe, "nobody reads the output"),
            _ => Self::host(format!("cannot write the output: {error}")),
        }
    }
}
