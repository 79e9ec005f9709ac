//! The leases of a run without a server: members ask each other directly, and have turns by their names
//! (`engine/src/turns.rs`). A lease is the rest of the time in which this host may begin; outside of it nothing waits.
//!
//! What may have interrupted this host or taken it out of service is written down first, so that a later run brings it
//! back. All of it happens under the lock of the run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use keel_engine::catalog::Catalog;
use keel_engine::guard::{Guard, Readiness, Scene, obstacle};
use keel_engine::turns::{Turn, Turns};
use keel_engine::walk::{LeaseAnswer, Leases};

use super::since_1970;
use crate::pull::home::Home;
use crate::pull::leases::promises::{self, Promise, Promises};
use crate::pull::leases::{NO_LONGER_DECLARED, readiness, withdrawal};
use crate::pull::settings::AgentSettings;
use crate::state::State;

/// Why nothing is interrupted under a guard whose members cannot ask each other.
const NOBODY_TO_ASK: &str = "without a server nobody keeps leases, and its guard has no `ask` by which members see how the others are; \
                             give it one, or make sure that all other members are well, and use --unguarded";
/// Why a host that has a server takes no turns: another member may hold a lease.
const HAS_SERVER: &str = "the leases of this host are its server's, and its agent asks for them: leave out the site, \
                          or make sure that all other members are well, and use --unguarded";
/// How often a wait looks whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The turns of one run.
pub struct TurnLeases {
    taking: Arc<Taking>,
    sender: Mutex<Sender<LeaseAnswer>>,
    answers: Mutex<Receiver<LeaseAnswer>>,
    /// Those who ask the other members.
    asking: Mutex<Vec<JoinHandle<()>>>,
    /// Those who bring the host back, with what is to be said of it in the end.
    returning: Mutex<BTreeMap<String, JoinHandle<Option<String>>>>,
}

/// What the threads of a run share.
struct Taking {
    root: PathBuf,
    host: String,
    guards: Vec<Guard>,
    /// Where it is written down what is to be brought back.
    file: PathBuf,
    has_server: bool,
    /// The clock on the wall, in milliseconds since 1970.
    now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    /// What this run was given, by guard.
    grants: Mutex<BTreeMap<String, Grant>>,
    /// One writes at a time.
    writing: Mutex<()>,
    /// Whether nothing is waited for any more.
    over: AtomicBool,
}

/// The time in which this host may begin.
#[derive(Debug, Clone, Copy)]
struct Grant {
    turn: Turn,
    /// When it is over, whatever becomes of the clock on the wall.
    until: Instant,
}

impl Grant {
    fn lasts(&self, now_ms: u64) -> bool {
        self.turn.is_open(now_ms) && Instant::now() < self.until
    }
}

impl TurnLeases {
    /// The turns for a run of this catalog. Nothing is looked at yet.
    pub fn new(root: PathBuf, state: &State, catalog: &Catalog) -> Self {
        Self::by_clock(root, state, catalog, Box::new(since_1970))
    }

    fn by_clock(root: PathBuf, state: &State, catalog: &Catalog, now_ms: Box<dyn Fn() -> u64 + Send + Sync>) -> Self {
        let (sender, answers) = channel();
        let has_server = Home::below(&root).map_or(true, |home| AgentSettings::names_server(&home));
        let taking = Taking {
            root,
            host: catalog.host.clone(),
            guards: catalog.guards.clone(),
            file: state.kept.join("turns.json"),
            has_server,
            now_ms,
            grants: Mutex::default(),
            writing: Mutex::default(),
            over: AtomicBool::new(false),
        };
        let (sender, answers) = (Mutex::new(sender), Mutex::new(answers));
        Self { taking: Arc::new(taking), sender, answers, asking: Mutex::default(), returning: Mutex::default() }
    }

    /// Brings back what an earlier run left out of service, as far as the host is ready now.
    pub(super) fn settle(&self) {
        for guard in self.taking.promises().map(|promises| promises.held()).unwrap_or_default() {
            // What does not succeed now is tried again after the walk, which says so.
            let _ = self.taking.bring_back_once(&guard);
        }
    }

