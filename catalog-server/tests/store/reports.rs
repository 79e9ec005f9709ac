//! Reports: none lost, none doubled, and each with its meaning.

use keel_engine::report::Outcome;
use keel_server::store::{Retention, StoreError};

use crate::place::Place;
use crate::sample::{drifted, file, report, resource, with_host};

pub(crate) async fn a_report_is_kept_once(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let one = report("db-1", 1, vec![resource("/a", Outcome::Changed)]);
    assert!(!store.keep_report("db-1", &one).await.unwrap().repeated);
    assert!(store.keep_report("db-1", &one).await.unwrap().repeated);
    assert_eq!(store.reports(None, None, 10).await.unwrap().reports.len(), 1);
    let kept = store.report(&one.id, Some("db-1")).await.unwrap().unwrap();
    assert_eq!(kept.report, one.report);
    assert_eq!((kept.summary.commit, kept.summary.trigger), (one.commit, one.trigger));
}

pub(crate) async fn one_id_stands_for_one_report(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let one = report("db-1", 1, Vec::new());
    store.keep_report("db-1", &one).await.unwrap();
    let mut other = report("db-1", 1, vec![resource("/a", Outcome::Failed)]);
    other.id.clone_from(&one.id);
    assert!(matches!(store.keep_report("db-1", &other).await, Err(StoreError::Conflict(_))));
    with_host(&store, "db-2").await;
    let mut same_id = report("db-2", 1, Vec::new());
    same_id.id = one.id;
    assert!(!store.keep_report("db-2", &same_id).await.unwrap().repeated, "ids are a host's own");
}

pub(crate) async fn many_at_once_are_all_kept_and_none_twice(place: &Place) {
    let store = place.open().await;
    for host in ["a-1", "a-2", "a-3", "a-4"] {
        with_host(&store, host).await;
    }
    let mut senders = tokio::task::JoinSet::new();
    for host in ["a-1", "a-2", "a-3", "a-4"] {
        // Each report is sent twice at once, as by an agent that lost patience.
        for _ in 0..2 {
            let store = store.clone();
            senders.spawn(async move {
                for sequence in 1..=20 {
                    store.keep_report(host, &report(host, sequence, vec![resource("/a", Outcome::Changed)])).await.unwrap();
                }
            });
        }
    }
    senders.join_all().await;
    assert_eq!(store.reports(None, None, 1000).await.unwrap().reports.len(), 80);
    assert!(store.fleet(&all()).await.unwrap().hosts.iter().all(|host| host.missing_reports == 0));
}

pub(crate) async fn what_is_wrong_with_one_report_keeps_no_other_from_being_kept(place: &Place) {
    let store = place.open().await;
    with_host(&store, "good").await;
    with_host(&store, "twice").await;
    store.keep_report("twice", &report("twice", 1, Vec::new())).await.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sequence in 1..=40 {
        for host in ["good", "twice", "nobody"] {
            let store = store.clone();
            senders.spawn(async move {
                let mut delivery = report(host, sequence, vec![resource("/a", Outcome::Changed)]);
                if host == "twice" {
                    delivery.id = report(host, 1, Vec::new()).id;
                }
                (host, store.keep_report(host, &delivery).await)
            });
        }
    }
    for (host, kept) in senders.join_all().await {
        match host {
            "good" => assert!(!kept.unwrap().repeated),
            "twice" => assert!(matches!(kept, Err(StoreError::Conflict(_))), "{kept:?}"),
            _ => assert!(matches!(kept, Err(StoreError::Forbidden(_))), "{kept:?}"),
        }
    }
    assert_eq!(store.reports(Some("good"), None, 1000).await.unwrap().reports.len(), 40);
    // A sender that hangs up takes nothing along.
    let delivery = report("good", 41, Vec::new());
    let hasty = tokio::time::timeout(std::time::Duration::ZERO, store.keep_report("good", &delivery)).await;
    let later = report("good", 42, Vec::new());
    assert!(!store.keep_report("good", &later).await.unwrap().repeated);
    assert!(hasty.is_ok() || store.keep_report("good", &delivery).await.is_ok());
    assert_eq!(store.reports(Some("good"), None, 1000).await.unwrap().reports.len(), 42);
}

fn all() -> keel_server::store::StatusFilter {
    keel_server::store::StatusFilter { limit: 100, ..Default::default() }
}

