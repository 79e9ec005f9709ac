//! Keys as commands use them: the identity that opens secrets, and the recipients that they are closed for.

use std::path::Path;

use keel_engine::secret::Secret;
use keel_resources::identity::{self, Identity, IdentityError, Recipient};

use crate::error::{Error, Result};

pub use keel_resources::identity::open;

impl From<IdentityError> for Error {
    fn from(error: IdentityError) -> Self {
        Error::host(error.message).hint_if(error.hint)
    }
}

/// Reads an identity file: age's own format, one key a line, `#` before comments.
///
/// # Errors
/// There is no such file, others may read it, or there is no key in it.
pub fn load(path: &Path) -> Result<Vec<Identity>> {
    Ok(identity::load(path)?)
}

/// Makes a new identity file, for its owner alone, and returns the recipient that belongs to it.
///
/// # Errors
/// The file exists or cannot be made.
pub fn create(path: &Path) -> Result<Recipient> {
    Ok(identity::create(path)?)
}

/// Reads recipients as `keel.toml` lists them.
///
/// # Errors
/// One of them is no age recipient, or there is none.
pub fn recipients(texts: &[String]) -> Result<Vec<Recipient>> {
    if texts.is_empty() {
        return Err(Error::site("keel.toml names no recipients, so nobody could open a secret").hint("run `keel secret init`"));
    }
    let parse = |text: &String| {
        text.parse().map_err(|why| Error::site(format!("recipient {text} in keel.toml: {why}")).hint("a recipient starts with age1"))
    };
    texts.iter().map(parse).collect()
}

/// Closes a text for all recipients.
///
/// # Errors
/// Encryption failed, which has no reason that an operator could mend.
pub fn close(recipients: &[Recipient], secret: &Secret) -> Result<String> {
    Ok(identity::close(recipients, secret)?)
}
