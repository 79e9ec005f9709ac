//! From elements to manifests. What manifests cannot say is refused by name: nothing is ever dropped.

use std::collections::BTreeSet;

use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};

use super::pairs;
use super::render::MEMBER;
use super::rule;
use super::shape::{OPERATION, Part, RESOURCE_TAGS, Shape, Tag};
use super::tree::Node;
use super::word::value_of;

/// What of an element no manifest can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsayable(pub(super) String);

impl Unsayable {
    pub(super) fn of(node: &Node, what: impl std::fmt::Display) -> Self {
        Self(format!("{node} {what}"))
    }
}

impl From<Unsayable> for Failure {
    fn from(unsayable: Unsayable) -> Self {
        Failure::new(format!("manifests cannot say that {}", unsayable.0)).help("change that part of the cluster's configuration by hand")
    }
}

/// The attributes of a manifest that mean this element, without its id. Sets whose ids are referenced
/// from elsewhere keep them; other ids of what is inside mean nothing.
pub(super) fn element(shape: &Shape, node: &Node, referenced: &BTreeSet<String>) -> Result<Map, Unsayable> {
    let mut map = Map::new();
    if let Tag::By { attribute, tags } = &shape.tag
        && let Some(at) = tags.iter().position(|(_, tag)| *tag == node.name)
        && (at > 0 || *attribute == "kind")
        && let Some((value, _)) = tags.get(at)
    {
        map.insert((*attribute).to_owned(), value_of(value));
    }
    map.extend(Reading { node, owner: node.id().unwrap_or_default(), referenced }.parts(shape.parts)?);
    Ok(map)
}

struct Reading<'n> {
    node: &'n Node,
    /// The id from which those inside are made.
    owner: &'n str,
    referenced: &'n BTreeSet<String>,
}

impl<'n> Reading<'n> {
    fn parts(&self, parts: &[Part]) -> Result<Map, Unsayable> {
        let mut map = Map::new();
        for part in parts {
            self.part(part, &mut map)?;
        }
        let known_attribute = |name: &str| name == "id" || parts.iter().any(|part| holds_attribute(part, name));
        if let Some(name) = self.node.attributes.keys().find(|name| !known_attribute(name)) {
            return Err(Unsayable::of(self.node, format!("has the attribute {name}")));
        }
        if let Some(child) = self.node.children.iter().find(|child| !parts.iter().any(|part| holds_child(part, &child.name))) {
            return Err(Unsayable::of(self.node, format!("holds {child}")));
        }
        Ok(map)
    }

    fn part(&self, part: &Part, map: &mut Map) -> Result<(), Unsayable> {
        let node = self.node;
        let names = part.names();
        let name = names.first().cloned().unwrap_or_default();
        let value = match part {
            Part::Attribute(attribute) => node.attribute(attribute).map(value_of),
            Part::Text(attribute) => node.attribute(attribute).map(Value::from),
            Part::List { attribute, .. } => {
                node.attribute(attribute).map(|text| Value::List(text.split(',').map(|word| Value::from(word.trim())).collect()))
            }
            Part::Agent => agent(node)?,
            Part::Pairs { name, tag } => {
                map.extend(pairs::describe(name, tag_children(node, tag).as_slice(), self.referenced)?);
                None
            }
            Part::Operations => self.operations()?,
            Part::Rule { .. } => rules(node)?,
            Part::Names { wrapper, tag, attribute, .. } => self.names(*wrapper, tag, attribute)?,
            Part::Members { .. } => members(node),
            Part::One { tag, parts, .. } => self.one(tag, parts)?,
            Part::Keyed { tag, parts, .. } => self.keyed(tag, parts)?,
            Part::Ordered { tag, parts, .. } => self.ordered(tag, parts)?,
            Part::Flag { tag, .. } => match node.child(tag) {
                Some(child) if !child.attributes.is_empty() || !child.children.is_empty() => {
                    return Err(Unsayable::of(child, "has something in it"));
                }
                child => child.map(|_| Value::Bool(true)),
            },
        };
        if let Some(value) = value {
            map.insert(name, value);
        }
        Ok(())
    }

    fn below(&self, node: &'n Node, parts: &[Part]) -> Result<Map, Unsayable> {
        Reading { node, owner: node.id().unwrap_or(self.owner), referenced: self.referenced }.parts(parts)
    }

