//! The rows of the catalogue of bad input that reports meet in the store.

use keel_engine::digest::Digest;
use keel_engine::report::Outcome;
use keel_server::store::StoreError;

use crate::place::Place;
use crate::sample::{report, resource, with_host};

/// P06: counts that do not sum up. The agent sets such a report aside and goes on with the next.
pub(crate) async fn what_contradicts_itself_is_refused_and_the_next_report_taken(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let mut wrong = report("db-1", 1, Vec::new());
    wrong.report.totals.failed = 3;
    assert!(matches!(store.keep_report("db-1", &wrong).await, Err(StoreError::Unprocessable(_))));
    store.keep_report("db-1", &report("db-1", 2, Vec::new())).await.unwrap();
    let reports = store.reports(None, None, 10).await.unwrap().reports;
    assert_eq!(reports.len(), 1);
}

/// P04 and P05: times of another age, resources and catalogs that nobody knows.
pub(crate) async fn odd_reports_are_kept_with_a_remark(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let mut odd = Vec::new();
    odd.push(report("db-1", 1, Vec::new()));
    odd[0].report.started_ms = 4_070_908_800_000;
    odd.push(report("db-1", 2, vec![resource("/never-declared", Outcome::Failed)]));
    odd.push(report("db-1", 3, Vec::new()));
    odd[2].report.catalog = Digest::of(b"whose?");
    odd.push(report("db-1", 4, Vec::new()));
    odd[3].report.started_ms = u64::MAX;
    for (position, one) in odd.iter().enumerate() {
        store.keep_report("db-1", one).await.unwrap();
        let kept = store.report(&one.id, None).await.unwrap().unwrap().summary;
        let expected = ["clock", "/never-declared", "none of the last", "clock"][position];
        assert!(kept.remarks.iter().any(|remark| remark.contains(expected)), "{expected}: {:?}", kept.remarks);
        assert!(kept.received_ms > 1_600_000_000_000, "the server's own time stands beside the host's");
    }
    let mut past = report("db-1", 5, Vec::new());
    past.report.started_ms = 0;
    store.keep_report("db-1", &past).await.unwrap();
}

/// P08: a report of a host that was deleted or shut out.
pub(crate) async fn a_host_that_is_gone_is_not_listened_to(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    with_host(&store, "db-2").await;
    store.purge("db-1", "alice").await.unwrap();
    store.revoke("db-2", "stolen", "alice").await.unwrap();
    for host in ["db-1", "db-2", "db-3"] {
        assert!(matches!(store.keep_report(host, &report(host, 1, Vec::new())).await, Err(StoreError::Forbidden(_))), "{host}");
    }
    assert_eq!(store.reports(None, None, 10).await.unwrap().reports, []);
}
