//! What resources and uses name: a schedule, a guard.

use std::sync::Arc;

use super::Place;

/// A name where something has it.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    pub(super) name: Arc<str>,
    pub(super) place: Place,
}

/// Two resources have the same schedule or guard, wherever each says so.
impl PartialEq for Mention {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