    fn one(&self, tag: &str, parts: &[Part]) -> Result<Option<Value>, Unsayable> {
        match tag_children(self.node, tag).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(Value::Map(self.below(one, parts)?))),
            _ => Err(Unsayable::of(self.node, format!("holds several <{tag}>"))),
        }
    }

    fn keyed(&self, tag: &str, parts: &[Part]) -> Result<Option<Value>, Unsayable> {
        let mut map = Map::new();
        for child in self.node.named(tag) {
            let mut inside = self.below(child, parts)?;
            let id = child.id().unwrap_or_default();
            let key = id.strip_prefix(self.owner).and_then(|rest| rest.strip_prefix('-')).filter(|rest| !rest.is_empty());
            if key.is_none() {
                inside.insert("id".to_owned(), Value::from(id));
            }
            let key = key.unwrap_or(id);
            // `a-r` and `r` are both the `r` of `a`.
            if map.insert(key.to_owned(), Value::Map(inside)).is_some() {
                return Err(Unsayable::of(self.node, format!("holds several <{tag}> that manifests would call {key}")));
            }
        }
        Ok((!map.is_empty()).then_some(Value::Map(map)))
    }

    fn ordered(&self, tag: &str, parts: &[Part]) -> Result<Option<Value>, Unsayable> {
        let mut map = Map::new();
        for (at, child) in self.node.named(tag).enumerate() {
            map.insert((at + 1).to_string(), Value::Map(self.below(child, parts)?));
        }
        Ok((!map.is_empty()).then_some(Value::Map(map)))
    }

    fn names(&self, wrapper: Option<&str>, tag: &str, attribute: &str) -> Result<Option<Value>, Unsayable> {
        let holder = match wrapper.map(|wrapper| tag_children(self.node, wrapper)).as_deref() {
            None => Some(self.node),
            Some([]) => None,
            Some([holder]) => Some(*holder),
            Some(_) => return Err(Unsayable::of(self.node, format!("holds several <{}>", wrapper.unwrap_or_default()))),
        };
        let Some(holder) = holder else { return Ok(None) };
        let mut names = Vec::new();
        for child in &holder.children {
            let is_known =
                child.name == tag && child.children.is_empty() && child.attributes.keys().all(|name| name == "id" || name == attribute);
            match child.attribute(attribute) {
                Some(name) if is_known => names.push(Value::from(name)),
                _ if child.name != tag && wrapper.is_none() => {}
                _ => return Err(Unsayable::of(holder, format!("holds {child}"))),
            }
        }
        Ok(match (wrapper, names.is_empty()) {
            (_, false) => Some(Value::List(names)),
            (Some(_), true) => Some(Value::Bool(true)),
            (None, true) => None,
        })
    }

    /// Operations by their name, and by their interval and role where there are several of a name.
    fn operations(&self) -> Result<Option<Value>, Unsayable> {
        let holder = match tag_children(self.node, "operations").as_slice() {
            [] => return Ok(None),
            [one] => *one,
            _ => return Err(Unsayable::of(self.node, "holds several <operations>")),
        };
        if let Some(odd) = holder.attributes.keys().find(|name| *name != "id") {
            return Err(Unsayable::of(holder, format!("of {} has the attribute {odd}", self.node)));
        }
        let mut map = Map::new();
        for child in &holder.children {
            let name =
                child.attribute("name").filter(|_| child.name == "op").ok_or_else(|| Unsayable::of(holder, format!("holds {child}")))?;
            let nameless = Node {
                attributes: child
                    .attributes
                    .iter()
                    .filter(|(key, _)| *key != "name")
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
                ..child.clone()
            };
            let mut inside = Reading { node: &nameless, owner: self.owner, referenced: self.referenced }.parts(OPERATION)?;
            if inside.get("interval") == Some(&Value::from("0s")) {
                inside.shift_remove("interval");
            }
            let is_alone = holder.children.iter().filter(|other| other.attribute("name") == Some(name)).count() == 1;
            let words = [Some(name), child.attribute("interval"), child.attribute("role")];
            let long = words.into_iter().flatten().collect::<Vec<_>>().join("-");
            let key = if is_alone { name.to_owned() } else { long };
            if key != name {
                inside.insert("name".to_owned(), Value::from(name));
            }
            if map.insert(key.clone(), Value::Map(inside)).is_some() {
                return Err(Unsayable::of(self.node, format!("has the operation {key} twice")));
            }
        }
        Ok(Some(Value::Map(map)))
    }
}

fn tag_children<'n>(node: &'n Node, tag: &str) -> Vec<&'n Node> {
    node.children.iter().filter(|child| child.name == tag).collect()
}

