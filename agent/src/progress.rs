//! The progress line on a terminal.

use keel_engine::walk::Progress;

use crate::cli::print_error;
use crate::render::paint::printable;

/// One line on standard error that is written over and over; nothing where that is no terminal.
pub struct Line {
    on: bool,
    shown: bool,
}

impl Line {
    /// A line, if `on`.
    pub fn new(on: bool) -> Self {
        Self { on, shown: false }
    }

    /// Shows how far a run is. Resources that need no change pass too quickly to be worth a line.
    pub fn show(&mut self, progress: Progress<'_>) {
        if let (true, Some(current)) = (self.on, progress.current) {
            let current: String = printable(&current.to_string()).chars().take(60).collect();
            print_error(&format!("\r\u{1b}[K{}/{} {current}", progress.done, progress.total));
            self.shown = true;
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
