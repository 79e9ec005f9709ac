//! Faults: why a request brought nothing.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use keel_engine::protocol::problem::{Code, Problem};

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There was no answer that could be understood: no connection, another server than the one that is
    /// trusted, a broken or too long answer. In one sentence.
    Away(String),
    /// The server said no.
    Refused {
        /// Its words.
        problem: Problem,
        /// How long it asks to be left alone.
        retry: Option<Duration>,
    },
}

impl Fault {
    /// There was no answer.
    pub fn away(error: &reqwest::Error) -> Self {
        Self::Away(chain(error))
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<Code> {
        match self {
            Fault::Away(_) => None,
            Fault::Refused { problem, .. } => Some(problem.code),
        }
    }

    /// Whether the same request may do better later, without anybody's help.
    pub fn may_pass(&self) -> bool {
        match self {
            Fault::Away(_) => true,
            Fault::Refused { problem, .. } => problem.status >= 500 || matches!(problem.code, Code::TooManyRequests | Code::RequestTimeout),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Away(why) => write!(f, "the server cannot be reached: {why}"),
            Fault::Refused { problem, .. } => write!(f, "the server refused: {problem}"),
        }
    }
}

/// An error with what caused it. What an earlier part already says is not said again.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "it took too long".to_owned() } else { String::new() };
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |code| Fault::Refused { problem: Problem::new(code, "no"), retry: None };
        assert!(Fault::Away("gone".to_owned()).may_pass());
        assert!(refused(Code::Unavailable).may_pass() && refused(Code::TooManyRequests).may_pass());
        assert!(!refused(Code::Forbidden).may_pass() && !refused(Code::Conflict).may_pass());
    }
}
