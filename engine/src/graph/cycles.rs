//! The pass that refuses cycles and shows the shortest one whole.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Edge, Vertex};
use crate::address::Address;
use crate::catalog::Catalog;

/// Relations that lead back to where they started. The last step leads to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The things on the cycle, each with why it comes before the next one.
    pub steps: Vec<CycleStep>,
}

/// One thing on a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleStep {
    /// The thing.
    pub address: Address,
    /// Where the graph has it.
    pub vertex: Vertex,
    /// Why it comes before the next step's thing.
    pub edge: Edge,
}

pub(super) fn check(catalog: &Catalog, vertices: &DiGraph<Vertex, Edge>) -> Result<(), Cycle> {
    // Recursive searches would need a stack as deep as the longest chain; these are iterative.
    if toposort(vertices, None).is_ok() {
        return Ok(());
    }
    let on_itself = vertices.node_indices().find(|&vertex| vertices.contains_edge(vertex, vertex));
    let shortest = match on_itself {
        Some(vertex) => Some(vec![vertex]),
        None => kosaraju_scc(vertices)
            .into_iter()
            .filter(|component| component.len() > 1)
            .map(|component| shortest(vertices, &component))
            .min_by_key(Vec::len),
    };
    match shortest {
        Some(path) => Err(describe(catalog, vertices, &path)),
        None => Ok(()),
    }
}

/// How many starting points of one component are searched: enough to find a short cycle in a large tangle.
const STARTS_MAX: usize = 64;

fn shortest(vertices: &DiGraph<Vertex, Edge>, component: &[NodeIndex]) -> Vec<NodeIndex> {
    let members: HashSet<NodeIndex> = component.iter().copied().collect();
    let mut starts = component.to_vec();
    starts.sort();
    starts.iter().take(STARTS_MAX).filter_map(|&start| way_back(vertices, &members, start)).min_by_key(Vec::len).unwrap_or_default()
}

/// The shortest way from a vertex back to itself within its component.
fn way_back(vertices: &DiGraph<Vertex, Edge>, members: &HashSet<NodeIndex>, start: NodeIndex) -> Option<Vec<NodeIndex>> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(vertex) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = vertices.neighbors(vertex).filter(|neighbour| members.contains(neighbour)).collect();
        next.sort();
        for neighbour in next {
            if neighbour == start {
                let mut path = vec![vertex];
                while let Some(&before) = path.last().and_then(|last| came_from.get(last)) {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if let Entry::Vacant(unseen) = came_from.entry(neighbour) {
                unseen.insert(vertex);
                queue.push_back(neighbour);
            }
        }
    }
    None
}

fn describe(catalog: &Catalog, vertices: &DiGraph<Vertex, Edge>, path: &[NodeIndex]) -> Cycle {
    let steps = path.iter().enumerate().filter_map(|(position, &from)| {
        let to = path[(position + 1) % path.len()];
        let edge = vertices.edges_connecting(from, to).map(|edge| edge.weight()).max_by_key(|edge| matches!(edge, Edge::Explicit(_)))?;
        let vertex = vertices[from];
        let address = match vertex {
            Vertex::Resource(position) => catalog.resources[position].address.clone(),
            Vertex::Begin(position) | Vertex::End(position) => catalog.containers[position].address.clone(),
        };
        Some(CycleStep { address, vertex, edge: edge.clone() })
    });
    Cycle { steps: steps.collect() }
}
