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
        // The verifier lets a certificate pass that does not say what it is for; ours always do.
        if !certificate.extended_key_usage().ok()??.value.client_auth {
            return None;
        }
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
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[&str], purpose: Option<ExtendedKeyUsagePurpose>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = purpose.into_iter().collect();
        params.subject_alt_names = names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn exactly_one_name_of_our_kind_counts() {
        let read = |names: &[&str]| Presented::read(&certificate(names, Some(ExtendedKeyUsagePurpose::ClientAuth)));
        assert_eq!(read(&["keel://host/db-1"]).unwrap().host.as_str(), "db-1");
        for names in [&[][..], &["https://db-1"], &["keel://host/"], &["keel://host/../x"], &["keel://host/db-1", "keel://host/db-2"]] {
            assert_eq!(read(names), None, "{names:?}");
        }
        assert_eq!(Presented::read(b"junk"), None);
    }

    #[test]
    fn a_certificate_for_something_else_is_nobodys() {
        for purpose in [None, Some(ExtendedKeyUsagePurpose::ServerAuth)] {
            assert_eq!(Presented::read(&certificate(&["keel://host/db-1"], purpose)), None);
        }
    }
}
