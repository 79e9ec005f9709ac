//! Single values: texts in the CIB; texts, numbers and bools in manifests.

use keel_engine::attributes::AttributeValue;
use keel_engine::schema::Kind;
use keel_engine::secret::Secret;
use keel_engine::value::Value;

/// A value as the CIB has it: manifests may write it as a text, a number or a bool, or give a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// No value: `#null`.
    None,
    /// A text.
    Text(String),
    /// A text that nobody may see.
    Secret(Secret),
}

impl AttributeValue for Word {
    fn kind() -> Kind {
        Kind::Nullable(Box::new(Kind::OneOf(vec![Kind::Text, Kind::Int, Kind::Float, Kind::Bool])))
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Word::None),
            Value::Secret(secret) => Ok(Word::Secret(secret.clone())),
            // The compiler checks catalogs before anybody can open their secrets.
            Value::Sealed(_) => Ok(Word::Secret(Secret::new(String::new()))),
            value => text_of(value).map(Word::Text).ok_or_else(|| format!("expected a text, number or bool, found {}", value.type_name())),
        }
    }
}

/// A value that nobody needs to hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain(pub String);

impl AttributeValue for Plain {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::String, Kind::Int, Kind::Float, Kind::Bool])
    }
    fn read(value: &Value) -> Result<Self, String> {
        let is_open = !matches!(value, Value::Secret(_) | Value::Sealed(_));
        let text = text_of(value).filter(|_| is_open);
        text.map(Self).ok_or_else(|| format!("expected a text, number or bool, found {}", value.type_name()))
    }
}

/// The text of a single value; secrets give theirs away.
pub(super) fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Secret(secret) => secret.reveal_secret_text().to_owned(),
        Value::Sealed(_) => String::new(),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Blob(_) => return None,
    })
}

/// A text of the CIB as a manifest would write it.
pub(super) fn value_of(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Value::Int(number),
            _ => Value::from(text),
        },
    }
}

/// A text with only what an XML id may hold.
pub(super) fn as_id(text: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// Whether a text can be an XML id.
pub(super) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && as_id(text) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_texts_and_the_same_values_again() {
        for value in [Value::Bool(true), Value::Int(-3), Value::from("10s"), Value::from("+5"), Value::from("007")] {
            assert_eq!(value_of(&text_of(&value).unwrap()), value);
        }
        assert_eq!(as_id("10.0.0.1/24 é"), "10.0.0.1_24_é");
        assert!(is_id("vip-1") && !is_id("1vip") && !is_id("a b") && !is_id(""));
    }
}
