//! Hosts, catalogs and reports for the scenarios.

use std::collections::BTreeMap;

use keel_engine::address::Address;
use keel_engine::change::Change;
use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;
use keel_engine::host_name::HostName;
use keel_engine::protocol::reports::{Delivery, Trigger};
use keel_engine::report::{Cause, FORMAT_VERSION, Mode, Outcome, Reason, Report, ReportedChange, ResourceReport, Totals};
use keel_server::gates::Fingerprints;
use keel_server::store::{self, Admission, Leave, NewCertificate, Store};

/// The longest time from now, in milliseconds since 1970.
pub(crate) const NEVER_MS: i64 = 4_000_000_000_000;

/// A request to be let in by an operator.
pub(crate) fn admission(host: &str, serial: &str) -> Admission {
    Admission {
        host: HostName::new(host).unwrap(),
        environment: "main".to_owned(),
        recipient: "age1x".to_owned(),
        enrolment: format!("enrolment-{serial}"),
        csr: "csr".to_owned(),
        certificate: NewCertificate { serial: serial.to_owned(), expires_ms: NEVER_MS },
        answer: "chain".to_owned(),
        by: Leave::Operator("alice".to_owned()),
    }
}

/// A store with a host in it that has a catalog.
pub(crate) async fn with_host(store: &Store, host: &str) {
    store.admit(&admission(host, &format!("serial-{host}"))).await.unwrap();
    store.deliver(host, &catalog(&["/a", "/b"])).await.unwrap();
}

/// A file's address.
pub(crate) fn file(title: &str) -> Address {
    Address::new("file", title)
}

/// A catalog of files, by their names.
pub(crate) fn catalog(titles: &[&str]) -> store::GivenCatalog {
    let id = Digest::of(titles.concat().as_bytes());
    let resources = titles.iter().map(|title| (file(title), Digest::of(b"declared"))).collect();
    let definitions = Definitions { catalog: id, resources, modules: BTreeMap::new(), guards: BTreeMap::new() };
    store::GivenCatalog {
        catalog: id,
        environment: "main".to_owned(),
        commit: "c0ffee".to_owned(),
        definitions: Fingerprints::of(&definitions),
        contents: vec![Digest::of(titles.concat().to_uppercase().as_bytes())],
    }
}

/// A file with its outcome.
pub(crate) fn resource(title: &str, outcome: Outcome) -> ResourceReport {
    let reason = (outcome == Outcome::Failed).then(|| Reason::ApplyFailed { message: "no".to_owned(), help: None });
    ResourceReport {
        address: file(title),
        origin: "site.kdl:1".to_owned(),
        modules: Vec::new(),
        outcome,
        reason,
        changes: Vec::new(),
        refresh: None,
        refreshes: Vec::new(),
        duration_us: 1,
    }
}

/// A file that somebody moved and the run moved back.
pub(crate) fn drifted(title: &str) -> ResourceReport {
    let change = ReportedChange { change: Change::update("mode", "0600", "0644"), cause: Cause::Drift };
    ResourceReport { changes: vec![change], ..resource(title, Outcome::Changed) }
}

/// The host's report number so-and-so about the catalog of [`with_host`], that lists these resources.
pub(crate) fn report(host: &str, sequence: u64, resources: Vec<ResourceReport>) -> Delivery {
    let listed = Totals::of(&resources);
    let totals = Totals { resources: listed.resources + 1, unchanged: listed.unchanged + 1, ..listed };
    let report = Report {
        format_version: FORMAT_VERSION.to_owned(),
        run: format!("run-{sequence}"),
        host: host.to_owned(),
        site: "s".to_owned(),
        catalog: catalog(&["/a", "/b"]).catalog,
        mode: Mode::Apply,
        started_ms: 1_000,
        duration_ms: 5,
        resources,
        totals,
        owed: Vec::new(),
        released: Vec::new(),
        warnings: Vec::new(),
    };
    Delivery {
        id: format!("{host}-report-{sequence}"),
        series: "series-1".to_owned(),
        sequence,
        environment: Some("main".to_owned()),
        commit: Some("c0ffee".to_owned()),
        trigger: Trigger::Interval,
        interval_s: 1800,
        failure: None,
        report,
    }
}
