//! The values of the language: what a variable, an attribute or a parameter can be.

use std::fmt;

use indexmap::IndexMap;

use crate::contents::Blob;
use crate::secret::{Sealed, Secret};

/// A table. It keeps the order in which its keys were written; equality does not look at it.
pub type Map = IndexMap<String, Value>;

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `#null`
    Null,
    /// `#true`, `#false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; never NaN or infinite.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A table.
    Map(Map),
    /// Bytes that travel beside the catalog, by their address.
    Blob(Blob),
    /// A text with secrets in it, closed: the only form in which a catalog holds secrets.
    Sealed(Sealed),
    /// The opened form, in the memory of a run only; it cannot be read back from any file.
    Secret(Secret),
}

impl Value {
    /// The name of the value's type as people know it from the manual.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Blob(_) => "content",
            Value::Sealed(_) | Value::Secret(_) => "secret",
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a secret stands anywhere in it.
    pub fn has_secret(&self) -> bool {
        match self {
            Value::Sealed(_) | Value::Secret(_) => true,
            Value::List(items) => items.iter().any(Value::has_secret),
            Value::Map(map) => map.values().any(Value::has_secret),
            _ => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

/// Prints a value as a manifest would write it; secrets print their placeholder.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("#null"),
            Value::Bool(flag) => write!(f, "#{flag}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::String(text) => f.write_str(text),
            Value::List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (position, (key, value)) in map.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
            Value::Blob(blob) => write!(f, "content {}", blob.digest.short()),
            Value::Sealed(sealed) => write!(f, "{sealed}"),
            Value::Secret(secret) => write!(f, "{secret}"),
        }
    }
}
