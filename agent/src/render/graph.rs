//! A catalog's dependency graph as DOT, Mermaid, SVG or data.

use std::fmt::Write;

use keel_engine::catalog::{Catalog, Node};
use keel_engine::graph::{Edge, Graph, Vertex};
use petgraph::visit::EdgeRef;
use serde_json::{Value, json};

/// One edge between two resources or containers, by the names that the picture gives them.
struct Arrow {
    from: String,
    to: String,
    label: String,
    dashed: bool,
}

/// The arrows of a graph. Containment is shown by boxes, so its edges are left out.
fn arrows(catalog: &Catalog, graph: &Graph) -> Vec<Arrow> {
    let vertices = graph.vertices();
    let name = |vertex: Vertex| match vertex {
        Vertex::Resource(position) => format!("r{position}"),
        Vertex::Begin(position) | Vertex::End(position) => format!("c{position}"),
    };
    let mut arrows: Vec<Arrow> = Vec::new();
    for edge in vertices.edge_references() {
        let (label, dashed) = match edge.weight() {
            Edge::Containment => continue,
            Edge::Explicit(position) => {
                let relation = &catalog.relations[*position];
                (relation.notify.map(|effect| effect.to_string()).unwrap_or_default(), false)
            }
            Edge::Automatic(key) => (key.clone(), true),
        };
        arrows.push(Arrow { from: name(vertices[edge.source()]), to: name(vertices[edge.target()]), label, dashed });
    }
    arrows.sort_by(|a, b| (&a.from, &a.to, &a.label).cmp(&(&b.from, &b.to, &b.label)));
    arrows.dedup_by(|a, b| a.from == b.from && a.to == b.to && a.label == b.label);
    arrows
}

fn members(catalog: &Catalog, container: Option<usize>) -> impl Iterator<Item = usize> {
    catalog.resources.iter().enumerate().filter(move |(_, resource)| resource.container == container).map(|(position, _)| position)
}

fn children(catalog: &Catalog, parent: Option<usize>) -> impl Iterator<Item = usize> {
    catalog.containers.iter().enumerate().filter(move |(_, container)| container.parent == parent).map(|(position, _)| position)
}

/// The graph as data: resources in the order of application, containers, and every edge with its cause.
pub fn data(catalog: &Catalog, graph: &Graph) -> Value {
    let address_of = |container: usize| &catalog.containers[container].address;
    let resources = graph.order().iter().map(|&position| {
        let resource = &catalog.resources[position];
        json!({ "address": resource.address, "origin": catalog.place(resource.origin), "container": resource.container.map(address_of) })
    });
    let containers = catalog.containers.iter().map(|container| {
        json!({ "address": container.address, "origin": catalog.place(container.origin), "container": container.parent.map(address_of) })
    });
    let gates = catalog.gates.iter().map(|gate| {
        let node = match gate.node {
            Node::Resource(position) => &catalog.resources[position].address,
            Node::Container(container) => address_of(container),
        };
        json!({ "address": node, "host": gate.host, "target": gate.target, "word": gate.word, "effect": gate.notify, "origin": catalog.place(gate.origin) })
    });
    json!({
        "format_version": "1.0",
        "host": catalog.host,
        "resources": resources.collect::<Vec<_>>(),
        "containers": containers.collect::<Vec<_>>(),
        "edges": edges(catalog, graph),
        "gates": gates.collect::<Vec<_>>(),
    })
}

fn edges(catalog: &Catalog, graph: &Graph) -> Vec<Value> {
    let vertices = graph.vertices();
    let address = |vertex: Vertex| match vertex {
        Vertex::Resource(position) => &catalog.resources[position].address,
        Vertex::Begin(container) | Vertex::End(container) => &catalog.containers[container].address,
    };
    let edge = |edge: petgraph::graph::EdgeReference<'_, Edge>| {
        let (from, to) = (address(vertices[edge.source()]), address(vertices[edge.target()]));
        match edge.weight() {
            Edge::Containment => None,
            Edge::Explicit(position) => {
                let relation = &catalog.relations[*position];
                let (word, origin) = (relation.word, catalog.place(relation.origin));
                Some(json!({ "from": from, "to": to, "word": word, "effect": relation.notify, "origin": origin }))
            }
            Edge::Automatic(key) => Some(json!({ "from": from, "to": to, "key": key })),
        }
    };
    vertices.edge_references().filter_map(edge).collect()
}

/// The graph in Graphviz's language.
pub fn dot(catalog: &Catalog, graph: &Graph) -> String {
    let mut out = String::from("digraph keel {\n  compound=true; rankdir=LR; node [shape=box, fontname=\"sans\"];\n");
    dot_level(catalog, None, 1, &mut out);
    for Arrow { from, to, label, dashed } in arrows(catalog, graph) {
        let style = if dashed { ", style=dashed" } else { "" };
        let _ = writeln!(out, "  {from} -> {to} [label={}{style}];", quoted(&label));
    }
    out.push_str("}\n");
    out
}

