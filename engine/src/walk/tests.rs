//! Tests of the walk over a small type that keeps its things in memory.

mod gates;
mod guards;
mod schedules;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::catalog::{Catalog, Container, Effect, Gate, Node, Origin, Relation, RelationWord};
use crate::change::{Action, Change};
use crate::ledger::{MemoryLedger, NothingEnforced};
use crate::report::{Outcome, Owed, Reason, Totals};
use crate::resource::{AnyType, Disruption, Failure, Nature, ObserveError, PlannedRefresh, Refreshed, Reliance, ResourceType, Work};
use crate::value::{Map, Value};

crate::attributes! {
    /// A thing of the test.
    pub struct ThingAttributes: "thing" {
        /// Its name.
        [title] pub name: String,
        /// What it shall be.
        pub value: i64 = 1,
        /// What it does when it is applied: nothing, `fail`, `stubborn`, `panic`; or refreshed: `no refresh`,
        /// `asks` (whether the shelf has `leave`), `later`.
        pub habit: Option<String>,
        /// The thing that has to exist before this one can be observed.
        pub behind: Option<String>,
    }
}

/// The host of the tests: things with their values, and what happened to them.
#[derive(Default)]
struct Shelf {
    things: Mutex<BTreeMap<String, i64>>,
    log: Mutex<Vec<String>>,
}

