//! A single name with its value in the CIB: a property of the cluster, a default, an attribute of a node.

use std::collections::BTreeSet;

use keel_engine::resource::{Failure, ObserveError};
use keel_engine::value::{Map, Value};

use super::cib::Cib;
use super::describe::Unsayable;
use super::pairs;
use super::render::{Wrong, single};
use super::rule;
use super::tree::Node;
use super::word::{as_id, is_id, text_of, value_of};

/// Where settings of a type stand.
pub(super) struct Drawer {
    /// The part of the configuration; in `nodes` each node has its own.
    pub(super) section: &'static str,
    /// The name of their sets.
    pub(super) tag: &'static str,
    /// The id of the set that is made where there is none; behind the node's name and a dash for nodes.
    pub(super) default_set: &'static str,
}

/// A node's utilization, beside its attributes.
pub(super) const UTILIZATION: Drawer = Drawer { section: "nodes", tag: "utilization", default_set: "utilization" };

/// What a manifest says of a setting.
pub(super) struct Setting {
    pub(super) drawer: &'static Drawer,
    /// The node that has it, in `nodes`.
    pub(super) node: Option<String>,
    pub(super) name: String,
    /// None where it shall not be there.
    pub(super) value: Option<String>,
    /// The set; none for the first one without a rule.
    pub(super) set: Option<String>,
    /// What makes a set count, and before which others: only where the manifest names the set.
    pub(super) conditions: Map,
}

impl Setting {
    /// Reads a manifest whose attributes have the right types.
    ///
    /// # Errors
    /// The rule is none, or there are conditions and no set for them.
    pub(super) fn read(drawer: &'static Drawer, title: &str, attributes: &Map) -> Result<Self, Vec<Wrong>> {
        let text = |name: &str| attributes.get(name).and_then(text_of);
        let is_utilization = attributes.get("utilization") == Some(&Value::Bool(true));
        let drawer = if is_utilization { &UTILIZATION } else { drawer };
        let set = text("set");
        let is_absent = text("ensure").as_deref() == Some("absent");
        let mut conditions = Map::new();
        for name in ["score", "rule"] {
            if let Some(value) = attributes.get(name) {
                conditions.insert(name.to_owned(), value.clone());
            }
        }
        if !conditions.is_empty() && set.is_none() {
            return Err(vec![Wrong::new("set", "is needed where there is a rule or score: they hold for the whole set")]);
        }
        if let Some(value) = conditions.get_mut("rule") {
            let made = rule::render("rule", value).map_err(|message| vec![Wrong::new("rule", message)])?;
            *value = rule::describe(&made).map_err(|Unsayable(what)| vec![Wrong::new("rule", what)])?;
        }
        if !is_absent && !attributes.contains_key("value") {
            return Err(vec![Wrong::new("value", "is required and not given")]);
        }
        let name = text("name").unwrap_or_else(|| title.to_owned());
        let value = text("value").filter(|_| !is_absent);
        Ok(Self { drawer, node: text("node"), name, value, set, conditions })
    }