fn agent(node: &Node) -> Result<Option<Value>, Unsayable> {
    let words: Vec<&str> = ["class", "provider", "type"].into_iter().filter_map(|name| node.attribute(name)).collect();
    let is_ocf = node.attribute("class") == Some("ocf");
    match (node.attribute("template"), words.as_slice()) {
        (None, []) => Ok(None),
        (Some(template), []) => Ok(Some(Value::from(format!("@{template}")))),
        (None, words) if words.len() == 2 + usize::from(is_ocf) => Ok(Some(Value::from(words.join(":")))),
        _ => Err(Unsayable::of(node, "names its agent in an unusual way")),
    }
}

fn rules(node: &Node) -> Result<Option<Value>, Unsayable> {
    let rules: Vec<Value> = node.named("rule").map(rule::describe).collect::<Result<_, _>>()?;
    Ok(match rules.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ => Some(Value::Map(rules.into_iter().enumerate().map(|(at, rule)| ((at + 1).to_string(), as_table(rule))).collect())),
    })
}

fn as_table(rule: Value) -> Value {
    match rule {
        Value::Map(_) => rule,
        text => Value::Map(Map::from_iter([("expression".to_owned(), text)])),
    }
}

/// The resources that stand in an element: a list for those that may hold several.
fn members(node: &Node) -> Option<Value> {
    let is_member = |child: &&Node| child.name == MEMBER || RESOURCE_TAGS.contains(&child.name.as_str());
    let ids: Vec<Value> = node.children.iter().filter(is_member).filter_map(Node::id).map(Value::from).collect();
    match (node.name.as_str(), ids.first()) {
        (_, None) => None,
        ("group", _) => Some(Value::List(ids)),
        (_, Some(first)) => Some(first.clone()),
    }
}

fn holds_attribute(part: &Part, name: &str) -> bool {
    match part {
        Part::Attribute(attribute) | Part::Text(attribute) | Part::List { attribute, .. } => *attribute == name,
        Part::Agent => matches!(name, "class" | "provider" | "type" | "template"),
        _ => false,
    }
}

fn holds_child(part: &Part, name: &str) -> bool {
    match part {
        Part::Pairs { tag, .. } | Part::One { tag, .. } | Part::Keyed { tag, .. } | Part::Ordered { tag, .. } | Part::Flag { tag, .. } => {
            *tag == name
        }
        Part::Names { wrapper: Some(tag), .. } | Part::Names { wrapper: None, tag, .. } => *tag == name,
        Part::Operations => name == "operations",
        Part::Rule { .. } => name == "rule",
        Part::Members { .. } => name == MEMBER || RESOURCE_TAGS.contains(&name),
        Part::Attribute(_) | Part::Text(_) | Part::List { .. } | Part::Agent => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::pacemaker::cib::Cib;
    use crate::pacemaker::inventory::described;
    use crate::pacemaker::{acl, alert, bundle};

    fn refusal(kind: &crate::pacemaker::PacemakerType, configuration: &str) -> String {
        let cib = Cib::parse(&format!("<cib><configuration>{configuration}</configuration></cib>")).unwrap();
        described(&kind.keeps, &cib).unwrap_err().0
    }

    #[test]
    fn two_ids_that_manifests_would_give_one_name_are_refused() {
        let recipients = "<alerts><alert id='a' path='/p'><recipient id='a-r' value='1'/><recipient id='r' value='2'/></alert></alerts>";
        assert_eq!(refusal(&alert::TYPE, recipients), "<alert id=\"a\"> holds several <recipient> that manifests would call r");
        let permissions = "<acls><acl_role id='a'><acl_permission id='r' kind='read' xpath='/1'/>\
            <acl_permission id='a-r' kind='read' xpath='/2'/></acl_role></acls>";
        assert_eq!(refusal(&acl::TYPE, permissions), "<acl_role id=\"a\"> holds several <acl_permission> that manifests would call r");
        let bundle = |inside: &str| format!("<resources><bundle id='b'><podman image='i'/>{inside}</bundle></resources>");
        let ports = bundle("<network><port-mapping id='b-p' port='1'/><port-mapping id='p' port='2'/></network>");
        assert_eq!(refusal(&bundle::TYPE, &ports), "<network> holds several <port-mapping> that manifests would call p");
        let folders = bundle(
            "<storage><storage-mapping id='b-p' source-dir='/1' target-dir='/1'/>\
            <storage-mapping id='p' source-dir='/2' target-dir='/2'/></storage>",
        );
        assert_eq!(refusal(&bundle::TYPE, &folders), "<storage> holds several <storage-mapping> that manifests would call p");
    }
}
