//! A node of the cluster, as far as its entry in the CIB goes.

use keel_engine::resource::{Failure, ObserveError};
use keel_engine::value::{Map, Value};

use super::cib::Cib;
use super::describe::Unsayable;
use super::render::Wrong;
use super::setting::{Drawer, Setting, word};
use super::tree::Node;
use super::word::value_of;

/// Where the attributes of nodes stand.
pub(super) const ATTRIBUTES: Drawer = Drawer { section: "nodes", tag: "instance_attributes", default_set: "instance_attributes" };

/// The attributes of a node that are words of `pcmk_node`.
pub(super) const MODES: [&str; 2] = ["standby", "maintenance"];

/// Whether a setting says of a node that nothing runs there, or that nobody looks after it.
pub(super) fn is_mode(setting: &Setting) -> bool {
    setting.drawer.tag == ATTRIBUTES.tag && MODES.contains(&setting.name.as_str())
}

/// What the entry itself may say.
const OWN: [&str; 4] = ["id", "type", "description", "score"];

/// What a manifest says of a node; what it does not say is left as it is.
pub(super) struct MemberNode {
    pub(super) uname: String,
    own: Map,
    modes: Vec<(String, Setting)>,
}

impl MemberNode {
    /// Reads a manifest whose attributes have the right types.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read(title: &str, attributes: &Map) -> Result<Self, Vec<Wrong>> {
        let uname = word(attributes, "uname").map_err(|wrong| vec![wrong])?.unwrap_or_else(|| title.to_owned());
        let mut own = Map::new();
        for name in OWN {
            if let Some(text) = word(attributes, name).map_err(|wrong| vec![wrong])? {
                own.insert(name.to_owned(), Value::from(text));
            }
        }
        let mut modes = Vec::new();
        for name in MODES {
            let Some(value) = attributes.get(name).filter(|value| **value != Value::Null) else { continue };
            let words = Map::from_iter([
                ("node".to_owned(), Value::from(uname.as_str())),
                ("name".to_owned(), Value::from(name)),
                ("value".to_owned(), value.clone()),
            ]);
            modes.push((name.to_owned(), Setting::read(&ATTRIBUTES, name, &words)?));
        }
        Ok(Self { uname, own, modes })
    }

    /// What of the declared is there; none where the cluster does not know the node.
    ///
    /// # Errors
    /// The cluster does not know the node, and the manifest does not say its id.
    pub(super) fn find(&self, cib: &Cib) -> Result<Option<Map>, ObserveError> {
        let Some(node) = cib.node(&self.uname) else {
            return match self.own.contains_key("id") {
                true => Ok(None),
                false => {
                    let failure = Failure::new(format!("the cluster does not know a node {}", self.uname));
                    Err(ObserveError::NotYet(failure.help("it has to join first; or give its `id`, the nodeid of corosync.conf")))
                }
            };
        };
        let mut found: Map = self.own.keys().filter_map(|name| Some((name.clone(), own_value(name, node.attribute(name)?)))).collect();
        for (name, mode) in &self.modes {
            if let Some(value) = mode.find(cib)?.and_then(|mut map| map.shift_remove("value")) {
                found.insert(name.clone(), value);
            }
        }
        Ok(Some(found))
    }

    pub(super) fn wanted(&self) -> Map {
        let own = self.own.iter().map(|(name, value)| (name.clone(), value.as_str().map_or(Value::Null, |text| own_value(name, text))));
        let modes = self.modes.iter().filter_map(|(name, mode)| Some((name.clone(), mode.wanted()?.shift_remove("value")?)));
        own.chain(modes).collect()
    }

    /// Puts it into a configuration.
    ///
    /// # Errors
    /// The entry cannot be made.
    pub(super) fn put(&self, cib: &mut Cib) -> Result<(), Failure> {
        let nodes = cib.configuration_mut().child_or_new("nodes");
        if !nodes.children.iter().any(|node| node.attribute("uname") == Some(&self.uname)) {
            nodes.children.push(Node::new("node").with("uname", self.uname.as_str()));
        }
        if let Some(node) = nodes.children.iter_mut().find(|node| node.attribute("uname") == Some(&self.uname)) {
            for (name, value) in &self.own {
                node.set(name, value.as_str().unwrap_or_default());
            }
        }
        self.modes.iter().try_for_each(|(_, mode)| mode.put(cib))
    }
}

/// What a manifest would write for a word of the entry: a description is a text even where it looks like a number.
fn own_value(name: &str, text: &str) -> Value {
    if name == "description" { Value::from(text) } else { value_of(text) }
}

/// What manifests say of all nodes, by their names.
///
/// # Errors
/// What no manifest can say.
pub(super) fn all(cib: &Cib) -> Result<Vec<(String, Map)>, Unsayable> {
    let Some(nodes) = cib.section("nodes") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for node in &nodes.children {
        let uname = node.attribute("uname").filter(|_| node.name == "node").ok_or_else(|| Unsayable::of(nodes, format!("holds {node}")))?;
        let odd = node.attributes.keys().find(|name| *name != "uname" && !OWN.contains(&name.as_str()));
        if let Some(odd) = odd {
            return Err(Unsayable::of(node, format!("has the attribute {odd}")));
        }
        if let Some(child) = node.children.iter().find(|child| !matches!(child.name.as_str(), "instance_attributes" | "utilization")) {
            return Err(Unsayable::of(node, format!("holds {child}")));
        }
        let words = OWN.iter().filter_map(|name| Some(((*name).to_owned(), own_value(name, node.attribute(name)?))));
        found.push((uname.to_owned(), words.collect()));
    }
    Ok(found)
}