impl Shelf {
    fn with(things: &[(&str, i64)]) -> Self {
        let shelf = Self::default();
        shelf.things.lock().unwrap().extend(things.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        shelf
    }

    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

struct Thing {
    nature: Nature,
}

impl ResourceType for Thing {
    type Host = Shelf;
    type Desired = ThingAttributes;
    type Observed = Option<i64>;

    fn observe(&self, host: &Shelf, desired: &[&ThingAttributes]) -> Vec<Result<Option<i64>, ObserveError>> {
        let things = host.things.lock().unwrap();
        let observe = |thing: &&ThingAttributes| match &thing.behind {
            _ if thing.habit.as_deref() == Some("refused") => Err(Failure::new(format!("{} is refused", thing.name)).into()),
            Some(behind) if !things.contains_key(behind) => Err(ObserveError::NotYet(Failure::new(format!("{behind} is missing")))),
            _ => Ok(things.get(&thing.name).copied()),
        };
        desired.iter().map(observe).collect()
    }

    fn diff(&self, desired: &ThingAttributes, observed: &Option<i64>) -> Vec<Change> {
        match observed {
            None => vec![Change::create("value", desired.value)],
            Some(value) if *value != desired.value => vec![Change::update("value", *value, desired.value)],
            Some(_) => Vec::new(),
        }
    }

    fn apply(&self, host: &Shelf, work: &Work<'_, Self>) -> Result<(), Failure> {
        let name = work.desired.name.clone();
        match work.desired.habit.as_deref() {
            Some("fail") => return Err(Failure::new(format!("{name} failed"))),
            Some("panic") => panic!("{name} panicked"),
            Some("stubborn") => {}
            _ => drop(host.things.lock().unwrap().insert(name.clone(), work.desired.value)),
        }
        host.note(format!("apply {name}"));
        Ok(())
    }

    fn apply_batch(&self, host: &Shelf, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        let names: Vec<&str> = works.iter().map(|work| work.desired.name.as_str()).collect();
        host.note(format!("batch {}", names.join(" ")));
        works.iter().map(|work| self.apply(host, work)).collect()
    }

    fn nature(&self) -> Nature {
        self.nature
    }

    fn reliance(&self, desired: &ThingAttributes, _observed: &Option<i64>) -> Reliance {
        if desired.habit.as_deref() == Some("guarded") { Reliance::UntilAny } else { Reliance::Firm }
    }

    fn plan_refresh(&self, desired: &ThingAttributes, _observed: &Option<i64>, effect: Effect, _made: &[Change]) -> PlannedRefresh {
        match desired.habit.as_deref() {
            Some("asks") => PlannedRefresh::Guarded("ask"),
            Some("later") => PlannedRefresh::Later("not here"),
            _ => PlannedRefresh::Due(if effect == Effect::Reload { "reload" } else { "restart" }),
        }
    }

    fn disruption(&self, changes: &[Change], refresh: Option<Effect>) -> Option<Disruption> {
        let updates = changes.iter().any(|change| change.action == Action::Update);
        (updates || refresh == Some(Effect::Restart)).then_some(Disruption::Restart)
    }

    fn guards_let(&self, host: &Shelf, _desired: &ThingAttributes) -> Result<bool, Failure> {
        Ok(host.things.lock().unwrap().contains_key("leave"))
    }

    fn refresh(&self, host: &Shelf, desired: &ThingAttributes, effect: Effect, _made: &[Change]) -> Result<Refreshed, Failure> {
        if desired.habit.as_deref() == Some("asks") && !self.guards_let(host, desired)? {
            return Ok(Refreshed::NotNeeded("held back"));
        }
        if desired.habit.as_deref() == Some("no refresh") {
            return Err(Failure::new("will not"));
        }
        host.note(format!("{effect} {}", desired.name));
        Ok(Refreshed::Done("restart"))
    }
}

/// A catalog of things and the run over it.
struct Stage {
    catalog: Catalog,
    nature: Nature,
    filter: Filter,
    ledger: MemoryLedger,
    desk: Option<gates::Desk>,
    office: Option<guards::Office>,
    /// Whether an operator permits everything.
    unguarded: bool,
    patience: Duration,
    workers: usize,
    /// Whether the schedules are open.
    open: bool,
    /// After so many lines in the log the run is asked to stop.
    stop_after: usize,
}

impl Stage {
    fn new(things: &[(&str, &[(&str, &str)])]) -> Self {
        let mut catalog = Catalog::empty("h", "s");
        for (name, attributes) in things {
            let attributes: Map = attributes.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
            let address = Address::new("thing", *name);
            catalog.resources.push(Resource::new(address, attributes));
        }
        let nature = Nature { refreshable: true, ..Nature::default() };
        let (filter, ledger) = (Filter::default(), MemoryLedger::default());
        Self {
            catalog,
            nature,
            filter,
            ledger,
            desk: None,
            office: None,
            unguarded: false,
            patience: Duration::ZERO,
            workers: 4,
            open: true,
            stop_after: usize::MAX,
        }
    }

    fn relate(mut self, first: usize, then: usize, notify: Option<Effect>) -> Self {
        let (first, then) = (Node::Resource(first), Node::Resource(then));
        self.catalog.relations.push(Relation { first, then, notify, word: RelationWord::Before, origin: Origin::default() });
        self
    }

    fn go(&mut self, host: &Shelf, mode: Mode) -> Vec<ResourceReport> {
        let kind = Thing { nature: self.nature };
        let types: [&dyn AnyType<Shelf>; 1] = [&kind];
        let groups = Groups::build(&types, &self.catalog.resources).unwrap();
        let graph = Graph::build(&self.catalog, &groups.footprints()).unwrap();
        let run = Run {
            catalog: &self.catalog,
            graph: &graph,
            groups: &groups,
            host,
            mode,
            filter: &self.filter,
            workers: self.workers,
            clock: &|| Duration::ZERO,
            started_ms: 0,
            enforced: &NothingEnforced,
            concealed: &HashSet::new(),
            gates: self.desk.as_ref().map(|desk| desk as &dyn Gates),
            patience: self.patience,
            leases: match &self.office {
                _ if self.unguarded => LeaseSource::NotNeeded,
                Some(office) => LeaseSource::Asked(office),
                None => LeaseSource::Nobody("nobody here keeps leases"),
            },
            opening: &|schedule| (!self.open).then(|| format!("{} later", schedule.name)),
            stop: &|| host.log().len() >= self.stop_after || self.office.as_ref().is_some_and(guards::Office::stops),
        };
        walk(&run, &mut self.ledger, &mut |_| {})
    }

    fn outcomes(&mut self, host: &Shelf, mode: Mode) -> Vec<Outcome> {
        self.go(host, mode).into_iter().map(|report| report.outcome).collect()
    }
}

#[test]
fn a_plan_changes_nothing_and_a_second_run_finds_nothing() {
    let shelf = Shelf::with(&[("b", 7)]);
    let mut stage = Stage::new(&[("a", &[]), ("b", &[])]);
    assert_eq!(stage.outcomes(&shelf, Mode::Plan), [Outcome::WouldChange, Outcome::WouldChange]);
    assert_eq!(shelf.log(), [""; 0]);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed]);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Unchanged]);
}

