//! All resources of a catalog that make up the cluster's configuration: read at once, changed in one patch.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keel_engine::catalog::Effect;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Group, ObserveError, PlannedRefresh, Refreshed, Reliance};

use super::agent_metadata::{AgentMetadata, AgentName};
use super::cib::Cib;
use super::declared::{Declared, What};
use super::door::{Door, Pushed};
use super::foresight::{self, Foresight};
use super::merge::{Misfits, merge};
use crate::host::Host;

/// How often a patch is made anew because somebody else was faster.
const ATTEMPTS_MAX: usize = 10;
/// What a report says of a cluster that fences nobody.
const NO_FENCING: &str = "fencing is off in this cluster (stonith-enabled=false): a node that fails halfway can damage shared data";
/// What it says of one that cannot fence.
const NO_DEVICES: &str = "fencing is on in this cluster, and there is no fence device: Pacemaker starts nothing before there is one";

/// The resources, by position.
pub(super) struct CibGroup {
    declared: Vec<Declared>,
    seen: Mutex<Seen>,
}

/// What was learnt of the cluster in the last look.
#[derive(Default)]
struct Seen {
    /// Why this host changes nothing, if so.
    held: Option<String>,
    /// Which of the resources is refused, and what the others, which go with it, say of that.
    refused: Option<(usize, String)>,
    /// What everybody should know of its fencing.
    fencing: Option<&'static str>,
    /// What agents say of themselves, asked for once a run.
    agents: BTreeMap<AgentName, AgentMetadata>,
}

type Look = Result<Vec<Change>, ObserveError>;

impl CibGroup {
    pub(super) fn new(declared: Vec<Declared>) -> Self {
        Self { declared, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, door: &Door<'_>, members: &[usize]) -> Result<Vec<Look>, ObserveError> {
        let cib = door.query()?;
        let referenced = cib.referenced();
        let declared: Vec<&Declared> = members.iter().filter_map(|&member| self.declared.get(member)).collect();
        let mut looks: Vec<Look> = declared.iter().map(|declared| declared.changes(&cib, &referenced)).collect();
        let pending: Vec<usize> =
            (0..looks.len()).filter(|&at| matches!(looks.get(at), Some(Ok(changes)) if !changes.is_empty())).collect();
        let held = if pending.is_empty() { None } else { self.who_else(door, &cib)? };
        {
            let mut seen = self.seen();
            seen.held = held;
            // A look at others says nothing of the one that is refused.
            if seen.refused.as_ref().is_some_and(|(refused, _)| members.contains(refused)) {
                seen.refused = None;
            }
            seen.fencing = fencing(&cib);
        }
        if pending.is_empty() {
            return Ok(looks);
        }
        let mut refused = None;
        for &at in &pending {
            let Some(look) = looks.get_mut(at) else { continue };
            if let Err(error) = self.ask_agent(door, declared[at]) {
                refused = refused.or(matches!(error, ObserveError::Failed(_)).then_some(at));
                *look = Err(error);
            }
        }
        let differing: Vec<&Declared> = pending.iter().map(|&at| declared[at]).collect();
        let foreseen = foresee(door, &cib, &differing, |at, outcome| {
            let Some(look) = pending.get(at).and_then(|&at| looks.get_mut(at)) else { return };
            match (look, outcome) {
                (Ok(changes), Ok(more)) => changes.extend(more),
                (look @ Ok(_), Err(error)) => *look = Err(error),
                (Err(_), _) => {}
            }
        });
        let Some(at) = refused.or_else(|| pending.get(foreseen?).copied()) else {
            // What a plan warns of is the cluster that would be.
            self.seen().fencing = fencing(&merge(&cib, &differing).0);
            return Ok(looks);
        };
        // All or nothing; only an agent may still come with a package, and keeps nobody else out until then.
        self.seen().refused = Some((members[at], beside(declared[at])));
        Ok(looks)
    }

    /// Why the changes are not this host's to make now, if so.
    fn who_else(&self, door: &Door<'_>, cib: &Cib) -> Result<Option<String>, ObserveError> {
        if let Some(controller) = door.other_actor(cib)? {
            return Ok(Some(format!("{controller} is the cluster's designated controller and makes its changes")));
        }
        let quorate = !door.is_live() || cib.has_quorum();
        Ok((!quorate).then(|| "this part of the cluster has no quorum".to_owned()))
    }

    /// Checks a resource's parameters by what its agent says.
    fn ask_agent(&self, door: &Door<'_>, declared: &Declared) -> Result<(), ObserveError> {
        let What::Element { node: Some(node), .. } = &declared.what else { return Ok(()) };
        let Some(agent) = AgentName::of(node).filter(AgentName::has_metadata) else { return Ok(()) };
        let known = self.seen().agents.get(&agent).cloned();
        let metadata = match known {
            Some(metadata) => metadata,
            None => {
                let metadata = door.agent(&agent)?;
                self.seen().agents.insert(agent.clone(), metadata.clone());
                metadata
            }
        };
        metadata.refuse(&agent, node).map_or(Ok(()), |failure| Err(ObserveError::Failed(failure)))
    }

    /// Makes all changes in one patch.
    fn change(&self, door: &Door<'_>, members: &[usize]) -> Result<Vec<(usize, Failure)>, Failure> {
        let declared: Vec<&Declared> = members.iter().filter_map(|&member| self.declared.get(member)).collect();
        for _ in 0..ATTEMPTS_MAX {
            let cib = door.query().map_err(|error| error.failure().clone())?;
            if let Some(held) = self.who_else(door, &cib).map_err(|error| error.failure().clone())? {
                return Err(Failure::new(held).help("the next run finds what that host makes of it"));
            }
            let (target, misfits) = merge(&cib, &declared);
            let first = refused(&misfits);
            let rest = taking_part(declared.len(), &misfits);
            let failures: Vec<(usize, Failure)> = misfits.into_iter().map(|(at, error)| (at, error.failure().clone())).collect();
            if let Some(first) = first {
                return Ok(refusals(declared.len(), &beside(declared[first]), failures));
            }
            if target.root == cib.root {
                return Ok(failures);
            }
            let parts: Vec<&Declared> = rest.iter().map(|&at| declared[at]).collect();
            if let Err(failure) = Foresight::of(door, &cib, &target, &parts) {
                let blamed = rest[foresight::blamed(door, &cib, &parts)];
                let all = failures.into_iter().chain([(blamed, failure)]).collect();
                return Ok(refusals(declared.len(), &beside(declared[blamed]), all));
            }
            if let Pushed::Done = door.push(&cib, target)? {
                door.settle()?;
                return Ok(failures);
            }
        }
        Err(Failure::new("others change the cluster's configuration all the time").help("the next run tries again"))
    }
}

/// What everybody should know of a cluster's fencing.
fn fencing(cib: &Cib) -> Option<&'static str> {
    match (cib.is_without_fencing(), cib.is_without_fence_devices()) {
        (true, _) => Some(NO_FENCING),
        (false, true) => Some(NO_DEVICES),
        (false, false) => None,
    }
}

