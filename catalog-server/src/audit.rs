//! The audit log: one JSON line for each privileged act, done or refused. The server writes it to standard output,
//! which the journal keeps; what somebody does on the server's machine without the server goes to the system's log,
//! under the same name. What changed the database is there, too, for a year, of all its servers together.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

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

/// Where the system takes lines for its log, from every program.
const SYSTEM_LOG: &str = "/dev/log";
/// What is private to administrators, and for their information.
const PRIORITY: u8 = 10 * 8 + 6;

/// Writes down what somebody did on this machine, past the server.
pub fn record_here(at_ms: i64, act: &Act<'_>) {
    match send(Path::new(SYSTEM_LOG), &line(at_ms, act)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            crate::log::warning("the system's log does not take what was done", &[("why", &error)]);
        }
        // Where there is no such log, nobody reads it.
        _ => {}
    }
}

fn send(log: &Path, line: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(format!("<{PRIORITY}>keel-server: {line}").as_bytes(), log).map(drop)
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

    #[test]
    fn what_is_done_past_the_server_is_in_the_systems_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let system = UnixDatagram::bind(&log).unwrap();
        send(&log, "{}").unwrap();
        let mut bytes = [0; 64];
        let length = system.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"<86>keel-server: {}");
        assert!(send(&folder.path().join("nowhere"), "{}").is_err());
    }
}
