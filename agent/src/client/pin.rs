//! The first contact: a server whose authority is known by nothing but its fingerprint. What is presented
//! in the handshake has to hold the root with that fingerprint and to be valid under it, before a single
//! byte is sent; trust on first use does not exist.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use super::tls;

/// The SHA-256 of a root certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate.as_ref()).into())
    }
}

/// 64 hexadecimal digits, as the server shows it.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;

    /// Reads 64 hexadecimal digits; colons between them, capitals and `sha256:` in front are fine.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a fingerprint has 64 hexadecimal digits; `keel-server` shows it with every join command".to_owned();
        let plain = text.trim().to_ascii_lowercase();
        let digits: String = plain.strip_prefix("sha256:").unwrap_or(&plain).chars().filter(|letter| *letter != ':').collect();
        let hash = blake3::Hash::from_hex(digits.as_bytes()).map_err(|_| wrong())?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// A verifier that knows one root by its fingerprint, and keeps the root when it has met it.
#[derive(Debug)]
pub struct Pin {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
    root: Mutex<Option<CertificateDer<'static>>>,
    /// The fingerprint of another root, which was shown in its place.
    other: Mutex<Option<Fingerprint>>,
}

impl Pin {
    /// A verifier for a root with this fingerprint.
    pub fn new(fingerprint: Fingerprint) -> Arc<Self> {
        Arc::new(Self { fingerprint, provider: tls::provider(), root: Mutex::default(), other: Mutex::default() })
    }

    /// The root, once a handshake has succeeded.
    pub fn root(&self) -> Option<CertificateDer<'static>> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The fingerprint that the server's authority has, if it is another one than is asked for.
    pub fn other(&self) -> Option<Fingerprint> {
        *self.other.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings of a client that trusts what this verifier does, and shows no certificate.
    ///
    /// # Errors
    /// The mathematics lacks TLS 1.3.
    pub fn config(self: &Arc<Self>) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(self) as Arc<dyn ServerCertVerifier>;
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = intermediates.iter().find(|certificate| Fingerprint::of(certificate) == self.fingerprint);
        let Some(root) = root else {
            // Servers show their chain up to the root, which stands last.
            *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(Fingerprint::of(intermediates.last().unwrap_or(end_entity)));
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        let verified = verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        *self.root.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.clone().into_owned());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    /// An authority, and a server's certificate from it for a name.
    struct Site {
        root: CertificateDer<'static>,
        server: CertificateDer<'static>,
    }

    fn site(name: &str) -> Site {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut server = CertificateParams::new([name.to_owned()]).unwrap();
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        Site { root: issuer.der().clone(), server: server.der().clone() }
    }

    fn verify(pin: &Pin, server: &CertificateDer<'_>, root: &CertificateDer<'_>, name: &'static str) -> bool {
        let name = ServerName::try_from(name).unwrap();
        pin.verify_server_cert(server, std::slice::from_ref(root), &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn only_the_root_with_the_fingerprint_and_what_is_valid_under_it_will_do() {
        let (ours, other) = (site("keel.example"), site("keel.example"));
        let pin = Pin::new(Fingerprint::of(&ours.root));
        assert!(!verify(&pin, &other.server, &other.root, "keel.example"), "another authority");
        assert_eq!(pin.other(), Some(Fingerprint::of(&other.root)));
        assert!(!verify(&pin, &other.server, &ours.root, "keel.example"), "the root is shown, but did not issue this");
        assert!(!verify(&pin, &ours.server, &ours.root, "other.example"), "another name");
        assert!(pin.root().is_none(), "nothing is trusted before");
        assert!(verify(&pin, &ours.server, &ours.root, "keel.example"));
        assert_eq!(pin.root(), Some(ours.root));
    }

    #[test]
    fn fingerprints_are_read_as_people_paste_them() {
        let plain = "ab".repeat(32);
        let spaced: Vec<&str> = vec!["AB"; 32];
        assert_eq!(plain.parse::<Fingerprint>(), format!(" sha256:{}", spaced.join(":")).parse());
        assert!("ab".parse::<Fingerprint>().is_err() && format!("{plain}0").parse::<Fingerprint>().is_err());
    }
}
