//! Tests of gates, with a desk that answers as another host would.

use std::sync::{Condvar, Mutex};

use super::*;
use crate::walk::{Answer, GateState, Gates, Question};

/// Answers every question by a rule, and remembers tokens.
pub(super) struct Desk {
    rule: fn(&Question, usize) -> GateState,
    asked: Mutex<(Question, bool)>,
    news: Condvar,
    tokens: Mutex<BTreeMap<usize, String>>,
}

impl Desk {
    fn new(rule: fn(&Question, usize) -> GateState) -> Self {
        Self { rule, asked: Mutex::default(), news: Condvar::new(), tokens: Mutex::default() }
    }
}

impl Gates for Desk {
    fn ask(&self, question: Question) {
        *self.asked.lock().unwrap() = (question, true);
        self.news.notify_all();
    }

    fn wait(&self, at_most: Duration) -> Vec<Answer> {
        let asked = self.asked.lock().unwrap();
        let (mut asked, _) = self.news.wait_timeout_while(asked, at_most, |(_, is_new)| !*is_new).unwrap();
        asked.1 = false;
        let question = asked.0.clone();
        question.gates.iter().map(|&gate| Answer { gate, state: (self.rule)(&question, gate) }).collect()
    }

    fn last_token(&self, gate: usize) -> Option<String> {
        self.tokens.lock().unwrap().get(&gate).cloned()
    }

    fn keep_token(&self, gate: usize, token: &str) -> Result<(), String> {
        self.tokens.lock().unwrap().insert(gate, token.to_owned());
        Ok(())
    }
}

fn open(token: &str) -> GateState {
    GateState::Open { token: token.to_owned() }
}

fn shut(_: &Question, _: usize) -> GateState {
    GateState::Shut { why: "it is not there yet".to_owned() }
}

/// `a` waits for another host, `b` for `a`, `c` for nobody.
fn stage(notify: Option<Effect>) -> Stage {
    let mut stage = Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 1, None);
    let (node, origin) = (Node::Resource(0), Origin::default());
    let (host, target) = ("db-1".to_owned(), Address::new("module", "galera"));
    let word = if notify.is_some() { RelationWord::Subscribe } else { RelationWord::Require };
    stage.catalog.gates.push(Gate { node, host, target, word, notify, optional: false, origin });
    stage
}

#[test]
fn without_anybody_to_ask_a_gate_makes_it_and_what_follows_wait() {
    let mut stage = stage(None);
    assert_eq!(stage.outcomes(&Shelf::default(), Mode::Apply), [Outcome::Waiting, Outcome::Waiting, Outcome::Changed]);
}

#[test]
fn a_shut_gate_is_waited_at_as_long_as_the_patience_and_says_why() {
    let mut stage = stage(None);
    stage.desk = Some(Desk::new(shut));
    let reports = stage.go(&Shelf::default(), Mode::Apply);
    let Some(Reason::Gate { host, why, .. }) = &reports[0].reason else { panic!("{:?}", reports[0]) };
    assert_eq!((host.as_str(), why.as_deref()), ("db-1", Some("it is not there yet")));
    assert_eq!(reports[2].outcome, Outcome::Changed);
}

#[test]
fn an_open_gate_lets_it_and_what_follows_through() {
    for mode in [Mode::Apply, Mode::Plan] {
        let mut stage = stage(None);
        stage.desk = Some(Desk::new(|_, _| open("t")));
        let expected = if mode == Mode::Apply { Outcome::Changed } else { Outcome::WouldChange };
        assert_eq!(stage.outcomes(&Shelf::default(), mode), [expected; 3]);
    }
}

#[test]
fn the_rest_goes_on_and_is_told_to_the_others() {
    // The gate opens only once the other host knows that `c` is settled here.
    let rule = |question: &Question, _| {
        let is_told = question.settled.iter().any(|settled| &*settled.address.title == "c");
        if is_told { open("t") } else { shut(question, 0) }
    };
    let mut stage = stage(None);
    stage.patience = Duration::from_secs(60);
    stage.desk = Some(Desk::new(rule));
    assert_eq!(stage.outcomes(&Shelf::default(), Mode::Apply), [Outcome::Changed; 3]);
}

#[test]
fn a_plan_does_not_wait_for_a_gate_to_open() {
    let mut stage = stage(None);
    stage.patience = Duration::from_secs(60);
    stage.desk = Some(Desk::new(shut));
    assert_eq!(stage.outcomes(&Shelf::default(), Mode::Plan), [Outcome::Waiting, Outcome::Waiting, Outcome::WouldChange]);
}

#[test]
fn a_subscriber_is_refreshed_once_for_every_change_of_the_other_host() {
    let shelf = Shelf::default();
    let refreshes = |shelf: &Shelf| shelf.log().iter().filter(|line| *line == "restart a").count();
    let mut stage = stage(Some(Effect::Restart));
    stage.desk = Some(Desk::new(|_, _| open("1")));
    stage.go(&shelf, Mode::Apply);
    assert_eq!(refreshes(&shelf), 0, "what was found open at the first look has changed nothing since");
    stage.go(&shelf, Mode::Apply);
    assert_eq!(refreshes(&shelf), 0);
    stage.desk.as_mut().unwrap().rule = |_, _| open("2");
    let planned = stage.go(&shelf, Mode::Plan);
    assert_eq!(planned[0].outcome, Outcome::WouldChange, "a plan shows the refresh");
    assert_eq!(refreshes(&shelf), 0, "and neither makes it nor forgets it");
    stage.go(&shelf, Mode::Apply);
    stage.go(&shelf, Mode::Apply);
    assert_eq!(refreshes(&shelf), 1);
}

#[test]
fn a_subscriber_that_waited_is_refreshed_when_its_gate_opens() {
    let shelf = Shelf::with(&[("a", 1)]);
    let mut stage = stage(Some(Effect::Reload));
    stage.desk = Some(Desk::new(shut));
    stage.go(&shelf, Mode::Apply);
    stage.desk.as_mut().unwrap().rule = |_, _| open("1");
    stage.go(&shelf, Mode::Apply);
    assert_eq!(shelf.log().iter().filter(|line| *line == "reload a").count(), 1, "{:?}", shelf.log());
}

#[test]
fn what_takes_no_part_asks_nobody() {
    let mut stage = stage(None);
    stage.filter.skip = vec!["thing[a]".to_owned()];
    stage.desk = Some(Desk::new(|_, _| panic!("nobody was to be asked")));
    assert_eq!(stage.outcomes(&Shelf::default(), Mode::Apply), [Outcome::Skipped, Outcome::Changed, Outcome::Changed]);
}
