//! The whole fleet: relations that point at other hosts lead somewhere, and nobody waits in a circle.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Gate, Node, Origin, RelationWord};

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};

/// Finds the bytes of an origin in its manifest.
pub type Locate<'l> = &'l dyn Fn(&Catalog, Origin) -> Option<(Arc<str>, Range<usize>)>;

/// What one host's relation points at on another host.
#[derive(Debug)]
pub struct Pointer {
    /// The host that declares it.
    pub from: String,
    /// The other host.
    pub host: String,
    /// The other host's thing.
    pub target: Address,
    /// The word as it is written.
    pub word: RelationWord,
    /// Where it is written.
    pub place: Option<(Arc<str>, Range<usize>)>,
}

/// Checks all catalogs of a site together. `forward` are the `before` and `notify` that lead to other hosts: who
/// waits has a gate for them, and only who declares them knows that the target must be there.
pub fn check(catalogs: &[Catalog], forward: Vec<Pointer>, locate: Locate<'_>) -> Vec<Diagnostic> {
    let fleet = Fleet::new(catalogs, &forward, locate);
    let mut found: Vec<Diagnostic> = fleet.backward().into_iter().chain(forward).filter_map(|pointer| fleet.dangling(pointer)).collect();
    found.extend(fleet.circle());
    found
}

/// How many starting points are searched for the shortest circle.
const STARTS_MAX: usize = 64;

/// One of the fleet's vertices by number: resources first, then two anchors for every container.
type Vertex = usize;

/// Why one vertex comes before another.
#[derive(Debug, Clone, Copy)]
enum Why {
    Containment,
    Relation(Origin),
    Gate(Origin),
}

/// What comes after each vertex.
type Edges = Vec<Vec<(Vertex, Why)>>;

struct Fleet<'f> {
    catalogs: &'f [Catalog],
    locate: Locate<'f>,
    by_host: BTreeMap<&'f str, usize>,
    addresses: Vec<HashMap<&'f Address, Node>>,
    /// The number of each catalog's first vertex.
    offsets: Vec<usize>,
}

