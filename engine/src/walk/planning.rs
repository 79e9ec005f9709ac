//! How a walk plans: what would be made, as far as it can be told before anything is.

use super::coordinator::Coordinator;
use super::refresh::targets;
use super::worker::guarded;
use crate::change::Change;
use crate::report::{Mode, Outcome, Owed, Reason, RefreshReport};
use crate::resource::{Failure, PlannedRefresh, Reliance};

/// What a plan says of a refresh.
enum Preview {
    /// There will be none.
    Nothing,
    /// There will be this one.
    Would(RefreshReport),
    /// It is told when this has changed.
    Until(usize),
    /// It stays owed, and why.
    Owed(&'static str),
}

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    pub(super) fn end_unknown(&mut self, resource: usize, root: usize, message: Option<String>) {
        // What an unknown resource would refresh may be refreshed: the targets say so, too.
        self.plan_refreshes(resource);
        let root = self.address(root);
        self.end(resource, Outcome::Unknown, Some(Reason::Until { root, message }));
    }

    /// The end of a planned resource: what would be made, as far as it can be told.
    pub(super) fn plan(&mut self, resource: usize, changes: Vec<Change>) {
        let mark = self.marks[resource];
        let blocker = match self.run.groups.reliance(resource) {
            Reliance::Firm => None,
            Reliance::UntilOpaque => mark.opaque,
            Reliance::UntilAny => mark.pending,
        };
        if let Some(root) = blocker {
            return self.end_unknown(resource, root, None);
        }
        let shut = self.held(resource);
        if !changes.is_empty() && shut.is_none() {
            self.plan_refreshes(resource);
        }
        self.slots[resource].changes = changes;
        let refresh = match self.preview_refresh(resource) {
            Ok(Preview::Nothing) => None,
            Ok(Preview::Would(refresh)) => Some(refresh),
            Ok(Preview::Until(root)) => return self.end_unknown(resource, root, Some("its guards are asked then".to_owned())),
            Ok(Preview::Owed(why)) if self.slots[resource].changes.is_empty() => return self.end_owing(resource, why),
            Ok(Preview::Owed(_)) => None,
            Err(Failure { message, help }) => {
                return self.end(resource, Outcome::Failed, Some(Reason::CannotTell { message, help }));
            }
        };
        let quiet = self.slots[resource].changes.is_empty() && refresh.is_none();
        if let Some(shut) = shut.filter(|_| !quiet) {
            self.slots[resource].refresh = refresh;
            return self.end(resource, Outcome::Waiting, Some(shut));
        }
        if refresh.is_some() && self.slots[resource].changes.is_empty() {
            self.plan_refreshes(resource);
        }
        self.slots[resource].refresh = refresh;
        let noop = self.run.catalog.resources[resource].noop.then_some(Reason::Noop);
        let outcome = if quiet { Outcome::Unchanged } else { Outcome::WouldChange };
        let reason = if quiet { None } else { noop.or_else(|| self.guarded_reason(resource)) };
        self.end(resource, outcome, reason);
    }

    /// Notes in a plan who would be refreshed because of this resource.
    fn plan_refreshes(&mut self, resource: usize) {
        let targets = targets(self.run.catalog, self.run.graph, &self.members, resource);
        // What a `noop` resource would change in a real run refreshes nobody.
        if self.run.mode == Mode::Plan && !self.run.catalog.resources[resource].noop {
            for (target, owed) in self.entries(resource, &targets) {
                self.due.entry(target).or_default().push(owed);
            }
        }
        self.slots[resource].refreshes = targets.into_iter().collect();
    }

    fn preview_refresh(&mut self, resource: usize) -> Result<Preview, Failure> {
        let Some((effect, sources)) = self.due_for(resource) else { return Ok(Preview::Nothing) };
        let would = |what: &str| Preview::Would(RefreshReport { effect, sources, done: format!("would {what}") });
        let (run, pending) = (self.run, self.marks[resource].pending);
        match (run.groups.plan_refresh(resource, effect, &self.slots[resource].changes), pending) {
            (PlannedRefresh::Due(what), _) => Ok(would(what)),
            (PlannedRefresh::Guarded(_), Some(root)) => Ok(Preview::Until(root)),
            (PlannedRefresh::Guarded(what), None) => {
                let let_through = guarded(|| run.groups.guards_let(run.host, resource)).unwrap_or_else(Err)?;
                Ok(if let_through { would(what) } else { Preview::Nothing })
            }
            (PlannedRefresh::NotNeeded(_), _) => Ok(Preview::Nothing),
            (PlannedRefresh::Later(why), _) => self.keep_owing(resource).map(|()| Preview::Owed(why)),
        }
    }

    /// Shows in a plan what an apply would leave owed. Its ledger forgets.
    fn keep_owing(&mut self, resource: usize) -> Result<(), Failure> {
        let known = self.ledger.owed();
        let due = self.due.get(&resource).into_iter().flatten();
        let is_known =
            |owed: &&Owed| known.iter().any(|old| old.target == owed.target && old.source == owed.source && old.effect >= owed.effect);
        let new: Vec<Owed> = due.filter(|owed| self.run.mode == Mode::Plan && !is_known(owed)).cloned().collect();
        if new.is_empty() { Ok(()) } else { self.ledger.owe(&new).map_err(Failure::new) }
    }
}
