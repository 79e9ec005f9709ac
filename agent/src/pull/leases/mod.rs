//! A run's leases: asked for at the server while the run goes on, held over what it interrupts, and given back when the
//! host proves that it is ready again.

pub mod promises;
pub mod prover;
pub mod readiness;
pub mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keel_engine::catalog::Catalog;
use keel_engine::guard::{Guard, Readiness};
use keel_engine::protocol::leases::{LeaseAnswer as Given, LeaseProof, LeaseRequest};
use keel_engine::walk::{LeaseAnswer, Leases};

use super::home::Home;
use super::node::Node;
use super::server::Server;
use super::settings::AgentSettings;
use promises::{Promise, Promises, State};

/// How long the server may hold an answer. Each question has the other members asked anew.
const HOLD: Duration = Duration::from_secs(10);
/// With less time than this the other members are not asked once more: they could not answer in it.
const HOLD_MIN: Duration = Duration::from_secs(4);
/// The least that a run waits for a lease: the other members have to hear of it first. As long a server is tried that
/// does not answer.
const PATIENCE_MIN: Duration = Duration::from_secs(15);
/// From one try to the next while the server is away.
const RETRY: Duration = Duration::from_secs(2);
/// How often a wait looks whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The leases of one run.
pub struct ServerLeases {
    asking: Arc<Asking>,
    guards: Vec<Guard>,
    sender: Mutex<Sender<LeaseAnswer>>,
    answers: Mutex<Receiver<LeaseAnswer>>,
    /// Those who give leases back, with what is to be said of it in the end.
    returning: Mutex<BTreeMap<String, JoinHandle<Option<String>>>>,
    /// The guards whose leases this run asked for.
    wanted: Mutex<BTreeSet<String>>,
}

/// What the threads of a run share.
struct Asking {
    home: Home,
    settings: AgentSettings,
    run: String,
    patience: Duration,
    promises: Mutex<Promises>,
    /// Whether nobody waits for answers any more.
    over: AtomicBool,
}

impl ServerLeases {
    /// The leases for a run of this name. Nothing is asked yet.
    ///
    /// # Errors
    /// What earlier runs promised cannot be read.
    pub fn begin(home: &Home, settings: &AgentSettings, run: &str, catalog: &Catalog) -> Result<Self, String> {
        let (sender, answers) = channel();
        let promises = Mutex::new(Promises::load(home)?);
        let patience = settings.gate_wait.max(PATIENCE_MIN);
        let (home, settings, run, over) = (home.clone(), settings.clone(), run.to_owned(), AtomicBool::new(false));
        Ok(Self {
            asking: Arc::new(Asking { home, settings, run, patience, promises, over }),
            guards: catalog.guards.clone(),
            sender: Mutex::new(sender),
            answers: Mutex::new(answers),
            returning: Mutex::default(),
            wanted: Mutex::default(),
        })
    }

    /// Gives back what an earlier run held and did not get to give back, as far as the host is ready now.
    pub fn settle(&self) {
        let held = locked(&self.asking.promises).held();
        for guard in held {
            // What cannot be given back now is tried again after the run.
            let _ = self.asking.prove_once(&guard);
        }
    }