impl<'f> Fleet<'f> {
    fn new(catalogs: &'f [Catalog], forward: &[Pointer], locate: Locate<'f>) -> Self {
        let by_host = catalogs.iter().enumerate().map(|(position, catalog)| (catalog.host.as_str(), position)).collect();
        let mut meant: HashSet<&str> = catalogs.iter().flat_map(|catalog| &catalog.gates).map(|gate| gate.host.as_str()).collect();
        meant.extend(forward.iter().map(|pointer| pointer.host.as_str()));
        let index = |catalog: &'f Catalog| {
            if !meant.contains(catalog.host.as_str()) {
                return HashMap::new();
            }
            let resources = catalog.resources.iter().enumerate().map(|(at, resource)| (&resource.address, Node::Resource(at)));
            let containers = catalog.containers.iter().enumerate().map(|(at, container)| (&container.address, Node::Container(at)));
            resources.chain(containers).collect()
        };
        let mut offsets = Vec::with_capacity(catalogs.len());
        let mut next = 0;
        for catalog in catalogs {
            offsets.push(next);
            next += catalog.resources.len() + 2 * catalog.containers.len();
        }
        Self { catalogs, locate, by_host, addresses: catalogs.iter().map(index).collect(), offsets }
    }

    fn target(&self, host: &str, target: &Address) -> Option<(usize, Node)> {
        let position = *self.by_host.get(host)?;
        Some((position, *self.addresses.get(position)?.get(target)?))
    }

    /// What the gates point at.
    fn backward(&self) -> Vec<Pointer> {
        let gates = self.catalogs.iter().flat_map(|catalog| catalog.gates.iter().map(move |gate| (catalog, gate)));
        let missing = gates.filter(|(_, gate)| !gate.optional && self.target(&gate.host, &gate.target).is_none());
        let pointer = |(catalog, gate): (&Catalog, &Gate)| Pointer {
            from: catalog.host.clone(),
            host: gate.host.clone(),
            target: gate.target.clone(),
            word: gate.word,
            place: (self.locate)(catalog, gate.origin),
        };
        missing.map(pointer).collect()
    }

    /// What there is to say of a relation whose target is not there.
    fn dangling(&self, pointer: Pointer) -> Option<Diagnostic> {
        let Pointer { from, host, target, word, place } = pointer;
        if self.target(&host, &target).is_some() {
            return None;
        }
        let other = self.by_host.get(host.as_str()).and_then(|position| self.catalogs.get(*position));
        let mut diagnostic = match other {
            None => {
                let message = format!("`{word}` points at host {host}, which has no catalog");
                let near = did_you_mean(&host, self.by_host.keys().copied());
                Diagnostic::error(codes::FLEET_HOST, message).help(near.unwrap_or_else(|| "its manifests may not compile".to_owned()))
            }
            Some(other) => {
                let message = format!("`{word}` points at {target} of host {host}, which is not in its catalog");
                let resources = other.resources.iter().map(|resource| &resource.address);
                let same_type = resources.chain(other.containers.iter().map(|container| &container.address));
                let titles = same_type.filter(|address| address.type_name == target.type_name).map(|address| &*address.title);
                let near = did_you_mean(&target.title, titles);
                let help = near.unwrap_or_else(|| "declare it for that host, or write optional=#true".to_owned());
                Diagnostic::error(codes::FLEET_DANGLING, message).help(help)
            }
        };
        diagnostic.host = Some(from);
        Some(match place {
            Some((file, span)) => diagnostic.at(&file, span, "here"),
            None => diagnostic,
        })
    }

    fn vertex(&self, catalog: usize, node: Node, end: bool) -> Vertex {
        let offset = self.offsets.get(catalog).copied().unwrap_or_default();
        match node {
            Node::Resource(position) => offset + position,
            Node::Container(position) => {
                let resources = self.catalogs.get(catalog).map_or(0, |catalog| catalog.resources.len());
                offset + resources + 2 * position + usize::from(end)
            }
        }
    }

    /// All edges: what stands in containers, relations, and the gates between hosts.
    fn edges(&self) -> (Edges, Vec<(Vertex, Vertex)>) {
        let vertices = self.catalogs.iter().map(|catalog| catalog.resources.len() + 2 * catalog.containers.len()).sum();
        let mut edges: Edges = vec![Vec::new(); vertices];
        let mut gates = Vec::new();
        let mut add = |from: Vertex, to: Vertex, why: Why| {
            if let Some(out) = edges.get_mut(from) {
                out.push((to, why));
            }
        };
        for (at, catalog) in self.catalogs.iter().enumerate() {
            for (position, resource) in catalog.resources.iter().enumerate() {
                if let Some(container) = resource.container {
                    let vertex = self.vertex(at, Node::Resource(position), false);
                    add(self.vertex(at, Node::Container(container), false), vertex, Why::Containment);
                    add(vertex, self.vertex(at, Node::Container(container), true), Why::Containment);
                }
            }
            for (position, container) in catalog.containers.iter().enumerate() {
                let (begin, end) = (self.vertex(at, Node::Container(position), false), self.vertex(at, Node::Container(position), true));
                add(begin, end, Why::Containment);
                if let Some(parent) = container.parent {
                    add(self.vertex(at, Node::Container(parent), false), begin, Why::Containment);
                    add(end, self.vertex(at, Node::Container(parent), true), Why::Containment);
                }
            }
            for relation in &catalog.relations {
                add(self.vertex(at, relation.first, true), self.vertex(at, relation.then, false), Why::Relation(relation.origin));
            }
            for gate in &catalog.gates {
                let Some((other, target)) = self.target(&gate.host, &gate.target) else { continue };
                let (from, to) = match gate.waits() {
                    true => (self.vertex(other, target, true), self.vertex(at, gate.node, false)),
                    false => (self.vertex(at, gate.node, true), self.vertex(other, target, false)),
                };
                add(from, to, Why::Gate(gate.origin));
                gates.push((from, to));
            }
        }
        (edges, gates)
    }

    /// The shortest circle that goes over a gate; circles within a host are that host's own errors.
    fn circle(&self) -> Option<Diagnostic> {
        if self.catalogs.iter().all(|catalog| catalog.gates.is_empty()) {
            return None;
        }
        let (edges, gates) = self.edges();
        let remaining = unsorted(&edges);
        let open = |vertex: Vertex| remaining.get(vertex).copied().unwrap_or(false);
        let candidates = gates.iter().filter(|(from, to)| open(*from) && open(*to));
        let ways = candidates.take(STARTS_MAX).filter_map(|(from, to)| way(&edges, &remaining, *to, *from));
        ways.min_by_key(Vec::len).map(|circle| self.say_circle(&edges, &circle))
    }

    fn say_circle(&self, edges: &Edges, circle: &[Vertex]) -> Diagnostic {
        let mut names: Vec<String> = Vec::new();
        for vertex in circle {
            let name = self.name(*vertex);
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        let first = names.first().cloned().unwrap_or_default();
        let message = format!("hosts wait for each other in a circle: {}, then {first} again", names.join(", then "));
        let mut diagnostic = Diagnostic::error(codes::FLEET_CYCLE, message);
        for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            let why = edges.get(*from).and_then(|out| out.iter().find(|(next, _)| next == to)).map(|(_, why)| *why);
            let (Some(Why::Relation(origin) | Why::Gate(origin)), Some((from_at, _)), Some((to_at, _))) =
                (why, self.position(*from), self.position(*to))
            else {
                continue;
            };
            let order = format!("{} comes before {}", self.name(*from), self.name(*to));
            // A gate is written at one of its ends; its origin names that catalog's files.
            let place = [to_at, from_at].into_iter().find_map(|at| {
                let catalog = self.catalogs.get(at)?;
                let written = catalog.gates.iter().map(|gate| gate.origin).chain(catalog.relations.iter().map(|relation| relation.origin));
                written.into_iter().find(|known| *known == origin).and_then(|origin| (self.locate)(catalog, origin))
            });
            if let Some((file, span)) = place {
                diagnostic = diagnostic.at(&file, span, order);
            }
        }
        diagnostic.help("take one of these relations away")
    }

    /// The catalog of a vertex, and its number in it.
    fn position(&self, vertex: Vertex) -> Option<(usize, usize)> {
        let at = self.offsets.partition_point(|offset| *offset <= vertex).checked_sub(1)?;
        Some((at, vertex - self.offsets.get(at)?))
    }

    fn name(&self, vertex: Vertex) -> String {
        let found = self.position(vertex).and_then(|(at, number)| {
            let catalog = self.catalogs.get(at)?;
            let address = match number.checked_sub(catalog.resources.len()) {
                None => &catalog.resources.get(number)?.address,
                Some(anchor) => &catalog.containers.get(anchor / 2)?.address,
            };
            Some(format!("{address} on {}", catalog.host))
        });
        found.unwrap_or_default()
    }
}

