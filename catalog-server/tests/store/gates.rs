//! Who waits for another host hears of it at once, whichever server it talks to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;
use keel_engine::protocol::fleet::Wait;
use keel_engine::protocol::gates::{AskedGate, GatesRequest, Settled, Standing};
use keel_engine::protocol::news::{News, NewsRequest};
use keel_engine::report::{Outcome, Reason};
use keel_server::gates::{Current, CurrentCatalogs, GateKeeper};
use keel_server::store::{Database, Node, Store, Topic};

use crate::place::Place;
use crate::sample::{catalog, file, report, resource, with_host};

/// Far longer than a wake-up takes, so that only a missing one is found.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn a_report_wakes_who_waits(place: &Place) {
    let here = place.open().await;
    // With a file there is one server only.
    let there = if matches!(place.database, Database::Sqlite(_)) { here.clone() } else { place.open().await };
    with_host(&here, "db-1").await;
    let watch = there.watch(vec![Topic::Word("db-1".to_owned())]);
    here.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap();
    tokio::time::timeout(PATIENCE, async {
        while there.word("db-1").await.unwrap().of(&file("/a")).is_none() {
            watch.changed().await;
        }
    })
    .await
    .unwrap();
}

pub(crate) async fn what_settles_in_a_run_wakes_who_waits_and_is_written_once(place: &Place) {
    let store = place.open().await;
    with_host(&store, "db-1").await;
    let settled = vec![Settled { address: file("/a"), outcome: Outcome::Changed }];
    let request = GatesRequest { run: "run-1".to_owned(), catalog: catalog(&["/a", "/b"]).catalog, settled, asked: Vec::new(), wait_s: 0 };
    let watch = store.watch(vec![Topic::Word("db-1".to_owned())]);
    store.keep_settled("db-1", &request).await.unwrap();
    tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap();
    let word = store.word("db-1").await.unwrap();
    assert_eq!(word.changed_in(&file("/a")), "run-1");
    assert_eq!(word.of(&file("/b")), None, "it has said nothing of the other");
    store.keep_settled("db-1", &request).await.unwrap();
    assert_eq!(store.word("db-1").await.unwrap(), word);
}

/// Everybody should converge to the catalog of [`with_host`].
struct OneForAll;

impl CurrentCatalogs for OneForAll {
    fn current<'a>(&'a self, _: &'a Node) -> Current<'a> {
        let titles = ["/a", "/b"];
        let resources = titles.iter().map(|title| (file(title), Digest::of(b"declared"))).collect();
        let definitions = Definitions { catalog: catalog(&titles).catalog, resources, modules: BTreeMap::new(), guards: BTreeMap::new() };
        Box::pin(std::future::ready(Ok(Arc::new(definitions))))
    }
}

fn keeper(store: &Store) -> GateKeeper {
    GateKeeper::new(store.clone(), Arc::new(OneForAll))
}

/// Two servers on one database; with a file it is the same one twice.
async fn two(place: &Place) -> (Store, Store) {
    let here = place.open().await;
    let there = if matches!(place.database, Database::Sqlite(_)) { here.clone() } else { place.open().await };
    (here, there)
}

fn asks(hosts: &[&str], wait_s: u64) -> GatesRequest {
    let gate = |host: &&str| AskedGate { host: (*host).to_owned(), target: file("/a"), optional: false };
    let asked = hosts.iter().map(gate).collect();
    GatesRequest { run: "run-9".to_owned(), catalog: Digest::of(b"web"), settled: Vec::new(), asked, wait_s }
}

pub(crate) async fn a_held_question_is_answered_when_a_gate_opens(place: &Place) {
    let (here, there) = two(place).await;
    for host in ["db-1", "db-2", "web-1"] {
        with_host(&here, host).await;
    }
    let now = keeper(&there).gates("web-1", &asks(&["db-1", "nobody"], 0)).await.unwrap().gates;
    let reasons: Vec<_> = now.iter().map(|gate| format!("{:?}", gate.standing)).collect();
    assert!(reasons[0].contains("not reported") && reasons[1].contains("no host nobody"), "{reasons:?}");

    let held_by = keeper(&there);
    let held = tokio::spawn(async move { held_by.gates("web-1", &asks(&["db-1", "db-2"], 60)).await });
    here.keep_report("db-1", &report("db-1", 1, vec![resource("/a", Outcome::Failed)])).await.unwrap();
    here.keep_report("db-2", &report("db-2", 1, Vec::new())).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap().unwrap().gates;
    assert!(!answer[0].standing.is_open() && answer[1].standing.is_open(), "{answer:?}");
    let later = keeper(&there).gates("web-1", &asks(&["db-1"], 0)).await.unwrap().gates;
    assert!(matches!(&later[0].standing, Standing::Closed { reason } if reason.contains("failed")), "{later:?}");
}

