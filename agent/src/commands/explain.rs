//! `keel explain`.

use std::path::PathBuf;

use clap::Args;
use keel_engine::address::Address;
use keel_engine::catalog::{Catalog, Node};
use keel_engine::graph::{Edge, Graph, Vertex};
use keel_engine::report::{Report, ResourceReport};
use keel_engine::resource::Types;
use keel_manifests::codes;
use keel_manifests::diagnostic::did_you_mean;
use keel_manifests::explanation::Explanation;
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use serde_json::json;

use super::target::{self, CompiledHost, FactSource, HostArguments};
use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::moment::moment;
use crate::render::paint::{Paint, printable};
use crate::render::report::reason_text;
use crate::state::State;
use crate::state::reports::Reports;

/// Say where a variable's value, a resource's place in the order and last outcome, or an error code come from.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel explain nginx.workers --host web-1\n  keel explain '(service)nginx' --host web-1\n  keel explain KE0301"
)]
pub struct Arguments {
    /// A variable, a resource as (type)title, or a code.
    what: String,
    /// The site's folder; the nearest one upward that has a keel.toml, if not given.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    #[command(flatten)]
    host: HostArguments,
    /// The folder that is treated as the host's root: where the last report is looked for.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such thing, or the site does not compile.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let looks_like_code =
        arguments.what.strip_prefix("KE").is_some_and(|rest| rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if looks_like_code {
        code(arguments)?;
    } else if let Some(address) = Address::parse(&arguments.what) {
        resource(&address, arguments, context)?;
    } else {
        variable(arguments, context)?;
    }
    Ok(0)
}

fn code(arguments: &Arguments) -> Result<()> {
    let known = codes::find(&arguments.what).ok_or_else(|| {
        let hint = did_you_mean(&arguments.what, codes::all().map(|code| code.code));
        Error::usage(format!("there is no code {}", arguments.what)).hint_if(hint)
    })?;
    if arguments.json {
        return print_json(&json!({ "code": known.code, "title": known.title, "explanation": known.explanation }));
    }
    print(&format!("{}: {}\n\n{}\n", known.code, known.title, known.explanation))
}

fn variable(arguments: &Arguments, context: &Context) -> Result<()> {
    // The catalog is not needed: a variable can be explained while the manifests are still wrong.
    let (loaded, host) = target::load_host(arguments.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let explained = loaded.site.data().explain(&host, &arguments.what);
    let explanation = explained.map_err(|error| Error::site(format!("{} cannot be evaluated: {error}", arguments.what)))?;
    let found = explanation.filter(|explanation| !explanation.candidates.is_empty());
    let explanation = found.ok_or_else(|| {
        let names: Vec<String> = loaded.site.data().scope(&host).map(|scope| scope.names()).unwrap_or_default();
        let hint = did_you_mean(&arguments.what, names.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| "a variable's name, (type)title for a resource, or a code such as KE0101".to_owned());
        Error::usage(format!("host {host} has no variable {}", arguments.what)).hint(hint)
    })?;
    if arguments.json { print_json(&explanation_json(&explanation)) } else { print(&explanation_text(&explanation, context.paint())) }
}

fn explanation_json(explanation: &Explanation) -> serde_json::Value {
    let candidate = |candidate: &keel_manifests::explanation::Candidate| {
        json!({
            "tier": candidate.tier, "group": candidate.group, "file": candidate.file, "line": candidate.line,
            "value": candidate.value, "winner": candidate.winner, "why": candidate.why,
        })
    };
    let candidates: Vec<_> = explanation.candidates.iter().map(candidate).collect();
    json!({ "format_version": "1.0", "key": explanation.key, "host": explanation.host, "value": explanation.value, "candidates": candidates })
}

fn explanation_text(explanation: &Explanation, paint: Paint) -> String {
    let value = explanation.value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let mut text = format!("{} = {}   on {}\n", paint.bold(&explanation.key), printable(&value), explanation.host);
    // The strongest first: that is the one people look for.
    for candidate in explanation.candidates.iter().rev() {
        let mark = if candidate.winner { paint.green(">") } else { " ".to_owned() };
        let group = candidate.group.as_ref().map(|group| format!(" {group}")).unwrap_or_default();
        let place = paint.dim(&format!("{}:{}", candidate.file, candidate.line));
        let value = printable(&candidate.value.to_string());
        text.push_str(&format!("{mark} {}{group}  {value}  {place}\n      {}\n", candidate.tier, candidate.why));
    }
    text
}

fn resource(address: &Address, arguments: &Arguments, context: &Context) -> Result<()> {
    let compiled = target::compile(arguments.site.as_deref(), &arguments.host, FactSource::Recorded, context)?;
    let CompiledHost { catalog, host, .. } = &compiled;
    let node = find(catalog, address).ok_or_else(|| {
        let same_type = catalog.resources.iter().filter(|resource| resource.address.type_name == address.type_name);
        let hint = did_you_mean(&address.title, same_type.map(|resource| &*resource.address.title));
        let hint = hint.unwrap_or_else(|| format!("`keel compile --host {host}` prints all that it has"));
        Error::usage(format!("the catalog of host {host} has no {address}")).hint(hint)
    })?;
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

/// What is known of a resource from earlier runs here: when the last run was, and the last one in which
/// anything happened to it.
struct History {
    last_run: Option<Report>,
    last_event: Option<(Report, ResourceReport)>,
}

impl History {
    fn of(arguments: &Arguments, catalog: &Catalog, address: &Address) -> Self {
        let reports = Reports::of(&State::of_site(&arguments.root, &catalog.site));
        let find = |report: Report| {
            let resource = report.resources.iter().find(|resource| resource.address == *address).cloned();
            resource.map(|resource| (report, resource))
        };
        Self { last_run: reports.last(), last_event: reports.newest_first().find_map(find) }
    }
}

/// A run's time by the clock of the host.
fn time(report: &Report) -> String {
    moment(i64::try_from(report.started_ms).unwrap_or(i64::MAX))
}

fn history_text(history: &History) -> String {
    let Some(last_run) = &history.last_run else { return "no run is known here\n".to_owned() };
    let Some((report, resource)) = &history.last_event else {
        return format!("last run {}: unchanged, as far back as reports are kept\n", time(last_run));
    };
    let what = resource.reason.as_ref().map_or_else(|| resource.outcome.word().to_owned(), reason_text);
    let mut text = format!("last run {}\nlast event {} (run {}): {what}\n", time(last_run), time(report), report.run);
    for reported in &resource.changes {
        let change = &reported.change;
        let cause = reported.cause.word();
        text.push_str(&format!(
            "  {}  {} -> {}  {cause}\n",
            change.attribute,
            printable(&change.before.summary()),
            printable(&change.after.summary())
        ));
    }
    if let Some(refresh) = &resource.refresh {
        let sources: Vec<String> = refresh.sources.iter().map(ToString::to_string).collect();
        text.push_str(&format!("  {} because of {}\n", refresh.done, sources.join(", ")));
    }
    text
}
