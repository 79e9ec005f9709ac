//! Changes are made in the hours of their schedule; what is found is said at any time.

use super::*;
use crate::schedule::{Days, Schedule};

fn scheduled(mut stage: Stage, resource: usize) -> Stage {
    let (name, days) = ("night".to_owned(), Days::ALL);
    stage.catalog.schedules = vec![Schedule { name: name.clone(), ranges: Vec::new(), days, timezone: None }];
    stage.catalog.resources[resource].schedule = Some(name);
    stage
}

fn shut() -> Reason {
    Reason::Schedule { name: "night".to_owned(), opens: "night later".to_owned() }
}

#[test]
fn a_change_waits_for_its_hour_and_with_it_what_depends_on_it() {
    let shelf = Shelf::default();
    let stage = Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 1, Some(Effect::Restart));
    let mut stage = scheduled(stage, 0);
    stage.open = false;
    for mode in [Mode::Plan, Mode::Apply] {
        let reports = stage.go(&shelf, mode);
        assert_eq!(reports[0].reason, Some(shut()));
        assert_eq!((reports[0].outcome, reports[0].changes.len()), (Outcome::Waiting, 1), "what it would change is shown");
        assert_eq!(reports[1].reason, Some(Reason::DependencyWaiting { root: Address::new("thing", "a") }));
    }
    assert_eq!(shelf.log(), ["apply c"]);
    assert!(stage.ledger.owed().is_empty());
    stage.open = true;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed, Outcome::Unchanged]);
}

#[test]
fn what_cannot_be_had_at_all_fails_at_any_hour() {
    let shelf = Shelf::default();
    let mut stage = scheduled(Stage::new(&[("a", &[]), ("b", &[("habit", "refused")])]).relate(0, 1, None), 0);
    stage.open = false;
    for mode in [Mode::Plan, Mode::Apply] {
        assert_eq!(stage.outcomes(&shelf, mode), [Outcome::Waiting, Outcome::Failed]);
    }
}

#[test]
fn what_has_nothing_to_change_holds_nobody_up() {
    let shelf = Shelf::with(&[("a", 1)]);
    let mut stage = scheduled(Stage::new(&[("a", &[]), ("b", &[])]).relate(0, 1, None), 0);
    stage.open = false;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed]);
}

#[test]
fn a_refresh_stays_owed_until_its_hour() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = scheduled(Stage::new(&[("a", &[]), ("target", &[])]).relate(0, 1, Some(Effect::Restart)), 1);
    stage.open = false;
    assert_eq!(stage.outcomes(&shelf, Mode::Plan), [Outcome::WouldChange, Outcome::Waiting]);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Waiting]);
    assert_eq!(stage.ledger.owed().len(), 1);
    stage.open = true;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed]);
    assert_eq!(shelf.log(), ["apply a", "restart target"]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn neither_a_batch_nor_a_change_upstream_takes_it_along() {
    let shelf = Shelf::default();
    let mut batch = scheduled(Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 2, None), 2);
    batch.nature.batch = true;
    batch.open = false;
    assert_eq!(batch.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed, Outcome::Waiting]);
    let shelf = Shelf::default();
    let mut chain = scheduled(Stage::new(&[("a", &[]), ("b", &[])]).relate(0, 1, None), 1);
    chain.open = false;
    assert_eq!(chain.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Waiting]);
    assert_eq!(shelf.log(), ["apply a"]);
}
