//! Types of module parameters: how they are written, and what values they take.

use keel_engine::attributes::check_kind;
use keel_engine::schema::Kind;
use keel_engine::value::Value;

use crate::diagnostic::did_you_mean;

/// The types without parts.
const PLAIN: [(&str, Kind); 13] = [
    ("string", Kind::String),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("bool", Kind::Bool),
    ("path", Kind::Path),
    ("host", Kind::Host),
    ("ip", Kind::Ip),
    ("cidr", Kind::Cidr),
    ("port", Kind::Port),
    ("duration", Kind::Duration),
    ("size", Kind::Size),
    ("secret", Kind::Secret),
    ("any", Kind::Any),
];

/// How deep types may nest; nobody can read deeper ones.
const DEPTH_MAX: usize = 8;

/// Reads `list<host>`, `enum<a,b>`, `int?`.
///
/// # Errors
/// Says what is wrong, and what it may have been meant to be.
pub fn parse_kind(text: &str) -> Result<Kind, String> {
    parse(text.trim(), 0)
}

fn parse(text: &str, depth: usize) -> Result<Kind, String> {
    if depth > DEPTH_MAX {
        return Err("the type is nested too deep".to_owned());
    }
    if let Some(inner) = text.strip_suffix('?') {
        return Ok(Kind::Nullable(Box::new(parse(inner.trim(), depth + 1)?)));
    }
    if let Some((name, rest)) = text.split_once('<') {
        let inner = rest.strip_suffix('>').ok_or_else(|| format!("`{text}` lacks its closing `>`"))?;
        return match name.trim() {
            "list" => Ok(Kind::List(Box::new(parse(inner.trim(), depth + 1)?))),
            "map" => Ok(Kind::Map(Box::new(parse(inner.trim(), depth + 1)?))),
            "enum" => parse_words(inner),
            other => Err(format!("`{other}<...>` is no type; there are list<T>, map<T> and enum<a,b>")),
        };
    }
    if let Some((_, kind)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok(kind.clone());
    }
    match text {
        "list" | "map" => Err(format!("`{text}` needs the type of its items: {text}<string>")),
        "enum" => Err("`enum` needs its words: enum<a,b>".to_owned()),
        _ => {
            let near = did_you_mean(text, PLAIN.iter().map(|(name, _)| *name));
            Err(format!("there is no type `{text}`{}", near.map(|near| format!("; {near}")).unwrap_or_default()))
        }
    }
}

fn parse_words(text: &str) -> Result<Kind, String> {
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    if words.iter().any(String::is_empty) {
        return Err("an enum's words are not empty: enum<a,b>".to_owned());
    }
    Ok(Kind::Enum(words))
}

/// Makes a value fit a type where that changes nothing of its meaning: one item for a list of one, a
/// whole number for a float, a host's name for the host. Everything else has to be right as it is.
///
/// # Errors
/// Says what was expected and what was found.
pub(crate) fn fit(kind: &Kind, value: Value, host: &dyn Fn(&str) -> Option<Value>) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Nullable(_), Value::Null) => Ok(Value::Null),
        (Kind::Nullable(inner), value) => fit(inner, value, host),
        (Kind::List(inner), Value::List(items)) => {
            items.into_iter().map(|item| fit(inner, item, host)).collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::List(inner), single) if !matches!(single, Value::Null | Value::Map(_)) || **inner == Kind::Host => {
            Ok(Value::List(vec![fit(inner, single, host)?]))
        }
        (Kind::Map(inner), Value::Map(map)) => {
            let fitted = map.into_iter().map(|(key, value)| match fit(inner, value, host) {
                Ok(value) => Ok((key, value)),
                Err(error) => Err(format!("{key}: {error}")),
            });
            fitted.collect::<Result<_, _>>().map(Value::Map)
        }
        (Kind::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
        (Kind::Host, Value::String(name)) => host(&name).ok_or_else(|| format!("expected a host of the inventory, found {name:?}")),
        (Kind::Host, Value::Map(map)) => match map.get("name").and_then(Value::as_str) {
            Some(name) if host(name).is_some() => Ok(Value::Map(map)),
            _ => Err("expected a host of the inventory, found a map".to_owned()),
        },
        // Not `Kind::Text`: what reaches a parameter of this type stays readable in the manifest.
        (Kind::String, Value::Sealed(_)) => Err("expected string, found a secret; declare the parameter as secret".to_owned()),
        (kind, value) => check_kind(kind, &value).map(|()| value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_print() {
        for text in ["string", "list<host>", "map<list<int>>", "enum<a,b>", "port?", "list<string?>"] {
            assert_eq!(parse_kind(text).unwrap().to_string(), text);
        }
        for text in ["", "strin", "list", "list<", "list<x>", "enum<>", "set<int>", "int<int>", "[]"] {
            assert!(parse_kind(text).is_err(), "{text}");
        }
        assert_eq!(parse_kind("strin").unwrap_err(), "there is no type `strin`; did you mean `string`?");
    }

    #[test]
    fn values_are_fitted_but_never_converted() {
        let host = |name: &str| (name == "db-1").then(|| Value::Map([("name".to_owned(), Value::from(name))].into_iter().collect()));
        let fit = |kind: &str, value: Value| fit(&parse_kind(kind).unwrap(), value, &host);
        assert_eq!(fit("list<int>", Value::Int(1)).unwrap(), Value::List(vec![Value::Int(1)]));
        assert_eq!(fit("float", Value::Int(1)).unwrap(), Value::Float(1.0));
        assert_eq!(fit("list<host>", Value::from("db-1")).unwrap(), Value::List(vec![host("db-1").unwrap()]));
        assert!(fit("list<host>", Value::List(vec![Value::from("db-2")])).unwrap_err().contains("db-2"));
        for (kind, value) in [
            ("int", Value::from("8")),
            ("bool", Value::from("true")),
            ("int", Value::Float(1.0)),
            ("string", Value::Int(1)),
            ("int", Value::Null),
        ] {
            assert!(fit(kind, value).is_err(), "{kind}");
        }
    }
}
