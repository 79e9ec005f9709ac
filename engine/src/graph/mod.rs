//! The dependency graph of a catalog, built by a short list of passes: nodes, containment, explicit
//! relations (notifications among them), automatic relations, check.

mod automatic;
mod containment;
mod cycles;
mod explicit;
mod order;

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::catalog::{Catalog, Effect, Node};
use crate::footprint::{Footprint, Key};

pub use cycles::{Cycle, CycleStep};

/// What stands in the graph: the resources, and two anchors for every container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vertex {
    /// Position in [`Catalog::resources`].
    Resource(usize),
    /// Before everything in a container.
    Begin(usize),
    /// After everything in a container.
    End(usize),
}

/// Why one thing comes before another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edge {
    /// A container holds it.
    Containment,
    /// A manifest says so, by position in [`Catalog::relations`].
    Explicit(usize),
    /// One needs a key that the other provides.
    Automatic(Key),
}

/// A catalog's graph without cycles, and the order in which its resources are applied.
#[derive(Debug)]
pub struct Graph {
    vertices: DiGraph<Vertex, Edge>,
    resource_count: usize,
    /// Found when somebody asks: who only wants to know whether there is one does not.
    order: OnceLock<Vec<usize>>,
    notifications: Notifications,
}

/// Who refreshes whom.
pub type Notifications = std::collections::HashMap<Node, Vec<Notification>>;

/// A relation with a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// Who is refreshed.
    pub target: Node,
    /// How.
    pub effect: Effect,
    /// The relation that says so.
    pub relation: usize,
}

impl Graph {
    /// Builds the graph of a catalog. `footprints` are those of its resources, in their order.
    ///
    /// # Errors
    /// A catalog whose relations form a cycle has no order; the shortest cycle is returned whole.
    pub fn build(catalog: &Catalog, footprints: &[impl Borrow<Footprint>]) -> Result<Self, Cycle> {
        let footprints: Vec<&Footprint> = footprints.iter().map(Borrow::borrow).collect();
        let mut vertices = nodes(catalog);
        containment::add(catalog, &mut vertices);
        let notifications = explicit::add(catalog, &mut vertices);
        let written = vertices.clone();
        let added = automatic::add(catalog, &footprints, &mut vertices);
        if toposort(&vertices, None).is_err() {
            cycles::check(catalog, &written)?;
            automatic::give_way(&mut vertices, &added);
            cycles::check(catalog, &vertices)?;
        }
        Ok(Self { vertices, resource_count: catalog.resources.len(), order: OnceLock::new(), notifications })
    }

    /// The resources in the order in which one worker would apply them. Ties go by catalog order.
    pub fn order(&self) -> &[usize] {
        self.order.get_or_init(|| order::of(&self.vertices, self.resource_count))
    }

    /// All vertices and edges, for those who draw them.
    pub fn vertices(&self) -> &DiGraph<Vertex, Edge> {
        &self.vertices
    }

    /// The relations with a refresh that start at this node.
    pub fn notifications(&self, node: Node) -> &[Notification] {
        self.notifications.get(&node).map_or(&[], Vec::as_slice)
    }

    /// How many resources there are.
    pub fn resource_count(&self) -> usize {
        self.resource_count
    }

    /// Whether all of `first` is known to come before all of `then`. The catalog is the one that this was built of.
    pub fn comes_before(&self, catalog: &Catalog, first: Node, then: Node) -> bool {
        first != then && petgraph::algo::has_path_connecting(&self.vertices, exit(catalog, first), entry(catalog, then), None)
    }

    /// These resources with all that come before them.
    pub fn with_all_before(&self, resources: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut known: HashSet<NodeIndex> = resources.iter().map(|&position| resource(position)).collect();
        let mut open: Vec<NodeIndex> = known.iter().copied().collect();
        while let Some(vertex) = open.pop() {
            open.extend(self.vertices.neighbors_directed(vertex, Direction::Incoming).filter(|before| known.insert(*before)));
        }
        known.into_iter().map(NodeIndex::index).filter(|position| *position < self.resource_count).collect()
    }

    /// Whether `first` is known to come before `then`.
    pub fn is_ordered(&self, first: usize, then: usize) -> bool {
        petgraph::algo::has_path_connecting(&self.vertices, NodeIndex::new(first), NodeIndex::new(then), None)
    }
}

/// The pass that adds the vertices: resources at their own positions, then the anchors.
fn nodes(catalog: &Catalog) -> DiGraph<Vertex, Edge> {
    let resources = catalog.resources.len();
    let mut vertices = DiGraph::with_capacity(resources + 2 * catalog.containers.len(), catalog.relations.len() + 2 * resources);
    for position in 0..resources {
        vertices.add_node(Vertex::Resource(position));
    }
    for position in 0..catalog.containers.len() {
        vertices.add_node(Vertex::Begin(position));
        vertices.add_node(Vertex::End(position));
    }
    vertices
}

/// The vertex of a resource.
fn resource(position: usize) -> NodeIndex {
    NodeIndex::new(position)
}

/// The vertex before everything in a container.
fn begin(catalog: &Catalog, container: usize) -> NodeIndex {
    NodeIndex::new(catalog.resources.len() + 2 * container)
}

/// The vertex after everything in a container.
fn end(catalog: &Catalog, container: usize) -> NodeIndex {
    NodeIndex::new(catalog.resources.len() + 2 * container + 1)
}

/// Where relations that point at a node arrive.
fn entry(catalog: &Catalog, node: Node) -> NodeIndex {
    match node {
        Node::Resource(position) => resource(position),
        Node::Container(position) => begin(catalog, position),
    }
}

/// Where relations that start at a node leave.
fn exit(catalog: &Catalog, node: Node) -> NodeIndex {
    match node {
        Node::Resource(position) => resource(position),
        Node::Container(position) => end(catalog, position),
    }
}

#[cfg(test)]
mod tests;
