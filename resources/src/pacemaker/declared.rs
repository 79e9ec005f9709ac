//! One resource of a catalog as a part of the cluster's configuration, and what has to change for it.

use std::collections::BTreeSet;
use std::fmt;

use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, ObserveError};
use keel_engine::value::{Map, Value};

use super::cib::{Cib, has_own_id};
use super::describe;
use super::member_node::MemberNode;
use super::references;
use super::render::{self, Wrong};
use super::setting::{Drawer, Setting};
use super::shape::Shape;
use super::tree::Node;
use super::word::{is_id, text_of};

/// What a type keeps in the CIB.
pub(super) enum Keeps {
    /// Elements with ids of their own.
    Elements(&'static Shape),
    /// Names with values.
    Settings(&'static Drawer),
    /// Nodes of the cluster.
    Nodes,
}

/// A resource of a catalog.
pub(super) struct Declared {
    pub(super) what: What,
    /// Resources of the cluster that may be stopped or moved because of it; `*` for all.
    pub(super) may_stop: Vec<String>,
    /// Names of parameters whose values nobody may see.
    secret: BTreeSet<String>,
}

/// What it is in the CIB.
pub(super) enum What {
    /// An element; without the node where it shall not be there.
    Element {
        shape: &'static Shape,
        tag: &'static str,
        id: String,
        node: Option<Node>,
    },
    Setting(Setting),
    Node(MemberNode),
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Element { tag, id, .. } => write!(f, "the {tag} {id}"),
            What::Setting(setting) => write!(f, "the setting {}", setting.name),
            What::Node(node) => write!(f, "the node {}", node.uname),
        }
    }
}

impl Declared {
    /// Reads attributes that have the right types.
    ///
    /// # Errors
    /// Everything else that is wrong with them.
    pub(super) fn read(keeps: &Keeps, title: &str, attributes: &Map) -> Result<Self, Vec<Wrong>> {
        let what = match keeps {
            Keeps::Settings(drawer) => What::Setting(Setting::read(drawer, title, attributes)?),
            Keeps::Nodes => What::Node(MemberNode::read(title, attributes)?),
            Keeps::Elements(shape) => {
                let id = attributes.get("id").and_then(text_of).unwrap_or_else(|| title.to_owned());
                let tag = render::tag(shape, attributes);
                if has_own_id(tag) && !is_id(&id) {
                    let message = format!("{id:?} can be no id: letters, digits, `-`, `_` and `.`, a letter first");
                    return Err(vec![Wrong::new("id", message)]);
                }
                let is_absent = attributes.get("ensure").and_then(Value::as_str) == Some("absent");
                let node = if is_absent { None } else { Some(render::element(shape, &id, attributes)?) };
                What::Element { shape, tag, id, node }
            }
        };
        let may_stop = attributes.get("may_stop").map(|value| render::words("may_stop", value)).transpose().map_err(|wrong| vec![wrong])?;
        let mut secret = BTreeSet::new();
        attributes.iter().for_each(|(name, value)| note_secrets(name, value, &mut secret));
        Ok(Self { what, may_stop: may_stop.unwrap_or_default(), secret })
    }

    pub(super) fn footprint(&self) -> Footprint {
        match &self.what {
            What::Element { tag, id, node, .. } => {
                let key = if has_own_id(tag) { format!("cib:{id}") } else { format!("cib:{tag}/{id}") };
                let own = Footprint::default().own(key);
                node.iter().flat_map(references::of).fold(own, |footprint, reference| footprint.need(format!("cib:{}", reference.id)))
            }
            What::Setting(setting) => {
                let drawer = format!("{}/{}", setting.drawer.section, setting.drawer.tag);
                let set = setting.set.as_deref().unwrap_or_default();
                let key = format!("cib:{drawer}/{}/{set}/{}", setting.node.as_deref().unwrap_or_default(), setting.name);
                let footprint = Footprint::default().own(key);
                match &setting.node {
                    Some(node) => footprint.need(format!("cib:nodes/{node}")),
                    None => footprint,
                }
            }
            What::Node(node) => Footprint::default().own(format!("cib:nodes/{}", node.uname)),
        }
    }

