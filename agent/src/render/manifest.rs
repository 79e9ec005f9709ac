//! Things of a host as manifest text.

use keel_engine::resource::Described;
use keel_engine::value::{Map, Value};

/// Lines with attributes beside the title are up to this long.
const LINE_BYTES_MAX: usize = 100;

/// The manifest of these things, one after the other. Of several with one title the later ones get
/// another title, and their own in the attribute that it stands for.
pub fn manifest(type_name: &str, title_attribute: &str, things: &[Described]) -> String {
    let mut text = String::new();
    for (at, thing) in things.iter().enumerate() {
        let before = things.iter().take(at).filter(|other| other.title == thing.title).count();
        if before == 0 {
            text.push_str(&resource(type_name, &thing.title, &thing.attributes));
            continue;
        }
        let mut attributes = Map::from_iter([(title_attribute.to_owned(), Value::from(thing.title.as_str()))]);
        attributes.extend(thing.attributes.clone());
        text.push_str(&resource(type_name, &format!("{} {}", thing.title, before + 1), &attributes));
    }
    text
}

/// One resource: on a line where that is short, otherwise with a line for each attribute.
fn resource(type_name: &str, title: &str, attributes: &Map) -> String {
    let head = format!("{type_name} {}", literal(title));
    let properties: Option<Vec<String>> = attributes.iter().map(|(name, value)| Some(format!("{name}={}", scalar(value)?))).collect();
    if let Some(properties) = properties {
        let line = std::iter::once(head.clone()).chain(properties).collect::<Vec<_>>().join(" ");
        if line.len() <= LINE_BYTES_MAX {
            return format!("{line}\n");
        }
    }
    let children: String = attributes.iter().map(|(name, value)| child(name, value, 1)).collect();
    format!("{head} {{\n{children}}}\n")
}

/// An attribute as a child node; a table has its keys below it.
fn child(name: &str, value: &Value, depth: usize) -> String {
    node(&if depth > 1 { word(name) } else { name.to_owned() }, value, depth)
}

/// A node of this name, or an item of a list.
fn node(name: &str, value: &Value, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    match value {
        Value::Map(map) => {
            let inside: String = map.iter().map(|(key, value)| child(key, value, depth + 1)).collect();
            format!("{indent}{name} {{\n{inside}{indent}}}\n")
        }
        Value::List(items) if items.is_empty() => format!("{indent}{name} (expr)\"[]\"\n"),
        Value::List(items) => match items.iter().map(scalar).collect::<Option<Vec<String>>>() {
            // Inside of a table one value alone is a value and no list.
            Some(items) if depth == 1 || items.len() > 1 => format!("{indent}{name} {}\n", items.join(" ")),
            _ => {
                let inside: String = items.iter().map(|item| node("-", item, depth + 1)).collect();
                format!("{indent}{name} {{\n{inside}{indent}}}\n")
            }
        },
        value => format!("{indent}{name} {}\n", scalar(value).unwrap_or_default()),
    }
}

/// A value that stands alone; none for lists and tables, and for what no manifest may hold.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("#null".to_owned()),
        Value::Bool(true) => Some("#true".to_owned()),
        Value::Bool(false) => Some("#false".to_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(format!("{number:?}")),
        Value::String(text) => Some(literal(text)),
        Value::List(_) | Value::Map(_) | Value::Blob(_) | Value::Sealed(_) | Value::Secret(_) => None,
    }
}

/// A text that is taken as it stands, whatever braces are in it.
fn literal(text: &str) -> String {
    let is_template = ["{{", "{%", "{#"].iter().any(|open| text.contains(open));
    format!("{}{}", if is_template { "(lit)" } else { "" }, quoted(text))
}

/// A key of a table, bare where KDL takes it so.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let is_keyword = matches!(text, "true" | "false" | "null" | "inf" | "nan");
    if is_bare && !is_keyword { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(title: &str, attributes: &[(&str, Value)]) -> Described {
        Described {
            title: title.to_owned(),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    #[test]
    fn short_things_take_a_line_and_others_a_block() {
        let things =
            [thing("a", &[("uid", Value::Int(1)), ("live", Value::Bool(false))]), thing("b", &[("groups", Value::from(vec!["x", "y"]))])];
        assert_eq!(manifest("user", "name", &things), "user \"a\" uid=1 live=#false\nuser \"b\" {\n    groups \"x\" \"y\"\n}\n");
        let options = Value::Map(Map::from_iter([("Check-Valid-Until".to_owned(), Value::from("no")), ("1".to_owned(), Value::Null)]));
        assert_eq!(
            manifest("t", "name", &[thing("a", &[("options", options)])]),
            "t \"a\" {\n    options {\n        Check-Valid-Until \"no\"\n        \"1\" #null\n    }\n}\n"
        );
    }

    #[test]
    fn lists_in_tables_stay_lists() {
        let one = Value::List(vec![Value::from("x")]);
        let tables = Value::List(vec![Value::Map(Map::from_iter([("a".to_owned(), Value::List(vec![]))])), Value::Int(1)]);
        let values = Value::Map(Map::from_iter([("one".to_owned(), one), ("tables".to_owned(), tables)]));
        assert_eq!(
            manifest("t", "path", &[thing("/f", &[("values", values)])]),
            "t \"/f\" {\n    values {\n        one {\n            - \"x\"\n        }\n        tables {\n            - {\n                a (expr)\"[]\"\n            }\n            - 1\n        }\n    }\n}\n"
        );
    }

    #[test]
    fn texts_stay_what_they_are() {
        assert_eq!(literal("a\"b\\c\n\u{1}{{ x }}"), "(lit)\"a\\\"b\\\\c\\n\\u{1}{{ x }}\"");
    }

    #[test]
    fn one_title_for_two_things_is_told_apart() {
        let things = [thing("k", &[("user", Value::from("a"))]), thing("k", &[("user", Value::from("b"))])];
        assert_eq!(manifest("t", "name", &things), "t \"k\" user=\"a\"\nt \"k 2\" name=\"k\" user=\"b\"\n");
    }
}