#[test]
fn a_failure_skips_what_depends_on_it_and_lets_the_rest_go_on() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("a", &[("habit", "fail")]), ("b", &[]), ("c", &[]), ("d", &[])]).relate(0, 1, None).relate(1, 2, None);
    let reports = stage.go(&shelf, Mode::Apply);
    let outcomes: Vec<Outcome> = reports.iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Skipped, Outcome::Skipped, Outcome::Changed]);
    assert_eq!(reports[2].reason, Some(Reason::DependencyFailed { root: Address::new("thing", "a") }));
}

#[test]
fn what_does_not_converge_and_what_panics_fails() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("a", &[("habit", "stubborn")]), ("b", &[("habit", "panic")]), ("c", &[])]);
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(reports[0].reason, Some(Reason::DidNotConverge { attributes: vec!["value".to_owned()] }));
    assert!(matches!(&reports[1].reason, Some(Reason::ApplyFailed { message, .. }) if message.contains("b panicked")));
    assert_eq!(reports[2].outcome, Outcome::Changed);
}

#[test]
fn a_target_is_refreshed_once_after_all_that_notify_it_and_by_the_strongest_effect() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage =
        Stage::new(&[("a", &[]), ("b", &[]), ("target", &[])]).relate(0, 2, Some(Effect::Reload)).relate(1, 2, Some(Effect::Restart));
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(shelf.log().iter().filter(|line| line.ends_with("target")).collect::<Vec<_>>(), ["restart target"]);
    assert_eq!(reports[2].outcome, Outcome::Changed);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_refresh_travels_on() {
    let shelf = Shelf::with(&[("b", 1), ("c", 1)]);
    let mut stage =
        Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 1, Some(Effect::Restart)).relate(1, 2, Some(Effect::Reload));
    stage.go(&shelf, Mode::Apply);
    assert_eq!(shelf.log(), ["apply a", "restart b", "reload c"]);
}

#[test]
fn a_refresh_stays_owed_until_it_succeeds() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[("habit", "no refresh")])]).relate(0, 1, Some(Effect::Restart));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Failed]);
    assert_eq!(stage.ledger.owed().len(), 1);
    stage.catalog.resources[1].attributes = std::sync::Arc::default();
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_filtered_target_keeps_its_refresh_for_the_next_run() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[])]).relate(0, 1, Some(Effect::Restart));
    stage.filter.skip.push("thing[target]".to_owned());
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Skipped]);
    stage.filter.skip.clear();
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed]);
}

#[test]
fn a_change_that_failed_without_changing_anything_owes_nothing() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[("habit", "fail")]), ("target", &[])]).relate(0, 1, Some(Effect::Restart));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Failed, Outcome::Skipped]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_plan_says_unknown_where_it_cannot_tell() {
    let shelf = Shelf::with(&[("guarded", 1)]);
    let mut stage =
        Stage::new(&[("a", &[]), ("b", &[("behind", "a")]), ("guarded", &[("habit", "guarded")])]).relate(0, 1, None).relate(1, 2, None);
    let reports = stage.go(&shelf, Mode::Plan);
    assert_eq!(reports[1].outcome, Outcome::Unknown);
    assert!(matches!(&reports[1].reason, Some(Reason::Until { root, .. }) if *root == Address::new("thing", "a")));
    assert_eq!(reports[2].outcome, Outcome::Unknown);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed, Outcome::Unchanged]);
}

#[test]
fn what_cannot_be_told_fails_where_nothing_upstream_would_change_it() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("b", &[("behind", "nowhere")])]);
    assert_eq!(stage.outcomes(&shelf, Mode::Plan), [Outcome::Failed]);
}

#[test]
fn noop_is_only_planned_and_refreshes_nobody() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[])]).relate(0, 1, Some(Effect::Restart));
    stage.catalog.resources[0].noop = true;
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(reports[0].reason, Some(Reason::Noop));
    assert_eq!(shelf.log(), [""; 0]);
}

#[test]
fn ready_resources_of_a_batching_type_go_together_with_those_behind_them() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]).relate(0, 2, None);
    stage.nature.batch = true;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed; 3]);
    assert_eq!(shelf.log()[0], "batch a b c");
}

