//! The way in: listeners, TLS 1.3, and connections that cannot hold the server up.

mod activity;
mod client_certificates;
mod connection;
mod listener;
mod presented;
mod server_certificate;

pub use activity::{Activity, Work};
pub use connection::Peer;
pub use listener::{Listener, Stop, bind, stop_channel};
pub use presented::Presented;
pub use server_certificate::ServerCertificateInUse;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;

use crate::error::{Error, Result};

/// How agents are let in: a certificate is asked for, but who enrols has none yet.
///
/// # Errors
/// The anchor is no certificate.
pub fn for_agents(certificate: Arc<ServerCertificateInUse>, anchor: &CertificateDer<'static>) -> Result<Arc<ServerConfig>> {
    let verifier = client_certificates::AgentCertificates::below(anchor)?;
    Ok(finish(builder()?.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(certificate)))
}

/// How operators are let in: by bearer tokens, so no certificate is asked for.
///
/// # Errors
/// The library does not know TLS 1.3.
pub fn for_operators(certificate: Arc<ServerCertificateInUse>) -> Result<Arc<ServerConfig>> {
    Ok(finish(builder()?.with_no_client_auth().with_cert_resolver(certificate)))
}

fn builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>> {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| Error::trouble(format!("TLS 1.3 cannot be set up: {error}")))
}

fn finish(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would not show its certificate again; every connection is a whole handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}
