//! The pass that adds what manifests say, and collects who refreshes whom.

use petgraph::graph::DiGraph;

use super::{Edge, Notification, Notifications, Vertex, entry, exit};
use crate::catalog::Catalog;

pub(super) fn add(catalog: &Catalog, vertices: &mut DiGraph<Vertex, Edge>) -> Notifications {
    let mut notifications = Notifications::new();
    for (position, relation) in catalog.relations.iter().enumerate() {
        let (from, to) = (exit(catalog, relation.first), entry(catalog, relation.then));
        vertices.add_edge(from, to, Edge::Explicit(position));
        if let Some(effect) = relation.notify {
            let notification = Notification { target: relation.then, effect, relation: position };
            notifications.entry(relation.first).or_default().push(notification);
        }
    }
    notifications
}