fn dot_level(catalog: &Catalog, container: Option<usize>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for position in members(catalog, container) {
        let _ = writeln!(out, "{indent}r{position} [label={}];", quoted(&catalog.resources[position].address.to_string()));
    }
    for child in children(catalog, container) {
        let title = catalog.containers[child].address.to_string();
        let _ = writeln!(out, "{indent}subgraph cluster_{child} {{\n{indent}  label={};", quoted(&title));
        // A cluster cannot end an edge; an invisible point in it can.
        let _ = writeln!(out, "{indent}  c{child} [shape=point, label=\"\"];");
        dot_level(catalog, Some(child), depth + 1, out);
        let _ = writeln!(out, "{indent}}}");
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The graph in Mermaid's language, which forges draw in Markdown.
pub fn mermaid(catalog: &Catalog, graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    mermaid_level(catalog, None, 1, &mut out);
    for Arrow { from, to, label, dashed } in arrows(catalog, graph) {
        let arrow = if dashed { "-.->" } else { "-->" };
        let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", entities(&label)) };
        let _ = writeln!(out, "  {from} {arrow}{label} {to}");
    }
    out
}

fn mermaid_level(catalog: &Catalog, container: Option<usize>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for position in members(catalog, container) {
        let _ = writeln!(out, "{indent}r{position}[\"{}\"]", entities(&catalog.resources[position].address.to_string()));
    }
    for child in children(catalog, container) {
        let _ = writeln!(out, "{indent}subgraph c{child}[\"{}\"]", entities(&catalog.containers[child].address.to_string()));
        mermaid_level(catalog, Some(child), depth + 1, out);
        let _ = writeln!(out, "{indent}end");
    }
}

pub(super) fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

const BOX_WIDTH: usize = 280;
const BOX_HEIGHT: usize = 28;
const COLUMN: usize = 360;
const ROW: usize = 44;
const MARGIN: usize = 20;
/// Characters that fit into a box.
const LABEL_LENGTH: usize = 40;

/// The graph as a picture: a column for every step that has to wait for an earlier one.
pub fn svg(catalog: &Catalog, graph: &Graph) -> String {
    let places = places(catalog, graph);
    let columns = places.iter().map(|(column, _)| column + 1).max().unwrap_or(0);
    let rows = places.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
    let (width, height) = (columns * COLUMN + 2 * MARGIN, rows * ROW + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for (from, to, dashed) in resource_arrows(catalog, graph) {
        let ((x1, y1), (x2, y2)) = (corner(places[from]), corner(places[to]));
        let dash = if dashed { " stroke-dasharray=\"4\"" } else { "" };
        let (x1, y1, y2) = (x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
        let _ = writeln!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#555\"{dash} marker-end=\"url(#end)\"/>");
    }
    for (position, resource) in catalog.resources.iter().enumerate() {
        let (x, y) = corner(places[position]);
        let full = resource.address.to_string();
        let label: String = full.chars().take(LABEL_LENGTH).collect();
        let (full, label) = (entities(&full), entities(&label));
        let _ = writeln!(
            out,
            "<g><title>{full}</title><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\" fill=\"#eef4fb\" stroke=\"#456\"/>\
             <text x=\"{}\" y=\"{}\">{label}</text></g>",
            x + 8,
            y + 18
        );
    }
    out.push_str("</svg>\n");
    out
}

fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * COLUMN, MARGIN + row * ROW)
}

/// Column and row of every resource: the column is the longest way to it.
fn places(catalog: &Catalog, graph: &Graph) -> Vec<(usize, usize)> {
    let mut column = vec![0; catalog.resources.len()];
    let mut filled: Vec<usize> = Vec::new();
    let mut places = vec![(0, 0); catalog.resources.len()];
    let arrows = resource_arrows(catalog, graph);
    for &resource in graph.order() {
        let own: usize = column[resource];
        if filled.len() <= own {
            filled.resize(own + 1, 0);
        }
        places[resource] = (own, filled[own]);
        filled[own] += 1;
        for &(_, to, _) in arrows.iter().filter(|(from, _, _)| *from == resource) {
            column[to] = column[to].max(own + 1);
        }
    }
    places
}

/// Arrows between resources alone; a relation with a container stands for its first or last members.
pub(super) fn resource_arrows(catalog: &Catalog, graph: &Graph) -> Vec<(usize, usize, bool)> {
    let mut arrows = Vec::new();
    for relation in &catalog.relations {
        for from in resources_of(catalog, relation.first) {
            arrows.extend(resources_of(catalog, relation.then).into_iter().map(|to| (from, to, false)));
        }
    }
    let vertices = graph.vertices();
    for edge in vertices.edge_references().filter(|edge| matches!(edge.weight(), Edge::Automatic(_))) {
        if let (Vertex::Resource(from), Vertex::Resource(to)) = (vertices[edge.source()], vertices[edge.target()]) {
            arrows.push((from, to, true));
        }
    }
    arrows.sort_unstable();
    arrows.dedup_by_key(|arrow| (arrow.0, arrow.1));
    arrows
}

fn resources_of(catalog: &Catalog, node: Node) -> Vec<usize> {
    match node {
        Node::Resource(position) => vec![position],
        Node::Container(container) => members(catalog, Some(container)).collect(),
    }
}
