//! Gates in a walk: it asks which other hosts' things are converged, lets everything else go on, and
//! holds what stands at a shut gate until the answer comes or the patience is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::Run;
use super::coordinator::Coordinator;
use super::refresh::enclosing;
use super::worker::Event;
use crate::address::Address;
use crate::catalog::{Gate, Node};
use crate::report::{Mode, Outcome, Owed, Reason};

/// How long the first answer may take; the patience of a run counts from there.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a wait lasts before the walk looks whether it was asked to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How a walk learns about other hosts. Gates are named by their position in the catalog.
pub trait Gates: Sync {
    /// Asks in place of what was asked before, and returns at once. A question without gates ends a
    /// [`Gates::wait`] at once: the walk is over.
    fn ask(&self, question: Question);
    /// Waits for answers to the newest question, at most so long. What is not known yet is left out.
    fn wait(&self, at_most: Duration) -> Vec<Answer>;
    /// The token with which a gate was last found open; empty if it was only ever found shut.
    fn last_token(&self, gate: usize) -> Option<String>;
    /// Remembers a token. On return it is on disk.
    ///
    /// # Errors
    /// Says why it could not be written; the refresh that it stands for may then happen once more.
    fn keep_token(&self, gate: usize, token: &str) -> Result<(), String>;
}

/// What a walk wants to know, and what others may want to know of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The gates that are not known to be open.
    pub gates: Vec<usize>,
    /// What has its outcome in this run so far, in the order in which it came; others may wait for it.
    pub settled: Vec<Settled>,
}

/// A thing that is as its catalog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The thing.
    pub address: Address,
    /// Unchanged or changed.
    pub outcome: Outcome,
}

/// What is known of one gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub gate: usize,
    /// How it stands.
    pub state: GateState,
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// The other host's thing is as it should be.
    Open {
        /// Another one whenever the thing was changed.
        token: String,
    },
    /// It is not, or nobody knows.
    Shut {
        /// Why, in a few words.
        why: String,
    },
}

/// What a walk knows of one gate.
#[derive(Debug, Clone, Default)]
pub(super) enum Barrier {
    #[default]
    Unknown,
    Shut(String),
    Open,
}

/// The gates of a walk.
pub(super) struct Gatehouse {
    /// For every resource that takes part the gates in front of it.
    before: HashMap<usize, Vec<usize>>,
    barriers: Vec<Barrier>,
    /// Resources that wait for an answer, with everything before them done.
    pub(super) held: Vec<usize>,
    /// Whether no more answers are waited for.
    over: bool,
    settled: Vec<Settled>,
    told: usize,
}

impl Gatehouse {
    pub(super) fn new<H: ?Sized>(run: &Run<'_, H>, takes_part: impl Fn(usize) -> bool) -> Self {
        let before = if run.catalog.gates.iter().any(Gate::waits) { gates_before(run, takes_part) } else { HashMap::new() };
        let over = run.gates.is_none() || before.is_empty();
        let barriers = vec![Barrier::default(); run.catalog.gates.len()];
        Self { before, barriers, held: Vec::new(), over, settled: Vec::new(), told: 0 }
    }

    /// The gates of all resources that take part, and are not known to be open.
    fn wanted(&self) -> Vec<usize> {
        let mut wanted: Vec<usize> = self.before.values().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|&gate| !matches!(self.barriers[gate], Barrier::Open));
        wanted
    }

    /// Whether answers are waited for at all.
    pub(super) fn is_asking(&self) -> bool {
        !self.over
    }

    /// The first gate in front of a resource that is not known to be open.
    pub(super) fn shut(&self, resource: usize) -> Option<usize> {
        self.before.get(&resource)?.iter().copied().find(|&gate| !matches!(self.barriers[gate], Barrier::Open))
    }
}

impl<H: ?Sized + Sync> Coordinator<'_, '_, H> {
    /// Asks about the gates, if anything has settled since the last time.
    pub(super) fn ask(&mut self) {
        let house = &mut self.gatehouse;
        let Some(gates) = self.run.gates.filter(|_| !house.over) else { return };
        let wanted = house.wanted();
        let is_news = house.told == 0 || house.settled.len() >= house.told;
        if is_news && !wanted.is_empty() {
            house.told = house.settled.len() + 1;
            gates.ask(Question { gates: wanted, settled: house.settled.clone() });
        }
    }

    /// Ends the asking, so that nobody waits for answers any more.
    pub(super) fn stop_asking(&self) {
        if let Some(gates) = self.run.gates {
            gates.ask(Question::default());
        }
    }

    /// Notes what others may wait for.
    pub(super) fn note_settled(&mut self, resource: usize, outcome: Outcome) {
        if self.gatehouse.is_asking() && matches!(outcome, Outcome::Unchanged | Outcome::Changed) {
            let address = self.address(resource);
            self.gatehouse.settled.push(Settled { address, outcome });
        }
    }