pub(crate) async fn a_gap_is_seen_and_filled(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    for sequence in [1, 4] {
        store.keep_report("db-1", &report("db-1", sequence, Vec::new())).await.unwrap();
    }
    let missing = async || store.fleet(&all()).await.unwrap().hosts[0].missing_reports;
    assert_eq!(missing().await, 2);
    store.keep_report("db-1", &report("db-1", 2, vec![resource("/a", Outcome::Failed)])).await.unwrap();
    assert_eq!(missing().await, 1);
    let host = store.fleet(&all()).await.unwrap().hosts.remove(0);
    assert_eq!(host.condition.word(), "converged", "an older report does not say how the host is");
    assert_eq!(host.last.unwrap().id, "db-1-report-4");
    assert_eq!(store.word("db-1").await.unwrap().of(&file("/a")).unwrap().outcome, Outcome::Unchanged);
}

pub(crate) async fn an_agent_that_begins_anew_is_believed(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.keep_report("db-1", &report("db-1", 900, Vec::new())).await.unwrap();
    let mut anew = report("db-1", 1, vec![resource("/a", Outcome::Failed)]);
    anew.series = "series-2".to_owned();
    store.keep_report("db-1", &anew).await.unwrap();
    let host = store.fleet(&all()).await.unwrap().hosts.remove(0);
    assert_eq!((host.condition.word(), host.missing_reports), ("failing", 0));
}

pub(crate) async fn what_is_old_is_forgotten(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.keep_report("db-1", &report("db-1", 1, vec![resource("/a", Outcome::Changed)])).await.unwrap();
    store.keep_report("db-1", &report("db-1", 2, Vec::new())).await.unwrap();
    assert_eq!(store.forget_reports(Retention::default()).await.unwrap(), 0);
    // The clock does not stand still between the report and its end.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(store.forget_reports(Retention { days: 90, quiet_days: 0 }).await.unwrap(), 1);
    assert_eq!(store.resource_history("db-1", &file("/a"), 10).await.unwrap().runs.len(), 1);
    assert!(store.keep_report("db-1", &report("db-1", 2, Vec::new())).await.unwrap().repeated, "the last one is known by its id still");
    assert_eq!(store.forget_reports(Retention { days: 0, quiet_days: 0 }).await.unwrap(), 1);
    assert_eq!(store.resource_history("db-1", &file("/a"), 10).await.unwrap().runs.len(), 0);
}

pub(crate) async fn lists_go_on_where_they_ended(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    for sequence in 1..=5 {
        store.keep_report("db-1", &report("db-1", sequence, Vec::new())).await.unwrap();
    }
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = store.reports(Some("db-1"), before, 2).await.unwrap();
        seen.extend(page.reports.into_iter().map(|one| one.id));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=5).rev().map(|number| format!("db-1-report-{number}")).collect::<Vec<_>>());
    assert_eq!(store.reports(Some("db-1"), Some(u64::MAX), 100).await.unwrap().reports.len(), 5);
}

pub(crate) async fn a_resource_has_its_history(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.keep_report("db-1", &report("db-1", 1, vec![drifted("/a"), resource("/b", Outcome::Failed)])).await.unwrap();
    store.keep_report("db-1", &report("db-1", 2, Vec::new())).await.unwrap();
    store.keep_report("db-1", &report("db-1", 3, vec![resource("/a", Outcome::Changed)])).await.unwrap();
    let history = store.resource_history("db-1", &file("/a"), 10).await.unwrap();
    let runs: Vec<_> = history.runs.iter().map(|run| (run.run.id.as_str(), run.resource.changes.len())).collect();
    assert_eq!(runs, [("db-1-report-3", 0), ("db-1-report-1", 1)]);
    assert_eq!(store.resource_history("db-1", &file("/a"), 1).await.unwrap().runs.len(), 1);
    let quiet = store.resource_history("db-1", &file("/c"), 10).await.unwrap();
    assert_eq!((quiet.runs.len(), quiet.last.unwrap().id.as_str()), (0, "db-1-report-3"));
    assert_eq!((history.declared, history.near.len()), (Some(true), 0));
    assert_eq!((quiet.declared, quiet.near), (Some(false), vec!["(file)/a".to_owned(), "(file)/b".to_owned()]));
}
