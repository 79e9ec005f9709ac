//! The first look at everything: by type, several types at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Run;
use super::worker::{Observation, guarded};

/// Observes every resource that takes part in the run; the others have no observation.
pub(super) fn all<H: ?Sized + Sync>(run: &Run<'_, H>) -> Vec<Option<Observation>> {
    let wanted: Vec<Vec<usize>> = run.groups.groups.iter().map(|group| admitted(run, &group.resources)).collect();
    let results: Vec<Mutex<Vec<Observation>>> = wanted.iter().map(|_| Mutex::new(Vec::new())).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..run.workers.clamp(1, wanted.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let group = next.fetch_add(1, Ordering::Relaxed);
                    let Some(members) = wanted.get(group) else { return };
                    let found = observe(run, group, members);
                    *results[group].lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
            });
        }
    });
    let mut observed: Vec<Option<Observation>> = run.catalog.resources.iter().map(|_| None).collect();
    for (members, found) in wanted.iter().zip(results) {
        for (&resource, observation) in members.iter().zip(found.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            observed[resource] = Some(observation);
        }
    }
    observed
}

fn admitted<H: ?Sized>(run: &Run<'_, H>, resources: &[usize]) -> Vec<usize> {
    let everything = run.filter.only.is_empty() && run.filter.skip.is_empty();
    let admits = |&&resource: &&usize| everything || run.filter.admits(run.catalog, &run.catalog.resources[resource]);
    resources.iter().filter(admits).copied().collect()
}

fn observe<H: ?Sized>(run: &Run<'_, H>, group: usize, resources: &[usize]) -> Vec<Observation> {
    let members: Vec<usize> = resources.iter().map(|&resource| run.groups.places[resource].member).collect();
    let found = guarded(|| run.groups.groups[group].group.observe(run.host, &members));
    found.unwrap_or_else(|failure| members.iter().map(|_| Err(failure.clone().into())).collect())
}
