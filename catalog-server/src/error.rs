//! Errors at the program's edge: a kind that decides the exit code, one sentence, and what to try.

use std::fmt;

use crate::store::StoreError;

/// What kind of trouble it is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asks for something that cannot be: 64.
    Usage,
    /// Settings, keys, database or network stand against it: 1.
    Trouble,
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

/// What commands return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hints: Vec::new() }
    }

    /// Anything that stands against it.
    pub fn trouble(message: impl Into<String>) -> Self {
        Self { kind: Kind::Trouble, message: message.into(), hints: Vec::new() }
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
            Kind::Trouble => 1,
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
            std::io::ErrorKind::BrokenPipe => {
                Self { kind: Kind::BrokenPipe, message: "nobody reads the output".to_owned(), hints: Vec::new() }
            }
            _ => Self::trouble(format!("cannot write the output: {error}")),
        }
    }
}

/// Trouble with the database.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::trouble(error.to_string())
    }
}
