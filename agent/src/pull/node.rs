//! The host's own key and certificate, made here and kept in one file, so that the two always fit.

use std::time::Duration;

use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use keel_engine::protocol::certificate::{Certificate, HOST_URI};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::home::Home;
use crate::client::tls::Credentials;
use crate::error::{Error, Result};
use crate::state::{read_if_there, replace};

/// Who this host is to the server.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name, as the certificate says.
    pub host: HostName,
    /// Its key and certificate.
    pub credentials: Credentials,
    /// When the certificate began to be valid, since 1970.
    pub not_before: Duration,
    /// When it ceases to be.
    pub not_after: Duration,
}

/// A key that has no certificate yet.
pub struct NewKey {
    key: KeyPair,
}

impl Node {
    /// The host's identity.
    ///
    /// # Errors
    /// The host has not joined a site, or its file is damaged.
    pub fn load(home: &Home) -> Result<Self> {
        let path = home.node();
        let Some(pem) = read_if_there(&path).map_err(Error::host)? else {
            let hint = "let this host join with `keel agent enroll --server NAME --token TOKEN --fingerprint FINGERPRINT`";
            return Err(Error::host("this host has not joined a site: it has no certificate").hint(hint));
        };
        Self::parse(&pem).map_err(|why| {
            Error::host(format!("{}: {why}", path.display())).hint("let this host join once more with `keel agent enroll --again`")
        })
    }

    fn parse(pem: &[u8]) -> std::result::Result<Self, String> {
        let credentials = Credentials::from_pem(pem)?;
        let first = credentials.chain.first().ok_or("it holds no certificate")?;
        let (_, certificate) = X509Certificate::from_der(first).map_err(|_| "its certificate cannot be read")?;
        let host = name_in(&certificate).ok_or("its certificate names no host")?;
        let seconds = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or_default());
        let validity = certificate.validity();
        let (not_before, not_after) = (seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp()));
        Ok(Self { host, credentials, not_before, not_after })
    }

    /// Whether the certificate is past its half, or past a moment a little after it that differs from
    /// host to host.
    pub fn is_due(&self, now: Duration) -> bool {
        let life = self.not_after.saturating_sub(self.not_before);
        let mut first = [0; 2];
        first.copy_from_slice(&Digest::of(self.host.as_str().as_bytes()).as_bytes()[..2]);
        let spread = (life / 20).mul_f64(f64::from(u16::from_le_bytes(first)) / f64::from(u16::MAX));
        now >= self.not_before + life / 2 + spread
    }

    /// Whether the certificate has run out.
    pub fn has_run_out(&self, now: Duration) -> bool {
        now >= self.not_after
    }

    /// The key, to ask for another certificate with. A certificate that ran out is renewed with no other one.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn key(&self) -> Result<NewKey> {
        let key =
            KeyPair::try_from(&self.credentials.key).map_err(|error| Error::host(format!("the host's key cannot be used: {error}")))?;
        Ok(NewKey { key })
    }
}

/// The name of the host, which stands among the alternative names of the certificate.
fn name_in(certificate: &X509Certificate<'_>) -> Option<HostName> {
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => HostName::new(uri.strip_prefix(HOST_URI)?).ok(),
        _ => None,
    })
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn make() -> Result<Self> {
        let key = KeyPair::generate().map_err(|error| Error::host(format!("cannot make a key: {error}")))?;
        Ok(Self { key })
    }

    /// Takes a key that was made earlier.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let key = KeyPair::from_pem(pem).map_err(|error| Error::host(format!("a key of an earlier try cannot be used: {error}")))?;
        Ok(Self { key })
    }

    /// The key itself, as PEM.
    pub fn to_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A request for a certificate, as PEM.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn request(&self, host: &HostName) -> Result<String> {
        let failed = |error: rcgen::Error| Error::host(format!("cannot ask for a certificate: {error}"));
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, host.as_str());
        params.serialize_request(&self.key).and_then(|request| request.pem()).map_err(failed)
    }

    /// What the server calls an enrolment with this key.
    pub fn enrolment(&self) -> String {
        Digest::of(&self.key.subject_public_key_info()).to_string()
    }

    /// Keeps the key with the certificate that it got.
    ///
    /// # Errors
    /// The certificate is not this key's, is another host's or cannot be read, or the file cannot be written.
    pub fn keep(&self, home: &Home, host: &HostName, certificate: &Certificate) -> Result<Node> {
        let text = format!("{}{}", self.to_pem(), certificate.chain);
        let node = Node::parse(text.as_bytes()).map_err(|why| Error::host(format!("the server's certificate is of no use: {why}")))?;
        let public = self.key.subject_public_key_info();
        let fits = node.credentials.chain.first().and_then(|first| X509Certificate::from_der(first).ok());
        if fits.is_none_or(|(_, certificate)| certificate.public_key().raw != public) {
            return Err(Error::host("the server's certificate is another key's"));
        }
        if node.host != *host {
            return Err(Error::host(format!("the server calls this host {}, not {host}", node.host)));
        }
        replace(&home.node(), text.as_bytes()).map_err(Error::host)?;
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::SanType;

    fn db_1() -> HostName {
        HostName::new("db-1").unwrap()
    }

    fn certificate(key: &KeyPair, name: &str) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(format!("{HOST_URI}{name}").try_into().unwrap())];
        let chain = params.self_signed(key).unwrap().pem();
        Certificate { chain, serial: "1".to_owned(), not_before: 0, not_after: 1 }
    }

    #[test]
    fn what_is_kept_comes_back_and_nobody_else_may_read_it() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        assert!(Node::load(&home).unwrap_err().hints[0].contains("keel agent enroll"));
        let key = NewKey::make().unwrap();
        key.keep(&home, &db_1(), &certificate(&key.key, "db-1")).unwrap();
        let node = Node::load(&home).unwrap();
        assert_eq!(node.host.as_str(), "db-1");
        assert_eq!(node.key().unwrap().to_pem(), key.to_pem());
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(home.node()).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_certificate_of_another_key_or_with_an_odd_name_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let (key, other) = (NewKey::make().unwrap(), NewKey::make().unwrap());
        assert!(key.keep(&home, &db_1(), &certificate(&other.key, "db-1")).unwrap_err().message.contains("another key's"));
        assert!(key.keep(&home, &db_1(), &certificate(&key.key, "../db-1")).is_err());
        assert!(key.keep(&home, &db_1(), &certificate(&key.key, "db-2")).unwrap_err().message.contains("db-2, not db-1"));
        assert!(!home.node().exists());
    }

    #[test]
    fn renewal_is_due_after_half_the_life() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        let key = NewKey::make().unwrap();
        let mut node = key.keep(&home, &db_1(), &certificate(&key.key, "db-1")).unwrap();
        (node.not_before, node.not_after) = (Duration::from_secs(1000), Duration::from_secs(3000));
        assert!(!node.is_due(Duration::from_secs(1999)));
        assert!(node.is_due(Duration::from_secs(2100)));
        assert!(!node.has_run_out(Duration::from_secs(2999)) && node.has_run_out(Duration::from_secs(3000)));
    }
}
