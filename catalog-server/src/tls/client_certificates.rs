//! Which certificates of agents pass a handshake: ours, for clients, in time or not long past it.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore, SignatureScheme};

use crate::authority::GRACE;
use crate::error::{Error, Result};

/// The library's verifier, except that a certificate passes for a while after its end: an agent that was
/// off for a week has to be able to renew. What else it may do the table of routes says: nothing.
#[derive(Debug)]
pub(super) struct AgentCertificates {
    inner: Arc<dyn ClientCertVerifier>,
}

impl AgentCertificates {
    /// Certificates that this one issued.
    pub(super) fn below(anchor: &CertificateDer<'static>) -> Result<Self> {
        let trouble = |why: String| Error::trouble(format!("the authority's certificate for agents cannot be used: {why}"));
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone()).map_err(|error| trouble(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| trouble(error.to_string()))?;
        Ok(Self { inner })
    }
}

impl ClientCertVerifier for AgentCertificates {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, TlsError> {
        match self.inner.verify_client_cert(end_entity, intermediates, now) {
            Err(TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                let earlier = now.as_secs().saturating_sub(GRACE.as_secs());
                self.inner.verify_client_cert(
                    end_entity,
                    intermediates,
                    UnixTime::since_unix_epoch(std::time::Duration::from_secs(earlier)),
                )
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