#[test]
fn a_batch_whose_things_could_not_be_told_at_first_goes_together_all_the_same() {
    let shelf = Shelf::default();
    let behind: &[(&str, &str)] = &[("behind", "first")];
    let mut stage = Stage::new(&[("first", &[]), ("a", behind), ("b", behind), ("c", behind), ("never", &[("behind", "nobody")])]);
    for (before, after) in [(0, 1), (0, 2), (1, 3), (2, 4)] {
        stage = stage.relate(before, after, None);
    }
    stage.nature.batch = true;
    let mut expected = [Outcome::Changed; 5];
    expected[4] = Outcome::Failed;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), expected);
    assert!(shelf.log().contains(&"batch a b c".to_owned()), "{:?}", shelf.log());
}

#[test]
fn a_batch_whose_changes_somebody_else_made_meanwhile_ends_each_of_it_once() {
    let shelf = Shelf::with(&[("a", 1), ("b", 1), ("c", 1)]);
    let behind: &[(&str, &str)] = &[("behind", "first")];
    let mut stage = Stage::new(&[("first", &[]), ("a", behind), ("b", behind), ("c", behind)]);
    for before in 0..3 {
        stage = stage.relate(before, before + 1, None);
    }
    stage.nature.batch = true;
    let expected = [Outcome::Changed, Outcome::Unchanged, Outcome::Unchanged, Outcome::Unchanged];
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), expected);
}

#[test]
fn totals_count_every_resource_once() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage =
        Stage::new(&[("a", &[]), ("target", &[]), ("new", &[])]).relate(0, 1, Some(Effect::Reload)).relate(0, 2, Some(Effect::Reload));
    let plan = Totals::of(&stage.go(&shelf, Mode::Plan));
    assert_eq!((plan.would_change, plan.refreshed), (2, 1), "{plan:?}");
    let apply = Totals::of(&stage.go(&shelf, Mode::Apply));
    assert_eq!((apply.changed, apply.refreshed, apply.resources), (2, 1, 3), "{apply:?}");
}

#[test]
fn lots_share_an_apply_and_fail_one_by_one() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("a", &[]), ("b", &[("habit", "fail")]), ("c", &[]), ("d", &[]), ("after b", &[])]).relate(1, 4, None);
    (stage.nature.lots, stage.workers) = (true, 2);
    let outcomes = stage.outcomes(&shelf, Mode::Apply);
    assert_eq!(outcomes, [Outcome::Changed, Outcome::Failed, Outcome::Changed, Outcome::Changed, Outcome::Skipped]);
    let batches: Vec<String> = shelf.log().into_iter().filter(|line| line.starts_with("batch")).collect();
    assert_eq!(batches, ["batch a b"], "half of what waits for each worker, then what is left");
}

#[test]
fn what_changed_upstream_is_looked_at_again_in_lots() {
    let shelf = Shelf::default();
    let mut stage = Stage::new(&[("a", &[]), ("b", &[("behind", "a")]), ("c", &[("behind", "a")]), ("d", &[("behind", "never")])]);
    for then in 1..4 {
        stage = stage.relate(0, then, None);
    }
    (stage.nature.lots, stage.workers) = (true, 1);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Changed, Outcome::Changed, Outcome::Failed]);
    assert!(shelf.log().contains(&"batch b c".to_owned()), "{:?}", shelf.log());
}

#[test]
fn a_run_that_is_asked_to_stop_begins_nothing_new() {
    let shelf = Shelf::default();
    let names: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    let things: Vec<(&str, &[(&str, &str)])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut stage = Stage::new(&things).relate(0, 19, None);
    (stage.workers, stage.stop_after) = (1, 2);
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(shelf.log(), ["apply t0", "apply t1"]);
    let stopped = reports.iter().filter(|report| report.reason == Some(Reason::Stopped));
    assert_eq!(stopped.count(), 18);
}

#[test]
fn notifying_a_module_refreshes_everything_in_it() {
    let shelf = Shelf::with(&[("b", 1), ("c", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("b", &[]), ("c", &[])]);
    stage.catalog.containers.push(Container { address: Address::new("module", "m"), parent: None, origin: Origin::default() });
    stage.catalog.resources[1].container = Some(0);
    stage.catalog.resources[2].container = Some(0);
    let (first, then) = (Node::Resource(0), Node::Container(0));
    stage.catalog.relations.push(Relation {
        first,
        then,
        notify: Some(Effect::Restart),
        word: RelationWord::Notify,
        origin: Origin::default(),
    });
    stage.go(&shelf, Mode::Apply);
    let mut log = shelf.log();
    log.sort();
    assert_eq!(log, ["apply a", "restart b", "restart c"]);
}

#[test]
fn an_old_debt_is_paid_though_nothing_changed() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("target", &[])]);
    stage.ledger = MemoryLedger::new(debt_of_target());
    let reports = stage.go(&shelf, Mode::Plan);
    assert_eq!(reports[0].refresh.as_ref().map(|refresh| refresh.done.as_str()), Some("would reload"));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed]);
    assert!(stage.ledger.owed().is_empty());
}

