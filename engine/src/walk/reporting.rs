//! How a walk ends: one report for every resource, in the order of application.

use super::coordinator::Coordinator;
use super::slot::End;
use crate::change::{Change, Shown};
use crate::ledger::cause;
use crate::report::{Outcome, Reason, RefreshTarget, ReportedChange, ResourceReport};

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    pub(super) fn reports(mut self) -> Vec<ResourceReport> {
        let order = self.run.graph.order();
        order.iter().map(|&resource| self.report(resource)).collect()
    }

    fn report(&mut self, resource: usize) -> ResourceReport {
        let slot = std::mem::take(&mut self.slots[resource]);
        let (catalog, declared) = (self.run.catalog, &self.run.catalog.resources[resource]);
        let end = slot.end.unwrap_or(End { outcome: Outcome::Skipped, reason: Some(Reason::Stopped) });
        let conceal = self.run.concealed.contains(&declared.address);
        let reported = |mut change: Change| {
            if conceal && change.before != Shown::Absent {
                change.before = Shown::Hidden;
            }
            ReportedChange { cause: cause(self.run.enforced, declared, &change.attribute), change }
        };
        let refreshes = slot.refreshes.into_iter().map(|(target, effect)| RefreshTarget { target: self.address(target), effect });
        let has_effect = !slot.changes.is_empty() || slot.refresh.is_some() || end.outcome == Outcome::Unknown;
        ResourceReport {
            address: declared.address.clone(),
            origin: catalog.place(declared.origin),
            modules: catalog.modules_of(declared).map(str::to_owned).collect(),
            outcome: end.outcome,
            reason: end.reason,
            refreshes: if has_effect { refreshes.collect() } else { Vec::new() },
            changes: slot.changes.into_iter().map(reported).collect(),
            refresh: slot.refresh,
            duration_us: u64::try_from(slot.took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}
