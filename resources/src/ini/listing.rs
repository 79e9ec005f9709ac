//! What a file of sections holds, as the attributes that a manifest keeps it by.

use keel_engine::attributes::Attributes;
use keel_engine::value::{Map, Value};

use super::document::{Document, Separator};
use super::setting::looks_secret;
use super::{Ini, steps};

/// The attributes of a manifest that keeps a text as it is, without what looks like a password and what no manifest
/// can say: values of several lines, and odd names.
pub(super) fn listing(path: &str, text: &str) -> Map {
    let document = Document::parse(text, Separator::of("="));
    let mut sections = Map::new();
    for section in std::iter::once(String::new()).chain(document.sections()) {
        let kept = |key: String| {
            let value = value(&key, document.values(&section, &key))?;
            let attributes = attributes(Map::from_iter([(section.clone(), Value::Map(Map::from_iter([(key.clone(), value.clone())])))]));
            // A manifest may know a name or value in another form only.
            let declared = Ini::from_attributes(path, &attributes).ok()?;
            steps(&document, &declared).is_empty().then_some((key, value))
        };
        let keys: Map = document.keys(&section).into_iter().filter_map(kept).collect();
        if !keys.is_empty() {
            sections.insert(section, Value::Map(keys));
        }
    }
    attributes(sections)
}

fn attributes(sections: Map) -> Map {
    Map::from_iter([("section".to_owned(), Value::Map(sections))])
}

fn value(key: &str, values: Vec<String>) -> Option<Value> {
    let is_odd = |value: &String| value.contains(['\n', '\r']) || looks_secret(key, value);
    match values.as_slice() {
        values if values.iter().any(is_odd) => None,
        [one] => Some(Value::from(one.as_str())),
        several => Some(Value::from(several.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_kept_as_it_is() {
        let text = "top = 1\n[a]\n# note\nx = 1\ny=two words \nempty=\nlist = 1\nlist = 2\npassword = x\nlong = 1\n  2\n[b c]\nz = \"q\"\n";
        let found = listing("/f.ini", text);
        let Some(Value::Map(sections)) = found.get("section") else { panic!("{found:?}") };
        let shown: Vec<String> = sections.iter().map(|(section, keys)| format!("{section}: {keys:?}")).collect();
        assert_eq!(sections.keys().collect::<Vec<_>>(), ["", "a", "b c"], "{shown:?}");
        let Some(Value::Map(keys)) = sections.get("a") else { panic!("{shown:?}") };
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["x", "y", "empty", "list"], "{shown:?}");
        let declared = Ini::from_attributes("/f.ini", &found).unwrap();
        assert!(steps(&Document::parse(text, Separator::of("=")), &declared).is_empty(), "{shown:?}");
    }
}
