//! How changes of one host reach others: whoever subscribes to another host's thing is refreshed after each
//! change of it. What a gatekeeper would answer, told from two states of each host.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::consequences::{self, Due, Flow};
use super::{Cause, Condition, Difference, ExpectedRefresh, Fate, ResourceDifference, TypeTraits};
use crate::address::{Address, CONTAINER_TYPE};
use crate::catalog::{Catalog, Effect, Gate, Node, Resource};

/// What others have to know of a host's difference, and what theirs would do here. Modules stand among the
/// addresses beside the resources in them, for gates point at both.
#[derive(Debug, Default)]
pub struct Reach {
    /// Who is refreshed by the host's own changes.
    own: Due,
    /// The address of every resource that something is due to.
    targets: BTreeMap<usize, Address>,
    /// What is another thing after a run, and by whose change or refresh.
    moved: Moved,
    /// What is declared anew, so that gates to it are shut until a run.
    anew: BTreeSet<Address>,
    /// What a run leaves different, so that gates to it stay shut.
    shut: BTreeSet<Address>,
    /// What comes or goes as a whole, and modules with other resources in them.
    reshaped: BTreeSet<Address>,
    /// What is declared no longer.
    gone: BTreeSet<Address>,
    /// The gates that carry a refresh.
    gates: Vec<Way>,
}

/// By what a gate may point at, the resources behind it that are changed or refreshed.
type Moved = BTreeMap<Address, BTreeSet<Address>>;

/// A gate that carries a refresh, and what follows here if it does.
#[derive(Debug)]
struct Way {
    host: String,
    target: Address,
    optional: bool,
    /// Whether the former state has it, so that the host knows how it stood.
    known: bool,
    effect: Effect,
    /// Who is refreshed at once.
    first: Vec<usize>,
    /// Who is refreshed by those.
    then: Due,
    moved: Moved,
}

/// Why a gate refreshes: the other host's resources, each with what it takes.
type Firing = BTreeMap<Address, Option<Condition>>;

impl Reach {
    /// How the difference between two catalogs of a host reaches others, and what reaches it.
    pub fn of(base: &Catalog, head: &Catalog, difference: &Difference, types: &dyn TypeTraits) -> Self {
        let resources = &difference.resources;
        if resources.iter().any(|one| one.fate == Fate::Held) {
            // The run does not happen.
            return Self::default();
        }
        let flow = Flow::new(head, resources, types);
        let own = flow.follow_changes();
        let changed = flow.changing.iter().chain(own.keys()).copied();
        let mut reach = Self { moved: moved(head, changed), ..Self::default() };
        reach.compare(base, head);
        reach.find_shut(head, resources, types);
        let carries = |gate: &&Gate| gate.waits() && gate.notify.is_some();
        let mut known: BTreeSet<(&Address, &str, &Address)> = BTreeSet::new();
        known.extend(base.gates.iter().filter(carries).map(|gate| key(base, gate)));
        reach.gates.extend(head.gates.iter().filter(carries).map(|gate| way(head, &flow, gate, known.contains(&key(head, gate)))));
        let due = reach.gates.iter().flat_map(|way| way.first.iter().chain(way.then.keys())).chain(own.keys());
        reach.targets = due.map(|position| (*position, head.address(Node::Resource(*position)).clone())).collect();
        reach.own = own;
        reach
    }

