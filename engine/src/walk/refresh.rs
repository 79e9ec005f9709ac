//! Who is refreshed because of whom.

use std::collections::{BTreeMap, HashMap};

use crate::catalog::{Catalog, Effect, Node};
use crate::graph::Graph;

/// The refreshable resources of every container, those of inner ones included.
pub(crate) struct Members {
    by_container: HashMap<usize, Vec<usize>>,
    refreshable: Vec<bool>,
}

impl Members {
    /// The members of a catalog; `is_refreshable` tells of the resource at a position whether a refresh means
    /// something to its type.
    pub(crate) fn of(catalog: &Catalog, is_refreshable: impl Fn(usize) -> bool) -> Self {
        let refreshable: Vec<bool> = (0..catalog.resources.len()).map(is_refreshable).collect();
        let mut by_container: HashMap<usize, Vec<usize>> = HashMap::new();
        for (position, resource) in catalog.resources.iter().enumerate() {
            if !refreshable[position] {
                continue;
            }
            for container in enclosing(catalog, resource.container) {
                by_container.entry(container).or_default().push(position);
            }
        }
        Self { by_container, refreshable }
    }

    /// The resources behind a node that a refresh means something to.
    pub(crate) fn of_node(&self, node: Node) -> Vec<usize> {
        match node {
            // A refresh means nothing to the other types, so they are owed none.
            Node::Resource(position) if self.refreshable[position] => vec![position],
            Node::Resource(_) => Vec::new(),
            Node::Container(container) => self.by_container.get(&container).cloned().unwrap_or_default(),
        }
    }
}

/// The resources that a change of this one refreshes, each with the strongest effect asked for.
pub(super) fn targets(catalog: &Catalog, graph: &Graph, members: &Members, resource: usize) -> BTreeMap<usize, Effect> {
    let own = std::iter::once(Node::Resource(resource));
    let around = enclosing(catalog, catalog.resources[resource].container).map(Node::Container);
    let mut targets = BTreeMap::new();
    for notification in own.chain(around).flat_map(|node| graph.notifications(node)) {
        for target in members.of_node(notification.target) {
            let effect = targets.entry(target).or_insert(notification.effect);
            *effect = (*effect).max(notification.effect);
        }
    }
    targets
}

/// The container and all those around it.
pub(crate) fn enclosing(catalog: &Catalog, container: Option<usize>) -> impl Iterator<Item = usize> {
    let mut next = container;
    std::iter::from_fn(move || {
        let container = next?;
        next = catalog.containers[container].parent;
        Some(container)
    })
}
