//! Whether a certificate is the declared one: pure, from its bytes and the time.

use std::net::IpAddr;

use keel_engine::resource::Failure;
use rcgen::{KeyPair, PublicKeyData};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use super::attributes::{Certificate, Usage};

/// Who signs.
pub(super) struct Authority {
    /// Its certificate, ended by a line feed.
    pub(super) pem: String,
    pub(super) key: KeyPair,
    der: Vec<u8>,
}

impl Authority {
    /// Takes a certificate with its key.
    ///
    /// # Errors
    /// It is no authority's, or the key is another one's.
    pub(super) fn of(pem: String, key: KeyPair) -> Result<Self, Failure> {
        let first = ders(&pem).into_iter().next().ok_or_else(|| Failure::new("the authority's certificate is none that can be read"))?;
        let read = parse(&first).ok_or_else(|| Failure::new("the authority's certificate is none that can be read"))?;
        if !read.is_ca() {
            return Err(Failure::new("the authority's certificate is not made to sign others").help("one with authority=#true is"));
        }
        if read.public_key().raw != key.subject_public_key_info() {
            return Err(Failure::new("the authority's key is not the one of its certificate"));
        }
        let pem = if pem.ends_with('\n') { pem } else { format!("{pem}\n") };
        Ok(Self { pem, key, der: first })
    }
}

/// The certificates in a text, in their binary form.
pub(super) fn ders(pem: &str) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(pem.as_bytes()).map_while(Result::ok).filter(|pem| pem.label == "CERTIFICATE").map(|pem| pem.contents).collect()
}

pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

/// What is the matter with a certificate; none where it is the declared one and good for long enough.
pub(super) fn verdict(pem: &str, key: &KeyPair, desired: &Certificate, authority: Option<&Authority>, now: i64) -> Option<String> {
    let ders = ders(pem);
    let Some(found) = ders.first().and_then(|der| parse(der)) else { return Some("none that can be read".to_owned()) };
    let name = found.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    if name != desired.name {
        return Some(format!("called {name}"));
    }
    let names = names(&found);
    if names != desired.all_names() {
        return Some(format!("for {}", if names.is_empty() { "no host".to_owned() } else { names.join(", ") }));
    }
    if found.public_key().raw != key.subject_public_key_info() {
        return Some("for another key".to_owned());
    }
    if found.is_ca() != desired.authority || !desired.authority && usages(&found) != desired.all_usages() {
        return Some("for another usage".to_owned());
    }
    if let Some(why) = signature(&found, &ders, desired, authority) {
        return Some(why);
    }
    let end = found.validity().not_after.timestamp();
    let margin = i64::try_from(desired.renew_before.0.as_secs()).unwrap_or(i64::MAX);
    // The day alone: a plan that is made twice says the same.
    (end.saturating_sub(now) <= margin).then(|| format!("ends {}", day(end)))
}

fn signature(found: &X509Certificate<'_>, ders: &[Vec<u8>], desired: &Certificate, authority: Option<&Authority>) -> Option<String> {
    let Some(authority) = authority else {
        let own = found.issuer() == found.subject() && found.verify_signature(None).is_ok();
        return (!own).then(|| "signed by somebody else".to_owned());
    };
    let signer = parse(&authority.der)?;
    if found.issuer() != signer.subject() || found.verify_signature(Some(signer.public_key())).is_err() {
        return Some("signed by somebody else".to_owned());
    }
    let has_chain = ders.get(1).is_some_and(|second| *second == authority.der);
    (has_chain != desired.chain).then(|| if has_chain { "with its authority's" } else { "without its authority's" }.to_owned())
}

pub(super) fn names(found: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = found.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?;
            Some(address.to_string())
        }
        _ => None,
    };
    let mut names: Vec<String> = names.value.general_names.iter().filter_map(text).collect();
    names.sort();
    names
}

pub(super) fn usages(found: &X509Certificate<'_>) -> Vec<Usage> {
    let Ok(Some(usage)) = found.extended_key_usage() else { return Vec::new() };
    let given = [(usage.value.server_auth, Usage::Server), (usage.value.client_auth, Usage::Client)];
    given.into_iter().filter(|(given, _)| *given).map(|(_, usage)| usage).collect()
}

/// The day of a time, in UTC.
fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}
