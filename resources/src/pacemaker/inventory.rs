//! What is in a cluster's configuration, in the words of manifests. What they cannot say is refused by
//! name, so that nothing is lost on the way.

use std::collections::BTreeSet;

use keel_engine::resource::{Described, Failure};
use keel_engine::value::{Map, Value};

use super::TYPES;
use super::cib::{Cib, has_own_id, is_nameless, is_set};
use super::declared::Keeps;
use super::describe::{self, Unsayable};
use super::door::Door;
use super::member_node;
use super::references;
use super::setting::{self, UTILIZATION};
use super::shape::Shape;
use super::tree::Node;
use super::word::text_of;
use crate::host::Host;
use crate::ini::looks_secret;

/// Properties that Pacemaker and its tools set by themselves.
const OF_THE_CLUSTER: [&str; 5] = ["dc-version", "cluster-infrastructure", "cluster-name", "have-watchdog", "last-lrm-refresh"];

/// Attributes of a <cib> in which Pacemaker keeps its own books. Others are configuration, such as `remote-tls-port`.
const BOOKKEEPING: [&str; 12] = [
    "admin_epoch",
    "epoch",
    "num_updates",
    "validate-with",
    "crm_feature_set",
    "have-quorum",
    "dc-uuid",
    "cib-last-written",
    "update-origin",
    "update-client",
    "update-user",
    "execution-date",
];

/// Everything that a type keeps, or the things of one title.
///
/// # Errors
/// The configuration cannot be read, or holds what no manifest can say.
pub(super) fn of_type(host: &Host, keeps: &Keeps, title: Option<&str>) -> Result<Vec<Described>, Failure> {
    let door = Door::of(host);
    let cib = match door.query() {
        Ok(cib) => cib,
        // A host without a cluster has nothing of it.
        Err(keel_engine::resource::ObserveError::NotYet(_)) if host.cib().is_none() => return Ok(Vec::new()),
        Err(error) => return Err(error.failure().clone()),
    };
    let mut found = described(keeps, &cib)?;
    if let Some(title) = title {
        found.retain(|thing| thing.title == title);
    }
    Ok(found)
}

/// What of a type may go where nobody declares it: everything but what the cluster says of itself, and what an
/// operator told a node for a while.
///
/// # Errors
/// The configuration cannot be read, or holds what no manifest can say.
pub(super) fn removable(host: &Host, keeps: &Keeps) -> Result<Vec<Described>, Failure> {
    let mut found = of_type(host, keeps, None)?;
    if let Keeps::Settings(drawer) = keeps {
        let stays: &[&str] = match drawer.section {
            "crm_config" => &OF_THE_CLUSTER,
            "nodes" => &member_node::MODES,
            _ => &[],
        };
        found.retain(|thing| {
            let name = thing.attributes.get("name").and_then(Value::as_str).unwrap_or(&thing.title);
            !stays.contains(&name)
        });
    }
    Ok(found)
}

/// Where something in a cluster looks like a password, by the names that it stands under. Nobody there marks what is
/// secret, and without it what is described would not be what is there.
pub fn passwords(thing: &Described) -> Vec<String> {
    let mut found = Vec::new();
    // A setting's value stands under the setting's name.
    let name = thing.attributes.get("name").and_then(Value::as_str).unwrap_or(&thing.title);
    for (attribute, value) in &thing.attributes {
        let meant = if attribute == "value" { name } else { attribute };
        note_passwords(attribute, meant, value, &mut found);
    }
    found
}

fn note_passwords(path: &str, name: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Map(map) => map.iter().for_each(|(name, value)| note_passwords(&format!("{path}.{name}"), name, value, found)),
        Value::List(_) => {}
        value => found.extend(text_of(value).filter(|text| looks_secret(name, text)).map(|_| path.to_owned())),
    }
}

pub(super) fn described(keeps: &Keeps, cib: &Cib) -> Result<Vec<Described>, Unsayable> {
    let referenced = cib.referenced();
    match keeps {
        Keeps::Elements(shape) => cib.elements(shape).into_iter().map(|node| described_element(shape, node, &referenced)).collect(),
        Keeps::Nodes => Ok(member_node::all(cib)?.into_iter().map(|(title, attributes)| Described { title, attributes }).collect()),
        Keeps::Settings(drawer) => {
            let mut words = setting::all(drawer, cib, &referenced)?;
            if drawer.section == "nodes" {
                words.extend(setting::all(&UTILIZATION, cib, &referenced)?);
            }
            Ok(titled(words))
        }
    }
}

