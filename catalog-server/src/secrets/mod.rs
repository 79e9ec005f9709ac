//! Secrets on their way to hosts: opened with the site's identity in memory, and closed for one host at
//! once. Nothing here is ever written or printed.

use std::collections::BTreeMap;
use std::path::Path;

use keel_engine::digest::Digest;
use keel_resources::identity::{self, Identity, IdentityError, Recipient};
use thiserror::Error;

use crate::compiler::messages::ClosedSecret;

/// Why secrets cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// The server has no identity.
    #[error("the server has no identity that could open the site's secrets")]
    NoIdentity,
    /// No identity of the server opens a secret.
    #[error("secret {0} cannot be opened: {1}")]
    Closed(String, String),
    /// The host's recipient is none.
    #[error("the host's key is no age recipient")]
    Recipient,
}

/// Opens secrets and closes them for hosts.
#[derive(Default)]
pub struct Sealer {
    identities: Vec<Identity>,
}

impl Sealer {
    /// With the identities in a file; without one no secret can be given.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self, IdentityError> {
        Ok(Self { identities: file.map(identity::load).transpose()?.unwrap_or_default() })
    }

    /// The secrets by their paths, closed for a host.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, secrets: &[ClosedSecret], recipient: &str) -> Result<BTreeMap<String, String>, SealError> {
        if secrets.is_empty() {
            return Ok(BTreeMap::new());
        }
        if self.identities.is_empty() {
            return Err(SealError::NoIdentity);
        }
        let recipient: [Recipient; 1] = [recipient.parse().map_err(|_| SealError::Recipient)?];
        let seal = |secret: &ClosedSecret| {
            let closed = |why: String| SealError::Closed(secret.path.clone(), why);
            let opened = identity::open(&self.identities, &secret.closed).map_err(closed)?;
            let sealed = identity::close(&recipient, &opened).map_err(|error| closed(error.message))?;
            Ok((secret.path.clone(), sealed))
        };
        secrets.iter().map(seal).collect()
    }
}

/// The state of a host's secrets. It moves when one of them or the host's key does, and says nothing
/// that could be guessed against: the closed texts are hashed.
pub fn state(secrets: &[ClosedSecret], recipient: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("Evenkeel 2026 secrets of a host");
    for text in std::iter::once(recipient).chain(secrets.iter().flat_map(|secret| [secret.path.as_str(), &secret.closed])) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use keel_engine::secret::Secret;

    use super::*;

    fn closed_for(site: &Identity) -> Vec<ClosedSecret> {
        let closed = identity::close(&[site.to_public()], &Secret::new("canary".to_owned())).unwrap();
        vec![ClosedSecret { path: "db/password".to_owned(), closed }]
    }

    #[test]
    fn a_host_opens_its_own_and_nobody_elses() {
        let (site, host, other) = (Identity::generate(), Identity::generate(), Identity::generate());
        let secrets = closed_for(&site);
        let sealer = Sealer { identities: vec![site] };
        let sealed = sealer.seal(&secrets, &host.to_public().to_string()).unwrap();
        assert_eq!(identity::open(&[host], &sealed["db/password"]).unwrap().reveal_secret_text(), "canary");
        assert!(identity::open(&[other], &sealed["db/password"]).is_err());
        assert!(!format!("{sealed:?}").contains("canary"));
    }

    #[test]
    fn what_cannot_be_given_is_said_by_path_alone() {
        let (site, host) = (Identity::generate(), Identity::generate().to_public().to_string());
        let secrets = closed_for(&site);
        assert_eq!(Sealer::default().seal(&secrets, &host), Err(SealError::NoIdentity));
        assert_eq!(Sealer::default().seal(&[], &host), Ok(BTreeMap::new()));
        let stranger = Sealer { identities: vec![Identity::generate()] };
        assert!(matches!(stranger.seal(&secrets, &host), Err(SealError::Closed(path, _)) if path == "db/password"));
        let sealer = Sealer { identities: vec![site] };
        assert_eq!(sealer.seal(&secrets, "no recipient"), Err(SealError::Recipient));
    }

    #[test]
    fn the_state_moves_with_secrets_and_keys() {
        let secrets = closed_for(&Identity::generate());
        let again = closed_for(&Identity::generate());
        assert_eq!(state(&secrets, "a"), state(&secrets, "a"));
        assert_ne!(state(&secrets, "a"), state(&secrets, "b"));
        assert_ne!(state(&secrets, "a"), state(&again, "a"));
    }
}
