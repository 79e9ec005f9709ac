//! What a walk knows of one resource while it is under way.

use std::time::Duration;

use super::worker::{Applied, Observation};
use crate::catalog::Effect;
use crate::change::Change;
use crate::report::{Outcome, Owed, Reason, RefreshReport};

/// One resource's state in a walk.
#[derive(Default)]
pub(super) struct Slot {
    /// What was last found out; none if the resource takes no part.
    pub(super) observation: Option<Observation>,
    /// Whether something upstream changed since, so that who applies it looks again first.
    pub(super) stale: bool,
    /// The changes that were made, or would be.
    pub(super) changes: Vec<Change>,
    /// What was written into the ledger before they were made, each with the target's position.
    pub(super) owing: Vec<(usize, Owed)>,
    /// Who is refreshed because of them.
    pub(super) refreshes: Vec<(usize, Effect)>,
    /// What came of its changes, when they were made in a batch before its turn.
    pub(super) early: Option<Applied>,
    /// Whether it is being looked at again, or its changes are being made or have been made.
    pub(super) begun: bool,
    /// The refresh that it got.
    pub(super) refresh: Option<RefreshReport>,
    /// Time spent on it after the first look.
    pub(super) took: Duration,
    /// What came of it, at the end.
    pub(super) end: Option<End>,
}

/// How it ended.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<Reason>,
}

impl Slot {
    /// Whether it was found to differ.
    pub(super) fn differs(&self) -> bool {
        matches!(&self.observation, Some(Ok(changes)) if !changes.is_empty())
    }
}
