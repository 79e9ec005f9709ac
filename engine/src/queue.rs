//! The ready-queue: what may be done now, in a fixed order. It knows nothing of hosts or resources.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

/// Vertices of a graph as they become ready. Ties go to the lowest position, but vertices from
/// `first_anchor` on come before all others: they cost nothing and may free earlier ones.
#[derive(Debug)]
pub struct Queue {
    blockers: Vec<u32>,
    ready: BinaryHeap<Reverse<(bool, usize)>>,
    first_anchor: usize,
}

impl Queue {
    /// A queue over all vertices of a graph without cycles.
    pub fn new<V, E>(graph: &DiGraph<V, E>, first_anchor: usize) -> Self {
        let mut blockers = vec![0; graph.node_count()];
        for edge in graph.raw_edges() {
            blockers[edge.target().index()] += 1;
        }
        let mut queue = Self { blockers, ready: BinaryHeap::new(), first_anchor };
        for vertex in 0..graph.node_count() {
            if queue.blockers[vertex] == 0 {
                queue.push(vertex);
            }
        }
        queue
    }

    fn push(&mut self, vertex: usize) {
        self.ready.push(Reverse((vertex < self.first_anchor, vertex)));
    }

    /// The next ready vertex.
    pub fn pop(&mut self) -> Option<usize> {
        self.ready.pop().map(|Reverse((_, vertex))| vertex)
    }

    /// Whether no vertex is ready.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Says that a vertex is done, whatever came of it; what waited for it alone becomes ready.
    pub fn finish<V, E>(&mut self, graph: &DiGraph<V, E>, vertex: usize) {
        for next in graph.neighbors_directed(NodeIndex::new(vertex), Direction::Outgoing) {
            let next = next.index();
            self.blockers[next] -= 1;
            if self.blockers[next] == 0 {
                self.push(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_topological_and_ties_go_by_position() {
        let graph: DiGraph<(), ()> = DiGraph::from_edges([(3, 0), (3, 1), (1, 2)]);
        let mut queue = Queue::new(&graph, 4);
        let mut order = Vec::new();
        while let Some(vertex) = queue.pop() {
            order.push(vertex);
            queue.finish(&graph, vertex);
        }
        assert_eq!(order, [3, 0, 1, 2]);
    }

    #[test]
    fn anchors_go_first() {
        let mut graph: DiGraph<(), ()> = DiGraph::new();
        for _ in 0..3 {
            graph.add_node(());
        }
        let mut queue = Queue::new(&graph, 2);
        assert_eq!([queue.pop(), queue.pop(), queue.pop(), queue.pop()], [Some(2), Some(0), Some(1), None]);
    }
}
