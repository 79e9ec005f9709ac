//! TLS as every program here speaks it: version 1.3, ring for the mathematics, and one authority that is
//! trusted instead of the machine's list.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A certificate with its key: how an agent proves its name.
#[derive(Debug)]
pub struct Credentials {
    /// The certificate, then those that issued it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Credentials {
    /// Reads a key and its certificates from PEM, in any order.
    ///
    /// # Errors
    /// Says what is missing, without showing any of it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let chain = certificates(pem)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key".to_owned())?;
        Ok(Self { chain, key })
    }
}

/// The mathematics; named wherever TLS is set up, so that none is ever picked by accident.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The settings of a client that trusts these roots alone.
///
/// # Errors
/// The roots or the credentials cannot be used; says why, without showing them.
pub fn config(roots: RootCertStore, credentials: Option<&Credentials>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let mut config = match credentials {
        None => builder.with_no_client_auth(),
        Some(Credentials { chain, key }) => {
            let built = builder.with_client_auth_cert(chain.clone(), key.clone_key());
            built.map_err(|error| format!("the certificate and its key cannot be used: {error}"))?
        }
    };
    // A handshake costs little, and a resumed session would outlive a revocation.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The roots in a file.
///
/// # Errors
/// Names the file, and says why it cannot be read or what is wrong with it.
pub fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    roots(&pem).map_err(|why| format!("{}: {why}", file.display()))
}

/// The roots in PEM.
///
/// # Errors
/// There is none, or one is no root.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it is no root: {error}"))?;
    }
    Ok(roots)
}

/// The certificates in PEM, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("it holds no certificate".to_owned()),
        Err(_) => Err("it is no PEM".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        assert_eq!(roots(b"").err().unwrap(), "it holds no certificate");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        assert_eq!(Credentials::from_pem(certificate.as_bytes()).unwrap_err(), "it holds no private key");
        let both = Credentials::from_pem(format!("{}{certificate}", key.serialize_pem()).as_bytes()).unwrap();
        assert!(config(roots(certificate.as_bytes()).unwrap(), Some(&both)).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let [one, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let certificate = rcgen::CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&one).unwrap().pem();
        let mixed = Credentials::from_pem(format!("{}{certificate}", other.serialize_pem()).as_bytes()).unwrap();
        assert!(config(roots(certificate.as_bytes()).unwrap(), Some(&mixed)).is_err());
    }
}
