//! The progress line on a terminal.

use keel_engine::walk::Progress;

use crate::cli::print_error;
use crate::render::paint::printable;

/// How much of a line is shown.
const WIDTH: usize = 72;

/// One line on standard error that is written over and over. Where that is no terminal, only gates are told,
/// each in a line of its own: a wait for another host can be long.
pub struct Line {
    on: bool,
    shown: bool,
    gate: String,
}

impl Line {
    /// A line, if `on`.
    pub fn new(on: bool) -> Self {
        Self { on, shown: false, gate: String::new() }
    }

    /// Shows how far a run is. Resources that need no change pass too quickly to be worth a line.
    pub fn show(&mut self, progress: Progress<'_>) {
        let Some(words) = in_words(progress) else { return };
        if self.on {
            print_error(&format!("\r\u{1b}[K{}/{} {words}", progress.done, progress.total));
            self.shown = true;
        } else if progress.current.is_none() && self.gate != words {
            print_error(&format!("keel: {words}\n"));
            self.gate = words;
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown {
            print_error("\r\u{1b}[K");
            self.shown = false;
        }
    }
}

/// What a run is at.
fn in_words(progress: Progress<'_>) -> Option<String> {
    let gate = || progress.gate.map(|gate| format!("waits for {}: {}", gate.host, gate.target));
    let lease = || progress.guard.map(|guard| format!("waits for the lease of guard {guard}"));
    let words = progress.current.map(ToString::to_string).or_else(gate).or_else(lease)?;
    Some(printable(&words).chars().take(WIDTH).collect())
}

#[cfg(test)]
mod tests {
    use keel_engine::address::Address;
    use keel_engine::catalog::{Gate, Node, Origin, RelationWord};

    use super::*;

    #[test]
    fn what_is_done_comes_before_what_is_waited_for() {
        let address = Address::new("file", "/a");
        let gate = Gate {
            node: Node::Resource(0),
            host: "db-1".to_owned(),
            target: Address::new("module", "galera"),
            word: RelationWord::Require,
            notify: None,
            optional: false,
            origin: Origin::default(),
        };
        let at = |current, gate| in_words(Progress { done: 0, total: 2, current, gate, guard: Some("galera") });
        assert_eq!(at(None, None).as_deref(), Some("waits for the lease of guard galera"));
        assert_eq!(in_words(Progress { done: 0, total: 2, current: None, gate: None, guard: None }), None);
        assert_eq!(at(Some(&address), Some(&gate)).as_deref(), Some("file \"/a\""));
        assert_eq!(at(None, Some(&gate)).as_deref(), Some("waits for db-1: module \"galera\""));
    }
}
