//! What a client's certificate says, read once a connection.

use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::authority::HOST_URI;
use crate::random::hex;

/// A certificate that passed the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The host that it names.
    pub host: HostName,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// When it ceases to be valid, in seconds since 1970.
    pub not_after: u64,
    /// The blake3 of its public key.
    pub key: Digest,
}

impl Presented {
    /// Reads a certificate; nothing if it is not one that the authority makes for agents.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        Some(Self {
            host: host(&certificate)?,
            serial: hex(certificate.raw_serial()),
            not_after: u64::try_from(certificate.validity().not_after.timestamp()).ok()?,
            key: Digest::of(certificate.public_key().raw),
        })
    }
}

fn host(certificate: &X509Certificate<'_>) -> Option<HostName> {
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    match names.as_slice() {
        [GeneralName::URI(uri)] => HostName::new(uri.strip_prefix(HOST_URI)?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn exactly_one_name_of_our_kind_counts() {
        assert_eq!(Presented::read(&certificate(&["keel://host/db-1"])).unwrap().host.as_str(), "db-1");
        for names in [&[][..], &["https://db-1"], &["keel://host/"], &["keel://host/../x"], &["keel://host/db-1", "keel://host/db-2"]] {
            assert_eq!(Presented::read(&certificate(names)), None, "{names:?}");
        }
        assert_eq!(Presented::read(b"junk"), None);
    }
}
