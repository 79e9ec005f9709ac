//! What interrupts a member waits for its lease; the rest does not.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::guard::Guard;

/// Gives leases or refuses them, as the test says, and notes what it was asked.
pub(super) struct Office {
    /// Whether it answers nobody: who has asked is asked to stop instead.
    is_closed: bool,
    refuse: Option<&'static str>,
    /// How often it says that what it gave lasts; then it is over, and not given again. None is for ever.
    lasting: Mutex<Option<usize>>,
    asked: Mutex<Vec<String>>,
    sender: Mutex<Sender<LeaseAnswer>>,
    answers: Mutex<Receiver<LeaseAnswer>>,
}

impl Office {
    fn new(refuse: Option<&'static str>) -> Self {
        let (sender, answers) = channel();
        Self {
            is_closed: false,
            refuse,
            lasting: Mutex::new(None),
            asked: Mutex::default(),
            sender: Mutex::new(sender),
            answers: Mutex::new(answers),
        }
    }

    /// Whether it is closed and was asked.
    pub(super) fn stops(&self) -> bool {
        self.is_closed && !self.asked.lock().unwrap().is_empty()
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Leases for Office {
    fn ask(&self, guard: usize) {
        self.asked.lock().unwrap().push(format!("ask {guard}"));
        let is_over = *self.lasting.lock().unwrap() == Some(0);
        let refused = self.refuse.or(is_over.then_some("its turn is over")).map(str::to_owned);
        if self.is_closed {
            return;
        }
        self.sender.lock().unwrap().send(LeaseAnswer { guard, refused }).unwrap();
    }

    fn wait(&self, at_most: Duration) -> Vec<LeaseAnswer> {
        self.answers.lock().unwrap().recv_timeout(at_most).into_iter().collect()
    }

    fn done(&self, guard: usize) {
        self.asked.lock().unwrap().push(format!("done {guard}"));
    }

    fn lasts(&self, _guard: usize) -> bool {
        let mut lasting = self.lasting.lock().unwrap();
        let Some(left) = &mut *lasting else { return true };
        let lasts = *left > 0;
        *left = left.saturating_sub(1);
        lasts
    }

    fn outlook(&self, _guard: usize) -> Option<String> {
        self.lasting.lock().unwrap().map(|_| "its turn is later".to_owned())
    }
}

fn under_guard(mut stage: Stage, resources: &[usize]) -> Stage {
    let (name, members) = ("galera".to_owned(), vec!["h".to_owned(), "i".to_owned()]);
    stage.catalog.guards = vec![Guard { name: name.clone(), members, max: 1, ready: Map::new(), withdrawal: None, turns: None }];
    resources.iter().for_each(|&resource| stage.catalog.resources[resource].guard = Some(name.clone()));
    stage
}

fn refused() -> Option<Reason> {
    Some(Reason::Lease { guard: "galera".to_owned(), why: "i does not answer".to_owned() })
}

/// Something upstream, then a thing that is restarted because of it; the last one has nothing to do with them.
fn restart() -> (Shelf, Stage) {
    let shelf = Shelf::with(&[("target", 1)]);
    let stage = Stage::new(&[("a", &[]), ("target", &[]), ("z", &[])]).relate(0, 1, Some(Effect::Restart));
    (shelf, under_guard(stage, &[1]))
}

#[test]
fn a_restart_waits_for_its_lease_and_stays_owed_without_it() {
    let (shelf, mut stage) = restart();
    stage.office = Some(Office::new(Some("i does not answer")));
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!((reports[1].outcome, reports[1].reason.clone()), (Outcome::Waiting, refused()));
    // The two have nothing to do with each other, so that either may be first.
    let mut applied = shelf.log();
    applied.sort_unstable();
    assert_eq!(applied, ["apply a", "apply z"]);
    assert_eq!(stage.ledger.owed().len(), 1);
    assert_eq!(stage.office.as_ref().unwrap().log(), ["ask 0"]);
    stage.office = Some(Office::new(None));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed, Outcome::Unchanged]);
    assert_eq!(shelf.log()[2..], ["restart target"]);
    assert_eq!(stage.office.as_ref().unwrap().log(), ["ask 0", "done 0"]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_plan_says_that_it_is_guarded_and_asks_nobody() {
    let (shelf, mut stage) = restart();
    stage.office = Some(Office::new(None));
    let reports = stage.go(&shelf, Mode::Plan);
    assert_eq!(reports[1].outcome, Outcome::WouldChange);
    assert_eq!(reports[1].reason, Some(Reason::Guarded { guard: "galera".to_owned(), when: None }));
    assert_eq!((&reports[0].reason, &reports[2].reason), (&None, &None));
    assert_eq!(stage.office.as_ref().unwrap().log(), [""; 0]);
}

#[test]
fn what_interrupts_nobody_needs_no_lease() {
    let shelf = Shelf::with(&[("target", 1)]);
    let stage = Stage::new(&[("new", &[]), ("target", &[])]).relate(0, 1, Some(Effect::Reload));
    let mut stage = under_guard(stage, &[0, 1]);
    stage.office = Some(Office::new(Some("i does not answer")));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed]);
    assert_eq!(stage.office.as_ref().unwrap().log(), [""; 0]);
}

