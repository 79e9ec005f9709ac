//! From manifests to elements.

use std::collections::BTreeSet;

use keel_engine::value::{Map, Value};

use super::pairs;
use super::rule;
use super::shape::{OPERATION, Part, Shape, Tag};
use super::tree::Node;
use super::word::{as_id, text_of};

/// What stands in an element for a resource that is a resource of its own.
pub(super) const MEMBER: &str = "member";

/// What is wrong with an attribute of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) attribute: String,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.to_owned(), message: message.into() }
    }

    /// The same, said of the table that it stands in.
    fn within(self, table: &str) -> Self {
        let Self { attribute, message } = self;
        Self { attribute: table.to_owned(), message: format!("`{attribute}` {message}") }
    }
}

/// The element that a manifest means.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn element(shape: &Shape, id: &str, attributes: &Map) -> Result<Node, Vec<Wrong>> {
    let mut wrongs = Vec::new();
    let mut node = Node::new(tag(shape, attributes)).with("id", id);
    parts(shape.parts, attributes, &mut node, &mut wrongs);
    if wrongs.is_empty() { Ok(node) } else { Err(wrongs) }
}

/// The name of the element that a manifest means.
pub(super) fn tag(shape: &Shape, attributes: &Map) -> &'static str {
    match &shape.tag {
        Tag::Always(tag) => tag,
        Tag::By { attribute, tags } => {
            let word = attributes.get(*attribute).and_then(text_of);
            let found = tags.iter().find(|(value, _)| word.as_deref().is_none_or(|word| word == *value));
            found.map_or("", |(_, tag)| *tag)
        }
    }
}

/// Puts the parts of an element into it.
fn parts(shape: &[Part], attributes: &Map, node: &mut Node, wrongs: &mut Vec<Wrong>) {
    for part in shape {
        if let Err(wrong) = self::part(part, attributes, node) {
            wrongs.push(wrong);
        }
    }
}

fn part(part: &Part, attributes: &Map, node: &mut Node) -> Result<(), Wrong> {
    let owner = node.id().unwrap_or_default().to_owned();
    let names = part.names();
    let name = names.first().map(String::as_str).unwrap_or_default();
    let given = attributes.get(name).filter(|value| **value != Value::Null);
    match (part, given) {
        (Part::Pairs { name, tag }, _) => node.children.extend(pairs::render(name, tag, &owner, attributes)?),
        (_, None) => {}
        (Part::Attribute(attribute) | Part::Text(attribute), Some(value)) => node.set(attribute, single(name, value)?),
        (Part::List { attribute, .. }, Some(value)) => node.set(attribute, words(name, value)?.join(",")),
        (Part::Agent, Some(value)) => agent(&single(name, value)?, node)?,
        (Part::Operations, Some(value)) => {
            let operations = table(name, value)?.iter().map(|(key, value)| operation(&owner, key, value)).collect::<Result<Vec<_>, _>>();
            node.children.push(Node { children: operations?, ..Node::new("operations") });
        }
        (Part::Rule { is_many }, Some(value)) => node.children.extend(rules(&owner, value, *is_many)?),
        (Part::Names { wrapper, tag, attribute, .. }, Some(value)) => {
            let child = |word: String| match *attribute {
                "id" => Node::new(tag).with("id", word),
                attribute => Node::new(tag).with("id", format!("{owner}-{}", as_id(&word))).with(attribute, word),
            };
            // What stands in a wrapper of its own may be all there is.
            let given = if wrapper.is_some() && *value == Value::Bool(true) { Vec::new() } else { words(name, value)? };
            let children = given.into_iter().map(child);
            match wrapper {
                Some(wrapper) => node.children.push(Node { children: children.collect(), ..Node::new(wrapper) }),
                None => node.children.extend(children),
            }
        }
        (Part::Members { .. }, Some(value)) => {
            node.children.extend(words(name, value)?.into_iter().map(|id| Node::new(MEMBER).with("id", id)));
        }
        (Part::One { tag, parts, .. }, Some(value)) => node.children.push(below(name, parts, Node::new(tag), &owner, table(name, value)?)?),
        (Part::Keyed { tag, parts, .. }, Some(value)) => {
            for (key, value) in table(name, value)? {
                let inside = table(name, value)?;
                let id = inside.get("id").and_then(text_of).unwrap_or_else(|| format!("{owner}-{}", as_id(key)));
                let child = Node::new(tag).with("id", id);
                node.children.push(below(&format!("{name} {key}"), parts, child, &owner, inside)?);
            }
        }
        (Part::Ordered { tag, parts, .. }, Some(value)) => {
            for (at, (key, value)) in table(name, value)?.iter().enumerate() {
                let child = Node::new(tag).with("id", format!("{owner}-{at}"));
                node.children.push(below(&format!("{name} {key}"), parts, child, &owner, table(name, value)?)?);
            }
        }
        (Part::Flag { tag, .. }, Some(value)) => {
            if single(name, value)? == "true" {
                node.children.push(Node::new(tag));
            }
        }
    }
    Ok(())
}

