//! The one order of application: topological, ties by catalog order.

use petgraph::graph::DiGraph;

use super::{Edge, Vertex};
use crate::queue::Queue;

pub(super) fn of(vertices: &DiGraph<Vertex, Edge>, resource_count: usize) -> Vec<usize> {
    let mut queue = Queue::new(vertices, resource_count);
    let mut order = Vec::with_capacity(resource_count);
    while let Some(vertex) = queue.pop() {
        if vertex < resource_count {
            order.push(vertex);
        }
        queue.finish(vertices, vertex);
    }
    order
}
