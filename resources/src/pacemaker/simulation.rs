//! What Pacemaker would do with a configuration, from its own simulation.

use std::collections::BTreeSet;
use std::fmt;

use keel_engine::resource::Failure;

use super::tree::Node;

/// Something that Pacemaker would do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// It does this to a resource.
    Resource { verb: String, resource: String, place: String },
    /// It does this to a node, such as fencing it.
    Node { verb: String, node: String },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Resource { verb, resource, place } if place.is_empty() => write!(f, "{verb} {resource}"),
            Action::Resource { verb, resource, place } => write!(f, "{verb} {resource} {place}"),
            Action::Node { verb, node } => write!(f, "{verb} the node {node}"),
        }
    }
}

impl Action {
    /// Whether it ends something that runs.
    pub(super) fn is_disruptive(&self) -> bool {
        match self {
            Action::Resource { verb, .. } => matches!(verb.as_str(), "stop" | "move" | "migrate" | "restart" | "recover" | "demote"),
            Action::Node { verb, .. } => verb.starts_with("fence"),
        }
    }
}

/// Reads what `crm_simulate --run --output-as=xml` prints.
///
/// # Errors
/// It is not what was expected.
pub(super) fn actions(text: &str) -> Result<Vec<Action>, Failure> {
    let root = Node::parse(text).map_err(|failure| Failure::new(format!("crm_simulate printed no XML: {}", failure.message)))?;
    let listed = root.child("actions").map(|actions| actions.children.as_slice()).unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut ordered = Vec::new();
    for node in listed {
        let Some(action) = action(node) else { continue };
        if found.insert(action.clone()) {
            ordered.push(action);
        }
    }
    Ok(ordered)
}

fn action(node: &Node) -> Option<Action> {
    let of = |name: &str| node.attribute(name).map(str::to_owned);
    match node.name.as_str() {
        "rsc_action" => {
            let verb = of("action").or_else(|| of("op"))?.to_lowercase();
            // An instance of a clone is `name:0`.
            let resource = of("resource")?;
            let resource = resource.split(':').next().unwrap_or_default().to_owned();
            let (from, to) = (of("source").or_else(|| of("node")), of("dest"));
            let place = match (from, to) {
                (Some(from), Some(to)) if from != to => format!("from {from} to {to}"),
                (Some(node), _) | (None, Some(node)) => format!("on {node}"),
                (None, None) => String::new(),
            };
            (verb != "leave" && verb != "none").then_some(Action::Resource { verb, resource, place })
        }
        "node_action" => Some(Action::Node { verb: of("task")?.to_lowercase(), node: of("node")? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_moves_and_fences_are_read() {
        let text = "<pacemaker-result><cluster_status/><actions>\
            <rsc_action action='start' resource='db:0' node='n1'/><rsc_action action='start' resource='db:1' node='n2'/>\
            <rsc_action action='move' resource='vip' source='n1' dest='n2'/>\
            <node_action task='Fence (reboot)' node='n3' reason='peer is lost'/></actions></pacemaker-result>";
        let actions = actions(text).unwrap();
        let said: Vec<String> = actions.iter().map(Action::to_string).collect();
        assert_eq!(said, ["start db on n1", "start db on n2", "move vip from n1 to n2", "fence (reboot) the node n3"]);
        assert_eq!(actions.iter().map(Action::is_disruptive).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(super::actions("Error").is_err());
    }
}
