//! Tests of the graph's passes on small catalogs.

use std::sync::Arc;

use super::*;
use crate::address::Address;
use crate::catalog::{Container, Origin, Relation, RelationWord, Resource};
use crate::value::Map;

const NONE: &[Footprint] = &[];

fn catalog(titles: &[&str]) -> Catalog {
    let mut catalog = Catalog::empty("h", "s");
    catalog.files.push(Arc::from("manifests/site.kdl"));
    for title in titles {
        catalog.resources.push(Resource::new(Address::new("file", *title), Map::new()));
    }
    catalog
}

fn relate(catalog: &mut Catalog, first: Node, then: Node) {
    catalog.relations.push(Relation { first, then, notify: None, word: RelationWord::Require, origin: Origin::default() });
}

fn contain(catalog: &mut Catalog, members: &[usize]) -> usize {
    let position = catalog.containers.len();
    catalog.containers.push(Container { address: Address::new("module", format!("m{position}")), parent: None, origin: Origin::default() });
    for &member in members {
        catalog.resources[member].container = Some(position);
    }
    position
}

fn order(catalog: &Catalog, footprints: &[Footprint]) -> Vec<usize> {
    Graph::build(catalog, footprints).unwrap().order().to_vec()
}

#[test]
fn without_relations_manifest_order() {
    assert_eq!(order(&catalog(&["a", "b", "c"]), &[]), [0, 1, 2]);
}

#[test]
fn a_whole_container_comes_first() {
    let mut catalog = catalog(&["after", "in", "also in"]);
    let container = contain(&mut catalog, &[1, 2]);
    relate(&mut catalog, Node::Container(container), Node::Resource(0));
    assert_eq!(order(&catalog, &[]), [1, 2, 0]);
}

#[test]
fn who_needs_a_path_comes_after_the_nearest_folder() {
    let catalog = catalog(&["/a/b/c", "/a", "/a/b"]);
    let path = |own: &str, parent: &str| Footprint::default().own(format!("path:{own}")).need(format!("path:{parent}"));
    let footprints = [path("/a/b/x/c", "/a/b/x"), path("/a", "/"), path("/a/b", "/a")];
    assert_eq!(order(&catalog, &footprints), [1, 2, 0]);
}

#[test]
fn automatic_relations_give_way_to_explicit_ones() {
    let mut catalog = catalog(&["file", "folder"]);
    relate(&mut catalog, Node::Resource(0), Node::Resource(1));
    let footprints = [Footprint::default().need("path:/a"), Footprint::default().own("path:/a")];
    assert_eq!(order(&catalog, &footprints), [0, 1]);
}

#[test]
fn a_cycle_is_shown_whole_and_shortest() {
    let mut catalog = catalog(&["a", "b", "c", "d"]);
    for (first, then) in [(0, 1), (1, 2), (2, 3), (3, 0), (2, 0)] {
        relate(&mut catalog, Node::Resource(first), Node::Resource(then));
    }
    let cycle = Graph::build(&catalog, NONE).unwrap_err();
    let titles: Vec<&str> = cycle.steps.iter().map(|step| &*step.address.title).collect();
    assert_eq!(titles, ["a", "b", "c"]);
    assert_eq!(cycle.steps[2].edge, Edge::Explicit(4));
}

#[test]
fn a_resource_may_not_require_itself_nor_its_container() {
    let mut own = catalog(&["a"]);
    relate(&mut own, Node::Resource(0), Node::Resource(0));
    assert_eq!(Graph::build(&own, NONE).unwrap_err().steps.len(), 1);
    let mut inside = catalog(&["a"]);
    let container = contain(&mut inside, &[0]);
    relate(&mut inside, Node::Container(container), Node::Resource(0));
    assert!(Graph::build(&inside, NONE).is_err());
}
