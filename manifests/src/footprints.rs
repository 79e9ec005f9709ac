//! What resources touch, compared: two writers of one thing need an order, and the relations as a
//! whole must not go in a circle. Works on catalogs alone, so that any of them can be checked.

use std::collections::BTreeMap;

use foldhash::HashMap;
use keel_engine::catalog::{Catalog, Resource};
use keel_engine::footprint::Footprint;
use keel_engine::graph::{Cycle, Edge, Graph, Vertex};
use keel_engine::value::Value;

use crate::codes;
use crate::diagnostic::Diagnostic;

/// Something wrong, with the resources and relations that are its places.
pub(crate) struct Finding {
    /// What there is to say, without places.
    pub(crate) diagnostic: Diagnostic,
    /// Resources by position, and what to say at each.
    pub(crate) resources: Vec<(usize, String)>,
    /// Relations by position, and what to say at each.
    pub(crate) relations: Vec<(usize, String)>,
}

/// How many findings of one kind are said: a loop can make thousands.
const FINDINGS_MAX: usize = 50;

/// Checks a catalog. `footprints` are those of its resources, in their order.
pub(crate) fn check(catalog: &Catalog, footprints: &[&Footprint]) -> Vec<Finding> {
    let mut findings = same_things(catalog, footprints);
    let writers = writers(footprints);
    findings.extend(whole_and_parts(catalog, footprints, &writers));
    findings.extend(own_files(catalog, footprints));
    match Graph::build(catalog, footprints) {
        Ok(graph) => findings.extend(unordered_writes(catalog, footprints, &writers, &graph)),
        Err(cycle) => findings.push(say_cycle(&cycle)),
    }
    findings.extend(absent_parents(catalog, footprints));
    findings
}

/// What all ids of a cluster's configuration have in front: they are one name space, whatever they name.
const CLUSTER_IDS: &str = "cib:";

/// Those that share names with each other: the resources of one type, and all that are in a cluster's configuration. What
/// leaves that makes room for what comes under its name.
fn name_space<'r>(resource: &'r Resource, key: &str) -> &'r str {
    if key.starts_with(CLUSTER_IDS) && !is_absent(resource) { CLUSTER_IDS } else { &resource.address.type_name }
}

/// Two resources of one name space that provide the same key are one thing under two names.
fn same_things(catalog: &Catalog, footprints: &[&Footprint]) -> Vec<Finding> {
    let mut first_by_key: HashMap<(&str, &str), usize> = HashMap::default();
    let mut findings = Vec::new();
    for (position, (resource, footprint)) in catalog.resources.iter().zip(footprints).enumerate() {
        let own = footprint.provides.iter().filter(|key| footprint.writes.contains(key));
        let mut said = None;
        for key in own {
            let first = *first_by_key.entry((name_space(resource, key), key)).or_insert(position);
            let Some(other) = catalog.resources.get(first).filter(|_| first != position && said.replace(first) != Some(first)) else {
                continue;
            };
            let (message, help) = say_same(other, resource, key);
            let diagnostic = Diagnostic::error(codes::SAME_THING, message).help(help);
            let resources = vec![(position, "again here".to_owned()), (first, "first here".to_owned())];
            findings.push(Finding { diagnostic, resources, relations: Vec::new() });
        }
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

fn say_same(first: &Resource, again: &Resource, key: &str) -> (String, &'static str) {
    let (one, other) = (&first.address, &again.address);
    match key.strip_prefix(CLUSTER_IDS).filter(|_| one.type_name != other.type_name) {
        Some(id) => {
            (format!("{one} and {other} have the same id {id}, and all ids of a cluster are one name space"), "give one of them another id")
        }
        None => (
            format!("{one} and {other} are the same {}", describe_key(key)),
            "keep one of them; `override` changes a resource from elsewhere",
        ),
    }
}

/// Where the program keeps what it lives on: its key, its state and its lock.
const OWN_PATHS: [&str; 3] = ["/etc/keel/identity", "/run/keel", "/var/lib/keel"];

/// A run that changed the program's own state would lose what it knows of the host.
fn own_files(catalog: &Catalog, footprints: &[&Footprint]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, (resource, footprint)) in catalog.resources.iter().zip(footprints).enumerate() {
        let keys = footprint.writes.iter().chain(&footprint.provides);
        let mut paths = keys.filter_map(|key| key.strip_prefix("path:")).map(|path| path.split('#').next().unwrap_or(path));
        let Some(path) = paths.find(|path| OWN_PATHS.iter().any(|own| is_at_or_below(path, own))) else { continue };
        let diagnostic = Diagnostic::error(codes::OWN_FILES, format!("{} manages {path}, which is the program's own", resource.address));
        let diagnostic = diagnostic.help("leave it alone: the program makes and removes its files itself");
        findings.push(Finding { diagnostic, resources: vec![(position, "this one".to_owned())], relations: Vec::new() });
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Who writes each key.
#[derive(Default)]
struct Writers<'f> {
    /// The first writer, by position.
    first: HashMap<&'f str, usize>,
    /// All writers where there are several, each once and in their order.
    several: BTreeMap<&'f str, Vec<usize>>,
}

impl Writers<'_> {
    fn of(&self, key: &str) -> Vec<usize> {
        let first = || self.first.get(key).map(|first| vec![*first]);
        self.several.get(key).cloned().or_else(first).unwrap_or_default()
    }
}

fn writers<'f>(footprints: &[&'f Footprint]) -> Writers<'f> {
    let mut writers = Writers::default();
    for (position, footprint) in footprints.iter().enumerate() {
        for key in &footprint.writes {
            let first = *writers.first.entry(key).or_insert(position);
            if first == position {
                continue;
            }
            let positions = writers.several.entry(key).or_insert_with(|| vec![first]);
            if positions.last() != Some(&position) {
                positions.push(position);
            }
        }
    }
    writers
}

