//! A place in a text that is read from left to right.

use keel_engine::resource::Failure;

/// How far a reader has come.
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
}

impl<'t> Cursor<'t> {
    /// At the beginning, behind the mark that some editors put there.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } }
    }

    /// What is still to be read.
    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes past these characters and returns how many bytes they were.
    pub(crate) fn skip(&mut self, skipped: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(skipped).len();
        self.at += length;
        length
    }

    /// What is wrong here.
    pub(crate) fn odd(&self, what: &str) -> Failure {
        Failure::new(format!("{what} at {}", position(self.text, self.at)))
    }
}

/// Where a byte of a text is, for people.
pub(crate) fn position(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