/// An element below another one. What has no id of its own lends its owner's to what is in it.
fn below(place: &str, shape: &[Part], mut node: Node, owner: &str, attributes: &Map) -> Result<Node, Wrong> {
    let known: BTreeSet<String> = shape.iter().flat_map(Part::names).chain(["id".to_owned()]).collect();
    if let Some(unknown) = attributes.keys().find(|name| !known.contains(*name)) {
        let known: Vec<String> = known.into_iter().collect();
        return Err(Wrong::new(place, format!("has no `{unknown}`, only {}", known.join(", "))));
    }
    let has_id = node.id().is_some();
    if !has_id {
        node.set("id", owner);
    }
    let mut wrongs = Vec::new();
    parts(shape, attributes, &mut node, &mut wrongs);
    if !has_id {
        node.attributes.shift_remove("id");
    }
    wrongs.into_iter().next().map_or(Ok(node), |wrong| Err(wrong.within(place)))
}

fn operation(owner: &str, key: &str, value: &Value) -> Result<Node, Wrong> {
    let inside = table("op", value)?;
    let name = inside.get("name").and_then(text_of).unwrap_or_else(|| key.to_owned());
    let interval = inside.get("interval").and_then(text_of).unwrap_or_else(|| "0s".to_owned());
    let id = format!("{owner}-{}-{}", as_id(&name), as_id(&interval));
    let node = Node::new("op").with("id", id).with("name", name).with("interval", interval);
    let rest: Map = inside.iter().filter(|(key, _)| *key != "name").map(|(key, value)| (key.clone(), value.clone())).collect();
    below(&format!("op {key}"), OPERATION, node, owner, &rest)
}

/// The rules that a value stands for: a text, a table with an `expression`, or such tables by any name.
fn rules(owner: &str, value: &Value, is_many: bool) -> Result<Vec<Node>, Wrong> {
    let several: Vec<&Value> = match value {
        Value::Map(map) if is_many && !map.contains_key("expression") => map.values().collect(),
        value => vec![value],
    };
    let id = |at: usize| if at == 0 { format!("{owner}-rule") } else { format!("{owner}-rule-{at}") };
    several.into_iter().enumerate().map(|(at, value)| rule::render(&id(at), value).map_err(|message| Wrong::new("rule", message))).collect()
}

/// Takes `ocf:heartbeat:IPaddr2` or `systemd:nginx` apart; `@name` stands for a template.
fn agent(text: &str, node: &mut Node) -> Result<(), Wrong> {
    if let Some(template) = text.strip_prefix('@') {
        node.set("template", template);
        return Ok(());
    }
    let odd =
        || Wrong::new("agent", format!("is no agent: {text:?}; such as ocf:heartbeat:IPaddr2, systemd:nginx or stonith:fence_ipmilan"));
    let (class, rest) = text.split_once(':').ok_or_else(odd)?;
    node.set("class", class);
    let kind = match (class, rest.split_once(':')) {
        ("ocf", Some((provider, kind))) => {
            node.set("provider", provider);
            kind
        }
        ("ocf", None) => return Err(odd()),
        _ => rest,
    };
    node.set("type", kind);
    if [class, kind].iter().any(|word| word.is_empty()) { Err(odd()) } else { Ok(()) }
}

pub(super) fn single(name: &str, value: &Value) -> Result<String, Wrong> {
    text_of(value).ok_or_else(|| Wrong::new(name, format!("is one value, and not a {}", value.type_name())))
}

pub(super) fn words(name: &str, value: &Value) -> Result<Vec<String>, Wrong> {
    match value {
        Value::List(items) => items.iter().map(|item| single(name, item)).collect(),
        value => Ok(vec![single(name, value)?]),
    }
}

pub(super) fn table<'v>(name: &str, value: &'v Value) -> Result<&'v Map, Wrong> {
    match value {
        Value::Map(map) => Ok(map),
        value => Err(Wrong::new(name, format!("is a table, and not a {}", value.type_name()))),
    }
}