    /// After the walk: waits until the host is ready again, as long as its guards let it. What the report has to say of it.
    pub(super) fn wind_up(&self, stop: &(dyn Fn() -> bool + Sync)) -> Vec<String> {
        if stop() {
            self.taking.over.store(true, Ordering::Release);
        }
        // Who is still being taken out of service is brought back after that.
        for thread in std::mem::take(&mut *locked(&self.asking)) {
            let _ = thread.join();
        }
        let held = match self.taking.promises() {
            Ok(promises) => promises.held(),
            Err(why) => return vec![format!("whether this host is out of service cannot be told: {why}")],
        };
        held.iter().for_each(|guard| self.bring_back(guard));
        let mut said = Vec::new();
        for thread in std::mem::take(&mut *locked(&self.returning)).into_values() {
            while !thread.is_finished() {
                if stop() {
                    self.taking.over.store(true, Ordering::Release);
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
            said.extend(thread.join().ok().flatten());
        }
        said
    }

    fn refuse(&self, guard: usize, why: String) {
        // Whoever is gone has no use for the answer.
        let _ = locked(&self.sender).send(LeaseAnswer { guard, refused: Some(why) });
    }

    fn bring_back(&self, guard: &str) {
        let mut returning = locked(&self.returning);
        if returning.contains_key(guard) {
            return;
        }
        let (taking, name) = (Arc::clone(&self.taking), guard.to_owned());
        // Without a thread the next run does it.
        if let Ok(thread) = std::thread::Builder::new().name("turn".to_owned()).spawn(move || taking.bring_back(&name)) {
            returning.insert(guard.to_owned(), thread);
        }
    }
}

impl Leases for TurnLeases {
    fn ask(&self, guard: usize) {
        let (taking, sender) = (Arc::clone(&self.taking), locked(&self.sender).clone());
        let ask = move || {
            let refused = taking.ask(guard).err();
            // Who is gone has no use for the answer.
            let _ = sender.send(LeaseAnswer { guard, refused });
        };
        match std::thread::Builder::new().name("turn".to_owned()).spawn(ask) {
            Ok(thread) => locked(&self.asking).push(thread),
            Err(error) => self.refuse(guard, format!("the system has no thread to ask the other members: {error}")),
        }
    }

    fn wait(&self, at_most: Duration) -> Vec<LeaseAnswer> {
        locked(&self.answers).recv_timeout(at_most).into_iter().collect()
    }

    fn done(&self, guard: usize) {
        if let Some(guard) = self.taking.guards.get(guard) {
            self.bring_back(&guard.name);
        }
    }

    fn lasts(&self, guard: usize) -> bool {
        let grants = locked(&self.taking.grants);
        self.taking.guards.get(guard).and_then(|guard| grants.get(&guard.name)).is_some_and(|grant| grant.lasts(self.taking.now()))
    }

    fn outlook(&self, guard: usize) -> Option<String> {
        let outlook = self.taking.open_turn(guard).map(|(_, turn)| turn);
        Some(outlook.map_or_else(|why| why, |turn| format!("its turn is now, until {} UTC", clock(turn.closes_ms))))
    }
}

impl Taking {
    fn now(&self) -> u64 {
        (self.now_ms)()
    }

    /// The guard and this host's turn under it, if it may begin now.
    fn open_turn(&self, guard: usize) -> Result<(&Guard, Turn), String> {
        if self.has_server {
            return Err(HAS_SERVER.to_owned());
        }
        let guard = self.guards.get(guard).ok_or(NO_LONGER_DECLARED)?;
        let turns = guard.turns.as_ref().ok_or(NOBODY_TO_ASK)?;
        let now_ms = self.now();
        let turn = Turn::of(&self.host, &guard.members, turns.turn_s, now_ms).ok_or("this host has no turn under its guard")?;
        if turn.is_open(now_ms) { Ok((guard, turn)) } else { Err(later(turn)) }
    }

    /// Whether this host may begin: it has the turn, and all other members are well, seen from here.
    fn ask(&self, guard: usize) -> Result<(), String> {
        let (declared, mut turn) = self.may_begin(guard)?;
        if self.over.load(Ordering::Acquire) {
            return Err("the run was asked to stop".to_owned());
        }
        self.note(declared)?;
        if let Some(withdrawal) = &declared.withdrawal {
            let (time_max, _) = readiness::patience(&declared.name, &declared.ready);
            let drained = withdrawal::run(&self.root, &withdrawal.drain, time_max);
            drained.map_err(|why| format!("this host is not drained: {why}"))?;
            // That may have taken long.
            (_, turn) = self.may_begin(guard)?;
        }
        let left = Duration::from_millis(turn.closes_ms.saturating_sub(self.now()));
        locked(&self.grants).insert(declared.name.clone(), Grant { turn, until: Instant::now() + left });
        Ok(())
    }

    fn may_begin(&self, guard: usize) -> Result<(&Guard, Turn), String> {
        let (declared, _) = self.open_turn(guard)?;
        let answers = declared.turns.as_ref().map(|turns| self.look_at_others(declared, turns)).unwrap_or_default();
        let scene = Scene { rule: &declared.rule(), holders: &[], answers: &answers };
        if let Some(obstacle) = obstacle(&self.host, &scene) {
            return Err(obstacle.to_string());
        }
        // The answers took their time.
        self.open_turn(guard)
    }

    /// How the other members are, all looked at together.
    fn look_at_others(&self, guard: &Guard, turns: &Turns) -> BTreeMap<String, Readiness> {
        let look = |ask| readiness::look(&self.root, &guard.name, ask);
        std::thread::scope(|scope| {
            let looks: Vec<_> = turns.asks.iter().map(|(member, ask)| (member, scope.spawn(move || look(ask)))).collect();
            // Who cannot be looked at has not answered.
            looks.into_iter().filter_map(|(member, look)| Some((member.clone(), look.join().ok()?))).collect()
        })
    }

    fn promises(&self) -> Result<Promises, String> {
        Promises::at(self.file.clone())
    }

    /// Writes down that this host may be interrupted from now on.
    fn note(&self, guard: &Guard) -> Result<(), String> {
        let _writing = locked(&self.writing);
        let noted = self.promises().and_then(|mut promises| promises.note(guard, promises::State::Held));
        noted.map_err(|why| format!("that this host may be interrupted cannot be written down: {why}"))
    }

    /// Waits until the host is ready, and brings it back. What is to be said of it.
    fn bring_back(&self, guard: &str) -> Option<String> {
        let promise = self.promise(guard)?;
        let (timeout, interval) = readiness::patience(guard, &promise.ready);
        let grant = locked(&self.grants).get(guard).copied();
        let begun = Instant::now();
        while let Err(why) = self.bring_back_once(guard) {
            // What an earlier run left was waited for by that one.
            if grant.is_none() || begun.elapsed() >= timeout || self.over.load(Ordering::Acquire) {
                let _writing = locked(&self.writing);
                // Where that cannot be written down, what goes on of this run's commands counts as not ready.
                let _ = self.promises().and_then(|mut promises| promises.end_run(guard));
                return Some(format!("guard {guard}: {why}"));
            }
            let until = Instant::now() + interval.min(timeout.saturating_sub(begun.elapsed()));
            while Instant::now() < until && !self.over.load(Ordering::Acquire) {
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        let late = self.now().checked_sub(grant?.turn.ends_ms)?;
        let message = "the turn of this host was over before it was ready again";
        Some(format!("guard {guard}: {message}, by {}s: give the guard a `turn` of twice the time that this takes", late.div_ceil(1000)))
    }

    /// Looks once how the host is, and brings it back where it is ready.
    fn bring_back_once(&self, guard: &str) -> Result<(), String> {
        let Some(promise) = self.promise(guard) else { return Ok(()) };
        if let Readiness::NotReady { why } = readiness::look_at_holder(&self.root, guard, &promise) {
            return Err(format!("this host is not ready: {why}"));
        }
        if let Some(undrain) = promise.undrain() {
            let (time_max, _) = readiness::patience(guard, &promise.ready);
            withdrawal::run(&self.root, undrain, time_max).map_err(|why| format!("this host is still out of service: {why}"))?;
        }
        let _writing = locked(&self.writing);
        self.promises()?.forget(guard)
    }

    fn promise(&self, guard: &str) -> Option<Promise> {
        self.promises().ok()?.all().get(guard).cloned()
    }
}

/// When a turn comes, in words.
fn later(turn: Turn) -> String {
    let opens = moment(turn.opens_ms).strftime("%Y-%m-%d %H:%M:%S");
    format!("without a server members take turns, and the next one of this host is from {opens} to {} UTC", clock(turn.closes_ms))
}

/// The time of a day.
fn clock(ms: u64) -> String {
    moment(ms).strftime("%H:%M:%S").to_string()
}

fn moment(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

/// A lock that outlives a panic of another thread.
fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use keel_engine::guard::Withdrawal;
    use keel_engine::value::{Map, Value};
    use tempfile::TempDir;

    use super::*;

    const TURN_MS: u64 = 600_000;
    /// In the first member's turn.
    const IN_TURN_MS: u64 = 120_000;

    /// A host whose guard has it drained by a line in `/log`, and undrained by another one.
    struct Host {
        root: TempDir,
        catalog: Catalog,
    }

    impl Host {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let log = root.path().join("log");
            let word = |word: &str| ["/bin/sh", "-c", &format!("echo {word} >>{}", log.display())].map(str::to_owned).to_vec();
            let paths = |path: &str| Map::from_iter([("paths".to_owned(), Value::from(path)), ("timeout".to_owned(), Value::Int(1))]);
            let asks = [("b".to_owned(), paths("/b")), ("c".to_owned(), paths("/c"))].into();
            let guard = Guard {
                name: "web".to_owned(),
                members: ["a", "b", "c"].map(str::to_owned).to_vec(),
                max: 1,
                ready: paths("/a"),
                withdrawal: Some(Withdrawal { drain: word("out"), undrain: word("back") }),
                turns: Some(Turns { turn_s: TURN_MS / 1000, asks }),
            };
            let host = Self { root, catalog: Catalog { guards: vec![guard], ..Catalog::empty("a", "s") } };
            host.state().make_folders().unwrap();
            ["a", "b", "c"].iter().for_each(|name| host.set(name, true));
            host
        }

        fn state(&self) -> State {
            State::of_site(self.root.path(), "s")
        }

        /// Whether a member is well.
        fn set(&self, member: &str, is_well: bool) {
            let path = self.root.path().join(member);
            if is_well { std::fs::write(path, "").unwrap() } else { std::fs::remove_file(path).unwrap() }
        }

        /// A run, by a clock that says this so often, and then that the turn is over.
        fn turns(&self, now_ms: u64, looks: usize) -> TurnLeases {
            let count = AtomicUsize::new(0);
            let now = move || if count.fetch_add(1, Ordering::SeqCst) < looks { now_ms } else { now_ms + TURN_MS };
            TurnLeases::by_clock(self.root.path().to_owned(), &self.state(), &self.catalog, Box::new(now))
        }

        fn log(&self) -> String {
            std::fs::read_to_string(self.root.path().join("log")).unwrap_or_default().replace('\n', " ")
        }
    }

    fn refused(turns: &TurnLeases) -> Option<String> {
        turns.ask(0);
        turns.wait(Duration::from_secs(60)).pop().unwrap().refused
    }

    #[test]
    fn in_its_turn_a_member_begins_while_the_others_are_well_and_comes_back_after_it() {
        let host = Host::new();
        let turns = host.turns(IN_TURN_MS, usize::MAX);
        assert!(!turns.lasts(0), "nothing was asked");
        assert_eq!(refused(&turns), None);
        assert!(turns.lasts(0));
        assert_eq!(host.log(), "out ");
        assert_eq!(turns.wind_up(&|| false), [""; 0]);
        assert_eq!(host.log(), "out back ");
        host.set("c", false);
        assert_eq!(refused(&turns).as_deref(), Some("c is not ready: /c is not there"));
        assert_eq!(host.log(), "out back ", "who may not begin stays in service");
    }

    #[test]
    fn a_turn_that_ends_while_the_others_are_asked_or_the_host_is_drained_is_over() {
        let mut begun = 0;
        for looks in 0..12 {
            let host = Host::new();
            let turns = host.turns(IN_TURN_MS, looks);
            let refused = refused(&turns);
            let lasts = turns.lasts(0);
            assert!(refused.is_none() || !lasts, "after {looks} looks");
            assert!(refused.is_none_or(|why| why.contains("the next one of this host is from 1970-01-01 00:36:00 to 00:40:00 UTC")));
            turns.wind_up(&|| false);
            assert!(["", "out back "].contains(&&*host.log()), "{} after {looks} looks", host.log());
            begun += usize::from(lasts);
        }
        assert!((1..12).contains(&begun), "{begun} began");
    }

    #[test]
    fn what_a_killed_run_left_out_of_service_a_later_one_brings_back_whoever_has_the_turn() {
        let host = Host::new();
        assert_eq!(refused(&host.turns(IN_TURN_MS, usize::MAX)), None);
        host.set("a", false);
        let later = host.turns(IN_TURN_MS + TURN_MS, usize::MAX);
        later.settle();
        assert_eq!(later.wind_up(&|| false), ["guard web: this host is not ready: /a is not there"]);
        host.set("a", true);
        later.settle();
        assert_eq!(host.log(), "out back ");
        assert_eq!(later.wind_up(&|| false), [""; 0]);
        assert_eq!(host.log(), "out back ");
    }

    #[test]
    fn a_turn_that_was_too_short_is_said() {
        let host = Host::new();
        let turns = host.turns(IN_TURN_MS, 5);
        assert_eq!(refused(&turns), None);
        let said = turns.wind_up(&|| false);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(
                "guard web: the turn of this host was over before it was ready again, by 120s: give the guard a `turn` of twice the time"
            ),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_written_down_and_cannot_be_read_lets_nobody_begin() {
        let host = Host::new();
        std::fs::write(host.state().kept.join("turns.json"), "{\"web\":").unwrap();
        let turns = host.turns(IN_TURN_MS, usize::MAX);
        assert!(refused(&turns).is_some_and(|why| why.contains("cannot be written down")));
        assert!(turns.wind_up(&|| false)[0].contains("turns.json cannot be read"));
        assert_eq!(host.log(), "");
    }
}