/// Who writes all of a file undoes what another one writes into a part of it, in every run anew and in
/// whatever order.
fn whole_and_parts(catalog: &Catalog, footprints: &[&Footprint], writers: &Writers<'_>) -> Vec<Finding> {
    let mut pairs: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for (part, footprint) in footprints.iter().enumerate() {
        for file in footprint.writes.iter().filter_map(|key| Some(key.split_once('#')?.0)).filter(|file| writers.first.contains_key(file)) {
            for whole in writers.of(file).into_iter().filter(|whole| *whole != part) {
                if pairs.len() < FINDINGS_MAX {
                    pairs.insert((whole, part), file);
                }
            }
        }
    }
    pairs.into_iter().filter_map(|((whole, part), file)| say_whole_and_part(catalog, whole, part, file)).collect()
}

fn say_whole_and_part(catalog: &Catalog, whole: usize, part: usize, file: &str) -> Option<Finding> {
    let (one, other) = (catalog.resources.get(whole)?, catalog.resources.get(part)?);
    let file = file.strip_prefix("path:").unwrap_or(file);
    let message = format!("{} decides all of {file}, and {} a part of it", one.address, other.address);
    let help = format!("write the part into the content, or leave the content to {} and its like", other.address);
    let diagnostic = Diagnostic::error(codes::WHOLE_AND_PART, message).help(help);
    let resources = vec![(part, "a part of it".to_owned()), (whole, "the whole".to_owned())];
    Some(Finding { diagnostic, resources, relations: Vec::new() })
}

/// Two writers of one key, in whatever form, come one after the other.
fn unordered_writes(catalog: &Catalog, footprints: &[&Footprint], writers: &Writers<'_>, graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, positions) in &writers.several {
        for (index, then) in positions.iter().enumerate() {
            for first in positions.get(..index).unwrap_or_default() {
                if findings.len() >= FINDINGS_MAX {
                    return findings;
                }
                let same_title = is_same_thing(catalog, footprints, (*first, *then), key);
                if !same_title && !graph.is_ordered(*first, *then) && !graph.is_ordered(*then, *first) {
                    findings.extend(say_unordered(catalog, *first, *then, key));
                }
            }
        }
    }
    findings
}

/// What [`same_things`] has said already.
fn is_same_thing(catalog: &Catalog, footprints: &[&Footprint], pair: (usize, usize), key: &str) -> bool {
    let of = |position: usize| Some((name_space(catalog.resources.get(position)?, key), footprints.get(position)?));
    match (of(pair.0), of(pair.1)) {
        (Some((first_space, first)), Some((then_space, then))) => {
            let provides = |footprint: &Footprint| footprint.provides.iter().any(|provided| provided == key);
            first_space == then_space && provides(first) && provides(then)
        }
        _ => false,
    }
}

fn say_unordered(catalog: &Catalog, first: usize, then: usize, key: &str) -> Option<Finding> {
    let (one, other) = (catalog.resources.get(first)?, catalog.resources.get(then)?);
    let message = format!("{} and {} both write the {}, in no order", one.address, other.address, describe_key(key));
    let help = format!("let one of them require the other, or leave the {} to one of them", describe_key(key));
    let diagnostic = Diagnostic::error(codes::UNORDERED_WRITES, message).help(help);
    let resources = vec![(then, "this one".to_owned()), (first, "and this one".to_owned())];
    Some(Finding { diagnostic, resources, relations: Vec::new() })
}

