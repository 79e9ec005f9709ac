//! What follows from a change of the configuration, as Pacemaker itself sees it, and whether anybody asked
//! for that.

use std::collections::BTreeSet;

use keel_engine::change::Change;
use keel_engine::resource::Failure;

use super::cib::{Cib, is_resource};
use super::declared::{Declared, What};
use super::door::Door;
use super::member_node::is_mode;
use super::merge::merge;
use super::references;
use super::simulation::Action;
use super::tree::Node;

/// What Pacemaker would do because of a change.
pub(super) struct Foresight {
    actions: Vec<Action>,
    /// For every declared thing the resources that it touches.
    touched: Vec<BTreeSet<String>>,
}

impl Foresight {
    /// Has the changed configuration verified and simulated.
    ///
    /// # Errors
    /// It is refused, or something would be stopped or fenced that nobody asked for.
    pub(super) fn of(door: &Door<'_>, cib: &Cib, target: &Cib, declared: &[&Declared]) -> Result<Self, Failure> {
        door.verify(target)?;
        let mut actions = door.simulate(target)?;
        let touched: Vec<BTreeSet<String>> = declared.iter().map(|declared| touched(declared, cib, target)).collect();
        let forbidden = |actions: &[Action]| -> Vec<Action> {
            actions.iter().filter(|action| action.is_disruptive() && !is_asked_for(action, declared, &touched)).cloned().collect()
        };
        if !forbidden(&actions).is_empty() {
            // What would happen anyway does not come from this change.
            let anyway = door.simulate(cib)?;
            actions.retain(|action| !anyway.contains(action));
        }
        let forbidden = forbidden(&actions);
        if forbidden.is_empty() {
            return Ok(Self { actions, touched });
        }
        let said: Vec<String> = forbidden.iter().map(Action::to_string).collect();
        let help = "nobody asked for that: change it in steps, or name the resources, or the nodes to be fenced, in `may_stop` of what shall cause it";
        Err(Failure::new(format!("Pacemaker would {}", said.join(", "))).help(help))
    }

    /// The actions as changes of the declared things that they follow from; the first has what follows from
    /// none in particular.
    pub(super) fn by_declared(&self, declared: &[&Declared]) -> Vec<Vec<Change>> {
        let mut changes: Vec<Vec<Change>> = declared.iter().map(|_| Vec::new()).collect();
        for action in &self.actions {
            let own = |at: &usize| match (action, declared.get(*at).map(|declared| &declared.what)) {
                (Action::Resource { resource, .. }, Some(What::Element { id, .. })) => id == resource,
                _ => false,
            };
            let touching = |at: &usize| match action {
                Action::Resource { resource, .. } => self.touched.get(*at).is_some_and(|touched| touched.contains(resource)),
                Action::Node { .. } => false,
            };
            let all = 0..declared.len();
            let at = all.clone().find(own).or_else(|| all.clone().find(touching)).unwrap_or(0);
            if let Some(changes) = changes.get_mut(at) {
                changes.push(Change::run("then", "by Pacemaker", action.to_string()));
            }
        }
        changes
    }
}

/// Which of the declared things has all of them refused: the last one of the fewest, in their order, that are.
pub(super) fn blamed(door: &Door<'_>, cib: &Cib, declared: &[&Declared]) -> usize {
    let (mut fine, mut refused) = (0, declared.len());
    while fine + 1 < refused {
        let middle = fine + (refused - fine) / 2;
        let first = declared.get(..middle).unwrap_or_default();
        match Foresight::of(door, cib, &merge(cib, first).0, first) {
            Ok(_) => fine = middle,
            Err(_) => refused = middle,
        }
    }
    refused.saturating_sub(1)
}