#[test]
fn without_anybody_who_keeps_leases_it_waits_and_an_operator_may_do_without() {
    let (shelf, mut stage) = restart();
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(reports[1].outcome, Outcome::Waiting);
    assert!(reports[1].reason.as_ref().unwrap().to_string().contains("nobody here"), "{:?}", reports[1].reason);
    stage.unguarded = true;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed, Outcome::Unchanged]);
}

#[test]
fn one_lease_is_for_all_that_stands_under_the_guard_and_for_batches() {
    for batch in [false, true] {
        let shelf = Shelf::with(&[("a", 7), ("b", 7), ("c", 7)]);
        let stage = Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 1, None);
        let mut stage = under_guard(stage, &[0, 1]);
        stage.nature.batch = batch;
        stage.office = Some(Office::new(Some("i does not answer")));
        let reports = stage.go(&shelf, Mode::Apply);
        assert_eq!(reports.iter().map(|one| one.outcome).collect::<Vec<_>>(), [Outcome::Waiting, Outcome::Waiting, Outcome::Changed]);
        assert_eq!(reports[0].changes.len(), 1, "what it would change is shown");
        stage.office = Some(Office::new(None));
        assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed, Outcome::Unchanged]);
        assert_eq!(stage.office.as_ref().unwrap().log(), ["ask 0", "done 0"]);
    }
}

#[test]
fn a_change_upstream_takes_nothing_along_that_is_guarded() {
    let shelf = Shelf::with(&[("b", 7)]);
    let mut stage = under_guard(Stage::new(&[("a", &[]), ("b", &[])]).relate(0, 1, None), &[1]);
    stage.office = Some(Office::new(Some("i does not answer")));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Waiting]);
    assert_eq!(shelf.log(), ["apply a"]);
}

#[test]
fn who_is_asked_to_stop_waits_for_no_lease() {
    let (shelf, mut stage) = restart();
    stage.office = Some(Office { is_closed: true, ..Office::new(None) });
    assert_eq!(stage.go(&shelf, Mode::Apply)[1].outcome, Outcome::Waiting);
    assert_eq!(stage.ledger.owed().len(), 1);
}

/// Whatever moment it is that the lease is over at: nothing is begun after it.
#[test]
fn a_lease_that_is_over_is_asked_for_anew_and_nothing_begins_without_it() {
    let mut restarted = Vec::new();
    for lasting in 0..6 {
        let shelf = Shelf::with(&[("one", 1), ("two", 1)]);
        let stage = Stage::new(&[("a", &[]), ("one", &[]), ("two", &[])]);
        let stage = stage.relate(0, 1, Some(Effect::Restart)).relate(0, 2, Some(Effect::Restart)).relate(1, 2, None);
        let mut stage = under_guard(stage, &[1, 2]);
        stage.office = Some(Office { lasting: Mutex::new(Some(lasting)), ..Office::new(None) });
        let reports = stage.go(&shelf, Mode::Apply);
        let done: Vec<String> = shelf.log().into_iter().filter(|line| line.starts_with("restart")).collect();
        let waiting = reports.iter().filter(|report| report.outcome == Outcome::Waiting).count();
        assert_eq!((done.len() + waiting, stage.ledger.owed().len()), (2, waiting), "{lasting}: {done:?}");
        restarted.push(done.len());
    }
    assert_eq!(restarted, [0, 0, 1, 1, 1, 2], "it is looked at until a worker begins");
}

#[test]
fn changes_that_came_too_late_owe_nobody_anything() {
    for (lasting, made) in [(0, 0), (1, 0), (2, 0), (3, 1)] {
        let shelf = Shelf::with(&[("target", 5), ("after", 1)]);
        let stage = Stage::new(&[("target", &[]), ("after", &[])]).relate(0, 1, Some(Effect::Restart));
        let mut stage = under_guard(stage, &[0]);
        stage.office = Some(Office { lasting: Mutex::new(Some(lasting)), ..Office::new(None) });
        let reports = stage.go(&shelf, Mode::Apply);
        assert_eq!(shelf.log().len(), 2 * made, "{:?}", shelf.log());
        assert_eq!((reports[0].outcome == Outcome::Changed, stage.ledger.owed().len()), (made == 1, 0));
    }
}

#[test]
fn a_plan_says_when_its_turn_comes() {
    let (shelf, mut stage) = restart();
    stage.office = Some(Office { lasting: Mutex::new(Some(0)), ..Office::new(None) });
    let reports = stage.go(&shelf, Mode::Plan);
    let reason = reports[1].reason.as_ref().map(ToString::to_string);
    assert_eq!(reason.as_deref(), Some("guarded by galera: its turn is later"));
}
