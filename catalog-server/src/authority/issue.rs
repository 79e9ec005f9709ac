//! What stands in certificates: pure, from a name and the time.

use std::net::IpAddr;
use std::time::Duration;

use keel_engine::host_name::HostName;
pub(crate) use keel_engine::protocol::certificate::HOST_URI;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
    date_time_ymd,
};

use super::{AGENT_LIFE, ISSUER_LIFE, ROOT_LIFE, SERVER_LIFE, trouble};
use crate::error::{Error, Result};
use crate::random::{bytes, hex};

/// Clocks of hosts differ; a certificate is good from a little before it was made.
const SKEW: u64 = 3600;

/// Whom an issuing certificate issues for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Servers,
    Agents,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Servers => "servers",
            Kind::Agents => "agents",
        }
    }

    fn purpose(self) -> ExtendedKeyUsagePurpose {
        match self {
            Kind::Servers => ExtendedKeyUsagePurpose::ServerAuth,
            Kind::Agents => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}

/// A certificate about to be signed.
pub(super) struct Unsigned {
    pub(super) params: CertificateParams,
    pub(super) serial: String,
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

pub(super) fn root(now: u64) -> Result<CertificateParams> {
    let mut params = unsigned("Evenkeel root", now, ROOT_LIFE)?.params;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

pub(super) fn issuing(kind: Kind, now: u64) -> Result<CertificateParams> {
    let mut params = unsigned(&format!("Evenkeel {}", kind.word()), now, ISSUER_LIFE)?.params;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![kind.purpose()];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

pub(super) fn agent(host: &HostName, now: u64) -> Result<Unsigned> {
    let mut unsigned = leaf(Kind::Agents, host.as_str(), now, AGENT_LIFE)?;
    let name = format!("{HOST_URI}{host}").try_into().map_err(trouble)?;
    unsigned.params.subject_alt_names = vec![SanType::URI(name)];
    Ok(unsigned)
}

pub(super) fn server(names: &[String], now: u64) -> Result<Unsigned> {
    let first = names.first().ok_or_else(|| {
        Error::trouble("the server has no name").hint("set `names` in server.toml to the names under which agents reach it")
    })?;
    let mut unsigned = leaf(Kind::Servers, first, now, SERVER_LIFE)?;
    for name in names {
        let wrong = || Error::trouble(format!("`{name}` in `names` is neither a host name nor an address"));
        unsigned.params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(HostName::new(name.as_str()).map_err(|_| wrong())?.as_str().try_into().map_err(|_| wrong())?),
        });
    }
    Ok(unsigned)
}

fn leaf(kind: Kind, name: &str, now: u64, life: Duration) -> Result<Unsigned> {
    let mut unsigned = unsigned(name, now, life)?;
    unsigned.params.is_ca = IsCa::ExplicitNoCa;
    unsigned.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    unsigned.params.extended_key_usages = vec![kind.purpose()];
    unsigned.params.use_authority_key_identifier_extension = true;
    Ok(unsigned)
}

fn unsigned(name: &str, now: u64, life: Duration) -> Result<Unsigned> {
    let (not_before, not_after) = (now.saturating_sub(SKEW), now + life.as_secs());
    // A serial number is positive, so its first bit is zero; and it has no leading zero byte.
    let mut number: [u8; 16] = bytes()?;
    number[0] = number[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after);
    params.serial_number = Some(SerialNumber::from_slice(&number));
    params.distinguished_name = DistinguishedName::new();
    // A common name has 64 characters at most; the whole name of a host stands in the alternative names.
    params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    Ok(Unsigned { params, serial: hex(&number), not_before, not_after })
}
