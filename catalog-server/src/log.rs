//! The server's log: one line an event on standard error, which the journal keeps.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

/// Writes down that something happened, with `name=value` pairs.
pub fn info(event: &str, fields: &[(&str, &dyn Display)]) {
    write("", event, fields);
}

/// Writes down what somebody should look at.
pub fn warning(event: &str, fields: &[(&str, &dyn Display)]) {
    write("warning: ", event, fields);
}

fn write(level: &str, event: &str, fields: &[(&str, &dyn Display)]) {
    let line = line(level, event, fields);
    // There is nobody to tell if the log cannot be written.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn line(level: &str, event: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut line = format!("keel-server: {level}{event}");
    for (name, value) in fields {
        let value = printable(&value.to_string());
        // Writing to a string does not fail.
        let _ = if value.contains([' ', '"']) { write!(line, " {name}={value:?}") } else { write!(line, " {name}={value}") };
    }
    line.push('\n');
    line
}

/// How many characters of a text are shown.
const SHOWN: usize = 200;

/// A text in which nothing moves a reader's cursor; of a long one the beginning, with a mark where it is cut.
pub fn printable(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    let shown = keel_engine::printable::printable(text.get(..cut.unwrap_or(text.len())).unwrap_or(text)).replace('\t', "\\t");
    if cut.is_some() { shown + " ..." } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line_whatever_is_in_it() {
        let line = line("", "enrolment refused", &[("host", &"a\u{1b}[2J\nb"), ("why", &"no such token"), ("from", &"::1")]);
        assert_eq!(line, "keel-server: enrolment refused host=a\\u{1b}[2J\\nb why=\"no such token\" from=::1\n");
        assert_eq!(printable(&"x".repeat(500)), format!("{} ...", "x".repeat(200)));
        assert_eq!(printable(&"x".repeat(200)).len(), 200, "what fits has no mark");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }
}
