//! Owners and groups as manifests name them: by name or by id.

use keel_engine::attributes::{AttributeValue, wrong_type};
use keel_engine::schema::Kind;
use keel_engine::value::Value;

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// By its id.
    Id(u32),
    /// By its name.
    Name(String),
}

impl Account {
    /// The name or the id, as text.
    pub fn text(&self) -> String {
        match self {
            Account::Id(id) => id.to_string(),
            Account::Name(name) => name.clone(),
        }
    }

    /// The key of the resource that provides it: `user:NAME`. Ids need nobody.
    pub fn key(&self, kind: &str) -> Option<String> {
        match self {
            Account::Id(_) => None,
            Account::Name(name) => Some(format!("{kind}:{name}")),
        }
    }
}

impl AttributeValue for Account {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::String, Kind::Int])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(id) => match u32::try_from(*id) {
                // The highest number means "nobody" to the kernel.
                Ok(id) if id < u32::MAX => Ok(Account::Id(id)),
                _ => Err(format!("{id} is no id, 0 to 4294967294")),
            },
            Value::String(text) => match text.parse() {
                Ok(id) if id < u32::MAX => Ok(Account::Id(id)),
                Ok(id) => Err(format!("{id} is no id, 0 to 4294967294")),
                Err(_) if is_name(text) => Ok(Account::Name(text.clone())),
                Err(_) => Err(format!("{text:?} is no name of a user or group")),
            },
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

/// Whether a text can be a name in passwd: no separators of its lines, nothing that looks like an option.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(|c: char| c == ':' || c == '/' || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_told_apart() {
        assert_eq!(Account::read(&Value::Int(33)), Ok(Account::Id(33)));
        assert_eq!(Account::read(&Value::from("33")), Ok(Account::Id(33)));
        assert_eq!(Account::read(&Value::from("www-data")), Ok(Account::Name("www-data".to_owned())));
        for wrong in ["", "-rf", "root\n", "a:b", "../x", "a b"] {
            assert!(Account::read(&Value::from(wrong)).is_err(), "{wrong:?}");
        }
        assert!(Account::read(&Value::Int(-1)).is_err());
    }
}