    /// What holds the sets; none where the cluster does not know the node, which may come with the same patch.
    fn holder<'c>(&self, cib: &'c Cib) -> Option<&'c Node> {
        match &self.node {
            None => cib.section(self.drawer.section),
            Some(uname) => cib.node(uname),
        }
    }

    fn default_set(&self) -> String {
        match &self.node {
            Some(node) => {
                let node = as_id(node);
                // No id may begin with a digit, as the names of hosts do.
                let start = if is_id(&node) { "" } else { "node-" };
                format!("{start}{node}-{}", self.drawer.default_set)
            }
            None => self.drawer.default_set.to_owned(),
        }
    }

    fn is_set(&self, node: &Node) -> bool {
        node.name == self.drawer.tag
            && match &self.set {
                Some(set) => node.id() == Some(set),
                None => is_unconditional(node),
            }
    }

    /// What of it is there, in the words of a manifest; none where it is not.
    ///
    /// # Errors
    /// The set holds what no manifest can say.
    pub(super) fn find(&self, cib: &Cib) -> Result<Option<Map>, ObserveError> {
        let Some(set) = self.holder(cib).and_then(|holder| holder.children.iter().find(|node| self.is_set(node))) else {
            return Ok(None);
        };
        let pairs: Vec<&Node> = set.named("nvpair").filter(|pair| pair.attribute("name") == Some(&self.name)).collect();
        let pair = match pairs.as_slice() {
            [] => return Ok(None),
            [one] => one,
            _ => return Err(Failure::new(format!("{set} has {} twice", self.name)).help("remove one of them by hand").into()),
        };
        let mut found = Map::from_iter([("value".to_owned(), pair.attribute("value").map_or(Value::Null, value_of))]);
        if self.set.is_some() {
            let inside = pairs::inside(set).map_err(|unsayable| ObserveError::Failed(unsayable.into()))?;
            found.extend(inside.into_iter().filter(|(name, _)| name != "values"));
        }
        Ok(Some(found))
    }

    /// What shall be, in the words of a manifest; none where it shall not be there.
    pub(super) fn wanted(&self) -> Option<Map> {
        let value = self.value.as_deref()?;
        let mut wanted = Map::from_iter([("value".to_owned(), value_of(value))]);
        wanted.extend(self.conditions.iter().map(|(name, value)| (name.clone(), value_of_condition(value))));
        Some(wanted)
    }

    /// Puts it into a configuration, or takes it out.
    ///
    /// # Errors
    /// The cluster does not know the node.
    pub(super) fn put(&self, cib: &mut Cib) -> Result<(), Failure> {
        let default_set = self.default_set();
        let configuration = cib.configuration_mut();
        let section = configuration.child_or_new(self.drawer.section);
        let holder = match &self.node {
            None => section,
            Some(uname) => {
                section.children.iter_mut().find(|node| node.attribute("uname") == Some(uname)).ok_or_else(|| unknown_node(uname))?
            }
        };
        let at = holder.children.iter().position(|node| self.is_set(node));
        let Some(value) = &self.value else {
            if let Some(set) = at.and_then(|at| holder.children.get_mut(at)) {
                set.children.retain(|pair| pair.name != "nvpair" || pair.attribute("name") != Some(&self.name));
            }
            holder.children.retain(|node| !self.is_set(node) || node.child("nvpair").is_some());
            return Ok(());
        };
        let at = at.unwrap_or_else(|| {
            let id = self.set.clone().unwrap_or(default_set);
            holder.children.push(Node::new(self.drawer.tag).with("id", id));
            holder.children.len() - 1
        });
        let Some(set) = holder.children.get_mut(at) else { return Ok(()) };
        if self.set.is_some() {
            self.put_conditions(set).map_err(Failure::new)?;
        }
        let id = set.id().unwrap_or_default().to_owned();
        match set.children.iter_mut().find(|pair| pair.name == "nvpair" && pair.attribute("name") == Some(&self.name)) {
            Some(pair) => pair.set("value", value.as_str()),
            None => {
                let pair = Node::new("nvpair").with("id", format!("{id}-{}", as_id(&self.name))).with("name", self.name.as_str());
                set.children.push(pair.with("value", value.as_str()));
            }
        }
        Ok(())
    }

    fn put_conditions(&self, set: &mut Node) -> Result<(), String> {
        match self.conditions.get("score").and_then(text_of) {
            Some(score) => set.set("score", score),
            None => drop(set.attributes.shift_remove("score")),
        }
        let id = format!("{}-rule", set.id().unwrap_or_default());
        let old = set.child("rule").map(rule::describe).transpose().ok().flatten();
        let wanted = self.conditions.get("rule");
        if old.as_ref() == wanted {
            return Ok(());
        }
        set.children.retain(|child| child.name != "rule");
        if let Some(wanted) = wanted {
            set.children.insert(0, rule::render(&id, wanted)?);
        }
        Ok(())
    }
}

fn value_of_condition(value: &Value) -> Value {
    text_of(value).map_or_else(|| value.clone(), |text| value_of(&text))
}

fn is_unconditional(set: &Node) -> bool {
    set.child("rule").is_none() && set.attribute("id-ref").is_none()
}

fn unknown_node(uname: &str) -> Failure {
    Failure::new(format!("the cluster does not know a node {uname}"))
        .help("a node is known once it has joined; a pcmk_node with an id makes it known before")
}

/// All settings of a drawer in a configuration: the words that mean each, its name first.
///
/// # Errors
/// What no manifest can say.
pub(super) fn all(drawer: &'static Drawer, cib: &Cib, referenced: &BTreeSet<String>) -> Result<Vec<Map>, Unsayable> {
    let Some(section) = cib.section(drawer.section) else { return Ok(Vec::new()) };
    let holders: Vec<&Node> = if drawer.section == "nodes" { section.children.iter().collect() } else { vec![section] };
    let mut found = Vec::new();
    for holder in holders {
        let sets: Vec<&Node> = holder.named(drawer.tag).collect();
        let first = sets.iter().position(|set| is_unconditional(set));
        for (at, set) in sets.iter().enumerate() {
            let inside = pairs::inside(set)?;
            let is_plain = first == Some(at) && !inside.contains_key("score") && !set.id().is_some_and(|id| referenced.contains(id));
            for (name, value) in names(&inside) {
                if *value == Value::Null {
                    return Err(Unsayable::of(set, format!("has {name} without a value")));
                }
                let mut words = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
                words.extend(holder.attribute("uname").map(|uname| ("node".to_owned(), Value::from(uname))));
                words.insert("value".to_owned(), value.clone());
                if !is_plain {
                    words.insert("set".to_owned(), Value::from(set.id().unwrap_or_default()));
                    words.extend(inside.iter().filter(|(name, _)| *name != "values").map(|(name, value)| (name.clone(), value.clone())));
                }
                if drawer.tag == UTILIZATION.tag {
                    words.insert("utilization".to_owned(), Value::Bool(true));
                }
                found.push(words);
            }
        }
    }
    Ok(found)
}

fn names(inside: &Map) -> impl Iterator<Item = (&String, &Value)> {
    let values = match inside.get("values") {
        Some(Value::Map(values)) => Some(values.iter()),
        _ => None,
    };
    values.into_iter().flatten()
}

/// The value of a manifest's attribute that has to be a single one.
pub(super) fn word(attributes: &Map, name: &str) -> Result<Option<String>, Wrong> {
    attributes.get(name).filter(|value| **value != Value::Null).map(|value| single(name, value)).transpose()
}
