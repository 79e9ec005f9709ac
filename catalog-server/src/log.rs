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

/// A text in which nothing moves a reader's cursor, at most 200 characters of it.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(200) {
        if character.is_control() || is_direction(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Characters that turn the direction of what follows: they make a line read as another one.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line_whatever_is_in_it() {
        let line = line("", "enrolment refused", &[("host", &"a\u{1b}[2J\nb"), ("why", &"no such token"), ("from", &"::1")]);
        assert_eq!(line, "keel-server: enrolment refused host=a\\u{1b}[2J\\nb why=\"no such token\" from=::1\n");
        assert_eq!(printable(&"x".repeat(500)).len(), 200);
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }
}
