//! Certificates that are there with their keys, as the attributes that keep them.

use std::path::Path;

use keel_engine::attributes::Span;
use keel_engine::resource::{Described, Failure, Unsaid};
use keel_engine::value::{Map, Value};
use rcgen::{KeyPair, PKCS_ED25519};
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::attributes::Usage;
use super::issue::SKEW;
use super::verdict::{ders, names, parse, usages};
use crate::host::{FileKind, Host};
use crate::whole_file::files_in;

const CERTIFICATES: &str = "/etc/ssl/certs";
const KEYS: &str = "/etc/ssl/private";
const KEY_END: &str = ".key";
/// The mode that a key gets where nothing is said.
const KEY_MODE: u32 = 0o600;
const DAY: u64 = 86_400;
/// What `renew_before` is where it is not given.
const RENEW_BEFORE: u64 = 30 * DAY;

/// A certificate and its key, by their paths and as texts.
struct Pair {
    certificate: String,
    key: String,
    pem: String,
    key_pem: String,
}

/// Those whose keys are in the usual place; or those of one name; or the one in the file at a path.
pub(super) fn listing(host: &Host, title: Option<&str>) -> Result<Vec<Described>, Failure> {
    let usual = usual(host)?;
    let asked = title.filter(|title| title.starts_with('/')).map(|path| at(host, path)).transpose()?;
    let meant: Vec<&Pair> = match &asked {
        Some(asked) => asked.iter().collect(),
        None => usual.iter().collect(),
    };
    let mut found = Vec::new();
    for pair in meant {
        let Some(thing) = describe(pair, &usual) else { continue };
        if asked.is_some() || title.is_none_or(|title| title == thing.title) {
            found.push(Described { attributes: with_key_file(host, thing.attributes, &pair.key)?, ..thing });
        }
    }
    Ok(found)
}

/// Keys in the usual place that no certificate which is described goes with.
pub(super) fn unsaid(host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
    let of = |thing: &Described| match thing.attributes.get("key").and_then(Value::as_str) {
        Some(key) => key.to_owned(),
        None => format!("{KEYS}/{}{KEY_END}", thing.title),
    };
    let known: Vec<String> = described.iter().map(of).collect();
    let keys = files_in(host, KEYS, KEY_END)?.into_iter().map(|file| format!("{KEYS}/{}{KEY_END}", file.title));
    let why = "no certificate of that name goes with it, or one of an authority whose key is not here";
    Ok(keys.filter(|key| !known.contains(key)).map(|what| Unsaid { what, why }).collect())
}

fn usual(host: &Host) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    for file in files_in(host, KEYS, KEY_END)? {
        for end in ["pem", "crt"] {
            pairs.extend(pair(host, format!("{CERTIFICATES}/{}.{end}", file.title), format!("{KEYS}/{}{KEY_END}", file.title))?);
        }
    }
    Ok(pairs)
}

/// The certificate at a path with the key beside it, or in the usual place.
fn at(host: &Host, path: &str) -> Result<Option<Pair>, Failure> {
    let beside = Path::new(path).with_extension("key").to_string_lossy().into_owned();
    let stem = Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    for key in [beside, format!("{KEYS}/{stem}{KEY_END}")] {
        if let Some(pair) = pair(host, path.to_owned(), key)? {
            return Ok(Some(pair));
        }
    }
    Ok(None)
}

fn pair(host: &Host, certificate: String, key: String) -> Result<Option<Pair>, Failure> {
    let is_file = |path: &str| Ok::<_, Failure>(host.stat_followed(path)?.is_some_and(|stat| stat.kind == FileKind::File));
    if !is_file(&certificate)? || !is_file(&key)? {
        return Ok(None);
    }
    let texts = (host.read_text(&certificate)?, host.read_text(&key)?);
    let (Some(pem), Some(key_pem)) = texts else { return Ok(None) };
    Ok(Some(Pair { certificate, key, pem, key_pem }))
}

