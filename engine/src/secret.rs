//! Secret values: a sealed form that travels in catalogs, and the opened form that lives in memory.
//!
//! A catalog never holds a secret's text. It holds [`Sealed`]: the pieces of a text with the names of
//! the secrets that belong between them. Just before a run the agent opens them into [`Secret`],
//! whose Display, Debug and Serialize print a placeholder.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroize;

/// What is printed wherever a secret's text would stand.
pub const PLACEHOLDER: &str = "(secret)";

/// How an encrypted value begins: the age format in base64, on one line.
pub const ENCRYPTED_PREFIX: &str = "age:";
/// How it begins where somebody pasted the output of `age --armor`.
pub const ARMOR_PREFIX: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// An opened secret. Prints as [`PLACEHOLDER`]; wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. The name is long so that every use can be found and reviewed.
    pub fn reveal_secret_text(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(PLACEHOLDER)
    }
}

/// A text with secrets in it, still closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The pieces in order; the opened text is their concatenation.
    pub parts: Vec<SealedPart>,
}

/// One piece of a [`Sealed`] text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SealedPart {
    /// Text that is not secret.
    Text(String),
    /// The place of a secret.
    Secret(SecretRef),
}

/// Names a secret of the site, and which state of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// `file/key` below the site's `secrets/`.
    pub path: String,
    /// The blake3 of the *encrypted* value, so that a catalog's identity moves with the secret
    /// and yet says nothing that could be guessed against.
    pub fingerprint: String,
    /// What to do with the opened text before it goes in, in order.
    pub filters: Vec<SecretFilter>,
}

/// The filters that may be put on a secret; they run on the host, after opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretFilter {
    /// Base64 of the text.
    Base64,
    /// Percent encoding, for a password inside a URL.
    UrlEncode,
    /// A JSON string, with its quotes.
    Json,
    /// Quoted for a POSIX shell.
    ShellQuote,
}

impl Sealed {
    /// A text that is nothing but this secret.
    pub fn whole(secret: SecretRef) -> Self {
        Self { parts: vec![SealedPart::Secret(secret)] }
    }

    /// Whether there is text in it that nobody closed.
    pub fn has_text(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, SealedPart::Text(_)))
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}
