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

/// What stands behind an encrypted value that was closed anew, before its state.
const STATE_MARK: &str = ";state=";
/// How many hexadecimal digits name a state.
const STATE_DIGITS: usize = 32;

/// An encrypted value as a site's file has it. Closed anew, a value becomes another text though it is the same; so its
/// *state* is kept beside it: a part of the blake3 of the text that it was closed into first, which is random, and of
/// which nobody learns anything about the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed<'a> {
    /// What only a key opens.
    pub ciphertext: &'a str,
    stated: Option<&'a str>,
}

impl<'a> Closed<'a> {
    /// Takes a text of a site's file apart.
    pub fn parse(text: &'a str) -> Self {
        let is_state = |state: &str| state.len() == STATE_DIGITS && state.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.rsplit_once(STATE_MARK) {
            Some((ciphertext, state)) if is_state(state) => Self { ciphertext, stated: Some(state) },
            _ => Self { ciphertext: text, stated: None },
        }
    }

    /// The state of the value.
    pub fn state(&self) -> String {
        self.stated.map_or_else(|| state_of(&self.fingerprint()).to_owned(), str::to_owned)
    }

    /// What catalogs say of it, [`SecretRef::fingerprint`].
    pub fn fingerprint(&self) -> String {
        let own = blake3::hash(self.ciphertext.as_bytes()).to_hex();
        self.stated.map_or_else(|| own.to_string(), |state| format!("{own}:{state}"))
    }

    /// The text for the file of a value in this state.
    pub fn with_state(ciphertext: &str, state: &str) -> String {
        format!("{ciphertext}{STATE_MARK}{state}")
    }
}

/// The state in a fingerprint.
fn state_of(fingerprint: &str) -> &str {
    let (own, stated) = fingerprint.split_once(':').unwrap_or((fingerprint, ""));
    if stated.is_empty() { own.get(..STATE_DIGITS).unwrap_or(own) } else { stated }
}

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
    /// and yet says nothing that could be guessed against. Where the value was closed anew, `:` and its state
    /// stand behind it.
    pub fingerprint: String,
    /// What to do with the opened text before it goes in, in order.
    pub filters: Vec<SecretFilter>,
}

impl SecretRef {
    /// The state of the value: closed anew, it stays the same.
    pub fn state(&self) -> &str {
        state_of(&self.fingerprint)
    }
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

#[cfg(test)]
mod closed_tests {
    use super::*;

    #[test]
    fn the_state_of_a_value_stays_while_it_is_closed_anew() {
        let first = Closed::parse("age:AAAA");
        let reference = |closed: &Closed<'_>| SecretRef { path: "a/b".to_owned(), fingerprint: closed.fingerprint(), filters: Vec::new() };
        assert_eq!(first.state(), reference(&first).state());
        let text = Closed::with_state("age:BBBB", &first.state());
        let again = Closed::parse(&text);
        assert_eq!((again.ciphertext, again.state()), ("age:BBBB", first.state()));
        assert_eq!(reference(&again).state(), reference(&first).state());
        assert_ne!(again.fingerprint(), first.fingerprint());
        assert_ne!(Closed::parse("age:BBBB").state(), first.state());
        assert_eq!(Closed::parse("age:A;state=x").ciphertext, "age:A;state=x", "that is no state");
    }
}
