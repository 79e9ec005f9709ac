//! Servers that are not the one that is trusted: not a byte is sent to them, and the run is made from the cache.

use std::collections::BTreeMap;

use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::protocol::reports::Trigger;
use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};

use super::authority::{Authority, Identity};
use super::fake::{Fake, Reply};
use crate::pull::catalogs::{Catalogs, Delivered};
use crate::pull::home::Home;
use crate::pull::order::Order;
use crate::pull::round;
use crate::pull::settings::AgentSettings;
use crate::run::Choice;

/// Keeps an empty catalog, as if the server had delivered it earlier.
pub(super) fn cache(home: &Home, host: &str) {
    let bytes = Catalog::empty(host, "s").to_bytes().unwrap();
    let (id, commit, environment) = (Digest::of(&bytes), Some("c0ffee".to_owned()), None);
    Catalogs::of(home, host).keep(&Delivered { host: host.to_owned(), id, bytes, commit, environment, secrets: BTreeMap::new() }).unwrap();
}

pub(super) fn order() -> Order {
    Order { trigger: Trigger::Local, choice: Choice::default() }
}

#[test]
fn no_byte_goes_to_a_server_with_a_wrong_identity_and_the_run_comes_from_the_cache() {
    let (ours, other) = (Authority::new(), Authority::new());
    let wrong: [(&str, Identity); 7] = [
        ("another authority", other.server(|_| {})),
        ("self-signed", Authority::self_signed()),
        ("run out", ours.server(|params| params.not_after = date_time_ymd(2020, 1, 1))),
        ("not yet valid", ours.server(|params| params.not_before = date_time_ymd(2998, 1, 1))),
        ("another name", ours.server(|params| params.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())])),
        ("no name", ours.server(|params| params.subject_alt_names.clear())),
        ("a host's", ours.server(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])),
    ];
    for (what, identity) in wrong {
        let fake = Fake::start(identity, |_| Reply::Answer("200 OK", String::new(), Vec::new()));
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        ours.admit(&home, "db-1", &fake.address.to_string());
        cache(&home, "db-1");
        let settings = AgentSettings::load(&home).unwrap();
        let done = round::make(&home, &settings, &order(), &|| false, &mut |_| {}).unwrap();
        assert!(done.report.unwrap().warnings[0].contains("cannot be reached"), "{what}: {:?}", done.troubles);
        assert!(fake.requests.lock().unwrap().is_empty(), "{what}: a request was sent");
    }
}

#[test]
fn the_right_server_is_asked() {
    let ours = Authority::new();
    let fake = Fake::start(ours.server(|_| {}), |_| Reply::Answer("503 Service Unavailable", String::new(), b"busy".to_vec()));
    let root = tempfile::tempdir().unwrap();
    let home = Home::below(root.path()).unwrap();
    ours.admit(&home, "db-1", &fake.address.to_string());
    let settings = AgentSettings::load(&home).unwrap();
    let done = round::make(&home, &settings, &order(), &|| false, &mut |_| {}).unwrap();
    assert!(done.report.is_err(), "there is nothing in the cache");
    let lines: Vec<String> = fake.requests.lock().unwrap().iter().map(|request| request.line.clone()).collect();
    assert_eq!(lines, ["GET /v1/catalog", "POST /v1/reports"], "the failure is reported, too");
}