/// A folder that is removed while something in it is kept.
fn absent_parents(catalog: &Catalog, footprints: &[&Footprint]) -> Vec<Finding> {
    let mut removed: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, (resource, footprint)) in catalog.resources.iter().zip(footprints).enumerate() {
        if is_absent(resource) {
            removed.extend(footprint.writes.iter().filter_map(|key| Some((key.strip_prefix("path:")?, position))));
        }
    }
    let mut findings = Vec::new();
    for (position, (resource, footprint)) in catalog.resources.iter().zip(footprints).enumerate() {
        if removed.is_empty() || is_absent(resource) {
            continue;
        }
        let paths = footprint.writes.iter().filter_map(|key| key.strip_prefix("path:"));
        let parent = paths.flat_map(parents).find_map(|parent| removed.get(parent).copied());
        let Some((folder, at)) = parent.and_then(|at| Some((catalog.resources.get(at)?, at))) else { continue };
        let message = format!("{} is removed, and {} lies in it", folder.address, resource.address);
        let diagnostic = Diagnostic::error(codes::PARENT_ABSENT, message).help("keep the folder, or remove what lies in it, too");
        let resources = vec![(position, "lies in it".to_owned()), (at, "is removed".to_owned())];
        findings.push(Finding { diagnostic, resources, relations: Vec::new() });
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

/// Whether it says that there shall be nothing.
pub(crate) fn is_absent(resource: &Resource) -> bool {
    resource.attributes.get("ensure").and_then(Value::as_str) == Some("absent")
}

/// The folders above a path, the nearest first, without the root.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    let path = path.split('#').next().unwrap_or(path);
    path.rmatch_indices('/').map(|(at, _)| path.get(..at).unwrap_or_default()).filter(|parent| !parent.is_empty())
}

/// `path:/etc/motd` as people say it.
fn describe_key(key: &str) -> String {
    match key.split_once(':') {
        Some((space, name)) => format!("{space} {name}"),
        None => key.to_owned(),
    }
}

/// A circle of relations, whole.
fn say_cycle(cycle: &Cycle) -> Finding {
    let names: Vec<String> = cycle.steps.iter().map(|step| step.address.to_string()).collect();
    let shown = match names.as_slice() {
        [one] => format!("{one} waits for itself"),
        many => {
            let first = many.first().cloned().unwrap_or_default();
            format!("these wait for each other: {}, then {first} again", shortened(many).join(", then "))
        }
    };
    let mut finding = Finding { diagnostic: Diagnostic::error(codes::CYCLE, shown), resources: Vec::new(), relations: Vec::new() };
    let successors = cycle.steps.iter().cycle().skip(1);
    for (step, next) in cycle.steps.iter().zip(successors) {
        let order = format!("{} comes before {}", step.address, next.address);
        match &step.edge {
            Edge::Explicit(relation) => finding.relations.push((*relation, order)),
            Edge::Automatic(key) => {
                let why = format!("{order}: it needs the {}", describe_key(key));
                finding.resources.extend(position_of(&next.vertex).map(|position| (position, why)));
            }
            Edge::Containment => {
                finding.resources.extend(position_of(&step.vertex).map(|position| (position, format!("{order}: it is part of it"))))
            }
        }
    }
    finding.relations.truncate(FINDINGS_MAX);
    finding.resources.truncate(FINDINGS_MAX);
    finding.diagnostic = finding.diagnostic.help("take one of these relations away, or turn it around");
    finding
}

fn position_of(vertex: &Vertex) -> Option<usize> {
    match vertex {
        Vertex::Resource(position) => Some(*position),
        Vertex::Begin(_) | Vertex::End(_) => None,
    }
}

/// A long chain by its two ends.
fn shortened(names: &[String]) -> Vec<String> {
    const SHOWN: usize = 20;
    if names.len() <= SHOWN {
        return names.to_vec();
    }
    let left_out = names.len() - SHOWN;
    let (start, end) = (names.iter().take(SHOWN / 2), names.iter().skip(names.len() - SHOWN / 2));
    start.cloned().chain([format!("{left_out} more")]).chain(end.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_the_folders_above() {
        assert_eq!(parents("/a/b/c#x/y").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert_eq!(parents("/a").count(), 0);
    }
}