/// The first one that keeps all others out.
fn refused(misfits: &Misfits) -> Option<usize> {
    misfits.iter().find(|(_, error)| matches!(error, ObserveError::Failed(_))).map(|(at, _)| *at)
}

/// The others, by position.
fn taking_part(count: usize, misfits: &Misfits) -> Vec<usize> {
    (0..count).filter(|at| !misfits.iter().any(|(other, _)| other == at)).collect()
}

/// What becomes of all where some are refused: the others stay out as well, and say why.
fn refusals(count: usize, why: &str, refused: Vec<(usize, Failure)>) -> Vec<(usize, Failure)> {
    let is_refused = |at: &usize| refused.iter().any(|(other, _)| other == at);
    let others: Vec<(usize, Failure)> = (0..count).filter(|at| !is_refused(at)).map(|at| (at, Failure::new(why))).collect();
    refused.into_iter().chain(others).collect()
}

/// What follows from these changes, for each: what Pacemaker would do, or why they cannot be made. Gives the first one that
/// has them all refused, if one has.
fn foresee(door: &Door<'_>, cib: &Cib, declared: &[&Declared], mut tell: impl FnMut(usize, Look)) -> Option<usize> {
    let (target, misfits) = merge(cib, declared);
    let (first, rest) = (refused(&misfits), taking_part(declared.len(), &misfits));
    misfits.into_iter().for_each(|(at, error)| tell(at, Err(error)));
    if first.is_some() || rest.is_empty() {
        return first;
    }
    let parts: Vec<&Declared> = rest.iter().map(|&at| declared[at]).collect();
    match Foresight::of(door, cib, &target, &parts) {
        Ok(foresight) => {
            for (at, changes) in rest.iter().zip(foresight.by_declared(&parts)) {
                tell(*at, Ok(changes));
            }
            None
        }
        Err(failure) => {
            let blamed = rest.get(foresight::blamed(door, cib, &parts)).copied();
            blamed.into_iter().for_each(|at| tell(at, Err(failure.clone().into())));
            blamed
        }
    }
}

/// What others say of one that is refused.
fn beside(refused: &Declared) -> String {
    format!("it goes into the cluster in one patch with {refused}, which is refused")
}

impl Group<Host> for CibGroup {
    fn observe(&self, host: &Host, members: &[usize]) -> Vec<Look> {
        match self.look(&Door::of(host), members) {
            Ok(looks) => looks,
            Err(error) => members.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn apply(&self, host: &Host, members: &[(usize, &[Change])]) -> Vec<Result<(), Failure>> {
        let positions: Vec<usize> = members.iter().map(|(member, _)| *member).collect();
        match self.change(&Door::of(host), &positions) {
            Err(failure) => members.iter().map(|_| Err(failure.clone())).collect(),
            Ok(failures) => {
                let failure = |at| failures.iter().find(|(failed, _)| *failed == at).map(|(_, failure)| failure.clone());
                (0..members.len()).map(|at| failure(at).map_or(Ok(()), Err)).collect()
            }
        }
    }

    fn refresh(&self, _host: &Host, _member: usize, _effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        Ok(Refreshed::NotNeeded("the type has no refresh"))
    }

    fn plan_refresh(&self, _member: usize, _effect: Effect, _made: &[Change]) -> PlannedRefresh {
        PlannedRefresh::NotNeeded("the type has no refresh")
    }

    fn guards_let(&self, _host: &Host, _member: usize) -> Result<bool, Failure> {
        Ok(true)
    }

    fn footprint(&self, member: usize) -> Footprint {
        self.declared.get(member).map(Declared::footprint).unwrap_or_default()
    }

    fn reliance(&self, _member: usize) -> Reliance {
        Reliance::Firm
    }

    fn held(&self, member: usize) -> Option<String> {
        let seen = self.seen();
        let others = seen.refused.as_ref().filter(|(refused, _)| *refused != member);
        seen.held.clone().or_else(|| others.map(|(_, why)| why.clone()))
    }

    fn warnings(&self) -> Vec<String> {
        self.seen().fencing.map(str::to_owned).into_iter().collect()
    }
}
