//! Graph, order and walk alone, over resources that cost nothing.

use std::collections::HashSet;
use std::time::Duration;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Node, Origin, Relation, RelationWord, Resource};
use keel_engine::change::Change;
use keel_engine::graph::Graph;
use keel_engine::ledger::{MemoryLedger, NothingEnforced};
use keel_engine::report::Mode;
use keel_engine::resource::{AnyType, Failure, ObserveError, ResourceType, Work};
use keel_engine::value::Map;
use keel_engine::walk::{Filter, Groups, LeaseSource, Run, walk};
use nix::sys::resource::{UsageWho, getrusage};

use crate::measure::{Cost, alone};
use crate::table::Row;

const COUNT: usize = 10_000;

keel_engine::attributes! {
    /// A resource that is always as it should be.
    pub struct Nothing: "nothing" {
        /// Its name.
        [title] pub name: String,
    }
}

struct NothingType;

impl ResourceType for NothingType {
    type Host = ();
    type Desired = Nothing;
    type Observed = ();

    fn observe(&self, (): &(), desired: &[&Nothing]) -> Vec<Result<(), ObserveError>> {
        desired.iter().map(|_| Ok(())).collect()
    }

    fn diff(&self, _desired: &Nothing, (): &()) -> Vec<Change> {
        Vec::new()
    }

    fn apply(&self, (): &(), _work: &Work<'_, Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Ten thousand resources with three relations each, and as many in one chain.
pub(crate) fn rows() -> crate::Result<Vec<Row>> {
    // A small generator of numbers, always the same ones.
    let mut state = 1_u64;
    let mut number = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let spread: Vec<(usize, usize)> = (1..=COUNT * 3).map(|at| at % (COUNT - 1) + 1).map(|then| (number(then), then)).collect();
    let chain: Vec<(usize, usize)> = (1..COUNT).map(|then| (then - 1, then)).collect();
    let goal = Duration::from_millis(100);
    Ok(vec![
        Row::time("graph and walk, 10,000 resources, 30,000 relations", alone(|| converge(&catalog(&spread)))?.cpu, goal),
        Row::time("graph and walk, 10,000 resources in one chain", alone(|| converge(&catalog(&chain)))?.cpu, goal),
    ])
}

fn catalog(relations: &[(usize, usize)]) -> Catalog {
    let mut catalog = Catalog::empty("bench", "bench");
    let origin = Origin::default();
    catalog.resources.extend((0..COUNT).map(|number| Resource::new(Address::new("nothing", number.to_string()), Map::new())));
    catalog.relations.extend(relations.iter().map(|(first, then)| Relation {
        first: Node::Resource(*first),
        then: Node::Resource(*then),
        notify: None,
        word: RelationWord::Before,
        origin,
    }));
    catalog
}

fn converge(catalog: &Catalog) -> crate::Result<Cost> {
    let types: [&dyn AnyType<()>; 1] = [&NothingType];
    let groups = Groups::build(&types, &catalog.resources).map_err(|error| format!("{error:?}"))?;
    let begun = std::time::Instant::now();
    let before = cpu_here()?;
    let graph = Graph::build(catalog, &groups.footprints()).map_err(|cycle| format!("{cycle:?}"))?;
    let run = Run {
        catalog,
        graph: &graph,
        groups: &groups,
        host: &(),
        mode: Mode::Apply,
        filter: &Filter::default(),
        workers: 2,
        clock: &|| Duration::ZERO,
        started_ms: 0,
        enforced: &NothingEnforced,
        concealed: &HashSet::new(),
        stop: &|| false,
        opening: &|_| None,
        gates: None,
        leases: LeaseSource::NotNeeded,
        patience: Duration::ZERO,
    };
    let reports = walk(&run, &mut MemoryLedger::default(), &mut |_| {});
    if reports.len() != COUNT {
        return Err("the walk lost resources".into());
    }
    Ok(Cost { cpu: cpu_here()? - before, wall: begun.elapsed(), peak_kib: 0 })
}

fn cpu_here() -> crate::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(micros(usage.user_time())? + micros(usage.system_time())?))
}