    /// The hosts that this one subscribes to.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.gates.iter().map(|way| &*way.host)
    }

    /// Finds what is declared anew, what comes and goes, and what other resources modules hold.
    fn compare(&mut self, base: &Catalog, head: &Catalog) {
        let before: HashMap<&Address, &Resource> = base.resources.iter().map(|one| (&one.address, one)).collect();
        let after: HashSet<&Address> = head.resources.iter().map(|one| &one.address).collect();
        for resource in &head.resources {
            let earlier = before.get(&resource.address);
            if earlier.is_none_or(|earlier| earlier.attributes != resource.attributes) {
                self.anew.extend(meant(head, resource));
            }
            self.reshaped.extend(earlier.is_none().then(|| resource.address.clone()));
        }
        let gone = base.resources.iter().map(|one| &one.address).filter(|address| !after.contains(address));
        self.gone.extend(gone.cloned());
        let (before, after) = (modules(base), modules(head));
        self.gone.extend(before.keys().filter(|name| !after.contains_key(*name)).cloned());
        let other = |name: &&Address| before.get(*name) != after.get(*name);
        self.reshaped.extend(before.keys().chain(after.keys()).filter(other).chain(&self.gone).cloned());
    }

    /// Finds what a run leaves as it is, although it is declared otherwise.
    fn find_shut(&mut self, head: &Catalog, resources: &[ResourceDifference], types: &dyn TypeTraits) {
        let planned: HashMap<&Address, &ResourceDifference> =
            resources.iter().filter(|one| one.fate == Fate::Noop).map(|one| (&one.address, one)).collect();
        for resource in &head.resources {
            let Some(one) = planned.get(&resource.address) else { continue };
            if types.acts(resource) && one.changes.iter().any(|change| types.is_of_host(resource, change)) {
                self.shut.extend(meant(head, resource));
            }
        }
    }

    /// Why a gate to this host refreshes the other one, if it does.
    fn fires(&self, way: &Way, own: &[Firing]) -> Firing {
        let target = &way.target;
        if self.shut.contains(target) || self.gone.contains(target) && !way.optional {
            return Firing::new();
        }
        let mut firing = Firing::new();
        let mut add = |address: &Address, condition: Option<Condition>| {
            let known = firing.entry(address.clone()).or_insert(condition);
            *known = (*known).min(condition);
        };
        self.moved.get(target).into_iter().flatten().for_each(|address| add(address, None));
        for (way, fired) in self.gates.iter().zip(own).filter(|(_, fired)| !fired.is_empty()) {
            let condition = (!is_certain(fired)).then_some(Condition::Refreshed);
            way.moved.get(target).into_iter().flatten().for_each(|address| add(address, condition));
        }
        let is_new = firing.is_empty() && !way.known && self.anew.contains(target);
        if is_new || self.reshaped.contains(target) && !is_certain(&firing) {
            firing.insert(target.clone(), None);
        }
        if !way.known {
            // The first time a host finds a gate open, it knows of nothing before.
            firing.values_mut().for_each(|condition| *condition = Some(Condition::RunsLater));
        }
        firing
    }

    /// Everything that is refreshed, with what reaches the host through these gates.
    fn refreshes(&self, fired: &[Firing]) -> Vec<ExpectedRefresh> {
        let mut all: BTreeMap<usize, (Effect, BTreeMap<Cause, Option<Condition>>)> = BTreeMap::new();
        let mut add = |position: usize, effect: Effect, cause: Cause, condition: Option<Condition>| {
            let (strongest, causes) = all.entry(position).or_insert_with(|| (effect, BTreeMap::new()));
            *strongest = effect.max(*strongest);
            let known = causes.entry(cause).or_insert(condition);
            *known = (*known).min(condition);
        };
        for (position, (effect, sources)) in &self.own {
            sources.iter().for_each(|source| add(*position, *effect, Cause::here(source.clone()), None));
        }
        for (way, firing) in self.gates.iter().zip(fired).filter(|(_, firing)| !firing.is_empty()) {
            for (position, (address, condition)) in way.first.iter().flat_map(|position| firing.iter().map(move |why| (*position, why))) {
                let cause = Cause { host: Some(way.host.clone()), ..Cause::here(address.clone()) };
                add(position, way.effect, cause, *condition);
            }
            let condition = (!is_certain(firing)).then_some(Condition::Refreshed);
            for (position, (effect, sources)) in &way.then {
                sources.iter().for_each(|source| add(*position, *effect, Cause::here(source.clone()), condition));
            }
        }
        let refresh = |(position, (effect, causes)): (usize, (Effect, BTreeMap<Cause, Option<Condition>>))| {
            let sources = causes.into_iter().map(|(cause, only_if)| Cause { only_if, ..cause }).collect();
            Some(ExpectedRefresh { target: self.targets.get(&position)?.clone(), effect, sources })
        };
        all.into_iter().filter_map(refresh).collect()
    }
}

