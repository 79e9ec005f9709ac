//! Addresses: how a resource is named everywhere, `(type)title`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A type and a title, unique in a catalog. Containers have one too: `(module)galera`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Address {
    /// The resource type, or `module`.
    pub type_name: Arc<str>,
    /// The title.
    pub title: Arc<str>,
}

impl Address {
    /// An address from its two parts.
    pub fn new(type_name: impl Into<Arc<str>>, title: impl Into<Arc<str>>) -> Self {
        Self { type_name: type_name.into(), title: title.into() }
    }

    /// Whether it names a container and not a resource.
    pub fn is_container(&self) -> bool {
        &*self.type_name == CONTAINER_TYPE
    }

    /// `(type)title`, the form in which manifests refer to it.
    pub fn reference(&self) -> String {
        format!("({}){}", self.type_name, self.title)
    }

    /// Reads `(type)title`, `type[title]` or `type "title"`, as people type them on a command line.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (type_name, title) = if let Some(rest) = text.strip_prefix('(') {
            rest.split_once(')')?
        } else if let Some((type_name, rest)) = text.split_once('[') {
            (type_name, rest.strip_suffix(']')?)
        } else {
            text.split_once(' ')?
        };
        let title = title.trim();
        let title = title.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(title);
        if type_name.is_empty() || title.is_empty() {
            return None;
        }
        Some(Self::new(type_name.trim(), title))
    }
}

/// The type name that containers have in addresses.
pub const CONTAINER_TYPE: &str = "module";

/// Prints `type "title"`, the form in which manifests declare it. Control characters are escaped,
/// so that a title cannot move a reader's cursor.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"", self.type_name)?;
        for character in self.title.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                control if control.is_control() => write!(f, "{}", control.escape_default())?,
                plain => fmt::Write::write_char(f, plain)?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type() {
        let expected = Address::new("file", "/etc/motd");
        for text in ["(file)/etc/motd", "(file)\"/etc/motd\"", "file[/etc/motd]", "file \"/etc/motd\"", "file /etc/motd"] {
            assert_eq!(Address::parse(text).as_ref(), Some(&expected), "{text}");
        }
        for text in ["", "file", "(file)", "()x", "file[", "[x]"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn prints_no_control_characters() {
        assert_eq!(Address::new("user", "a\u{1b}[2J\"").to_string(), "user \"a\\u{1b}[2J\\\"\"");
    }
}
