//! What comes in as a signing request or certificate: read, checked, and reduced to what counts.

use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::error::{Error, Result};

/// Longer requests are not read.
const LENGTH_MAX: usize = 16 * 1024;

/// A signing request, reduced to the one thing that counts.
#[derive(Debug, Clone)]
pub struct SigningRequest {
    pub(super) key: SubjectPublicKeyInfo,
}

impl SigningRequest {
    /// Reads a request as PEM and checks its signature. It may name the host or nothing, and ask for nothing.
    ///
    /// # Errors
    /// Says why it is refused, without quoting it.
    pub fn read(pem: &str, host: &HostName) -> std::result::Result<Self, String> {
        if pem.len() > LENGTH_MAX {
            return Err(format!("the signing request is longer than {LENGTH_MAX} bytes"));
        }
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| "the signing request is not PEM".to_owned())?;
        if !matches!(pem.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            return Err("the PEM holds something else than a signing request".to_owned());
        }
        let not_one = |_| "the signing request is damaged".to_owned();
        let (rest, request) = X509CertificationRequest::from_der(&pem.contents).map_err(not_one)?;
        if !rest.is_empty() {
            return Err("the signing request has bytes behind its end".to_owned());
        }
        let info = &request.certification_request_info;
        check_subject(&info.subject, host)?;
        let asks = |attribute: &ParsedCriAttribute<'_>| matches!(attribute, ParsedCriAttribute::ExtensionRequest(_));
        if info.iter_attributes().any(|attribute| asks(attribute.parsed_attribute())) {
            return Err("the signing request asks for extensions, and none are granted".to_owned());
        }
        let unsupported = || "the key is of another kind than Ed25519 or ECDSA P-256".to_owned();
        let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| unsupported())?;
        if ![&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256].contains(&key.algorithm()) {
            return Err(unsupported());
        }
        request.verify_signature().map_err(|_| "the signing request is not signed with its own key".to_owned())?;
        Ok(Self { key })
    }

    /// The blake3 of the public key, by which an enrolment goes.
    pub fn id(&self) -> Digest {
        Digest::of(&self.key.subject_public_key_info())
    }
}

fn check_subject(subject: &X509Name<'_>, host: &HostName) -> std::result::Result<(), String> {
    let mut names = subject.iter_attributes();
    match (names.next(), names.next()) {
        (None, _) => Ok(()),
        (Some(name), None) if name.as_str().is_ok_and(|name| name == host.as_str()) => Ok(()),
        _ => Err(format!("the subject of the signing request is neither empty nor {host}")),
    }
}

/// From when to when a certificate is valid, in seconds since 1970.
pub(super) struct Life {
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Life {
    pub(super) fn half(&self) -> u64 {
        self.not_before + self.not_after.saturating_sub(self.not_before) / 2
    }
}

/// Reads how long a certificate of our own is valid.
pub(super) fn life(der: &[u8]) -> Result<Life> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|error| Error::trouble(format!("a certificate of the authority is damaged: {error}")))?;
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let validity = certificate.validity();
    Ok(Life { not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
}

#[cfg(test)]
pub(super) fn public_key(der: &[u8]) -> Vec<u8> {
    x509_parser::parse_x509_certificate(der).unwrap().1.public_key().raw.to_vec()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384, SanType};

    use super::*;

    fn read(change: impl FnOnce(&mut CertificateParams)) -> std::result::Result<SigningRequest, String> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        change(&mut params);
        SigningRequest::read(&params.serialize_request(&key).unwrap().pem().unwrap(), &HostName::new("db-1").unwrap())
    }

    #[test]
    fn a_request_that_asks_for_nothing_is_reduced_to_its_key() {
        let (one, other) = (read(|_| ()).unwrap(), read(|params| params.distinguished_name.push(DnType::CommonName, "db-1")).unwrap());
        assert_ne!(one.id(), other.id());
    }

    #[test]
    fn who_asks_for_more_is_refused() {
        let refused = |change: fn(&mut CertificateParams)| read(change).unwrap_err();
        assert!(refused(|params| params.distinguished_name.push(DnType::CommonName, "db-2")).contains("neither empty nor db-1"));
        assert!(refused(|params| params.distinguished_name.push(DnType::CommonName, "db-1\u{1b}[2J")).contains("neither empty"));
        assert!(
            refused(|params| params.subject_alt_names.push(SanType::DnsName("*.example.org".try_into().unwrap()))).contains("extensions")
        );
        assert!(refused(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)).contains("extensions"));
    }

    #[test]
    fn other_keys_and_other_things_are_refused() {
        let host = HostName::new("db-1").unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        assert!(SigningRequest::read(&pem, &host).unwrap_err().contains("another kind"));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        for text in [
            "",
            "x",
            &"x".repeat(LENGTH_MAX + 1),
            &certificate,
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        ] {
            assert!(SigningRequest::read(text, &host).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn a_request_signed_with_another_key_is_refused() {
        let host = HostName::new("db-1").unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let der = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let mut tampered = der.clone();
        let end = tampered.len() - 1;
        tampered[end] ^= 1;
        for (bytes, good) in [(der, true), (tampered, false)] {
            let pem = pem_of(&bytes);
            assert_eq!(SigningRequest::read(&pem, &host).is_ok(), good);
        }
    }

    fn pem_of(der: &[u8]) -> String {
        super::super::folder::pem_labelled("CERTIFICATE REQUEST", der)
    }
}