/// Follows changes from host to host, and adds what they refresh there. Hosts without a reach have no say.
pub fn follow(reaches: &BTreeMap<String, Reach>) -> BTreeMap<&str, Vec<ExpectedRefresh>> {
    let mut fired: BTreeMap<&str, Vec<Firing>> =
        reaches.iter().map(|(host, reach)| (host.as_str(), vec![Firing::new(); reach.gates.len()])).collect();
    loop {
        let mut news: Vec<(&str, usize, Firing)> = Vec::new();
        for (host, reach) in reaches {
            for (position, way) in reach.gates.iter().enumerate() {
                let (Some(other), Some(own)) = (reaches.get(&way.host), fired.get(&*way.host)) else { continue };
                let found = other.fires(way, own);
                if fired.get(host.as_str()).and_then(|all| all.get(position)).is_some_and(|before| *before != found) {
                    news.push((host, position, found));
                }
            }
        }
        if news.is_empty() {
            break;
        }
        for (host, position, found) in news {
            if let Some(place) = fired.get_mut(host).and_then(|all| all.get_mut(position)) {
                *place = found;
            }
        }
    }
    let reached = fired.into_iter().filter(|(_, fired)| fired.iter().any(|firing| !firing.is_empty()));
    reached.filter_map(|(host, fired)| Some((host, reaches.get(host)?.refreshes(&fired)))).collect()
}

impl Difference {
    /// The same with these refreshes, and what they interrupt.
    pub fn with_refreshes(mut self, refreshes: Vec<ExpectedRefresh>, types: &dyn TypeTraits) -> Self {
        self.disruptions = consequences::disruptions(&self.resources, &refreshes, types);
        self.refreshes = refreshes;
        self
    }
}

fn is_certain(firing: &Firing) -> bool {
    firing.values().any(Option::is_none)
}

/// What names a gate from one state to the other, as on the host.
fn key<'a>(catalog: &'a Catalog, gate: &'a Gate) -> (&'a Address, &'a str, &'a Address) {
    (catalog.address(gate.node), &gate.host, &gate.target)
}

fn way(head: &Catalog, flow: &Flow<'_>, gate: &Gate, known: bool) -> Way {
    let first = flow.behind(gate.node);
    let then = flow.follow(&first);
    Way {
        host: gate.host.clone(),
        target: gate.target.clone(),
        optional: gate.optional,
        known,
        effect: gate.notify.unwrap_or(Effect::Restart),
        moved: moved(head, first.iter().chain(then.keys()).copied()),
        first,
        then,
    }
}

/// These resources, each for itself and for the modules around it.
fn moved(catalog: &Catalog, positions: impl Iterator<Item = usize>) -> Moved {
    let mut moved = Moved::new();
    for resource in positions.filter_map(|position| catalog.resources.get(position)) {
        for address in meant(catalog, resource) {
            moved.entry(address).or_default().insert(resource.address.clone());
        }
    }
    moved
}

/// What a gate may point at to mean a resource: itself, and the modules around it.
fn meant<'a>(catalog: &'a Catalog, resource: &'a Resource) -> impl Iterator<Item = Address> + 'a {
    let around = catalog.modules_of(resource).map(|name| Address::new(CONTAINER_TYPE, name));
    std::iter::once(resource.address.clone()).chain(around)
}

/// Every module with the resources in it.
fn modules(catalog: &Catalog) -> BTreeMap<Address, Vec<&Address>> {
    let mut modules: BTreeMap<Address, Vec<&Address>> =
        catalog.containers.iter().map(|container| (container.address.clone(), Vec::new())).collect();
    for resource in &catalog.resources {
        for name in catalog.modules_of(resource) {
            modules.entry(Address::new(CONTAINER_TYPE, name)).or_default().push(&resource.address);
        }
    }
    modules
}
