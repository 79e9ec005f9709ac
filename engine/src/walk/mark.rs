//! Marks: what a vertex of the graph hands on to those that come after it.

/// What is known of everything before a vertex, and then of the vertex itself. Things are named by
/// their position in the catalog.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// The first thing that failed.
    pub(super) failed: Option<usize>,
    /// The first thing that waits.
    pub(super) waiting: Option<usize>,
    /// Whether anything was changed in this run.
    pub(super) moved: bool,
    /// The nearest thing that would be changed but was not.
    pub(super) pending: Option<usize>,
    /// The nearest such thing that may bring what no footprint tells of.
    pub(super) opaque: Option<usize>,
}

impl Mark {
    /// Takes over what an earlier vertex hands on.
    pub(super) fn merge(&mut self, earlier: Mark) {
        self.failed = self.failed.or(earlier.failed);
        self.waiting = self.waiting.or(earlier.waiting);
        self.moved |= earlier.moved;
        self.pending = self.pending.or(earlier.pending);
        self.opaque = self.opaque.or(earlier.opaque);
    }
}
