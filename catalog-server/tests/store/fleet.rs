//! The fleet, and what hosts are given and told.

use std::collections::BTreeMap;

use keel_engine::address::Address;
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::EnvironmentState;
use keel_engine::protocol::fleet::{Condition, Wait};
use keel_engine::protocol::news::News;
use keel_engine::report::{Outcome, Reason, ResourceReport};
use keel_engine::value::{Map, Value};
use keel_server::store::{StatusFilter, Topic};

use crate::place::Place;
use crate::sample::{catalog, drifted, report, resource, with_host};

fn filter(condition: Option<Condition>) -> StatusFilter {
    StatusFilter { condition, host: None, after: None, limit: 100 }
}

pub(crate) async fn every_condition_is_told_apart(place: &Place) {
    let store = place.open().await;
    for host in ["converged", "drifting", "failing", "silent", "waiting"] {
        with_host(&store, host).await;
    }
    let target = Address::new("module", "galera");
    let mut waiting = resource("/a", Outcome::Waiting);
    waiting.reason = Some(Reason::Gate { host: "db-1".to_owned(), target: target.clone(), why: None });
    for (host, resources) in [
        ("converged", vec![resource("/a", Outcome::Changed)]),
        ("drifting", vec![drifted("/a")]),
        ("failing", vec![resource("/a", Outcome::Failed), drifted("/b")]),
        ("waiting", vec![waiting, drifted("/b")]),
    ] {
        store.keep_report(host, &report(host, 1, resources)).await.unwrap();
    }
    let mut last = report("silent", 1, Vec::new());
    last.interval_s = 1;
    store.keep_report("silent", &last).await.unwrap();

    let fleet = store.fleet(&filter(None)).await.unwrap();
    let found: BTreeMap<&str, &str> = fleet.hosts.iter().map(|host| (host.host.as_str(), host.condition.word())).collect();
    // Even a host that runs every second is given some minutes before it counts as silent.
    let expected =
        [("converged", "converged"), ("drifting", "drifting"), ("failing", "failing"), ("silent", "converged"), ("waiting", "waiting")];
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(fleet.hosts[0].host, "failing", "the gravest first");
    assert_eq!(fleet.counts[&Condition::Converged], 2);
    let waits = store.fleet(&filter(Some(Condition::Waiting))).await.unwrap().hosts;
    assert_eq!((waits.len(), &waits[0].waiting_for), (1, &vec![Wait { host: "db-1".to_owned(), target }]));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store.fleet(&StatusFilter { limit: 1, after, ..filter(None) }).await.unwrap();
        paged.extend(page.hosts);
        let Some(place) = page.after else { break };
        let (word, host) = place.split_once('/').unwrap();
        after = Some((Condition::from_word(word).unwrap(), host.to_owned()));
    }
    assert_eq!(paged, fleet.hosts, "page by page the same as at once");
}

pub(crate) async fn a_run_that_left_something_out_hides_nothing(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let left_out = |reason| ResourceReport { reason: Some(reason), ..resource("/b", Outcome::Skipped) };
    let runs = [
        (vec![left_out(Reason::Stopped)], "drifting"),
        (vec![resource("/a", Outcome::Failed)], "failing"),
        (vec![resource("/a", Outcome::Changed), left_out(Reason::Filtered)], "failing"),
        (Vec::new(), "converged"),
        (vec![resource("/a", Outcome::Changed), left_out(Reason::Filtered)], "converged"),
    ];
    for (sequence, (resources, condition)) in (1..).zip(runs) {
        store.keep_report("db-1", &report("db-1", sequence, resources)).await.unwrap();
        let host = store.fleet(&filter(None)).await.unwrap().hosts.remove(0);
        assert_eq!(host.condition.word(), condition, "after report {sequence}");
    }
}

pub(crate) async fn a_host_that_was_given_another_catalog_since_its_last_report_is_behind(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let behind = async || store.fleet(&filter(None)).await.unwrap().hosts.remove(0).behind;
    assert!(!behind().await, "it has not reported at all");
    store.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap();
    assert!(!behind().await);
    store.deliver("db-1", &catalog(&["/c"])).await.unwrap();
    assert!(behind().await);
}

