//! Many declared things put into one configuration: what the cluster shall have after one patch.

use std::collections::{BTreeSet, HashSet};

use keel_engine::resource::{Failure, ObserveError};

use super::cib::{Cib, has_own_id, is_nameless, is_resource};
use super::declared::{Declared, What};
use super::references;
use super::render::MEMBER;
use super::tree::Node;

/// Why a configuration cannot have some of what is declared, by position. What is said of a node that has yet to join may
/// still come; all else keeps the others out as well.
pub(super) type Misfits = Vec<(usize, ObserveError)>;

/// The configuration with these declared things, and why it cannot have some of them.
pub(super) fn merge(cib: &Cib, declared: &[&Declared]) -> (Cib, Misfits) {
    let mut failures = Misfits::new();
    loop {
        let failed: BTreeSet<usize> = failures.iter().map(|(at, _)| *at).collect();
        let taking_part: Vec<(usize, &Declared)> =
            declared.iter().enumerate().filter(|(at, _)| !failed.contains(at)).map(|(at, declared)| (at, *declared)).collect();
        let (target, more) = attempt(cib, &taking_part);
        if more.is_empty() {
            return (target, failures);
        }
        // Without what failed, others may name what is not there: they are told apart in the next turn.
        failures.extend(more);
    }
}

fn attempt(cib: &Cib, declared: &[(usize, &Declared)]) -> (Cib, Misfits) {
    let mut target = cib.clone();
    let mut failures = Misfits::new();
    let not_yet = |at: usize, result: Result<(), Failure>| result.err().map(|failure| (at, ObserveError::NotYet(failure)));
    let never = |at: usize, failure: Failure| (at, ObserveError::Failed(failure));
    for (_, declared) in declared {
        if let What::Element { id, node: None, shape, .. } = &declared.what {
            remove(&mut target, shape.section, id);
        }
    }
    // Nodes come first: settings may be theirs.
    for (at, declared) in declared {
        if let What::Node(node) = &declared.what {
            failures.extend(not_yet(*at, node.put(&mut target)));
        }
    }
    for (at, declared) in declared {
        match &declared.what {
            What::Setting(setting) => failures.extend(not_yet(*at, setting.put(&mut target))),
            What::Element { shape, node: Some(node), .. } => put(&mut target, shape.section, node),
            What::Element { node: None, .. } | What::Node(_) => {}
        }
    }
    let elements = || declared.iter().filter_map(|(at, declared)| Some((*at, declared.element()?)));
    // The inner ones first: what stands in a clone may be a group.
    for is_outer in [false, true] {
        for (at, node) in elements().filter(|(_, node)| matches!(node.name.as_str(), "clone" | "master") == is_outer) {
            failures.extend(move_members(&mut target, node).err().map(|failure| never(at, failure)));
        }
    }
    tell_apart(&mut target, &elements().filter_map(|(_, node)| node.id()).collect());
    for (at, declared) in declared {
        if let What::Element { id, node: None, .. } = &declared.what {
            failures.extend(references::still_needed(id, cib, &target).map(|failure| never(*at, failure)));
        }
    }
    for (at, node) in elements() {
        failures.extend(references::dangling(node, &target).map(|failure| never(at, failure)));
        failures.extend(taken_twice(node, &target).map(|failure| never(at, failure)));
    }
    failures.sort_by_key(|(at, _)| *at);
    failures.dedup_by_key(|(at, _)| *at);
    (target, failures)
}

impl Declared {
    /// The element that shall be there, if it is one.
    fn element(&self) -> Option<&Node> {
        match &self.what {
            What::Element { node, .. } => node.as_ref(),
            What::Setting(_) | What::Node(_) => None,
        }
    }
}

/// Takes an element away; resources that stand in it take its place.
fn remove(cib: &mut Cib, section: &str, id: &str) {
    let Some(taken) = take(cib.configuration_mut().child_or_new(section), id) else { return };
    let section = cib.configuration_mut().child_or_new(section);
    section.children.extend(taken.children.into_iter().filter(is_resource));
}

/// Takes the element of this id out of a tree.
fn take(tree: &mut Node, id: &str) -> Option<Node> {
    if let Some(at) = tree.children.iter().position(|child| child.id() == Some(id)) {
        return Some(tree.children.remove(at));
    }
    tree.children.iter_mut().filter(|child| is_resource(child)).find_map(|child| take(child, id))
}

