//! The part of a catalog that a few of its resources affect, for a run that looks at nothing else.

use std::collections::BTreeSet;

use super::refresh::{Members, targets};
use crate::catalog::Catalog;
use crate::graph::Graph;

/// These resources, by their positions, with those that a change of them refreshes, and all that any of them depends on.
pub fn affected(catalog: &Catalog, graph: &Graph, touched: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let members = Members::of(catalog, |_| true);
    let mut part: BTreeSet<usize> = touched.into_iter().collect();
    let refreshed: Vec<usize> = part.iter().flat_map(|&resource| targets(catalog, graph, &members, resource).into_keys()).collect();
    part.extend(refreshed);
    graph.with_all_before(&part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::catalog::{Effect, Node, Origin, Relation, RelationWord, Resource};
    use crate::footprint::Footprint;
    use crate::value::Map;

    #[test]
    fn what_is_touched_brings_its_folder_its_service_and_what_that_needs_and_nobody_else() {
        let mut catalog = Catalog::empty("h", "s");
        for title in ["/srv", "/srv/a", "/srv/b", "nginx", "package", "stranger"] {
            catalog.resources.push(Resource::new(Address::new("thing", title), Map::new()));
        }
        let relation = |first, then, notify| Relation {
            first: Node::Resource(first),
            then: Node::Resource(then),
            notify,
            word: RelationWord::Before,
            origin: Origin::default(),
        };
        catalog.relations.extend([relation(1, 3, Some(Effect::Restart)), relation(4, 3, None), relation(1, 5, None)]);
        let none = Footprint::default;
        let inside = || none().need("path:/srv");
        let footprints = [none().provide("path:/srv"), inside(), inside(), none(), none(), none()];
        let graph = Graph::build(&catalog, &footprints).unwrap();
        let part = |touched: usize| affected(&catalog, &graph, [touched]).into_iter().collect::<Vec<_>>();
        assert_eq!(part(1), [0, 1, 3, 4], "not what only comes after it");
        assert_eq!(part(0), [0]);
    }
}
