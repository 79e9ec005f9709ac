//! Making keys and certificates.

use std::net::IpAddr;
use std::time::Duration;

use keel_engine::resource::Failure;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType, SerialNumber, date_time_ymd,
};
use rustix::rand::{GetRandomFlags, getrandom};

use super::attributes::{Algorithm, Certificate, Usage};
use super::verdict::Authority;
use crate::host::Host;

/// Clocks of hosts differ; a certificate is good from a little before it was made.
pub(super) const SKEW: u64 = 3600;

/// A new key.
///
/// # Errors
/// The system has no chance to give, or no `openssl` for a key of RSA.
pub(super) fn new_key(host: &Host, algorithm: Algorithm) -> Result<KeyPair, Failure> {
    let algorithm = match algorithm {
        Algorithm::P256 => &PKCS_ECDSA_P256_SHA256,
        Algorithm::P384 => &PKCS_ECDSA_P384_SHA384,
        Algorithm::Ed25519 => &PKCS_ED25519,
        Algorithm::Rsa2048 => return new_rsa_key(host, "rsa_keygen_bits:2048"),
        Algorithm::Rsa4096 => return new_rsa_key(host, "rsa_keygen_bits:4096"),
    };
    KeyPair::generate_for(algorithm).map_err(|error| Failure::new(format!("no key could be made: {error}")))
}

/// The library that signs makes no keys of RSA.
fn new_rsa_key(host: &Host, bits: &str) -> Result<KeyPair, Failure> {
    let command = host.command("openssl").arguments(["genpkey", "-algorithm", "RSA", "-pkeyopt", bits]);
    let made = command.succeed().map_err(|failure| failure.help("keys of RSA are made by openssl: declare the package openssl"))?;
    KeyPair::from_pem(&made.text()?).map_err(|error| Failure::new(format!("the key that openssl made cannot be used: {error}")))
}

/// The certificate of a key as PEM, from this second on, with the authority's behind it where that is wanted.
///
/// # Errors
/// The authority's certificate or key is of no use.
pub(super) fn issue(desired: &Certificate, key: &KeyPair, authority: Option<&Authority>, now: i64) -> Result<String, Failure> {
    let failed = |error: rcgen::Error| Failure::new(format!("the certificate of {} could not be made: {error}", desired.name));
    let params = params(desired, u64::try_from(now).unwrap_or_default(), authority.is_some())?;
    let Some(authority) = authority else { return Ok(params.self_signed(key).map_err(failed)?.pem()) };
    let issuer = Issuer::from_ca_cert_pem(&authority.pem, &authority.key).map_err(failed)?;
    let pem = params.signed_by(key, &issuer).map_err(failed)?.pem();
    Ok(if desired.chain { format!("{pem}{}", authority.pem) } else { pem })
}

fn params(desired: &Certificate, now: u64, is_signed: bool) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::default();
    let start = date_time_ymd(1970, 1, 1);
    params.not_before = start + Duration::from_secs(now.saturating_sub(SKEW));
    params.not_after = start + Duration::from_secs(now) + desired.valid_for.0;
    params.serial_number = Some(SerialNumber::from_slice(&serial()?));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, desired.name.as_str());
    for name in desired.all_names() {
        let wrong = || Failure::new(format!("{name:?} cannot stand in a certificate"));
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(|_| wrong())?),
        });
    }
    params.use_authority_key_identifier_extension = is_signed;
    if desired.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        return Ok(params);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let purpose = |usage: &Usage| match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    };
    params.extended_key_usages = desired.all_usages().iter().map(purpose).collect();
    Ok(params)
}

/// A serial number is positive and has no leading zero byte.
fn serial() -> Result<[u8; 16], Failure> {
    let mut number = [0u8; 16];
    getrandom(&mut number, GetRandomFlags::empty()).map_err(|errno| Failure::new(format!("the system has no chance to give: {errno}")))?;
    if let Some(first) = number.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(number)
}