pub(crate) async fn hosts_that_wait_for_each_other_come_through(place: &Place) {
    let (here, there) = two(place).await;
    for host in ["a-1", "b-1"] {
        with_host(&here, host).await;
    }
    // Each has settled what the other waits for, in runs that both go on.
    let request = |other: &str, run: &str| GatesRequest {
        run: run.to_owned(),
        catalog: catalog(&["/a", "/b"]).catalog,
        settled: vec![Settled { address: file("/a"), outcome: Outcome::Changed }],
        ..asks(&[other], 60)
    };
    let (one, other) = (keeper(&here), keeper(&there));
    let (for_a, for_b) = (request("b-1", "run-a"), request("a-1", "run-b"));
    let both = async { tokio::join!(one.gates("a-1", &for_a), other.gates("b-1", &for_b)) };
    let (a, b) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert!(a.unwrap().gates[0].standing.is_open() && b.unwrap().gates[0].standing.is_open());
}

pub(crate) async fn an_open_gate_is_news_once_for_who_waited(place: &Place) {
    let (here, there) = two(place).await;
    for host in ["db-1", "web-1"] {
        with_host(&here, host).await;
    }
    let mut waiting = resource("/b", Outcome::Waiting);
    waiting.reason = Some(Reason::Gate { host: "db-1".to_owned(), target: file("/a"), why: None });
    let listening = keeper(&there);
    let held = tokio::spawn(async move { listening.news("web-1", NewsRequest { after: 0, wait_s: 60, demands_after: 0 }).await });
    here.keep_report("web-1", &report("web-1", 1, vec![waiting.clone()])).await.unwrap();
    here.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.news, [News::Gate { host: "db-1".to_owned(), target: file("/a") }]);
    // The answer may have been lost: the agent asks as before, and hears the same.
    let keeper = keeper(&there);
    assert_eq!(keeper.news("web-1", NewsRequest { after: 0, wait_s: 0, demands_after: 0 }).await.unwrap(), answer);
    let after = NewsRequest { after: answer.after, wait_s: 0, demands_after: 0 };
    assert_eq!(keeper.news("web-1", after).await.unwrap().news, [], "until it reports again it is not told twice");
    assert_eq!(here.fleet(&Default::default()).await.unwrap().counts.len(), 6);
    let status = here.fleet(&keel_server::store::StatusFilter { limit: 9, ..Default::default() }).await.unwrap();
    let web = status.hosts.iter().find(|host| host.host == "web-1").unwrap();
    assert_eq!(web.waiting_for, [Wait { host: "db-1".to_owned(), target: file("/a") }], "what people see stays");
    here.keep_report("web-1", &report("web-1", 2, vec![waiting])).await.unwrap();
    assert_eq!(keeper.news("web-1", after).await.unwrap().news.len(), 1);
}

pub(crate) async fn who_waits_is_woken_though_a_look_at_something_else_came_between(place: &Place) {
    let store = place.open().await;
    for host in ["db-1", "web-1"] {
        with_host(&store, host).await;
    }
    let mut waiting = resource("/b", Outcome::Waiting);
    waiting.reason = Some(Reason::Gate { host: "db-1".to_owned(), target: file("/a"), why: None });
    let mut left_out = resource("/b", Outcome::Skipped);
    left_out.reason = Some(Reason::Filtered);
    store.keep_report("web-1", &report("web-1", 1, vec![waiting])).await.unwrap();
    store.keep_report("web-1", &report("web-1", 2, vec![resource("/a", Outcome::Changed), left_out])).await.unwrap();
    let status = store.fleet(&keel_server::store::StatusFilter { limit: 9, ..Default::default() }).await.unwrap();
    let web = status.hosts.iter().find(|host| host.host == "web-1").unwrap();
    assert_eq!(web.waiting_for, [Wait { host: "db-1".to_owned(), target: file("/a") }]);
    store.keep_report("db-1", &report("db-1", 1, Vec::new())).await.unwrap();
    let heard = keeper(&store).news("web-1", NewsRequest { after: 0, wait_s: 0, demands_after: 0 }).await.unwrap().news;
    assert_eq!(heard, [News::Gate { host: "db-1".to_owned(), target: file("/a") }]);
    store.keep_report("web-1", &report("web-1", 3, Vec::new())).await.unwrap();
    assert_eq!(store.awaited("web-1").await.unwrap(), [], "a whole run has the last word");
}
