//! Guards in a walk: what would interrupt a member of a cluster is held until its lease comes, and everything else
//! goes on. A lease that came is given back after the last resource under its guard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::Run;
use super::coordinator::Coordinator;
use super::worker::{Event, guarded};
use crate::catalog::{Catalog, Effect};
use crate::change::Change;
use crate::report::{Mode, Outcome, Reason};
use crate::resource::Failure;

/// How long a wait lasts before the walk looks whether it was asked to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// What a run says that ends before the answer came.
const STOPPED: &str = "the run was asked to stop";

/// How a walk gets leases. Guards are named by their position in the catalog.
pub trait Leases: Sync {
    /// Begins to ask for a guard's lease, and returns at once.
    fn ask(&self, guard: usize);
    /// Waits for what comes of the leases that were asked for, at most so long. Each gets one answer.
    fn wait(&self, at_most: Duration) -> Vec<LeaseAnswer>;
    /// This run interrupts nothing more under the guard: its lease goes back as soon as the member is ready again.
    fn done(&self, guard: usize);
    /// Whether what was given still is. A server's lease has no end of its own.
    fn lasts(&self, _guard: usize) -> bool {
        true
    }
    /// When a plan says that it may be had; none where nobody can tell.
    fn outlook(&self, _guard: usize) -> Option<String> {
        None
    }
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAnswer {
    /// The guard.
    pub guard: usize,
    /// Why this run does not get it; none if it holds it.
    pub refused: Option<String>,
}

impl LeaseSource<'_> {
    /// Whether a lease that was held may be no longer.
    pub(super) fn is_over(&self, guard: usize) -> bool {
        matches!(self, LeaseSource::Asked(leases) if !leases.lasts(guard))
    }
}

/// Where a walk gets leases.
#[derive(Clone, Copy)]
pub enum LeaseSource<'a> {
    /// From these.
    Asked(&'a dyn Leases),
    /// Nobody keeps leases here, and why: what needs one waits.
    Nobody(&'a str),
    /// An operator answers for it: nothing needs one.
    NotNeeded,
}

/// Where the walk stands with one guard.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Permission {
    Unasked,
    Asked,
    Held,
    Refused(String),
}

/// The guards of a walk.
pub(super) struct Guardroom {
    permissions: Vec<Permission>,
    /// How many resources under each guard have no outcome yet.
    open: Vec<usize>,
    /// Resources that wait for a lease, each with its guard.
    pub(super) standing: Vec<(usize, usize)>,
    /// Whether no more answers are waited for.
    over: bool,
}

