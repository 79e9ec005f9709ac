//! The pass that derives relations from footprints: who needs a key comes after who provides it.
//! An automatic relation that stands against what manifests say gives way.

use foldhash::{HashMap, HashSet};
use petgraph::algo::{has_path_connecting, kosaraju_scc};
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeFiltered;

use super::{Edge, Vertex, resource};
use crate::catalog::Catalog;
use crate::footprint::Footprint;

/// Adds the edges, and tells which ones they are.
pub(super) fn add(catalog: &Catalog, footprints: &[&Footprint], vertices: &mut DiGraph<Vertex, Edge>) -> Vec<EdgeIndex> {
    let providers = providers(footprints);
    let mut added: Vec<EdgeIndex> = Vec::new();
    for (position, footprint) in footprints.iter().enumerate().take(catalog.resources.len()) {
        for key in &footprint.needs {
            let Some((key, found)) = nearest_provider(&providers, key) else { continue };
            for &provider in found.iter().filter(|&&provider| provider != position) {
                added.push(vertices.add_edge(resource(provider), resource(position), Edge::Automatic(key.to_owned())));
            }
        }
    }
    added
}

type Providers<'a> = HashMap<&'a str, Vec<usize>>;

fn providers<'f>(footprints: &[&'f Footprint]) -> Providers<'f> {
    let mut providers = Providers::default();
    for (position, footprint) in footprints.iter().enumerate() {
        for key in &footprint.provides {
            providers.entry(key).or_default().push(position);
        }
    }
    providers
}

/// Who provides a key; for a path, who provides the nearest folder upward.
fn nearest_provider<'p, 'k>(providers: &'p Providers<'_>, key: &'k str) -> Option<(&'k str, &'p Vec<usize>)> {
    let mut key = key;
    loop {
        if let Some(found) = providers.get(key) {
            return Some((key, found));
        }
        let path = key.strip_prefix("path:")?;
        if path == "/" {
            return None;
        }
        let parent = path.rfind('/')?;
        // The root folder keeps its one slash.
        key = &key[.."path:".len() + parent.max(1)];
    }
}

/// Removes automatic edges that close a cycle with explicit ones. Cycles among automatic edges alone
/// stay, for the check to report.
pub(super) fn give_way(vertices: &mut DiGraph<Vertex, Edge>, added: &[EdgeIndex]) {
    let component = components(vertices);
    let explicit = EdgeFiltered::from_fn(&*vertices, |edge| !matches!(edge.weight(), Edge::Automatic(_)));
    let mut opposed: HashSet<EdgeIndex> = HashSet::default();
    for &edge in added {
        let Some((from, to)) = vertices.edge_endpoints(edge) else { continue };
        let in_cycle = component.get(&from).is_some_and(|own| component.get(&to) == Some(own));
        if in_cycle && has_path_connecting(&explicit, to, from, None) {
            opposed.insert(edge);
        }
    }
    if !opposed.is_empty() {
        vertices.retain_edges(|_, edge| !opposed.contains(&edge));
    }
}

/// The component of every vertex that lies on a cycle.
fn components(vertices: &DiGraph<Vertex, Edge>) -> HashMap<NodeIndex, usize> {
    let cyclic = kosaraju_scc(vertices).into_iter().filter(|component| component.len() > 1);
    cyclic.enumerate().flat_map(|(number, component)| component.into_iter().map(move |vertex| (vertex, number))).collect()
}
