//! What an XML text holds, as the paths and values that a manifest keeps it by.

use std::collections::BTreeMap;

use keel_engine::value::{Map, Value};

use super::document::{Attribute, Element, parse};
use crate::text_edit::looks_secret;

/// The values of a text by their paths, without what looks like a password, what stands between elements, and what has
/// space around it, which nobody could write so. Nothing of a text that is no XML.
pub(super) fn listing(text: &str) -> Map {
    let mut found = Map::new();
    if let Ok(Some(top)) = parse(text) {
        add(text, &top, &format!("/{}", top.name), &mut found);
    }
    found
}

fn add(text: &str, element: &Element, way: &str, found: &mut Map) {
    for Attribute { name, .. } in &element.attributes {
        let value = element.attribute(text, name).filter(|value| value.trim() == value);
        keep(format!("{way}/@{name}"), name, value, found);
    }
    // An empty element with attributes is there for them.
    let value = element.text(text).filter(|value| !value.is_empty() || element.attributes.is_empty());
    keep(way.to_owned(), &element.name, value, found);
    let siblings = Siblings::of(text, element);
    for (at, child) in element.children.iter().enumerate() {
        add(text, child, &format!("{way}/{}{}", child.name, siblings.which(text, element, at)), found);
    }
}

fn keep(path: String, name: &str, value: Option<String>, found: &mut Map) {
    if let Some(value) = value.filter(|value| !looks_secret(name, value)) {
        found.insert(path, Value::from(value));
    }
}

/// How often elements of one name, and of one name and attribute, are inside of another one.
struct Siblings<'e> {
    names: BTreeMap<&'e str, usize>,
    marked: BTreeMap<(&'e str, &'e str, String), usize>,
}

impl<'e> Siblings<'e> {
    fn of(text: &str, parent: &'e Element) -> Self {
        let mut siblings = Self { names: BTreeMap::new(), marked: BTreeMap::new() };
        for child in &parent.children {
            *siblings.names.entry(&child.name).or_default() += 1;
            for Attribute { name, .. } in &child.attributes {
                if let Some(value) = child.attribute(text, name) {
                    *siblings.marked.entry((&child.name, name, value)).or_default() += 1;
                }
            }
        }
        siblings
    }

    /// What stands behind the name of one of them, so that it is meant and no other.
    fn which(&self, text: &str, parent: &'e Element, at: usize) -> String {
        let Some(child) = parent.children.get(at) else { return String::new() };
        if self.names.get(child.name.as_str()) == Some(&1) {
            return String::new();
        }
        let mark = child.attributes.iter().find_map(|Attribute { name, .. }| {
            let value = child.attribute(text, name)?;
            let quote = ['\'', '"'].into_iter().find(|quote| !value.contains(*quote))?;
            let is_plain = !value.contains(char::is_control) && !looks_secret(name, &value);
            let is_alone = self.marked.get(&(child.name.as_str(), name.as_str(), value.clone())) == Some(&1);
            (is_plain && is_alone).then(|| format!("[@{name}={quote}{value}{quote}]"))
        });
        let position = parent.children.iter().take(at + 1).filter(|other| other.name == child.name).count();
        mark.unwrap_or_else(|| format!("[{position}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::XmlValue;
    use super::*;
    use crate::text_edit::{Edited, TextEdit};
    use keel_engine::attributes::Attributes;

    const SERVER: &str = "<?xml version=\"1.0\"?>\n<!-- ours -->\n<Server port=\"8005\">\n  <Listener class='a'/>\n  <Listener class='b' x=\"it's &lt; 1\"/>\n  \
        <Pool/><Pool/>\n  <Service name=\"main\"><Limit> 5 </Limit><Note>some <b>bold</b> text</Note>\n    \
        <Login password=\"hunter2\" user=\"ada\" pad=\" x\"/></Service>\n</Server>\n";

    #[test]
    fn what_is_listed_is_kept_as_it_is_and_leads_to_one_place_each() {
        let found = listing(SERVER);
        let shown: Vec<String> = found.iter().map(|(path, value)| format!("{path}={}", value.as_str().unwrap())).collect();
        assert_eq!(
            shown,
            [
                "/Server/@port=8005",
                "/Server/Listener[@class='a']/@class=a",
                "/Server/Listener[@class='b']/@class=b",
                "/Server/Listener[@class='b']/@x=it's < 1",
                "/Server/Pool[1]=",
                "/Server/Pool[2]=",
                "/Server/Service/@name=main",
                "/Server/Service/Limit=5",
                "/Server/Service/Note/b=bold",
                "/Server/Service/Login/@user=ada",
            ]
        );
        let attributes = Map::from_iter([("values".to_owned(), Value::Map(found))]);
        let declared = XmlValue::from_attributes("/f", &attributes).unwrap();
        assert_eq!(declared.edit(SERVER), Ok(Edited::default()));
    }

    #[test]
    fn no_xml_is_nothing() {
        for text in ["", "x", "<a>", "<a/><b/>"] {
            assert_eq!(listing(text), Map::new(), "{text}");
        }
    }
}
