//! The dependency graph of a catalog, built by a short list of passes: nodes, containment, explicit
//! relations (notifications among them), automatic relations, check.

mod automatic;
mod containment;
mod cycles;
mod explicit;
mod order;

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
    order: Vec<usize>,
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
    pub fn build(catalog: &Catalog, footprints: &[Footprint]) -> Result<Self, Cycle> {
        let mut vertices = nodes(catalog);
        containment::add(catalog, &mut vertices);
        let notifications = explicit::add(catalog, &mut vertices);
        cycles::check(catalog, &vertices)?;
        automatic::add(catalog, footprints, &mut vertices);
        cycles::check(catalog, &vertices)?;
        let order = order::of(&vertices, catalog.resources.len());
        Ok(Self { vertices, resource_count: catalog.resources.len(), order, notifications })
    }

    /// The resources in the order in which one worker would apply them. Ties go by catalog order.
    pub fn order(&self) -> &[usize] {
        &self.order
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