/// Which vertices lie on circles, or behind one: what a topological sort cannot place.
fn unsorted(edges: &Edges) -> Vec<bool> {
    let mut waiting = vec![0usize; edges.len()];
    for (to, _) in edges.iter().flatten() {
        if let Some(count) = waiting.get_mut(*to) {
            *count += 1;
        }
    }
    let mut ready: Vec<Vertex> = waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(vertex, _)| vertex).collect();
    let mut remaining = vec![true; edges.len()];
    while let Some(vertex) = ready.pop() {
        if let Some(flag) = remaining.get_mut(vertex) {
            *flag = false;
        }
        for (to, _) in edges.get(vertex).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*to) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*to);
                }
            }
        }
    }
    remaining
}

/// The shortest way from one vertex to another among the remaining ones.
fn way(edges: &Edges, remaining: &[bool], from: Vertex, to: Vertex) -> Option<Vec<Vertex>> {
    let mut came_from: HashMap<Vertex, Vertex> = HashMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(vertex) = queue.pop_front() {
        if vertex == to {
            let mut path = vec![vertex];
            while let Some(before) = path.last().and_then(|last| came_from.get(last)).copied().filter(|before| path.last() != Some(before))
            {
                path.push(before);
            }
            path.reverse();
            return Some(path);
        }
        for (next, _) in edges.get(vertex).into_iter().flatten() {
            if remaining.get(*next).copied().unwrap_or(false) && !came_from.contains_key(next) {
                came_from.insert(*next, vertex);
                queue.push_back(*next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use keel_engine::catalog::{Container, Resource};

    use super::*;

    fn catalog(host: &str, services: &[&str]) -> Catalog {
        let mut catalog = Catalog::empty(host, "test");
        catalog.containers.push(Container { address: Address::new("module", "cluster"), parent: None, origin: Origin::default() });
        for name in services {
            catalog.resources.push(Resource {
                address: Address::new("service", *name),
                attributes: Arc::default(),
                origin: Origin::default(),
                container: Some(0),
                tags: Vec::new(),
                noop: false,
                schedule: None,
                guard: None,
            });
        }
        catalog
    }

    fn gate(node: Node, word: RelationWord, host: &str, target: Address) -> Gate {
        Gate { node, host: host.to_owned(), target, word, notify: None, optional: false, origin: Origin::default() }
    }

    fn codes(catalogs: &[Catalog]) -> Vec<&'static str> {
        check(catalogs, Vec::new(), &|_, _| None).into_iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn targets_must_be_there() {
        let mut one = catalog("a", &["x"]);
        one.gates.push(gate(Node::Resource(0), RelationWord::Require, "b", Address::new("service", "y")));
        one.gates.push(gate(Node::Resource(0), RelationWord::Require, "b", Address::new("module", "cluster")));
        assert_eq!(codes(&[one.clone(), catalog("b", &["y"])]), [] as [&str; 0]);
        assert_eq!(codes(&[one.clone(), catalog("b", &["z"])]), ["KE0705"]);
        assert_eq!(codes(std::slice::from_ref(&one)), ["KE0707", "KE0707"]);
        one.gates.iter_mut().for_each(|gate| gate.optional = true);
        assert_eq!(codes(&[one]), [] as [&str; 0]);
    }

    #[test]
    fn circles_over_hosts_are_found_also_through_containers() {
        let mut one = catalog("a", &["x"]);
        let mut two = catalog("b", &["y"]);
        one.gates.push(gate(Node::Resource(0), RelationWord::Require, "b", Address::new("module", "cluster")));
        assert_eq!(codes(&[one.clone(), two.clone()]), [] as [&str; 0]);
        two.gates.push(gate(Node::Resource(0), RelationWord::Require, "a", Address::new("service", "x")));
        let found = check(&[one.clone(), two.clone()], Vec::new(), &|_, _| None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, "KE0706");
        for part in ["service \"x\" on a", "module \"cluster\" on b", "service \"y\" on b"] {
            assert!(found[0].message.contains(part), "{}", found[0].message);
        }
        // The same the other way round is the same order, and no circle.
        two.gates[0].word = RelationWord::Before;
        assert_eq!(codes(&[one, two]), [] as [&str; 0]);
    }
}