fn find<'t>(tree: &'t mut Node, id: &str) -> Option<&'t mut Node> {
    if let Some(at) = tree.children.iter().position(|child| child.id() == Some(id)) {
        return tree.children.get_mut(at);
    }
    tree.children.iter_mut().filter(|child| is_resource(child)).find_map(|child| find(child, id))
}

/// Puts an element where the one of its id is, or behind the last one. Resources in it stay there.
fn put(cib: &mut Cib, section: &str, wanted: &Node) {
    let section = cib.configuration_mut().child_or_new(section);
    let mut new = wanted.clone();
    new.children.retain(|child| child.name != MEMBER);
    match wanted.id().and_then(|id| find(section, id)) {
        Some(old) => {
            keep_ids(&mut new, old);
            let inside = std::mem::take(&mut old.children);
            new.children.extend(inside.into_iter().filter(is_resource));
            *old = new;
        }
        None => section.children.push(new),
    }
}

/// What nobody named keeps the id that it has, so that as little as possible changes.
fn keep_ids(new: &mut Node, old: &Node) {
    let mut used: HashSet<usize> = HashSet::new();
    for child in &mut new.children {
        let place = |same: &dyn Fn(&Node) -> bool| {
            old.children.iter().enumerate().position(|(at, other)| !used.contains(&at) && other.name == child.name && same(other))
        };
        let by_id = place(&|other| other.id().is_some() && other.id() == child.id());
        let by_name = || place(&|other| ["name", "interval", "role"].iter().all(|name| other.attribute(name) == child.attribute(name)));
        let Some(at) = by_id.or_else(by_name) else { continue };
        used.insert(at);
        let Some(other) = old.children.get(at) else { continue };
        if let Some(id) = other.id().filter(|_| is_nameless(&child.name)) {
            child.set("id", id);
        }
        keep_ids(child, other);
    }
}

/// Moves the resources that a declared one holds into it, in their order; others leave it.
fn move_members(cib: &mut Cib, wanted: &Node) -> Result<(), Failure> {
    let members: Vec<&str> = wanted.named(MEMBER).filter_map(Node::id).collect();
    let Some(id) = wanted.id().filter(|_| !members.is_empty()) else { return Ok(()) };
    let resources = cib.configuration_mut().child_or_new("resources");
    let mut taken = Vec::with_capacity(members.len());
    for member in &members {
        // What is missing is told by the check of names.
        taken.extend(take(resources, member));
    }
    let lost = || Failure::new(format!("{id} stands in itself")).help("a resource can hold others, not what holds it");
    let holder = find(resources, id).ok_or_else(lost)?;
    let (left, kept): (Vec<Node>, Vec<Node>) = std::mem::take(&mut holder.children).into_iter().partition(is_resource);
    holder.children = kept;
    holder.children.extend(taken);
    resources.children.extend(left);
    Ok(())
}

/// Gives what nobody named another id where it would clash.
fn tell_apart(cib: &mut Cib, declared: &BTreeSet<&str>) {
    let mut taken: HashSet<String> = HashSet::new();
    let mut clashes = false;
    cib.configuration_mut().walk(&mut |node| {
        if let Some(id) = node.id().filter(|_| has_own_id(&node.name)) {
            clashes |= !taken.insert(id.to_owned());
        }
    });
    if !clashes {
        return;
    }
    let mut seen: HashSet<String> = HashSet::new();
    cib.configuration_mut().walk_mut(&mut |node| {
        let Some(id) = node.id().map(str::to_owned) else { return };
        let is_free = is_nameless(&node.name) && !declared.contains(id.as_str());
        if seen.insert(id.clone()) || !is_free {
            return;
        }
        let other = (1..).map(|number: u32| format!("{id}-{number}")).find(|other| !taken.contains(other)).unwrap_or(id);
        taken.insert(other.clone());
        seen.insert(other.clone());
        node.set("id", other);
    });
}

fn taken_twice(node: &Node, cib: &Cib) -> Option<Failure> {
    let id = node.id().filter(|_| has_own_id(&node.name))?;
    let others = cib.with_id(id);
    let other = others.iter().find(|other| other.name != node.name)?;
    Some(
        Failure::new(format!("the id {id} is that of {other}, too"))
            .help("every element of a cluster's configuration has an id of its own"),
    )
}