    /// Holds a resource at a shut gate, or ends it there.
    pub(super) fn stand_at(&mut self, resource: usize, gate: usize) {
        if (self.run.stop)() {
            return self.end(resource, Outcome::Skipped, Some(Reason::Stopped));
        }
        if self.gatehouse.is_asking() && matches!(self.run.mode, Mode::Apply) {
            return self.gatehouse.held.push(resource);
        }
        if self.gatehouse.is_asking() && matches!(self.gatehouse.barriers[gate], Barrier::Unknown) {
            return self.gatehouse.held.push(resource);
        }
        let why = match &self.gatehouse.barriers[gate] {
            Barrier::Shut(why) => Some(why.clone()),
            Barrier::Unknown | Barrier::Open => None,
        };
        let Gate { host, target, .. } = self.run.catalog.gates[gate].clone();
        self.end(resource, Outcome::Waiting, Some(Reason::Gate { host, target, why }));
    }

    /// Takes in answers; whoever stood at a gate that is open now goes on.
    pub(super) fn take_in_answers(&mut self, answers: Vec<Answer>) {
        for Answer { gate, state } in answers {
            if gate >= self.gatehouse.barriers.len() {
                continue;
            }
            let door = match state {
                GateState::Open { token } => self.pass(gate, &token),
                GateState::Shut { why } => {
                    self.remember_shut(gate);
                    Barrier::Shut(why)
                }
            };
            self.gatehouse.barriers[gate] = door;
        }
        self.try_held();
    }

    /// No more answers will come.
    pub(super) fn take_in_end_of_answers(&mut self) {
        self.gatehouse.over = true;
        self.try_held();
    }

    fn try_held(&mut self) {
        for resource in std::mem::take(&mut self.gatehouse.held) {
            // While it stood here another host changed, and perhaps with it what was seen of this one.
            self.marks[resource].moved |= self.gatehouse.shut(resource).is_none();
            self.decide(resource);
        }
    }

    /// Goes through an open gate. A subscriber is owed a refresh, if the other thing was changed since the last time.
    fn pass(&mut self, gate: usize, token: &str) -> Barrier {
        let (Some(gates), Some(effect)) = (self.run.gates, self.run.catalog.gates[gate].notify) else { return Barrier::Open };
        let last = gates.last_token(gate);
        if last.as_deref() == Some(token) {
            return Barrier::Open;
        }
        let mut entries = Vec::new();
        if last.is_some() {
            let Gate { node, target, .. } = &self.run.catalog.gates[gate];
            for position in self.members.of_node(*node) {
                let owed = Owed { target: self.address(position), source: target.clone(), effect, since_ms: self.run.started_ms };
                entries.push((position, owed));
            }
        }
        let written: Vec<Owed> = entries.iter().map(|(_, owed)| owed.clone()).collect();
        if self.run.mode == Mode::Apply {
            // The debt first: told apart by a crash, the refresh happens once more and not never.
            let kept = if written.is_empty() { Ok(()) } else { self.ledger.owe(&written) };
            if let Err(why) = kept.and_then(|()| gates.keep_token(gate, token)) {
                return Barrier::Shut(format!("it is open, but what follows could not be written down: {why}"));
            }
        }
        for (position, owed) in entries {
            self.due.entry(position).or_default().push(owed);
        }
        Barrier::Open
    }

    /// A subscriber that found its gate shut has something to come when it opens.
    fn remember_shut(&self, gate: usize) {
        let is_subscriber = self.run.catalog.gates[gate].notify.is_some() && self.run.mode == Mode::Apply;
        if let Some(gates) = self.run.gates.filter(|gates| is_subscriber && gates.last_token(gate).is_none()) {
            // If this cannot be written, the next open gate counts as the first one.
            let _ = gates.keep_token(gate, "");
        }
    }
}

/// Passes answers on to the coordinator until the patience or the walk is over.
pub(super) fn keep_watch<H: ?Sized>(run: &Run<'_, H>, gates: &dyn Gates, walk_over: &AtomicBool, events: &Sender<Event>) {
    let mut end = (run.clock)() + FIRST_ANSWER_MAX;
    let mut answered = false;
    while !walk_over.load(Ordering::Acquire) && !(run.stop)() {
        let left = end.saturating_sub((run.clock)());
        if left.is_zero() {
            break;
        }
        let answers = gates.wait(left.min(LOOK_INTERVAL));
        if answers.is_empty() {
            continue;
        }
        if !answered {
            answered = true;
            end = (run.clock)() + run.patience;
        }
        if events.send(Event::Answered(answers)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::NoMoreAnswers);
}

/// For every resource that takes part the gates that it waits at, its own and those of the containers around it.
fn gates_before<H: ?Sized>(run: &Run<'_, H>, takes_part: impl Fn(usize) -> bool) -> HashMap<usize, Vec<usize>> {
    let mut waiting: HashMap<Node, Vec<usize>> = HashMap::new();
    for (position, gate) in run.catalog.gates.iter().enumerate().filter(|(_, gate)| gate.waits()) {
        waiting.entry(gate.node).or_default().push(position);
    }
    let mut before = HashMap::new();
    for (position, resource) in run.catalog.resources.iter().enumerate().filter(|(position, _)| takes_part(*position)) {
        let around = enclosing(run.catalog, resource.container).map(Node::Container);
        let nodes = std::iter::once(Node::Resource(position)).chain(around);
        let gates: Vec<usize> = nodes.filter_map(|node| waiting.get(&node)).flatten().copied().collect();
        if !gates.is_empty() {
            before.insert(position, gates);
        }
    }
    before
}
