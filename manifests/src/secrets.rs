//! The names of a site's secrets, and the tokens that stand for them while texts are made.
//!
//! The compiler never opens a secret. Where one belongs into a text it puts a token; the finished text
//! is split at the tokens into a sealed value, which the host opens.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use keel_engine::secret::{ARMOR_PREFIX, Closed, ENCRYPTED_PREFIX, PLACEHOLDER, Sealed, SealedPart, SecretFilter, SecretRef};
use minijinja::value::{Object, ObjectRepr};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::{SiteFiles, list_with_extension, read_text};
use crate::toml_reader::{SourceFile, Table, Tree, read_table};

/// Bounds of a token: noncharacters, which Unicode sets aside for such internal marks.
const TOKEN_START: char = '\u{FDD0}';
const TOKEN_END: char = '\u{FDD1}';

/// All secrets of a site, still encrypted.
#[derive(Default)]
pub struct SecretNames {
    secrets: IndexMap<String, EncryptedValue>,
    /// Derived from all encrypted values, so that no host can write a token into its facts.
    nonce: String,
}

struct EncryptedValue {
    ciphertext: String,
    fingerprint: String,
}

impl SecretNames {
    /// Reads `secrets/*.toml`.
    pub fn load(files: &dyn SiteFiles, out: &mut Vec<Diagnostic>) -> Self {
        let mut names = Self::default();
        for path in list_with_extension(files, "secrets", ".toml", out) {
            let Some(text) = read_text(files, &path, out) else { continue };
            let source = SourceFile::new(&path, &text);
            let table = read_table(&source, &text, out);
            let prefix = path.trim_start_matches("secrets/").trim_end_matches(".toml");
            names.add_table(&source, prefix, &table, out);
        }
        let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 secret token");
        for secret in names.secrets.values() {
            hasher.update(secret.ciphertext.as_bytes());
        }
        names.nonce = hasher.finalize().to_hex().chars().take(24).collect();
        names
    }

    fn add_table(&mut self, source: &Arc<SourceFile>, prefix: &str, table: &Table, out: &mut Vec<Diagnostic>) {
        for (key, entry) in table {
            let path = format!("{prefix}/{key}");
            match &entry.node.tree {
                Tree::Table(inner) => self.add_table(source, &path, inner, out),
                _ => match entry.node.as_str().filter(|text| is_encrypted(text)) {
                    Some(ciphertext) => {
                        let closed = Closed::parse(ciphertext);
                        let (ciphertext, fingerprint) = (closed.ciphertext.to_owned(), closed.fingerprint());
                        self.secrets.insert(path, EncryptedValue { ciphertext, fingerprint });
                    }
                    None => {
                        // The label points at the key: the message must not lead anybody to print the value.
                        let diagnostic = Diagnostic::error(codes::SECRET_FILE, format!("secret `{path}` is not encrypted"));
                        let diagnostic = diagnostic.at(&source.path, entry.key_span.clone(), "this key");
                        out.push(diagnostic.help(format!("set it with `keel secret set {path}`, and change it if it was ever committed")));
                    }
                },
            }
        }
    }

    /// The paths of all secrets, in the order of the files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }

    /// The encrypted value of a secret.
    pub fn ciphertext(&self, path: &str) -> Option<&str> {
        self.secrets.get(path).map(|secret| secret.ciphertext.as_str())
    }

    /// What catalogs say of a secret.
    pub fn reference(&self, path: &str) -> Option<SecretRef> {
        let secret = self.secrets.get(path)?;
        Some(SecretRef { path: path.to_owned(), fingerprint: secret.fingerprint.clone(), filters: Vec::new() })
    }

    /// The secret as expressions see it.
    pub(crate) fn sealed_object(&self, path: &str) -> Option<SealedObject> {
        self.secrets.get_index_of(path).map(|index| SealedObject { index, filters: Vec::new(), nonce: Arc::from(self.nonce.as_str()) })
    }

    /// A sealed value as expressions see it: an object if it is one secret, otherwise text with tokens.
    pub(crate) fn to_template(&self, sealed: &Sealed) -> minijinja::Value {
        if let [SealedPart::Secret(secret)] = sealed.parts.as_slice()
            && let Some(object) = self.object_of(secret)
        {
            return minijinja::Value::from_object(object);
        }
        let mut text = String::new();
        for part in &sealed.parts {
            match part {
                SealedPart::Text(plain) => text.push_str(plain),
                SealedPart::Secret(secret) => text.extend(self.object_of(secret).map(|object| object.token())),
            }
        }
        minijinja::Value::from(text)
    }

    fn object_of(&self, secret: &SecretRef) -> Option<SealedObject> {
        let object = self.sealed_object(&secret.path)?;
        Some(SealedObject { filters: secret.filters.clone(), ..object })
    }

    /// What catalogs say of a secret that an expression has.
    pub(crate) fn reference_of(&self, object: &SealedObject) -> Option<SecretRef> {
        let (path, secret) = self.secrets.get_index(object.index)?;
        Some(SecretRef { path: path.clone(), fingerprint: secret.fingerprint.clone(), filters: object.filters.clone() })
    }

