//! Changes: one attribute each, with what it was, what it shall be and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::secret::PLACEHOLDER;
use crate::text::Text;
use crate::value::Value;

/// A difference between what is and what shall be, in one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// The attribute's name, `ensure` when the whole thing comes or goes.
    pub attribute: String,
    /// What happens to the resource through this change.
    pub action: Action,
    /// What was observed.
    pub before: Shown,
    /// What the manifest asks for.
    pub after: Shown,
}

impl Change {
    /// The thing comes into being.
    pub fn create(attribute: &str, after: impl Into<Shown>) -> Self {
        Self { attribute: attribute.to_owned(), action: Action::Create, before: Shown::Absent, after: after.into() }
    }

    /// An attribute of a thing that stays gets another value.
    pub fn update(attribute: &str, before: impl Into<Shown>, after: impl Into<Shown>) -> Self {
        Self { attribute: attribute.to_owned(), action: Action::Update, before: before.into(), after: after.into() }
    }

    /// The thing goes away.
    pub fn delete(attribute: &str, before: impl Into<Shown>) -> Self {
        Self { attribute: attribute.to_owned(), action: Action::Delete, before: before.into(), after: Shown::Absent }
    }

    /// Whatever leads from one side to the other.
    pub fn between(attribute: &str, before: Shown, after: Shown) -> Self {
        let action = match (&before, &after) {
            (Shown::Absent, _) => Action::Create,
            (_, Shown::Absent) => Action::Delete,
            _ => Action::Update,
        };
        Self { attribute: attribute.to_owned(), action, before, after }
    }

    /// Something is run: the resource is an act and not a thing.
    pub fn run(attribute: &str, before: impl Into<Shown>, after: impl Into<Shown>) -> Self {
        Self { attribute: attribute.to_owned(), action: Action::Run, before: before.into(), after: after.into() }
    }
}

/// What a change does. The glyph is what people see at the start of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Create,
    /// It is altered in place.
    Update,
    /// It is removed.
    Delete,
    /// It is executed.
    Run,
}

impl Action {
    /// The mark in front of a resource.
    pub fn glyph(self) -> char {
        match self {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
            Action::Run => '!',
        }
    }
}

/// A side of a change in the form in which people and reports may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// There is nothing.
    Absent,
    /// A value.
    Value(Value),
    /// A text of several lines, shown as a unified diff.
    Text(Arc<str>),
    /// Bytes that are not text, or too many of them.
    Binary {
        /// Their address.
        digest: Digest,
        /// How many.
        size: u64,
    },
    /// Something nobody may see; two of them in one change mean that they differ.
    Hidden,
}

/// Texts above this many bytes are shown by size and digest only.
pub const SHOWN_TEXT_BYTES_MAX: usize = 1 << 20;

impl Shown {
    /// Shows bytes as text where they are text and not too long.
    pub fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= SHOWN_TEXT_BYTES_MAX && !bytes.contains(&0) => Shown::Text(Arc::from(text)),
            _ => Shown::Binary { digest: Digest::of(bytes), size: bytes.len() as u64 },
        }
    }

    /// The text to compare line by line; what is absent compares like an empty one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Shown::Text(text) => Some(text),
            Shown::Absent => Some(""),
            _ => None,
        }
    }

    /// One line for tables and reasons.
    pub fn summary(&self) -> String {
        match self {
            Shown::Absent => "absent".to_owned(),
            Shown::Value(value) => value.to_string(),
            Shown::Text(text) => match text.lines().count() {
                1 => "1 line".to_owned(),
                count => format!("{count} lines"),
            },
            Shown::Binary { digest, size } => format!("{size} bytes, blake3 {}", digest.short()),
            Shown::Hidden => PLACEHOLDER.to_owned(),
        }
    }
}

impl<T: Into<Value>> From<T> for Shown {
    fn from(value: T) -> Self {
        let value = value.into();
        if value.has_secret() { Shown::Hidden } else { Shown::Value(value) }
    }
}

impl From<&Text> for Shown {
    fn from(text: &Text) -> Self {
        match text {
            Text::Plain(text) => Shown::Text(Arc::clone(text)),
            Text::Blob(blob) => Shown::Binary { digest: blob.digest, size: blob.size },
            Text::Secret(_) => Shown::Hidden,
        }
    }
}
