//! Colour, or none. Marks are letters first, so that nothing is lost without colour.

pub use keel_engine::printable::printable;

/// Paints words if colour is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Whether colour is wanted.
    pub colour: bool,
}

impl Paint {
    /// What comes or is well.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What goes or failed.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What changes.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What runs, waits or is unknown.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// What is beside the point.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What the eye should find.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
