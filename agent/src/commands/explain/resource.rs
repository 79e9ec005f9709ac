//! Where a resource stands in the order, and what last happened to it.

use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Node};
use keel_engine::graph::{Edge, Graph, Vertex};
use keel_engine::resource::Types;
use keel_manifests::diagnostic::did_you_mean;
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use serde_json::json;

use super::Arguments;
use super::history::{History, history_text};
use crate::cli::{Context, print, print_json};
use crate::commands::target::{self, CompiledHost, FactSource};
use crate::error::{Error, Result};

pub(super) fn explain(address: &Address, arguments: &Arguments, context: &Context) -> Result<()> {
    let compiled = target::compile(arguments.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let CompiledHost { catalog, host, .. } = &compiled;
    let Some(node) = find(catalog, address) else { return undeclared(address, &compiled, arguments, context) };
    let types = keel_resources::declared();
    let footprints: Vec<_> = catalog.resources.iter().map(|resource| types.check(resource).unwrap_or_default()).collect();
    let graph = Graph::build(catalog, &footprints).map_err(|_| Error::site("the relations form a cycle"))?;
    let (before, after) = (neighbours(catalog, &graph, node, Direction::Incoming), neighbours(catalog, &graph, node, Direction::Outgoing));
    let origin = match node {
        Node::Resource(position) => catalog.resources[position].origin,
        Node::Container(position) => catalog.containers[position].origin,
    };
    let history = History::of(arguments, catalog, address);
    if arguments.json {
        return print_json(&json!({
            "format_version": "1.0", "address": address, "host": host, "origin": catalog.place(origin),
            "after": before, "before": after, "last_run": history.last_run.as_ref().map(|report| &report.run),
            "last_event": history.last_event.as_ref().map(|(report, resource)| json!({ "run": report.run, "started_ms": report.started_ms, "resource": resource })),
        }));
    }
    let paint = context.paint();
    let mut text = format!("{}   on {host}, declared in {}\n", paint.bold(&address.to_string()), catalog.place(origin));
    for (title, lines) in [("comes after", before), ("comes before", after)] {
        text.push_str(&format!("{title}{}\n", if lines.is_empty() { " nothing" } else { "" }));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text.push_str(&history_text(&history));
    print(&text)
}

/// What the catalog does not have may have been removed by an earlier run.
fn undeclared(address: &Address, compiled: &CompiledHost, arguments: &Arguments, context: &Context) -> Result<()> {
    let CompiledHost { catalog, host, .. } = compiled;
    let history = History::of(arguments, catalog, address);
    let Some((report, resource)) = &history.last_event else {
        let same_type = catalog.resources.iter().filter(|resource| resource.address.type_name == address.type_name);
        let hint = did_you_mean(&address.title, same_type.map(|resource| &*resource.address.title));
        let hint = hint.unwrap_or_else(|| format!("`keel compile --host {host}` prints all that it has"));
        return Err(Error::usage(format!("the catalog of host {host} has no {address}")).hint(hint));
    };
    let rule = catalog.purge.iter().find(|rule| *rule.type_name == *address.type_name).map(|rule| catalog.place(rule.origin));
    if arguments.json {
        return print_json(&json!({
            "format_version": "1.0", "address": address, "host": host, "origin": null, "purged_by": rule,
            "last_run": history.last_run.as_ref().map(|report| &report.run),
            "last_event": { "run": report.run, "started_ms": report.started_ms, "resource": resource },
        }));
    }
    let rule = rule.map(|place| format!(", purged by {place}")).unwrap_or_default();
    let head = context.paint().bold(&address.to_string());
    print(&format!("{head}   on {host}, not declared{rule}\n{}", history_text(&history)))
}

fn find(catalog: &Catalog, address: &Address) -> Option<Node> {
    let resource = catalog.resources.iter().position(|resource| resource.address == *address).map(Node::Resource);
    resource.or_else(|| catalog.containers.iter().position(|container| container.address == *address).map(Node::Container))
}

/// What comes right before or after a node, each with why.
fn neighbours(catalog: &Catalog, graph: &Graph, node: Node, direction: Direction) -> Vec<String> {
    let vertices = graph.vertices();
    let own = vertices.node_indices().filter(|&index| {
        matches!((vertices[index], node),
            (Vertex::Resource(a), Node::Resource(b)) | (Vertex::Begin(a) | Vertex::End(a), Node::Container(b)) if a == b)
    });
    let mut lines = Vec::new();
    for edge in own.flat_map(|index| vertices.edges_directed(index, direction)) {
        let other = if direction == Direction::Incoming { edge.source() } else { edge.target() };
        let address = match vertices[other] {
            Vertex::Resource(position) => &catalog.resources[position].address,
            Vertex::Begin(position) | Vertex::End(position) => &catalog.containers[position].address,
        };
        match edge.weight() {
            Edge::Containment => {}
            Edge::Explicit(position) => {
                let relation = &catalog.relations[*position];
                let effect = relation.notify.map(|effect| format!(", {effect}")).unwrap_or_default();
                lines.push(format!("{address}  {} in {}{effect}", relation.word, catalog.place(relation.origin)));
            }
            Edge::Automatic(key) => lines.push(format!("{address}  automatically, by {key}")),
        }
    }
    if direction == Direction::Incoming {
        for gate in catalog.gates.iter().filter(|gate| gate.node == node && gate.waits()) {
            let effect = gate.notify.map(|effect| format!(", {effect}")).unwrap_or_default();
            lines.push(format!("{} of host {}  {} in {}{effect}", gate.target, gate.host, gate.word, catalog.place(gate.origin)));
        }
    }
    lines.sort();
    lines.dedup();
    lines
}