impl Guardroom {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut open = vec![0; catalog.guards.len()];
        catalog.resources.iter().filter_map(|resource| catalog.guard_of(resource)).for_each(|guard| open[guard] += 1);
        Self { permissions: vec![Permission::Unasked; open.len()], open, standing: Vec::new(), over: false }
    }
}

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    /// The guard whose lease a resource needs before anything of it may be changed without a look at what the change
    /// interrupts; none if there is no guard, or its lease is held.
    pub(super) fn guard_ahead(&self, resource: usize) -> Option<usize> {
        if self.run.catalog.guards.is_empty() || matches!(self.run.leases, LeaseSource::NotNeeded) {
            return None;
        }
        let guard = self.run.catalog.guard_of(&self.run.catalog.resources[resource])?;
        let holds = self.guardroom.permissions[guard] == Permission::Held && !self.run.leases.is_over(guard);
        (!holds).then_some(guard)
    }

    /// The guard whose lease these changes, or this refresh, need and the walk does not hold.
    pub(super) fn lease_wanted(&self, resource: usize, changes: &[Change], refresh: Option<Effect>) -> Result<Option<usize>, Failure> {
        let Some(guard) = self.guard_ahead(resource) else { return Ok(None) };
        let run = self.run;
        let disrupts = guarded(|| run.groups.disrupts(run.host, resource, changes, refresh)).unwrap_or_else(Err)?;
        Ok(disrupts.map(|_| guard))
    }

    /// Lets a resource wait for a lease, or ends it where the lease does not come in this run.
    pub(super) fn stand_for_lease(&mut self, resource: usize, guard: usize) {
        // Of what a lease came too late for, nothing was made that others are owed something for.
        self.withdraw(resource);
        if let LeaseSource::Nobody(why) = self.run.leases {
            return self.end_without_lease(resource, guard, why);
        }
        match &self.guardroom.permissions[guard] {
            Permission::Refused(why) => {
                let why = why.clone();
                self.end_without_lease(resource, guard, &why);
            }
            Permission::Unasked | Permission::Held if self.guardroom.over => self.end_without_lease(resource, guard, STOPPED),
            // What was held is over: it is asked for anew.
            Permission::Unasked | Permission::Held => {
                if let LeaseSource::Asked(leases) = self.run.leases {
                    leases.ask(guard);
                }
                self.guardroom.permissions[guard] = Permission::Asked;
                self.guardroom.standing.push((resource, guard));
            }
            Permission::Asked => self.guardroom.standing.push((resource, guard)),
        }
    }

    /// What was to be changed is shown, and what is owed stays owed.
    fn end_without_lease(&mut self, resource: usize, guard: usize, why: &str) {
        let reason = Reason::Lease { guard: self.run.catalog.guards[guard].name.clone(), why: why.to_owned() };
        if let Some(Ok(changes)) = self.slots[resource].observation.take() {
            self.slots[resource].changes = changes;
            return self.end(resource, Outcome::Waiting, Some(reason));
        }
        if self.slots[resource].changes.is_empty() {
            return self.end(resource, Outcome::Waiting, Some(reason));
        }
        // Its changes interrupted nothing and are made; only the refresh waits, and with it what depends on it.
        self.marks[resource].waiting = self.marks[resource].waiting.or(Some(resource));
        self.end(resource, Outcome::Changed, Some(reason));
    }

    /// Takes in what came of asking; whoever waited for it goes on, or ends.
    pub(super) fn take_in_leases(&mut self, answers: Vec<LeaseAnswer>) {
        for LeaseAnswer { guard, refused } in answers {
            if self.guardroom.permissions.get(guard) != Some(&Permission::Asked) {
                continue;
            }
            self.guardroom.permissions[guard] = refused.map_or(Permission::Held, Permission::Refused);
            let (mine, others) = std::mem::take(&mut self.guardroom.standing).into_iter().partition(|(_, of)| *of == guard);
            self.guardroom.standing = others;
            for (resource, _) in mine {
                self.go_on_with_lease(resource, guard);
            }
        }
    }

    fn go_on_with_lease(&mut self, resource: usize, guard: usize) {
        if let Permission::Refused(why) = &self.guardroom.permissions[guard] {
            let why = why.clone();
            return self.end_without_lease(resource, guard, &why);
        }
        if self.slots[resource].observation.is_none() {
            return self.refresh_or_end(resource);
        }
        // What was seen of it is as old as the wait was long.
        self.marks[resource].moved = true;
        self.decide(resource);
    }

    /// No more answers will come.
    pub(super) fn take_in_end_of_leases(&mut self) {
        self.guardroom.over = true;
        let asked = |(guard, permission): (usize, &Permission)| (*permission == Permission::Asked).then_some(guard);
        let open: Vec<usize> = self.guardroom.permissions.iter().enumerate().filter_map(asked).collect();
        self.take_in_leases(open.into_iter().map(|guard| LeaseAnswer { guard, refused: Some(STOPPED.to_owned()) }).collect());
    }

    /// A resource has its outcome. The last one under a guard gives the lease back.
    pub(super) fn leave_guard(&mut self, resource: usize) {
        let Some(guard) = self.run.catalog.guard_of(&self.run.catalog.resources[resource]) else { return };
        self.guardroom.open[guard] = self.guardroom.open[guard].saturating_sub(1);
        if let (0, Permission::Held, LeaseSource::Asked(leases)) =
            (self.guardroom.open[guard], &self.guardroom.permissions[guard], self.run.leases)
        {
            leases.done(guard);
        }
    }

    /// Why a planned change is not simply made: it interrupts a member. What cannot be told does, too.
    pub(super) fn guarded_reason(&self, resource: usize) -> Option<Reason> {
        let slot = &self.slots[resource];
        let refresh = slot.refresh.as_ref().map(|refresh| refresh.effect);
        let own = if slot.changes.is_empty() { Ok(None) } else { self.lease_wanted(resource, &slot.changes, None) };
        let refreshed = if refresh.is_some() { self.lease_wanted(resource, &[], refresh) } else { Ok(None) };
        let guard = match (own, refreshed) {
            (Ok(own), Ok(refreshed)) => own.or(refreshed),
            (Err(_), _) | (_, Err(_)) => self.guard_ahead(resource),
        };
        let guard = guard?;
        let when = match self.run.leases {
            LeaseSource::Asked(leases) => leases.outlook(guard),
            LeaseSource::Nobody(_) | LeaseSource::NotNeeded => None,
        };
        Some(Reason::Guarded { guard: self.run.catalog.guards[guard].name.clone(), when })
    }
}

/// Whether a walk may have to ask for leases.
pub(super) fn asked<'a, H: ?Sized>(run: &Run<'a, H>) -> Option<&'a dyn Leases> {
    match run.leases {
        LeaseSource::Asked(leases) if run.mode == Mode::Apply && !run.catalog.guards.is_empty() => Some(leases),
        _ => None,
    }
}

/// Passes answers on to the coordinator until the walk is over, or asked to stop.
pub(super) fn keep_watch<H: ?Sized>(run: &Run<'_, H>, leases: &dyn Leases, walk_over: &AtomicBool, events: &Sender<Event>) {
    while !walk_over.load(Ordering::Acquire) && !(run.stop)() {
        let answers = leases.wait(LOOK_INTERVAL);
        if !answers.is_empty() && events.send(Event::Leased(answers)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::NoMoreLeases);
}