fn described_element(shape: &Shape, node: &Node, referenced: &BTreeSet<String>) -> Result<Described, Unsayable> {
    let title = node.id().ok_or_else(|| Unsayable::of(node, "has no id"))?.to_owned();
    Ok(Described { title, attributes: describe::element(shape, node, referenced)? })
}

/// Settings under titles of their own: the name, with the node or set in front where one is needed.
fn titled(settings: Vec<Map>) -> Vec<Described> {
    let text = |map: &Map, name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::with_capacity(settings.len());
    for mut attributes in settings {
        let name = text(&attributes, "name").unwrap_or_default();
        let words = [text(&attributes, "node"), text(&attributes, "set"), Some(name.clone())];
        let mut title = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        while !taken.insert(title.clone()) {
            title.push_str(" utilization");
        }
        if title == name {
            attributes.shift_remove("name");
        }
        found.push(Described { title, attributes });
    }
    found
}

/// What of a host's cluster configuration no manifest can say, beside what single types refuse.
///
/// # Errors
/// The configuration cannot be read.
pub fn unsayable(host: &Host) -> Result<Vec<String>, Failure> {
    let cib = Door::of(host).query().map_err(|error| error.failure().clone())?;
    Ok(nowhere(&cib))
}

/// Attributes and elements that belong to no type, and references to what no manifest names.
pub(super) fn nowhere(cib: &Cib) -> Vec<String> {
    let set_by_hand = cib.root.attributes.keys().filter(|name| !BOOKKEEPING.contains(&name.as_str()));
    let mut odd: Vec<String> = set_by_hand.map(|name| format!("{} has the attribute {name}", cib.root)).collect();
    odd.extend(
        cib.configuration()
            .and_then(|configuration| configuration.attributes.keys().next())
            .map(|name| format!("<configuration> has the attribute {name}")),
    );
    for section in cib.configuration().map(|configuration| configuration.children.as_slice()).unwrap_or_default() {
        if !section.attributes.is_empty() {
            odd.push(format!("<{}> has attributes", section.name));
        }
        odd.extend(
            section.children.iter().filter(|child| !is_kept(&section.name, child)).map(|child| format!("<{}> holds {child}", section.name)),
        );
    }
    let known = sayable_ids(cib);
    let Some(configuration) = cib.configuration() else { return odd };
    for section in &configuration.children {
        for node in &section.children {
            let lost = references::of(node).into_iter().find(|reference| !known.contains(reference.id.as_str()));
            odd.extend(lost.map(|reference| format!("{node} refers to {}, whose id is not kept", reference.id)));
            // Pacemaker would refuse it just as well.
            odd.extend(references::dangling(node, cib).map(|failure| format!("{node}: {}", failure.message)));
        }
    }
    odd
}

fn is_kept(section: &str, child: &Node) -> bool {
    TYPES.iter().any(|kind| match &kind.keeps {
        Keeps::Elements(shape) => shape.section == section && shape.is_tag(&child.name),
        Keeps::Settings(drawer) => drawer.section == section && drawer.section != "nodes" && drawer.tag == child.name,
        Keeps::Nodes => section == "nodes" && child.name == "node",
    })
}

/// The ids that are there again in a configuration made from manifests.
fn sayable_ids(cib: &Cib) -> BTreeSet<&str> {
    let referenced = cib.referenced();
    let mut ids = BTreeSet::new();
    let Some(configuration) = cib.configuration() else { return ids };
    configuration.walk(&mut |node| {
        let is_kept = !is_nameless(&node.name) || (is_set(&node.name) && node.id().is_some_and(|id| referenced.contains(id)));
        if has_own_id(&node.name) && is_kept {
            ids.extend(node.id());
        }
    });
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_the_whole_that_are_configuration_are_named() {
        let of = |attributes: &str| nowhere(&Cib::parse(&format!("<cib {attributes}><configuration/></cib>")).unwrap());
        let books = "crm_feature_set='3.16.1' validate-with='pacemaker-3.9' epoch='7' num_updates='0' admin_epoch='0' \
            cib-last-written='Mon' update-origin='n1' update-client='crm' update-user='root' have-quorum='1' dc-uuid='1'";
        assert_eq!(of(books), Vec::<String>::new());
        let ports = of("epoch='7' remote-tls-port='9898' remote-clear-port='9899'");
        assert_eq!(ports, ["<cib> has the attribute remote-tls-port", "<cib> has the attribute remote-clear-port"]);
    }
}
