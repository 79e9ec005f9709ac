//! The certificate that the server presents, exchanged while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::authority::{Authority, ServerCertificate};
use crate::error::{Error, Result};

/// The certificate in use.
#[derive(Debug)]
pub struct ServerCertificateInUse {
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When the next one is to be made, in seconds since 1970.
    renew_at: u64,
}

impl ServerCertificateInUse {
    /// Begins with one for these names.
    ///
    /// # Errors
    /// The authority cannot make it.
    pub fn begin(authority: &Authority, names: &[String], now: u64) -> Result<Self> {
        Ok(Self { current: RwLock::new(certified(authority.certify_server(names, now)?)?) })
    }

    /// Goes on with the next one, if it is time; open connections stay.
    ///
    /// # Errors
    /// The authority cannot make it; the current one stays in use.
    pub fn renew(&self, authority: &Authority, names: &[String], now: u64) -> Result<()> {
        if now < self.current.read().unwrap_or_else(PoisonError::into_inner).renew_at {
            return Ok(());
        }
        let next = certified(authority.certify_server(names, now)?)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key)
    }
}

fn certified(certificate: ServerCertificate) -> Result<Current> {
    let key = any_supported_type(&certificate.key).map_err(|error| Error::trouble(format!("the server's key cannot be used: {error}")))?;
    Ok(Current { key: Arc::new(CertifiedKey::new(certificate.chain, key)), renew_at: certificate.renew_at })
}

impl ResolvesServerCert for ServerCertificateInUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const YEAR: u64 = 365 * 24 * 3600;

    #[test]
    fn the_next_one_is_presented_from_half_of_the_life_on() {
        let scratch = tempfile::tempdir().unwrap();
        let authority = Authority::create(scratch.path().join("authority"), NOW).unwrap();
        let names = ["localhost".to_owned()];
        let in_use = ServerCertificateInUse::begin(&authority, &names, NOW).unwrap();
        let first = in_use.key();
        let half = authority.certify_server(&names, NOW).unwrap().renew_at;
        assert!(half > NOW && half < NOW + YEAR);
        in_use.renew(&authority, &names, half - 1).unwrap();
        assert_eq!(in_use.key().cert, first.cert, "it is not time yet");
        in_use.renew(&authority, &names, half).unwrap();
        let second = in_use.key();
        assert_ne!(second.cert, first.cert);
        in_use.renew(&authority, &names, half + 1).unwrap();
        assert_eq!(in_use.key().cert, second.cert, "once");
    }
}