/// What a manifest would say of it. None where it is no certificate, or nobody here could make it anew.
fn describe(pair: &Pair, others: &[Pair]) -> Option<Described> {
    let ders = ders(&pair.pem);
    let found = parse(ders.first()?)?;
    let key = KeyPair::from_pem(&pair.key_pem).ok()?;
    let title = found.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut attributes = Map::new();
    let mut say = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    if pair.certificate != format!("{CERTIFICATES}/{title}.pem") {
        say("certificate", Value::from(pair.certificate.as_str()));
    }
    if pair.key != format!("{KEYS}/{title}{KEY_END}") {
        say("key", Value::from(pair.key.as_str()));
    }
    let (names, usages) = (names(&found), usages(&found));
    let own = if found.is_ca() { Vec::new() } else { vec![title.to_ascii_lowercase()] };
    if names != own && !names.is_empty() {
        say("names", Value::from(names));
    }
    if found.is_ca() {
        say("authority", Value::Bool(true));
    } else if !usages.is_empty() && usages != [Usage::Server, Usage::Client] {
        say("usage", Value::from(usages.iter().map(ToString::to_string).collect::<Vec<String>>()));
    }
    if let Some(algorithm) = algorithm(&found, &key) {
        say("algorithm", Value::from(algorithm));
    }
    let seconds = valid_for(&found)?;
    if seconds != 365 * DAY {
        say("valid_for", Value::from(span(seconds)));
    }
    if seconds <= RENEW_BEFORE {
        say("renew_before", Value::from(span(seconds / 3)));
    }
    if found.issuer() != found.subject() {
        let (authority, has_chain) = others.iter().find_map(|other| signed_by(&found, &ders, other))?;
        say("ca_certificate", Value::from(authority.certificate.as_str()));
        say("ca_key", Value::from(authority.key.as_str()));
        if !has_chain {
            say("chain", Value::Bool(false));
        }
    }
    Some(Described { title, attributes })
}

/// The authority, where it signed the certificate, and whether its own stands behind that.
fn signed_by<'p>(found: &X509Certificate<'_>, all: &[Vec<u8>], authority: &'p Pair) -> Option<(&'p Pair, bool)> {
    let first = ders(&authority.pem).into_iter().next()?;
    let signer = parse(&first)?;
    let is_signer = signer.is_ca() && found.issuer() == signer.subject() && found.verify_signature(Some(signer.public_key())).is_ok();
    is_signer.then(|| (authority, all.get(1) == Some(&first)))
}

/// How long it was made for, without the little time before that differing clocks take.
fn valid_for(found: &X509Certificate<'_>) -> Option<u64> {
    let (start, end) = (found.validity().not_before.timestamp(), found.validity().not_after.timestamp());
    let seconds = u64::try_from(end.checked_sub(start)?).ok()?;
    let declared = seconds.saturating_sub(SKEW);
    Some(if declared.is_multiple_of(DAY) { declared } else { seconds })
}

fn span(seconds: u64) -> String {
    Span(std::time::Duration::from_secs(seconds)).to_string()
}

/// The word for its key's kind; none for the usual one.
fn algorithm(found: &X509Certificate<'_>, key: &KeyPair) -> Option<&'static str> {
    match found.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(if key.key_size() > 2048 { "rsa4096" } else { "rsa2048" }),
        Ok(PublicKey::EC(point)) => (point.key_size() > 256).then_some("p384"),
        _ => (key.algorithm() == &PKCS_ED25519).then_some("ed25519"),
    }
}

/// Adds who may read the key, where that is not root alone.
fn with_key_file(host: &Host, mut attributes: Map, key: &str) -> Result<Map, Failure> {
    let (Some(stat), accounts) = (host.stat_followed(key)?, host.accounts()?) else { return Ok(attributes) };
    let mode = stat.mode & 0o7777;
    if mode != KEY_MODE {
        attributes.insert("key_mode".to_owned(), Value::from(format!("{mode:04o}")));
    }
    if stat.uid != 0 {
        attributes.insert("key_owner".to_owned(), Value::from(accounts.user_name(stat.uid)));
    }
    if stat.gid != 0 {
        attributes.insert("key_group".to_owned(), Value::from(accounts.group_name(stat.gid)));
    }
    Ok(attributes)
}
