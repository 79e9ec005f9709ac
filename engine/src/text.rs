//! Texts that may be secret, the type of attributes such as a file's content or a user's password.

use std::fmt;
use std::sync::Arc;

use crate::contents::{Blob, Contents};
use crate::digest::Digest;
use crate::secret::{PLACEHOLDER, Secret};

/// The value of an attribute that takes a text in any form.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// Anybody may see it.
    Plain(Arc<str>),
    /// Bytes beside the catalog.
    Blob(Blob),
    /// Nobody may see it.
    Secret(Secret),
}

impl Text {
    /// The bytes. Fails when they are not in the contents.
    pub fn bytes(&self, contents: &dyn Contents) -> Result<Arc<[u8]>, String> {
        match self {
            Text::Plain(text) => Ok(Arc::from(text.as_bytes())),
            Text::Blob(blob) => contents.read(blob),
            Text::Secret(secret) => Ok(Arc::from(secret.reveal_secret_text().as_bytes())),
        }
    }

    /// The address of the bytes, without reading them where it is known.
    pub fn digest(&self) -> Digest {
        match self {
            Text::Plain(text) => Digest::of(text.as_bytes()),
            Text::Blob(blob) => blob.digest,
            Text::Secret(secret) => Digest::of(secret.reveal_secret_text().as_bytes()),
        }
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        match self {
            Text::Plain(text) => text.len() as u64,
            Text::Blob(blob) => blob.size,
            Text::Secret(secret) => secret.reveal_secret_text().len() as u64,
        }
    }

    /// Whether it may be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Text::Secret(_))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Plain(text) => write!(f, "{text:?}"),
            Text::Blob(blob) => write!(f, "{blob:?}"),
            Text::Secret(_) => f.write_str(PLACEHOLDER),
        }
    }
}
