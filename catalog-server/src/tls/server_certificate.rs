//! The certificate that the server presents, exchanged while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::authority::ServerCertificate;
use crate::error::{Error, Result};

/// The certificate in use.
#[derive(Debug)]
pub struct ServerCertificateInUse {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificateInUse {
    /// Begins with one.
    ///
    /// # Errors
    /// Its key is of a kind that cannot sign.
    pub fn new(certificate: ServerCertificate) -> Result<Self> {
        Ok(Self { current: RwLock::new(certified(certificate)?) })
    }

    /// Goes on with the next one; open connections stay.
    ///
    /// # Errors
    /// Its key is of a kind that cannot sign.
    pub fn replace(&self, certificate: ServerCertificate) -> Result<()> {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified(certificate)?;
        Ok(())
    }
}

fn certified(certificate: ServerCertificate) -> Result<Arc<CertifiedKey>> {
    let key = any_supported_type(&certificate.key).map_err(|error| Error::trouble(format!("the server's key cannot be used: {error}")))?;
    Ok(Arc::new(CertifiedKey::new(certificate.chain, key)))
}

impl ResolvesServerCert for ServerCertificateInUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