    /// After the walk: gives back all leases, and no longer waits for what this run did not need. `all` is whether the
    /// run looked at everything. Returns what the report has to say of it.
    pub fn finish(&self, all: bool, stop: &(dyn Fn() -> bool + Sync)) -> Vec<String> {
        let wanted = std::mem::take(&mut *locked(&self.wanted));
        let promised: Vec<(String, State)> =
            locked(&self.asking.promises).all().iter().map(|(guard, promise)| (guard.clone(), promise.state)).collect();
        for (guard, state) in promised {
            match state {
                State::Waits if all && !wanted.contains(&guard) => drop(self.asking.prove_once(&guard)),
                State::Waits => {}
                State::Asked | State::Held => self.give_back(&guard),
            }
        }
        let mut said = Vec::new();
        for thread in std::mem::take(&mut *locked(&self.returning)).into_values() {
            while !thread.is_finished() {
                if stop() {
                    self.asking.over.store(true, Ordering::Release);
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
            said.extend(thread.join().ok().flatten());
        }
        self.asking.over.store(true, Ordering::Release);
        let mut promises = locked(&self.asking.promises);
        for guard in promises.held() {
            let ended = promises.end_run(&guard);
            said.extend(ended.err().map(|why| format!("that the run is over cannot be written down for guard {guard}: {why}")));
        }
        said
    }

    fn give_back(&self, guard: &str) {
        let mut returning = locked(&self.returning);
        if returning.contains_key(guard) {
            return;
        }
        let (asking, name) = (Arc::clone(&self.asking), guard.to_owned());
        // Without a thread the next run gives it back.
        if let Ok(thread) = std::thread::Builder::new().name("lease".to_owned()).spawn(move || asking.give_back(&name)) {
            returning.insert(guard.to_owned(), thread);
        }
    }
}

/// What a resource hears whose guard left the site with it: the server has no rule for it any more.
pub const NO_LONGER_DECLARED: &str =
    "its guard is no longer in the site: remove it on one member after the other, with `keel apply --unguarded`";

impl Leases for ServerLeases {
    fn ask(&self, guard: usize) {
        let Some(declared) = self.guards.get(guard).cloned() else {
            let refused = Some(NO_LONGER_DECLARED.to_owned());
            return drop(locked(&self.sender).send(LeaseAnswer { guard, refused }));
        };
        locked(&self.wanted).insert(declared.name.clone());
        let (asking, sender) = (Arc::clone(&self.asking), locked(&self.sender).clone());
        let ask = move || {
            let refused = asking.ask(&declared).err();
            // Who is gone has no use for the answer; what it holds is given back by its promise.
            let _ = sender.send(LeaseAnswer { guard, refused });
        };
        if let Err(error) = std::thread::Builder::new().name("lease".to_owned()).spawn(ask) {
            let refused = Some(format!("the system has no thread to ask for it: {error}"));
            let _ = locked(&self.sender).send(LeaseAnswer { guard, refused });
        }
    }

    fn wait(&self, at_most: Duration) -> Vec<LeaseAnswer> {
        locked(&self.answers).recv_timeout(at_most).into_iter().collect()
    }

    fn done(&self, guard: usize) {
        if let Some(guard) = self.guards.get(guard) {
            self.give_back(&guard.name);
        }
    }
}

impl Asking {
    fn server(&self) -> Result<Server, String> {
        let node = Node::load(&self.home).map_err(|error| error.message)?;
        Server::of(&self.home, &self.settings, &node)
    }

    /// Asks until the lease is there or the patience is over.
    fn ask(&self, guard: &Guard) -> Result<(), String> {
        let note = |state| locked(&self.promises).note(guard, state);
        // What an earlier run may hold is held until it is given back, whatever this one hears.
        let before = locked(&self.promises).all().get(&guard.name).map(|promise| promise.state);
        let mut without = if matches!(before, Some(State::Asked | State::Held)) { State::Held } else { State::Waits };
        note(State::Asked).map_err(|why| format!("that it is asked for cannot be written down: {why}"))?;
        let server = self.server()?;
        let (begun, mut answered) = (Instant::now(), false);
        loop {
            let patience = if answered { self.patience } else { PATIENCE_MIN };
            let left = patience.saturating_sub(begun.elapsed());
            let wait_s = HOLD.min(left).as_secs().max(1);
            let request = LeaseRequest { guard: guard.name.clone(), run: self.run.clone(), wait_s };
            let why = match server.lease(&request) {
                Ok(Given::Held) => return note(State::Held).and_then(|()| self.withdraw(guard)),
                Ok(Given::Refused { why }) => {
                    answered = true;
                    note(without)?;
                    why
                }
                // Such a server gave none.
                Err(fault) if !fault.may_pass() => return note(without).and(Err(fault.to_string())),
                Err(fault) => {
                    // Its answer may be what was lost, and the lease given.
                    without = State::Held;
                    self.pause(RETRY);
                    fault.to_string()
                }
            };
            let patience = if answered { self.patience } else { PATIENCE_MIN };
            if begun.elapsed() + HOLD_MIN > patience || self.over.load(Ordering::Acquire) {
                return Err(why);
            }
            note(State::Asked)?;
            // A server that holds nothing is not asked without a pause.
            self.pause(LOOK_INTERVAL);
        }
    }

    /// Takes the host out of service, now that the lease is there. Where that fails nothing is interrupted, and what was
    /// done of it is undone when the lease goes back.
    fn withdraw(&self, guard: &Guard) -> Result<(), String> {
        let Some(withdrawal) = &guard.withdrawal else { return Ok(()) };
        let (time_max, _) = readiness::patience(&guard.name, &guard.ready);
        withdrawal::run(&self.home.root, &withdrawal.drain, time_max).map_err(|why| format!("this host is not drained: {why}"))
    }

    /// Waits until the host is ready, and gives the lease back. What is to be said if that does not come to its end.
    fn give_back(&self, guard: &str) -> Option<String> {
        let ready = locked(&self.promises).all().get(guard)?.ready.clone();
        let (timeout, interval) = readiness::patience(guard, &ready);
        let begun = Instant::now();
        loop {
            let (why, timeout) = match self.prove_once(guard) {
                Ok(()) => return None,
                Err(Kept::NotReady(why)) => (why, timeout),
                Err(Kept::Untold(why)) => (why, timeout.min(PATIENCE_MIN)),
            };
            if begun.elapsed() >= timeout || self.over.load(Ordering::Acquire) {
                return Some(format!("the lease of guard {guard} is kept: {why}"));
            }
            self.pause(interval.min(timeout.saturating_sub(begun.elapsed())));
        }
    }

    /// Looks once how the host is, and says so. Afterwards it holds no lease of the guard, or this says why it does.
    fn prove_once(&self, guard: &str) -> Result<(), Kept> {
        let Some(promise) = locked(&self.promises).all().get(guard).cloned() else { return Ok(()) };
        let server = self.server().map_err(Kept::Untold)?;
        prove_over(&self.home, &server, guard, &promise)?;
        locked(&self.promises).forget(guard).map_err(Kept::Untold)
    }

    /// Sleeps, unless it is over.
    fn pause(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.over.load(Ordering::Acquire) {
            std::thread::sleep(LOOK_INTERVAL.min(time));
        }
    }
}

/// Why a lease could not be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// The host is not ready.
    NotReady(String),
    /// The server could not be told.
    Untold(String),
}

/// Looks how the host is as a member, brings it back into service where it is ready, and tells the server, which takes the
/// lease back. Whatever the server knows, a host that is out of service is not done with its lease.
fn prove_over(home: &Home, server: &Server, guard: &str, promise: &Promise) -> Result<(), Kept> {
    let mut found = readiness::look_at_holder(&home.root, guard, promise);
    let mut out = promise.undrain();
    if let (Readiness::Ready, Some(undrain)) = (&found, out) {
        let (time_max, _) = readiness::patience(guard, &promise.ready);
        match withdrawal::run(&home.root, undrain, time_max) {
            Ok(()) => out = None,
            Err(why) => found = readiness::not_ready(format!("it is still out of service: {why}")),
        }
    }
    let proof = LeaseProof { guard: guard.to_owned(), found: found.clone(), demand: 0, over: true };
    let receipt = server.prove(&proof).map_err(|fault| Kept::Untold(fault.to_string()))?;
    match found {
        Readiness::NotReady { why } if receipt.held || out.is_some() => Err(Kept::NotReady(format!("this host is not ready: {why}"))),
        Readiness::NotReady { .. } | Readiness::Ready => Ok(()),
    }
}

/// A lock that outlives a panic of another thread.
fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
