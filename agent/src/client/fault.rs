//! Faults: why a request brought nothing.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use keel_engine::protocol::problem::{Code, Problem};

/// From one try to the next, where the server does not ask for a longer pause.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

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

    /// What the server says to try.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Fault::Away(_) => None,
            Fault::Refused { problem, .. } => problem.hint.as_deref(),
        }
    }

    /// How long to wait before the same request is sent again: as the server asks, or a second.
    pub fn pause(&self) -> Duration {
        match self {
            Fault::Refused { retry: Some(retry), .. } => (*retry).min(PAUSE_MAX),
            _ => PAUSE,
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

/// On one line, for it becomes part of other sentences; what to try is [`Fault::hint`].
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Away(why) => write!(f, "the server cannot be reached: {}", why.lines().next().unwrap_or_default()),
            Fault::Refused { problem, .. } => write!(f, "the server refused: {problem}"),
        }
    }
}

impl From<Fault> for crate::error::Error {
    fn from(fault: Fault) -> Self {
        Self::host(fault.to_string()).hint_if(fault.hint().map(str::to_owned))
    }
}

/// An error with what caused it. What an earlier part already says is not said again.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "it took too long".to_owned() } else { String::new() };
    let mut next = error.source();
    while let Some(cause) = next {
        let words = in_words(cause.to_string());
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// What a library says for its own readers, in words for ours.
fn in_words(words: String) -> String {
    if words.contains("close_notify") {
        return "the connection broke off".to_owned();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_one_line_and_what_to_try_stands_apart() {
        let problem = Problem::new(Code::Unauthenticated, "not let in").hint("enrol the host");
        let fault = Fault::Refused { problem, retry: None };
        assert_eq!((fault.to_string().as_str(), fault.hint()), ("the server refused: not let in", Some("enrol the host")));
        let fault = Fault::Away("no route\n  try: later".to_owned());
        assert_eq!((fault.to_string().as_str(), fault.hint()), ("the server cannot be reached: no route", None));
        let error = crate::error::Error::from(Fault::Refused { problem: Problem::new(Code::Internal, "no").hint("wait"), retry: None });
        assert_eq!((error.message.as_str(), error.hints.as_slice()), ("the server refused: no", &["wait".to_owned()][..]));
    }

    #[test]
    fn a_connection_that_broke_off_is_said_without_the_page_of_a_library() {
        let words = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/x".to_owned();
        assert_eq!(in_words(words), "the connection broke off");
        assert_eq!(in_words("no route".to_owned()), "no route");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |code| Fault::Refused { problem: Problem::new(code, "no"), retry: None };
        assert!(Fault::Away("gone".to_owned()).may_pass());
        assert!(refused(Code::Unavailable).may_pass() && refused(Code::TooManyRequests).may_pass());
        assert!(!refused(Code::Forbidden).may_pass() && !refused(Code::Conflict).may_pass());
    }
}
