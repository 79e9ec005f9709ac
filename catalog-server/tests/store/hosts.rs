//! Who is let in.

use std::time::Duration;

use keel_server::store::{Leave, NewCertificate, NewToken, NodeState, PendingState, Role, StoreError};

use crate::place::Place;
use crate::sample::{NEVER_MS, admission, report, with_host};

pub(crate) async fn a_host_is_let_in_once_and_shut_out_for_good(place: &Place) {
    let store = place.open().await;
    let node = store.admit(&admission("db-1", "s1")).await.unwrap();
    assert_eq!((node.state, node.environment.as_str(), node.approved_by.as_deref()), (NodeState::Active, "main", Some("alice")));
    assert!(matches!(store.admit(&admission("db-1", "s2")).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.listed("s2").await.unwrap(), None, "what failed left nothing");

    store.renew("db-1", &NewCertificate { serial: "s3".to_owned(), expires_ms: NEVER_MS }, "age1y").await.unwrap();
    for serial in ["s1", "s3"] {
        let listed = store.listed(serial).await.unwrap().unwrap();
        assert!(listed.is_good() && listed.host == "db-1" && listed.recipient == "age1y", "{listed:?}");
    }
    store.revoke("db-1", "stolen", "bob").await.unwrap();
    for serial in ["s1", "s3"] {
        assert!(!store.listed(serial).await.unwrap().unwrap().is_good(), "a renewed certificate goes with its host");
    }
    let renewal = store.renew("db-1", &NewCertificate { serial: "s4".to_owned(), expires_ms: NEVER_MS }, "age1y").await;
    assert!(matches!(renewal, Err(StoreError::NotFound(_))));
    assert!(matches!(store.admit(&admission("db-1", "s5")).await, Err(StoreError::Conflict(_))), "revoked is not free");
    let node = store.node("db-1").await.unwrap().unwrap();
    assert_eq!((node.state, node.revoked_why.as_deref()), (NodeState::Revoked, Some("stolen")));
    assert!(matches!(store.revoke("db-2", "", "bob").await, Err(StoreError::NotFound(_))));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let in_days = |days: u64| i64::try_from((now + Duration::from_secs(days * 24 * 3600)).as_millis()).unwrap();
    assert_eq!(store.forget_acts(in_days(364)).await.unwrap(), 0);
    assert_eq!(store.forget_acts(in_days(366)).await.unwrap(), 3, "who let it in, its renewal, who shut it out");
}

fn token(digest: &str, host: Option<&str>, expires_ms: i64) -> NewToken {
    NewToken {
        digest: digest.to_owned(),
        host: host.map(str::to_owned),
        environment: Some("canary".to_owned()),
        by: "alice".to_owned(),
        expires_ms,
    }
}

pub(crate) async fn of_many_who_use_one_token_one_wins(place: &Place) {
    let store = place.open().await;
    store.add_token(&token("t", None, NEVER_MS)).await.unwrap();
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        let admission = admission(&format!("h-{number}"), &format!("s{number}"));
        racers.spawn(async move {
            let admission = keel_server::store::Admission { by: Leave::Token("t".to_owned()), ..admission };
            store.admit(&admission).await
        });
    }
    let results = racers.join_all().await;
    let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!((won[0].environment.as_str(), won[0].approved_by.as_deref()), ("canary", Some("alice")));
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(StoreError::NotFound(_)))), "{results:?}");
    assert_eq!(store.nodes("", 1000).await.unwrap().len(), 1);
}

pub(crate) async fn a_token_is_good_for_its_host_and_its_time_only(place: &Place) {
    let store = place.open().await;
    store.add_token(&token("late", None, 1)).await.unwrap();
    store.add_token(&token("own", Some("db-2"), NEVER_MS)).await.unwrap();
    for digest in ["late", "own", "guessed"] {
        let mut admission = admission("db-1", "s1");
        admission.by = Leave::Token(digest.to_owned());
        assert!(matches!(store.admit(&admission).await, Err(StoreError::NotFound(_))), "{digest}");
    }
    let mut admission = admission("db-2", "s1");
    admission.by = Leave::Token("own".to_owned());
    store.admit(&admission).await.unwrap();
}

pub(crate) async fn who_waits_is_approved_or_turned_away(place: &Place) {
    let store = place.open().await;
    for (id, host) in [("one", "db-1"), ("two", "db-1"), ("three", "db-2")] {
        store.ask(id, host, "csr", "age1x").await.unwrap();
        store.ask(id, host, "another csr", "age1x").await.unwrap();
    }
    assert_eq!(store.waiting(None).await.unwrap().len(), 3);
    assert_eq!(store.waiting(Some("db-1")).await.unwrap()[0].csr, "csr", "asked again, nothing changes");
    let mut admission = admission("db-1", "s1");
    admission.enrolment = "one".to_owned();
    store.admit(&admission).await.unwrap();
    let answered = store.enrolment("one").await.unwrap().unwrap();
    assert_eq!(answered.state, PendingState::Issued("chain".to_owned()));
    assert_eq!(store.enrolment("two").await.unwrap(), None);
    store.turn_away("db-2", "alice").await.unwrap();
    assert!(matches!(store.turn_away("db-2", "alice").await, Err(StoreError::NotFound(_))));
    assert_eq!(store.waiting(None).await.unwrap(), []);
}

pub(crate) async fn a_purged_host_leaves_nothing(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap();
    store.purge("db-1", "alice").await.unwrap();
    assert_eq!(store.listed("serial-db-1").await.unwrap(), None);
    assert_eq!(store.delivered("db-1").await.unwrap(), None);
    assert_eq!(store.reports(Some("db-1"), None, 10).await.unwrap().reports, []);
    store.admit(&admission("db-1", "s2")).await.unwrap();
    assert_eq!(store.word("db-1").await.unwrap(), Default::default());
    assert!(!store.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap().repeated);
}

pub(crate) async fn a_host_that_is_let_in_anew_misses_nothing_that_it_told_before(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    store.keep_report("db-1", &report("db-1", 3, Vec::new())).await.unwrap();
    store.purge("db-1", "alice").await.unwrap();
    store.admit(&admission("db-1", "s2")).await.unwrap();
    let missing = async |sequence| {
        store.keep_report("db-1", &report("db-1", sequence, Vec::new())).await.unwrap();
        store.missing_reports().await.unwrap()
    };
    assert_eq!(missing(4).await, 0, "its count goes on");
    assert_eq!(missing(7).await, 2, "and a gap is seen from there");
}

pub(crate) async fn operators_come_and_go(place: &Place) {
    let store = place.open().await;
    store.add_operator("alice", Role::Admin, "d1").await.unwrap();
    assert!(matches!(store.add_operator("alice", Role::Viewer, "d2").await, Err(StoreError::Conflict(_))));
    assert_eq!(store.operator("d1").await.unwrap().map(|one| (one.name, one.role)), Some(("alice".to_owned(), Role::Admin)));
    assert_eq!(store.operator("d2").await.unwrap(), None);
    store.remove_operator("alice").await.unwrap();
    assert_eq!(store.operator("d1").await.unwrap(), None);
    assert!(matches!(store.remove_operator("alice").await, Err(StoreError::NotFound(_))));
}

pub(crate) async fn what_is_kept_is_there_for_the_next_server(place: &Place) {
    let first = place.open().await;
    with_host(&first, "db-1").await;
    drop(first);
    let second = place.open().await;
    assert!(second.listed("serial-db-1").await.unwrap().unwrap().is_good());
}
