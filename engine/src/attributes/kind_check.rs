//! Whether a value is of a kind.

use super::{AbsolutePath, AttributeValue, Size, Span, wrong_type};
use crate::schema::Kind;
use crate::value::Value;

/// Checks a value against a kind, for module parameters and for attributes before a run.
///
/// # Errors
/// Says what was expected and what was found.
pub fn check_kind(kind: &Kind, value: &Value) -> Result<(), String> {
    match (kind, value) {
        (Kind::Any, _) => Ok(()),
        (Kind::Nullable(_), Value::Null) => Ok(()),
        (Kind::Nullable(inner), value) => check_kind(inner, value),
        (Kind::List(inner), Value::List(items)) => items.iter().try_for_each(|item| check_kind(inner, item)),
        (Kind::List(inner), single) => check_kind(inner, single),
        (Kind::Map(inner), Value::Map(map)) => {
            map.iter().try_for_each(|(key, value)| check_kind(inner, value).map_err(|error| format!("{key}: {error}")))
        }
        (Kind::Enum(words), Value::String(text)) if words.iter().any(|word| word == text) => Ok(()),
        (Kind::Enum(words), Value::String(text)) => Err(format!("expected one of {}, found {text:?}", words.join(", "))),
        (Kind::Text, Value::String(_) | Value::Blob(_) | Value::Sealed(_) | Value::Secret(_)) => Ok(()),
        (Kind::Secret, Value::Sealed(_) | Value::Secret(_)) => Ok(()),
        (Kind::Float, Value::Float(_) | Value::Int(_)) | (Kind::Bool, Value::Bool(_)) => Ok(()),
        (Kind::String | Kind::Host | Kind::Mode, Value::String(_)) | (Kind::Int, Value::Int(_)) => Ok(()),
        (Kind::Path, value) => AbsolutePath::read(value).map(drop),
        (Kind::Duration, value) => Span::read(value).map(drop),
        (Kind::Size, value) => Size::read(value).map(drop),
        (Kind::Port, Value::Int(number)) if (1..=65_535).contains(number) => Ok(()),
        (Kind::Port, Value::Int(number)) => Err(format!("{number} is no port, 1 to 65535")),
        (Kind::Ip, Value::String(text)) => text.parse::<std::net::IpAddr>().map(drop).map_err(|_| format!("{text:?} is no IP address")),
        (Kind::Cidr, Value::String(text)) => check_cidr(text),
        (Kind::OneOf(kinds), value) if kinds.iter().any(|kind| check_kind(kind, value).is_ok()) => Ok(()),
        (kind, value) => Err(wrong_type(kind, value)),
    }
}

fn check_cidr(text: &str) -> Result<(), String> {
    let valid = text.split_once('/').and_then(|(address, length)| {
        let address: std::net::IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        Some(length <= if address.is_ipv4() { 32 } else { 128 })
    });
    if valid == Some(true) { Ok(()) } else { Err(format!("{text:?} is no network such as \"10.0.0.0/8\"")) }
}