fn is_asked_for(action: &Action, declared: &[&Declared], touched: &[BTreeSet<String>]) -> bool {
    let is_allowed = |name: &str| declared.iter().any(|declared| declared.may_stop.iter().any(|word| word == "*" || word == name));
    let (resource, place) = match action {
        Action::Node { node, .. } => return is_allowed(node),
        Action::Resource { resource, place, .. } => (resource, place),
    };
    let mut each = declared.iter().zip(touched);
    each.any(|(declared, touched)| {
        let on_node = |uname: &str| place.split_whitespace().any(|word| word == uname);
        let by_node = match &declared.what {
            What::Node(node) => on_node(&node.uname),
            What::Setting(setting) => is_mode(setting) && setting.node.as_deref().is_some_and(on_node),
            What::Element { .. } => false,
        };
        touched.contains(resource) || by_node
    }) || is_allowed(resource)
}

/// The resources that a declared thing is or names, with all that stand in them or around them.
fn touched(declared: &Declared, cib: &Cib, target: &Cib) -> BTreeSet<String> {
    let What::Element { id, node, .. } = &declared.what else { return BTreeSet::new() };
    let mut names: BTreeSet<String> = BTreeSet::from([id.clone()]);
    names.extend(node.iter().flat_map(references::of).map(|reference| reference.id));
    for cib in [cib, target] {
        // What goes was there before, and what it named counts as well.
        names.extend(cib.with_id(id).into_iter().flat_map(references::of).map(|reference| reference.id));
        let tags = names.iter().flat_map(|name| cib.with_id(name)).filter(|node| node.name == "tag");
        let tagged: Vec<String> = tags.flat_map(references::of).map(|reference| reference.id).collect();
        names.extend(tagged);
        let Some(resources) = cib.section("resources") else { continue };
        resources.children.iter().for_each(|child| add_relatives(child, &mut names));
        let templates = names.clone();
        resources.walk(&mut |node| {
            if node.attribute("template").is_some_and(|template| templates.contains(template)) {
                names.extend(node.id().map(str::to_owned));
            }
        });
    }
    names
}

/// Adds a whole top-level resource where any part of it is meant.
fn add_relatives(top: &Node, names: &mut BTreeSet<String>) {
    let mut parts = BTreeSet::new();
    top.walk(&mut |node| {
        if is_resource(node) {
            parts.extend(node.id().map(str::to_owned));
        }
    });
    if parts.iter().any(|part| names.contains(part)) {
        names.extend(parts);
    }
}

#[cfg(test)]
mod tests {
    use keel_engine::value::{Map, Value};

    use super::*;
    use crate::pacemaker::TYPES;

    #[test]
    fn only_what_takes_a_node_out_asks_for_stops_there() {
        let action = Action::Resource { verb: "stop".to_owned(), resource: "vip".to_owned(), place: "on n1".to_owned() };
        let is_asked_for = |type_name: &str, title: &str, attributes: &[(&str, Value)]| {
            let kind = TYPES.iter().find(|kind| kind.name == type_name).unwrap();
            let attributes: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let declared = Declared::read(&kind.keeps, title, &attributes).unwrap_or_else(|wrong| panic!("{}", wrong.len()));
            super::is_asked_for(&action, &[&declared], &[BTreeSet::new()])
        };
        let of = |node: &str, value: &str| vec![("node", Value::from(node)), ("value", Value::from(value))];
        assert!(is_asked_for("pcmk_node_attribute", "standby", &of("n1", "on")));
        assert!(is_asked_for("pcmk_node_attribute", "maintenance", &of("n1", "true")));
        assert!(!is_asked_for("pcmk_node_attribute", "standby", &of("n2", "on")));
        assert!(!is_asked_for("pcmk_node_attribute", "rack", &of("n1", "b")));
        let offered = [of("n1", "1024"), vec![("utilization", Value::Bool(true))]].concat();
        assert!(!is_asked_for("pcmk_node_attribute", "standby", &offered));
        assert!(is_asked_for("pcmk_node", "n1", &[("standby", Value::Bool(true))]));
    }
}