fn debt_of_target() -> Vec<Owed> {
    let source = Address::new("thing", "gone");
    vec![Owed { target: Address::new("thing", "target"), source, effect: Effect::Reload, since_ms: 5 }]
}

#[test]
fn a_guarded_refresh_is_unknown_until_what_notifies_it_has_changed() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[("habit", "asks")])]).relate(0, 1, Some(Effect::Reload));
    let reports = stage.go(&shelf, Mode::Plan);
    assert_eq!(reports[1].outcome, Outcome::Unknown);
    assert!(matches!(&reports[1].reason, Some(Reason::Until { root, .. }) if *root == Address::new("thing", "a")));
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Unchanged], "held back");
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn the_guards_of_an_old_debt_are_asked_in_the_plan() {
    for (shelf, outcome) in
        [(Shelf::with(&[("target", 1)]), Outcome::Unchanged), (Shelf::with(&[("target", 1), ("leave", 1)]), Outcome::WouldChange)]
    {
        let mut stage = Stage::new(&[("target", &[("habit", "asks")])]);
        stage.ledger = MemoryLedger::new(debt_of_target());
        assert_eq!(stage.outcomes(&shelf, Mode::Plan), [outcome]);
        assert_eq!(shelf.log(), [""; 0]);
    }
}

#[test]
fn what_cannot_be_refreshed_here_stays_owed() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[("habit", "later")])]).relate(0, 1, Some(Effect::Reload));
    assert_eq!(stage.outcomes(&shelf, Mode::Plan), [Outcome::WouldChange, Outcome::Skipped]);
    assert_eq!(stage.ledger.owed().len(), 1, "a plan says what an apply would leave");
    assert_eq!(stage.outcomes(&shelf, Mode::Plan)[1], Outcome::Skipped);
    assert_eq!(stage.ledger.owed().len(), 1, "and says it once");
    stage.ledger = MemoryLedger::default();
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Skipped]);
    let reports = stage.go(&shelf, Mode::Apply);
    assert_eq!(reports[1].reason, Some(Reason::RefreshOwed { message: "not here".to_owned() }));
    assert_eq!(stage.ledger.owed().len(), 1);
    stage.catalog.resources[1].attributes = std::sync::Arc::default();
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Unchanged, Outcome::Changed]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_long_chain_and_a_wide_graph_need_no_stack() {
    let names: Vec<String> = (0..10_000).map(|number| format!("t{number}")).collect();
    let things: Vec<(&str, &[(&str, &str)])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut stage = Stage::new(&things);
    for number in 1..10_000 {
        stage = stage.relate(number - 1, number, None);
    }
    let reports = stage.go(&Shelf::default(), Mode::Plan);
    assert!(reports.iter().all(|report| report.outcome == Outcome::WouldChange));
    assert_eq!(&*reports[9_999].address.title, "t9999");
}

#[test]
fn what_has_no_refresh_is_owed_none() {
    let shelf = Shelf::with(&[("target", 1)]);
    let mut stage = Stage::new(&[("a", &[]), ("target", &[])]).relate(0, 1, Some(Effect::Restart));
    stage.nature.refreshable = false;
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::Changed, Outcome::Unchanged]);
    assert!(stage.ledger.owed().is_empty());
}

#[test]
fn a_plan_does_not_count_on_what_a_noop_resource_would_change() {
    let shelf = Shelf::with(&[("target", 1), ("guarded", 1)]);
    let things: [(&str, &[(&str, &str)]); 3] = [("a", &[]), ("target", &[]), ("guarded", &[("habit", "guarded")])];
    let mut stage = Stage::new(&things).relate(0, 1, Some(Effect::Restart)).relate(0, 2, None);
    stage.catalog.resources[0].noop = true;
    assert_eq!(stage.outcomes(&shelf, Mode::Plan), [Outcome::WouldChange, Outcome::Unchanged, Outcome::Unchanged]);
    assert_eq!(stage.outcomes(&shelf, Mode::Apply), [Outcome::WouldChange, Outcome::Unchanged, Outcome::Unchanged]);
}