pub(crate) async fn since_when_is_kept_while_it_lasts(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let since = async || {
        let host = store.fleet(&filter(None)).await.unwrap().hosts.remove(0);
        (host.condition, host.since_ms)
    };
    assert_eq!(since().await.0, Condition::New, "a host that has not reported yet");
    let mut seen = Vec::new();
    for (sequence, outcome) in [(1, Outcome::Failed), (2, Outcome::Failed), (3, Outcome::Changed), (4, Outcome::Changed)] {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        store.keep_report("db-1", &report("db-1", sequence, vec![resource("/a", outcome)])).await.unwrap();
        seen.push(since().await);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[2], seen[3]);
    assert!(seen[2].1 > seen[1].1);
}

pub(crate) async fn deliveries_say_what_a_host_may_read(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let (first, second, third) = (catalog(&["/a", "/b"]), catalog(&["/c"]), catalog(&["/d"]));
    assert!(store.may_read("db-1", &first.contents[0]).await.unwrap());
    assert!(!store.may_read("db-2", &first.contents[0]).await.unwrap(), "another host's");
    store.deliver("db-1", &second).await.unwrap();
    store.deliver("db-1", &second).await.unwrap();
    assert!(store.may_read("db-1", &first.contents[0]).await.unwrap(), "the one before");
    store.deliver("db-1", &third).await.unwrap();
    assert!(!store.may_read("db-1", &first.contents[0]).await.unwrap());
    assert_eq!(store.delivered("db-1").await.unwrap(), Some((third.catalog, "c0ffee".to_owned())));
    store.deliver("db-1", &first).await.unwrap();
    assert!(store.may_read("db-1", &first.contents[0]).await.unwrap(), "an old catalog that came back is the current one");
    for number in 0..10 {
        store.deliver("db-1", &catalog(&[&format!("/{number}")])).await.unwrap();
    }
    let declared = store.declared("db-1").await.unwrap();
    assert_eq!(declared.len(), 4);
    assert!(declared[&catalog(&["/9"]).catalog].has(&crate::sample::file("/9")));
}

pub(crate) async fn environments_and_facts_come_back_as_they_were(place: &Place) {
    let store = place.open().await;
    let state = EnvironmentState { name: "main".to_owned(), commit: Some("c0ffee".to_owned()), since: Some(7), refused: None };
    let watch = store.watch(vec![Topic::Environment("main".to_owned())]);
    store.keep_environment(&state).await.unwrap();
    watch.changed().await;
    store.keep_environment(&state).await.unwrap();
    assert_eq!(store.environments().await.unwrap(), [state]);
    assert_eq!(store.environment("other").await.unwrap(), None);

    let facts = Map::from_iter([("os".to_owned(), Value::from("de\u{e9}bian"))]);
    assert_eq!(store.facts("db-1").await.unwrap(), None);
    for digest in [Digest::of(b"1"), Digest::of(b"2")] {
        store.keep_facts("db-1", digest, &facts).await.unwrap();
        assert_eq!(store.facts_digest("db-1").await.unwrap(), Some(digest));
    }
    assert_eq!(store.facts("db-1").await.unwrap().unwrap().facts, facts);
}

pub(crate) async fn news_is_heard_once_and_not_missed(place: &Place) {
    // The one who tells is another server than the one that listens.
    let (teller, listener) = (place.open().await, place.open().await);
    with_host(&teller, "db-1").await;
    let run = News::Run { by: "alice".to_owned() };
    let hosts = ["db-1".to_owned(), "nobody".to_owned()];
    assert_eq!(teller.tell(&hosts, &run).await.unwrap(), ["db-1"]);
    let answer = listener.news("db-1", 0).await.unwrap();
    assert_eq!(answer.news, std::slice::from_ref(&run));
    assert_eq!(listener.news("db-1", answer.after).await.unwrap().news, []);
    for _ in 0..50 {
        teller.tell(&hosts, &run).await.unwrap();
    }
    let later = listener.news("db-1", answer.after).await.unwrap();
    assert!(later.after > answer.after && later.news.len() < 10, "an agent that was away hears of the last few");
    // Both servers find the same commits, one a little later.
    let catalog = |commit: &str| News::Catalog { commit: commit.to_owned() };
    let mut heard = later.after;
    for (server, commit, new) in [(&teller, "a", 1), (&listener, "a", 0), (&teller, "b", 1), (&listener, "a", 1), (&teller, "a", 0)] {
        server.tell(&hosts, &catalog(commit)).await.unwrap();
        let answer = listener.news("db-1", heard).await.unwrap();
        assert_eq!(answer.news.len(), new, "{commit}");
        heard = answer.after;
    }
}
