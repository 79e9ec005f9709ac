//! The pass that puts everything in a container between its two anchors, so that the edges of a
//! relation to a whole container grow with its members and not with their product.

use petgraph::graph::DiGraph;

use super::{Edge, Vertex, begin, end, resource};
use crate::catalog::Catalog;

pub(super) fn add(catalog: &Catalog, vertices: &mut DiGraph<Vertex, Edge>) {
    for (position, container) in catalog.containers.iter().enumerate() {
        let (first, last) = (begin(catalog, position), end(catalog, position));
        vertices.add_edge(first, last, Edge::Containment);
        if let Some(parent) = container.parent {
            vertices.add_edge(begin(catalog, parent), first, Edge::Containment);
            vertices.add_edge(last, end(catalog, parent), Edge::Containment);
        }
    }
    for (position, member) in catalog.resources.iter().enumerate() {
        if let Some(container) = member.container {
            vertices.add_edge(begin(catalog, container), resource(position), Edge::Containment);
            vertices.add_edge(resource(position), end(catalog, container), Edge::Containment);
        }
    }
}
