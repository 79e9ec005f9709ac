//! Sets of names with values, such as the parameters of a resource: most often one without conditions,
//! sometimes several with rules and scores, sometimes those of another element.

use std::collections::BTreeSet;

use keel_engine::value::{Map, Value};

use super::describe::Unsayable;
use super::render::{Wrong, single, table, words};
use super::rule;
use super::tree::Node;
use super::word::{as_id, text_of, value_of};

/// The sets that `NAME`, `NAME_set` and `NAME_from` stand for.
pub(super) fn render(name: &str, tag: &str, owner: &str, attributes: &Map) -> Result<Vec<Node>, Wrong> {
    let mut sets = Vec::new();
    let given = |suffix: &str| attributes.get(&format!("{name}{suffix}")).filter(|value| **value != Value::Null);
    if let Some(values) = given("") {
        let set = Node::new(tag).with("id", format!("{owner}-{tag}"));
        sets.push(filled(set, table(name, values)?, name)?);
    }
    if let Some(more) = given("_set") {
        let name = format!("{name}_set");
        for (id, value) in table(&name, more)? {
            sets.push(conditional(tag, id, &name, table(&name, value)?)?);
        }
    }
    if let Some(from) = given("_from") {
        let ids = words(&format!("{name}_from"), from)?;
        sets.extend(ids.into_iter().map(|id| Node::new(tag).with("id-ref", id)));
    }
    Ok(sets)
}

/// A set with its conditions: `score`, `rule` and `values`.
fn conditional(tag: &str, id: &str, name: &str, inside: &Map) -> Result<Node, Wrong> {
    const KNOWN: [&str; 3] = ["score", "rule", "values"];
    if let Some(unknown) = inside.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(Wrong::new(name, format!("{id} has no `{unknown}`, only {}", KNOWN.join(", "))));
    }
    let mut set = Node::new(tag).with("id", id);
    if let Some(score) = inside.get("score") {
        set.set("score", single(name, score)?);
    }
    if let Some(value) = inside.get("rule") {
        set.children.push(rule::render(&format!("{id}-rule"), value).map_err(|message| Wrong::new(name, message))?);
    }
    match inside.get("values") {
        Some(values) => filled(set, table(name, values)?, name),
        None => Ok(set),
    }
}

fn filled(mut set: Node, values: &Map, name: &str) -> Result<Node, Wrong> {
    let id = set.id().unwrap_or_default().to_owned();
    for (key, value) in values {
        let pair = Node::new("nvpair").with("id", format!("{id}-{}", as_id(key))).with("name", key.as_str());
        let text = text_of(value);
        match text {
            None if *value != Value::Null => return Err(Wrong::new(name, format!("{key} is one value, and not a {}", value.type_name()))),
            None => set.children.push(pair),
            Some(text) => set.children.push(pair.with("value", text)),
        }
    }
    Ok(set)
}

/// What manifests say of these sets. A set that another element refers to keeps its id.
pub(super) fn describe(name: &str, sets: &[&Node], referenced: &BTreeSet<String>) -> Result<Map, Unsayable> {
    let (mut map, mut more, mut from) = (Map::new(), Map::new(), Vec::new());
    for (at, set) in sets.iter().enumerate() {
        if let Some(other) = set.attribute("id-ref") {
            from.push(Value::from(other));
            continue;
        }
        if !from.is_empty() {
            return Err(Unsayable::of(set, "stands behind one that is another element's"));
        }
        let inside = inside(set)?;
        let id = set.id().unwrap_or_default();
        let is_plain = at == 0 && inside.keys().all(|key| key == "values") && !referenced.contains(id);
        match inside.get("values") {
            Some(values) if is_plain => drop(map.insert(name.to_owned(), values.clone())),
            None if is_plain => drop(map.insert(name.to_owned(), Value::Map(Map::new()))),
            _ => drop(more.insert(id.to_owned(), Value::Map(inside))),
        }
    }
    if !more.is_empty() {
        map.insert(format!("{name}_set"), Value::Map(more));
    }
    if !from.is_empty() {
        map.insert(format!("{name}_from"), Value::List(from));
    }
    Ok(map)
}

/// The score, rule and values of a set.
pub(super) fn inside(set: &Node) -> Result<Map, Unsayable> {
    let (mut map, mut values) = (Map::new(), Map::new());
    for (attribute, value) in &set.attributes {
        match attribute.as_str() {
            "id" => {}
            "score" => drop(map.insert("score".to_owned(), value_of(value))),
            other => return Err(Unsayable::of(set, format!("has the attribute {other}"))),
        }
    }
    for child in &set.children {
        match child.name.as_str() {
            "rule" if !map.contains_key("rule") => drop(map.insert("rule".to_owned(), rule::describe(child)?)),
            "nvpair" => {
                let known = ["id", "name", "value"];
                let odd = child.attributes.keys().find(|name| !known.contains(&name.as_str()));
                if let Some(odd) = odd {
                    return Err(Unsayable::of(child, format!("has the attribute {odd}")));
                }
                let name = child.attribute("name").ok_or_else(|| Unsayable::of(child, "has no name"))?;
                let value = child.attribute("value").map_or(Value::Null, value_of);
                if values.insert(name.to_owned(), value).is_some() {
                    return Err(Unsayable::of(set, format!("has {name} twice")));
                }
            }
            _ => return Err(Unsayable::of(set, format!("holds {child}"))),
        }
    }
    if !values.is_empty() {
        map.insert("values".to_owned(), Value::Map(values));
    }
    Ok(map)
}