    /// What has to change.
    ///
    /// # Errors
    /// What is there cannot be said in a manifest, or is not known yet.
    pub(super) fn changes(&self, cib: &Cib, referenced: &BTreeSet<String>) -> Result<Vec<Change>, ObserveError> {
        let (found, wanted) = match &self.what {
            What::Setting(setting) => (setting.find(cib)?, setting.wanted()),
            What::Node(node) => (node.find(cib)?, Some(node.wanted())),
            What::Element { shape, tag, id, node } => {
                let say = |node: &Node| describe::element(shape, node, referenced).map_err(Failure::from);
                let found = cib.element(shape, id);
                let others = if has_own_id(tag) { cib.with_id(id) } else { Vec::new() };
                if let (None, Some(other), Some(_)) = (found, others.first(), node) {
                    let failure = Failure::new(format!("the id {id} is taken by {other} in the cluster"));
                    return Err(failure.help("give it another id").into());
                }
                // What goes need not be understood.
                let found = if node.is_none() { found.map(|_| Map::new()) } else { found.map(say).transpose()? };
                (found, node.as_ref().map(say).transpose()?)
            }
        };
        Ok(self.between(found.as_ref(), wanted.as_ref()))
    }

    fn between(&self, found: Option<&Map>, wanted: Option<&Map>) -> Vec<Change> {
        let nothing = Map::new();
        let mut changes = Vec::new();
        match (found, wanted) {
            (None, None) => return changes,
            (Some(_), None) => return vec![Change::delete("ensure", "present")],
            (None, Some(_)) => changes.push(Change::create("ensure", "present")),
            (Some(_), Some(_)) => {}
        }
        self.compare("", found.unwrap_or(&nothing), wanted.unwrap_or(&nothing), &mut changes);
        changes
    }

    fn compare(&self, path: &str, found: &Map, wanted: &Map, changes: &mut Vec<Change>) {
        let nothing = Map::new();
        let keys: Vec<&String> = wanted.keys().chain(found.keys().filter(|key| !wanted.contains_key(*key))).collect();
        for key in keys {
            let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (found.get(key), wanted.get(key)) {
                (before, after) if before == after => {}
                (Some(Value::Map(before)), Some(Value::Map(after))) => self.compare(&name, before, after, changes),
                (None, Some(Value::Map(after))) if !after.is_empty() => self.compare(&name, &nothing, after, changes),
                (Some(Value::Map(before)), None) if !before.is_empty() => self.compare(&name, before, &nothing, changes),
                (before, after) => changes.push(Change::between(&name, self.shown(key, before), self.shown(key, after))),
            }
        }
    }

    fn shown(&self, key: &str, value: Option<&Value>) -> Shown {
        let Some(value) = value else { return Shown::Absent };
        let text = text_of(value).unwrap_or_default();
        let name = match &self.what {
            What::Setting(setting) => setting.name.as_str(),
            What::Element { .. } | What::Node(_) => key,
        };
        let is_secret = self.secret.contains(key) || crate::ini::looks_secret(name, &text);
        if is_secret { Shown::Hidden } else { Shown::Value(value.clone()) }
    }
}

/// Collects the names under which secrets stand.
fn note_secrets(name: &str, value: &Value, secret: &mut BTreeSet<String>) {
    match value {
        Value::Secret(_) | Value::Sealed(_) => drop(secret.insert(name.to_owned())),
        Value::Map(map) => map.iter().for_each(|(name, value)| note_secrets(name, value, secret)),
        Value::List(items) => items.iter().for_each(|value| note_secrets(name, value, secret)),
        _ => {}
    }
}
