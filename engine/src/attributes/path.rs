//! Absolute paths as attributes.

use std::path::PathBuf;

use super::{AttributeValue, wrong_type};
use crate::schema::Kind;
use crate::value::Value;

/// An absolute path in its one spelling: no `.`, `..`, `//` or slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &std::path::Path {
        &self.0
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The folder it stands in; the root has none.
    pub fn parent(&self) -> Option<AbsolutePath> {
        self.0.parent().map(|parent| AbsolutePath(parent.to_owned()))
    }
}

impl AsRef<std::path::Path> for AbsolutePath {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

impl std::fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Longest path and longest component that Linux takes, in bytes.
const PATH_BYTES_MAX: usize = 4095;
const COMPONENT_BYTES_MAX: usize = 255;

impl AttributeValue for AbsolutePath {
    fn kind() -> Kind {
        Kind::Path
    }
    fn read(value: &Value) -> Result<Self, String> {
        let Value::String(text) = value else { return Err(wrong_type(&Kind::Path, value)) };
        if !text.starts_with('/') {
            return Err(format!("expected an absolute path, found {text:?}"));
        }
        if text.contains('\0') {
            return Err("a path cannot hold a NUL".to_owned());
        }
        let inner = &text[1..];
        let components = inner.split('/');
        let misspelt = text != "/" && components.clone().any(|part| matches!(part, "" | "." | ".."));
        if misspelt {
            return Err(format!("write the path without `.`, `..`, doubled or closing slashes: {text:?}"));
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("the path is {} bytes long, Linux takes {PATH_BYTES_MAX}", text.len()));
        }
        if let Some(long) = components.into_iter().find(|part| part.len() > COMPONENT_BYTES_MAX) {
            return Err(format!("a name in the path is {} bytes long, Linux takes {COMPONENT_BYTES_MAX}", long.len()));
        }
        Ok(Self(PathBuf::from(text)))
    }
}
