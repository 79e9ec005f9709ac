//! Tests of the spool.

use keel_engine::address::Address;
use keel_engine::report::{FORMAT_VERSION, Mode, Outcome, Reason, ResourceReport, Totals};

use super::*;

fn told(text: &str, outcome: Outcome) -> Told {
    let message = text.to_owned();
    let resource = ResourceReport {
        address: Address::new("file", "/a"),
        origin: "a.kdl:1".to_owned(),
        modules: Vec::new(),
        outcome,
        reason: Some(Reason::ApplyFailed { message, help: None }),
        changes: Vec::new(),
        refresh: None,
        refreshes: Vec::new(),
        duration_us: 1,
    };
    let report = Report {
        format_version: FORMAT_VERSION.to_owned(),
        run: "r".to_owned(),
        host: "h".to_owned(),
        site: "s".to_owned(),
        catalog: Digest::of(b""),
        mode: Mode::Apply,
        started_ms: 0,
        duration_ms: 0,
        totals: Totals::of(std::slice::from_ref(&resource)),
        resources: vec![resource],
        owed: Vec::new(),
        released: Vec::new(),
        warnings: Vec::new(),
    };
    Told { environment: None, commit: None, trigger: Trigger::Interval, interval_s: 60, failure: None, report }
}

fn home(root: &tempfile::TempDir) -> Home {
    let home = Home::below(root.path()).unwrap();
    home.make_folders().unwrap();
    home
}

/// Delivers everything and returns the sequence numbers.
fn drain(spool: &Spool) -> Vec<u64> {
    let mut delivered = Vec::new();
    while let Some(delivery) = spool.oldest().unwrap() {
        assert_eq!(delivery.check("h"), Ok(()));
        spool.acknowledge(delivery.sequence).unwrap();
        delivered.push(delivery.sequence);
    }
    delivered
}

#[test]
fn reports_come_out_in_order_once_and_count_on_over_restarts() {
    let root = tempfile::tempdir().unwrap();
    let home = home(&root);
    let spool = Spool::open(&home).unwrap();
    for _ in 0..3 {
        spool.add(told("x", Outcome::Changed)).unwrap();
    }
    assert_eq!(spool.backlog().reports, 3);
    let first = spool.oldest().unwrap().unwrap();
    assert_eq!(spool.oldest().unwrap().unwrap(), first, "until it is acknowledged it is the next one, under the same id");
    assert_eq!(drain(&spool), [1, 2, 3]);
    let series = spool.series.clone();
    let spool = Spool::open(&home).unwrap();
    spool.add(told("y", Outcome::Changed)).unwrap();
    assert_eq!((drain(&spool), spool.series.clone()), (vec![4], series));
    let left = spool.names().unwrap();
    assert_eq!(left.iter().filter(|name| name.delivered).count(), 1, "one name is left to count on from: {left:?}");
}

#[test]
fn a_damaged_report_is_put_aside_and_the_rest_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(&home(&root)).unwrap();
    for _ in 0..3 {
        spool.add(told("x", Outcome::Changed)).unwrap();
    }
    let second = spool.path(&spool.names().unwrap()[1]);
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&second, bytes).unwrap();
    assert_eq!(drain(&spool), [1, 3]);
    assert_eq!(std::fs::read_dir(spool.folder.join("refused")).unwrap().count(), 1);
    spool.add(told("x", Outcome::Changed)).unwrap();
    assert_eq!(drain(&spool), [4]);
}

#[test]
fn bodies_go_before_reports_and_the_newest_failure_never_does() {
    let root = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(&home(&root)).unwrap();
    spool.bytes_max = 30_000;
    let long = "x".repeat(5_000);
    spool.add(told(&long, Outcome::Failed)).unwrap();
    spool.add(told(&long, Outcome::Failed)).unwrap();
    for _ in 0..10 {
        spool.add(told(&long, Outcome::Changed)).unwrap();
    }
    let names = spool.waiting().unwrap();
    assert_eq!(names.len(), 12, "all are there, the old ones shortened");
    assert!(names[0].short && !names[11].short);
    assert!(spool.backlog().bytes <= 30_000);
    for _ in 0..100 {
        spool.add(told(&long, Outcome::Changed)).unwrap();
    }
    let kept = drain(&spool);
    assert!(!kept.contains(&1) && kept.contains(&2), "the newest failure stays, whatever its age: {kept:?}");
    assert_eq!(kept.last(), Some(&112));
    assert!(kept.is_sorted());
}

#[test]
fn a_report_larger_than_a_delivery_may_be_is_shortened_at_once() {
    let root = tempfile::tempdir().unwrap();
    let spool = Spool::open(&home(&root)).unwrap();
    spool.add(told(&"x".repeat(REPORT_BYTES_MAX), Outcome::Failed)).unwrap();
    let delivery = spool.oldest().unwrap().unwrap();
    assert!(delivery.report.warnings[0].contains("shortened"));
    assert!(serde_json::to_vec(&delivery).unwrap().len() < 2_000);
}

#[test]
fn two_reports_never_have_one_id() {
    assert_ne!(new_id().unwrap(), new_id().unwrap());
    assert!(is_id(&new_id().unwrap()));
}
