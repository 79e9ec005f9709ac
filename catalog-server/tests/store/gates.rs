//! Who waits for another host hears of it at once, whichever server it talks to.

use std::time::Duration;

use keel_engine::protocol::gates::{GatesRequest, Settled};
use keel_engine::report::Outcome;
use keel_server::store::{Database, Topic};

use crate::place::Place;
use crate::sample::{catalog, file, report, with_host};

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
