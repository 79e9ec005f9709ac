//! Typed attributes: one macro makes a type's struct, its schema and its reader from one declaration.

mod choices;
mod declaration;
mod error;
mod kind_check;
mod path;
mod plain;
mod reader;
mod size;
mod span;

use crate::schema::{Kind, TypeSchema};
use crate::value::{Map, Value};

pub use declaration::{attribute_name, show_default};
pub use error::{AttributeError, Subject};
pub use kind_check::check_kind;
pub use path::AbsolutePath;
pub use reader::Reader;
pub use size::Size;
pub use span::Span;

/// The typed attributes of a resource type. Made by [`attributes!`](crate::attributes!).
pub trait Attributes: Sized {
    /// The declaration, for the compiler and the manual.
    fn schema() -> TypeSchema;
    /// Reads and checks attributes; unknown ones are errors. All errors, not the first.
    ///
    /// # Errors
    /// Every attribute that is unknown, missing, of the wrong type or refused by [`Attributes::check`].
    fn from_attributes(title: &str, attributes: &Map) -> Result<Self, Vec<AttributeError>>;
    /// Checks what concerns several attributes at once. Written by the type, in its `check` block.
    fn check(&self) -> Vec<AttributeError> {
        Vec::new()
    }
}

/// A type that an attribute can have.
pub trait AttributeValue: Sized {
    /// What the manual and the compiler call it.
    fn kind() -> Kind;
    /// Reads it; the error says what is wrong, without naming the attribute.
    ///
    /// # Errors
    /// A value of another type or outside the range.
    fn read(value: &Value) -> Result<Self, String>;
    /// What it is when the manifest does not give it; required attributes have nothing.
    fn when_missing() -> Option<Self> {
        None
    }
    /// Turns a title into the value.
    ///
    /// # Errors
    /// As [`AttributeValue::read`].
    fn from_title(title: &str) -> Result<Self, String> {
        Self::read(&Value::from(title))
    }
}

/// Says that a value has the wrong type.
pub fn wrong_type(expected: &Kind, value: &Value) -> String {
    match value {
        Value::Sealed(_) | Value::Secret(_) => format!("expected {expected}, found a secret"),
        Value::List(_) | Value::Map(_) | Value::Null => format!("expected {expected}, found {}", value.type_name()),
        _ if expected.may_be_secret() => format!("expected {expected}, found a plain {}", value.type_name()),
        _ => format!("expected {expected}, found the {} {value}", value.type_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_place_of_a_secret_is_not_shown() {
        let plain = Value::from("CANARY");
        assert_eq!(wrong_type(&Kind::Secret, &plain), "expected secret, found a plain string");
        for kind in [Kind::Nullable(Box::new(Kind::Secret)), Kind::List(Box::new(Kind::Text)), Kind::OneOf(vec![Kind::Path, Kind::Text])] {
            assert!(!wrong_type(&kind, &plain).contains("CANARY"), "{kind}");
        }
        assert_eq!(wrong_type(&Kind::Int, &plain), "expected int, found the string CANARY");
    }
}
