//! Identities: the keys that open secrets, in age's own format, and closing and opening texts with them.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::iter;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::{Decryptor, Encryptor};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keel_engine::secret::{Closed, ENCRYPTED_PREFIX, Secret};

pub use age::x25519::{Identity, Recipient};

/// Why an identity cannot be used, and what to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityError {
    /// One sentence; never a part of a key.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl IdentityError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for IdentityError {}

/// Reads an identity file: age's own format, one key a line, `#` before comments.
///
/// # Errors
/// There is no such file, others may read it, or there is no key in it.
pub fn load(path: &Path) -> Result<Vec<Identity>, IdentityError> {
    let failed = |error: std::io::Error| {
        let failed = IdentityError::new(format!("cannot read the identity {}: {error}", path.display()));
        match error.kind() {
            ErrorKind::NotFound => failed.hint("run `keel secret init`, or name the file in KEEL_IDENTITY"),
            _ => failed,
        }
    };
    let mut file = OpenOptions::new().read(true).open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let message = format!("others may read the identity {} (mode {mode:04o})", path.display());
        return Err(IdentityError::new(message).hint(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<Identity>, &str> = lines.map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        // The line itself may be a key with a typing error: it is not repeated.
        _ => Err(IdentityError::new(format!("{} holds no age identity", path.display())).hint("a key starts with AGE-SECRET-KEY-1")),
    }
}

/// Makes a new identity file, for its owner alone, and returns the recipient that belongs to it.
///
/// # Errors
/// The file exists or cannot be made.
pub fn create(path: &Path) -> Result<Recipient, IdentityError> {
    let failed = |error: std::io::Error| IdentityError::new(format!("cannot make the identity {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let identity = Identity::generate();
    let recipient = identity.to_public();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let text = format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret());
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(recipient)
}

/// Closes a text for all recipients.
///
/// # Errors
/// Encryption failed, which has no reason that an operator could mend.
pub fn close(recipients: &[Recipient], secret: &Secret) -> Result<String, IdentityError> {
    let failed = |error: &dyn fmt::Display| IdentityError::new(format!("cannot encrypt: {error}"));
    let all = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(all).map_err(|error| failed(&error))?;
    let mut closed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut closed).map_err(|error| failed(&error))?;
    writer.write_all(secret.reveal_secret_text().as_bytes()).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(format!("{ENCRYPTED_PREFIX}{}", STANDARD.encode(closed)))
}

/// Opens a closed text with whichever key fits.
///
/// # Errors
/// Says why not, without the text: no key fits, or the text was altered.
pub fn open(identities: &[Identity], closed: &str) -> Result<Secret, String> {
    let bytes = STANDARD
        .decode(unwrapped(Closed::parse(closed).ciphertext))
        .map_err(|_| "it is neither `age:` with base64 nor armored".to_owned())?;
    let mut why = "there is no key".to_owned();
    for identity in identities {
        match open_with(identity, &bytes) {
            Ok(text) => return Ok(Secret::new(text)),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The base64 in a closed text, in either of the two forms that a site may hold.
fn unwrapped(closed: &str) -> String {
    match closed.trim().strip_prefix(ENCRYPTED_PREFIX) {
        Some(text) => text.trim().to_owned(),
        // Armor is base64 between two lines of dashes.
        None => closed.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect(),
    }
}

fn open_with(identity: &Identity, bytes: &[u8]) -> Result<String, String> {
    let decryptor = Decryptor::new(bytes).map_err(|error| error.to_string())?;
    let mut reader = decryptor.decrypt(iter::once(identity as &dyn age::Identity)).map_err(|error| error.to_string())?;
    let mut text = String::new();
    reader.read_to_string(&mut text).map_err(|_| "it was altered, or is no UTF-8 text".to_owned())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_for_two_opens_for_each_and_for_nobody_else() {
        let (one, two, other) = (Identity::generate(), Identity::generate(), Identity::generate());
        let closed = close(&[one.to_public(), two.to_public()], &Secret::new("canary".to_owned())).unwrap();
        for identity in [one, two] {
            assert_eq!(open(&[identity], &closed).unwrap().reveal_secret_text(), "canary");
        }
        assert!(open(&[other], &closed).is_err());
        assert!(open(&[], &closed).is_err());
    }

    #[test]
    fn armored_texts_open_too() {
        let identity = Identity::generate();
        let closed = close(&[identity.to_public()], &Secret::new("canary".to_owned())).unwrap();
        let inner = closed.strip_prefix("age:").unwrap();
        let (first, second) = inner.split_at(64);
        let armored = format!("-----BEGIN AGE ENCRYPTED FILE-----\n{first}\n{second}\n-----END AGE ENCRYPTED FILE-----\n");
        assert_eq!(open(&[identity], &armored).unwrap().reveal_secret_text(), "canary");
    }

    #[test]
    fn an_identity_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/identity");
        let recipient = create(&path).unwrap();
        assert_eq!(load(&path).unwrap()[0].to_public().to_string(), recipient.to_string());
        assert!(create(&path).is_err(), "an identity is never overwritten");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(load(&path).err().unwrap().message.contains("mode 0644"));
    }
}