    /// Takes a finished text apart at its tokens; none if it has none.
    ///
    /// # Errors
    /// Fails on broken tokens: something has cut or changed the text around a secret.
    pub(crate) fn split(&self, text: &str) -> Result<Option<Sealed>, BrokenToken> {
        if text.is_ascii() || (!text.contains(TOKEN_START) && !text.contains(TOKEN_END)) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(TOKEN_START) {
            let (before, from) = rest.split_at(at);
            let inside = from.strip_prefix(TOKEN_START).and_then(|inside| inside.split_once(TOKEN_END));
            let (token, after) = inside.ok_or(BrokenToken)?;
            let reference = self.parse_token(token).and_then(|object| self.reference_of(&object)).ok_or(BrokenToken)?;
            if before.contains(TOKEN_END) {
                return Err(BrokenToken);
            }
            if !before.is_empty() {
                parts.push(SealedPart::Text(before.to_owned()));
            }
            parts.push(SealedPart::Secret(reference));
            rest = after;
        }
        if rest.contains(TOKEN_END) {
            return Err(BrokenToken);
        }
        if !rest.is_empty() {
            parts.push(SealedPart::Text(rest.to_owned()));
        }
        Ok(Some(Sealed { parts }))
    }

    fn parse_token(&self, token: &str) -> Option<SealedObject> {
        let mut fields = token.split(':');
        let (nonce, index, letters) = (fields.next()?, fields.next()?, fields.next()?);
        if nonce != self.nonce || fields.next().is_some() {
            return None;
        }
        let filters = letters.chars().map(filter_of_letter).collect::<Option<_>>()?;
        Some(SealedObject { index: index.parse().ok()?, filters, nonce: Arc::from(nonce) })
    }
}

impl fmt::Debug for SecretNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths()).finish()
    }
}

/// A text had a part of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BrokenToken;

/// Whether a text can be an encrypted value.
pub fn is_encrypted(text: &str) -> bool {
    text.starts_with(ENCRYPTED_PREFIX) || text.starts_with(ARMOR_PREFIX)
}

/// Whether a text has a secret in it.
pub(crate) fn has_token(text: &str) -> bool {
    text.contains(TOKEN_START)
}

/// A secret in an expression: it can be passed on and put into text.
#[derive(Clone)]
pub(crate) struct SealedObject {
    index: usize,
    filters: Vec<SecretFilter>,
    nonce: Arc<str>,
}

impl SealedObject {
    /// The secret with one more thing to do after opening.
    pub(crate) fn filtered(&self, filter: SecretFilter) -> Self {
        let mut filtered = self.clone();
        filtered.filters.push(filter);
        filtered
    }

    /// What stands for it in a text.
    pub(crate) fn token(&self) -> String {
        let letters: String = self.filters.iter().map(|filter| letter_of_filter(*filter)).collect();
        format!("{TOKEN_START}{}:{}:{letters}{TOKEN_END}", self.nonce, self.index)
    }
}

fn letter_of_filter(filter: SecretFilter) -> char {
    match filter {
        SecretFilter::Base64 => 'b',
        SecretFilter::UrlEncode => 'u',
        SecretFilter::Json => 'j',
        SecretFilter::ShellQuote => 'q',
    }
}

fn filter_of_letter(letter: char) -> Option<SecretFilter> {
    [SecretFilter::Base64, SecretFilter::UrlEncode, SecretFilter::Json, SecretFilter::ShellQuote]
        .into_iter()
        .find(|filter| letter_of_filter(*filter) == letter)
}

impl fmt::Debug for SealedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl Object for SealedObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn names() -> SecretNames {
        let files = MemoryFiles::new([("secrets/galera.toml", "sst = 'age:AAA'\n[app]\npassword = 'age:BBB'\n")]);
        let mut out = Vec::new();
        let names = SecretNames::load(&files, &mut out);
        assert_eq!(out, []);
        names
    }

    #[test]
    fn texts_are_split_at_tokens() {
        let names = names();
        assert_eq!(names.paths().collect::<Vec<_>>(), ["galera/sst", "galera/app/password"]);
        let token = names.sealed_object("galera/app/password").unwrap().filtered(SecretFilter::UrlEncode).token();
        let sealed = names.split(&format!("amqp://x:{token}@h")).unwrap().unwrap();
        let mut reference = names.reference("galera/app/password").unwrap();
        reference.filters.push(SecretFilter::UrlEncode);
        let expected = vec![SealedPart::Text("amqp://x:".into()), SealedPart::Secret(reference), SealedPart::Text("@h".into())];
        assert_eq!(sealed.parts, expected);
        assert_eq!(names.to_template(&sealed).to_string(), format!("amqp://x:{token}@h"), "there and back");
        assert_eq!(names.split("plain"), Ok(None));
    }

    #[test]
    fn broken_and_forged_tokens_are_refused() {
        let names = names();
        let token = names.sealed_object("galera/sst").unwrap().token();
        assert_eq!(names.split(&token.to_uppercase()), Err(BrokenToken));
        assert_eq!(names.split(&token.chars().skip(1).collect::<String>()), Err(BrokenToken));
        assert_eq!(names.split(&token.chars().take(9).collect::<String>()), Err(BrokenToken));
        assert_eq!(names.split(&format!("{TOKEN_START}0:0:{TOKEN_END}")), Err(BrokenToken));
    }

    #[test]
    fn clear_values_are_errors_that_do_not_show_them() {
        let files = MemoryFiles::new([("secrets/x.toml", "a = 'hunter2'\nb = 3\n")]);
        let mut out = Vec::new();
        assert_eq!(SecretNames::load(&files, &mut out).paths().count(), 0);
        assert_eq!(out.len(), 2);
        assert_eq!(out[0].labels[0].span, 0..1, "only the key");
        assert!(!format!("{out:?}").contains("hunter2"));
    }
}
