//! The audit log: one JSON line on standard output for each privileged act, done or refused.

use std::io::Write;

use serde::Serialize;

use crate::log::printable;

/// A privileged act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Act<'a> {
    /// What was done: `admit`, `revoke`, `token`, ...
    #[serde(rename = "audit")]
    pub act: &'a str,
    /// Who did it: `host db-1`, `operator alice`, `nobody`.
    pub actor: String,
    /// What it was done to.
    pub object: &'a str,
    /// What came of it.
    pub outcome: Outcome,
    /// More, in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub detail: &'a str,
}

/// What came of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

/// Writes an act down; `at_ms` is the time, in milliseconds since 1970.
pub fn record(at_ms: i64, act: &Act<'_>) {
    let mut line = line(at_ms, act);
    line.push('\n');
    // There is nobody to tell if the log cannot be written.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

fn line(at_ms: i64, act: &Act<'_>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        at_ms: i64,
        #[serde(flatten)]
        act: Act<'a>,
    }
    let (object, detail) = (printable(act.object), printable(act.detail));
    let act = Act { object: &object, detail: &detail, actor: printable(&act.actor), ..act.clone() };
    serde_json::to_string(&Line { at_ms, act }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_one_line_of_json() {
        let act = Act { act: "revoke", actor: "operator alice".to_owned(), object: "db-1\n", outcome: Outcome::Done, detail: "" };
        let expected = r#"{"at_ms":7,"audit":"revoke","actor":"operator alice","object":"db-1\\n","outcome":"done"}"#;
        assert_eq!(line(7, &act), expected);
    }
}
