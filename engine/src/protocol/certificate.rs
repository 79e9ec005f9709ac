//! Certificates: how an agent proves its name, and how it gets the next one.

use serde::{Deserialize, Serialize};

/// How a host's name stands in its certificate: before the name, in a URI among the alternative names. No
/// TLS client takes such a name for a server's.
pub const HOST_URI: &str = "keel://host/";

/// A host's certificate, as the server hands it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Certificate {
    /// The certificate and the one that issued it, as PEM: what the agent presents in a handshake.
    pub chain: String,
    /// Its serial number in hexadecimal, for people and logs.
    pub serial: String,
    /// When it began to be valid, in seconds since 1970.
    pub not_before: u64,
    /// When it ceases to be valid, in seconds since 1970. An agent renews it half-way.
    pub not_after: u64,
}

/// Asks for the next certificate of the host that asks: `POST /v1/certificate`.
///
/// The name is the one in the certificate that the request came with. Only an agent whose certificate
/// ran out, at most thirty days ago, has to keep its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// A certificate signing request as PEM. Nothing but its public key counts.
    pub csr: String,
    /// The host's age recipient (`age1...`), to which secrets are sealed.
    pub recipient: String,
}

/// What agents trust: `GET /v1/authority`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authority {
    /// The root certificate as PEM.
    pub root: String,
    /// The SHA-256 of the root certificate in 64 hexadecimal digits, as the join command shows it.
    pub fingerprint: String,
}
