//! The part of a host's dependency graph that a change concerns, as a picture and as a list: what changes, and
//! what stands right before and behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use keel_engine::address::Address;
use keel_engine::catalog::Catalog;
use keel_engine::difference::{Difference, Fate};
use keel_engine::footprint::Footprint;
use keel_engine::graph::Graph;
use keel_engine::preview::Preview;
use keel_engine::resource::Types;

use crate::render::graph::{entities, resource_arrows};

/// The most resources of a picture.
const BOXES_MAX: usize = 60;
/// The most pictures of a page.
const PICTURES_MAX: usize = 50;
const BOX_WIDTH: usize = 260;
const BOX_HEIGHT: usize = 30;
const COLUMN: usize = 330;
const ROW: usize = 46;
const MARGIN: usize = 12;
/// Characters that fit into a box.
const LABEL_LENGTH: usize = 34;

/// The pictures of a page, one for each entry, by its first host.
#[derive(Debug, Default)]
pub struct Pictures {
    by_host: BTreeMap<String, Picture>,
}

/// One host's picture.
#[derive(Debug)]
pub(super) struct Picture {
    /// The picture.
    pub(super) svg: String,
    /// The same in words: what comes before what.
    pub(super) orders: Vec<(Address, Address)>,
    /// How many resources there was no room for.
    pub(super) left_out: usize,
}

impl Pictures {
    /// Draws them; `catalog` gives the new catalog of a host.
    pub fn of(preview: &Preview, catalog: impl Fn(&str) -> Option<Catalog>) -> Self {
        let entries = preview.entries.iter().filter(|entry| !entry.difference.resources.is_empty()).take(PICTURES_MAX);
        let drawn = entries.filter_map(|entry| {
            let host = entry.hosts.first()?;
            Some((host.clone(), draw(&catalog(host)?, &entry.difference)?))
        });
        Self { by_host: drawn.collect() }
    }

    /// The picture of a host, if there is one.
    pub(super) fn get(&self, host: &str) -> Option<&Picture> {
        self.by_host.get(host)
    }
}

fn draw(catalog: &Catalog, difference: &Difference) -> Option<Picture> {
    let types = keel_resources::declared();
    let footprints: Vec<Footprint> = catalog.resources.iter().map(|one| types.check(one).unwrap_or_default()).collect();
    let graph = Graph::build(catalog, &footprints).ok()?;
    let arrows = resource_arrows(catalog, &graph);
    let fates: HashMap<&Address, Fate> = difference.resources.iter().map(|one| (&one.address, one.fate)).collect();
    let fate = |position: usize| catalog.resources.get(position).and_then(|one| fates.get(&one.address).copied());
    let changed: BTreeSet<usize> = (0..catalog.resources.len()).filter(|position| fate(*position).is_some()).collect();
    let near = arrows.iter().filter(|(from, to, _)| changed.contains(from) || changed.contains(to)).flat_map(|(from, to, _)| [*from, *to]);
    let near: BTreeSet<usize> = near.collect();
    // What changes first; what is only near gets the room that is left.
    let wanted: Vec<usize> = changed.iter().copied().chain(near.difference(&changed).copied()).collect();
    let left_out = wanted.len().saturating_sub(BOXES_MAX);
    let shown: BTreeSet<usize> = wanted.into_iter().take(BOXES_MAX).collect();
    let arrows: Vec<(usize, usize, bool)> = arrows.into_iter().filter(|(from, to, _)| shown.contains(from) && shown.contains(to)).collect();
    if arrows.is_empty() {
        return None;
    }
    let order: Vec<usize> = graph.order().iter().copied().filter(|position| shown.contains(position)).collect();
    let places = places(&order, &arrows);
    let svg = svg(catalog, &places, &arrows, fate);
    let address = |position: usize| catalog.resources.get(position).map(|one| one.address.clone());
    let orders = arrows.iter().filter_map(|(from, to, _)| Some((address(*from)?, address(*to)?))).collect();
    Some(Picture { svg, orders, left_out })
}

/// Column and row of every resource: the column is the longest way to it.
fn places(order: &[usize], arrows: &[(usize, usize, bool)]) -> BTreeMap<usize, (usize, usize)> {
    let mut column: HashMap<usize, usize> = HashMap::new();
    let mut filled: HashMap<usize, usize> = HashMap::new();
    let mut places = BTreeMap::new();
    for resource in order {
        let own = column.get(resource).copied().unwrap_or_default();
        let row = filled.entry(own).or_default();
        places.insert(*resource, (own, *row));
        *row += 1;
        for (_, to, _) in arrows.iter().filter(|(from, _, _)| from == resource) {
            let behind = column.entry(*to).or_default();
            *behind = (*behind).max(own + 1);
        }
    }
    places
}

fn svg(
    catalog: &Catalog,
    places: &BTreeMap<usize, (usize, usize)>,
    arrows: &[(usize, usize, bool)],
    fate: impl Fn(usize) -> Option<Fate>,
) -> String {
    let columns = places.values().map(|(column, _)| column + 1).max().unwrap_or(0);
    let rows = places.values().map(|(_, row)| row + 1).max().unwrap_or(0);
    let (width, height) = (columns * COLUMN - (COLUMN - BOX_WIDTH) + 2 * MARGIN, rows * ROW + 2 * MARGIN);
    let mut out = format!(
        "<svg role=\"img\" aria-label=\"Dependency graph\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n"
    );
    let corner = |position: &usize| places.get(position).map(|(column, row)| (MARGIN + column * COLUMN, MARGIN + row * ROW));
    for (from, to, automatic) in arrows {
        let (Some((x1, y1)), Some((x2, y2))) = (corner(from), corner(to)) else { continue };
        let (x1, y1, y2) = (x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
        let bend = x1 + (x2.saturating_sub(x1)) / 2;
        let class = if *automatic { "edge automatic" } else { "edge" };
        let _ = writeln!(out, "<path class=\"{class}\" d=\"M{x1} {y1}C{bend} {y1} {bend} {y2} {} {y2}\"/>", x2.saturating_sub(5));
        let _ = writeln!(out, "<path class=\"tip\" d=\"M{x2} {y2}l-7 -4v8z\"/>");
    }
    for position in places.keys() {
        let (Some(resource), Some((x, y))) = (catalog.resources.get(*position), corner(position)) else { continue };
        let full = resource.address.to_string();
        let (class, glyph) = fate(*position).map_or(("same", '='), |fate| (fate.word(), fate.glyph()));
        let mut label: String = full.chars().take(LABEL_LENGTH).collect();
        if full.chars().count() > LABEL_LENGTH {
            label.push('…');
        }
        let (full, label) = (entities(&full), entities(&label));
        let _ = writeln!(
            out,
            "<g class=\"box {class}\"><title>{full}</title><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"5\"/>\
             <text x=\"{}\" y=\"{}\">{glyph} {label}</text></g>",
            x + 9,
            y + 19
        );
    }
    out.push_str("</svg>\n");
    out
}
