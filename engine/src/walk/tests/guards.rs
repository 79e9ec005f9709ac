//! What interrupts a member waits for its lease; the rest does not.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::guard::Guard;

/// Gives leases or refuses them, as the test says, and notes what it was asked.
pub(super) struct Office {
    /// Whether it answers nobody: who has asked is asked to stop instead.
    is_closed: bool,
    refuse: Option<&'static str>,
    asked: Mutex<Vec<String>>,
    sender: Mutex<Sender<LeaseAnswer>>,
    answers: Mutex<Receiver<LeaseAnswer>>,
}

impl Office {
    fn new(refuse: Option<&'static str>) -> Self {
        let (sender, answers) = channel();
        Self { is_closed: false, refuse, asked: Mutex::default(), sender: Mutex::new(sender), answers: Mutex::new(answers) }
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
        let refused = self.refuse.map(str::to_owned);
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
}

fn under_guard(mut stage: Stage, resources: &[usize]) -> Stage {
    let (name, members) = ("galera".to_owned(), vec!["h".to_owned(), "i".to_owned()]);
    stage.catalog.guards = vec![Guard { name: name.clone(), members, max: 1, ready: Map::new(), withdrawal: None }];
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
    assert_eq!(shelf.log(), ["apply a", "apply z"]);
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
    assert_eq!(reports[1].reason, Some(Reason::Guarded { guard: "galera".to_owned() }));
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
