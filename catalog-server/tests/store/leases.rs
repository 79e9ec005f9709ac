//! Leases: at most so many at once, only while all other members say that they are ready, and never lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::definitions::Definitions;
use keel_engine::digest::Digest;
use keel_engine::guard::{Readiness, Rule};
use keel_engine::protocol::leases::{Demand, LeaseAnswer, LeaseProof, LeaseRequest};
use keel_engine::protocol::news::{News, NewsRequest};
use keel_server::gates::{Current, CurrentCatalogs, GateKeeper};
use keel_server::leases::LeaseKeeper;
use keel_server::store::{Database, Node, Store, StoreError};
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::sample::with_host;

const HOSTS: [&str; 3] = ["db-1", "db-2", "db-3"];
/// Far longer than anything takes, so that only what never comes is found.
const PATIENCE: Duration = Duration::from_secs(50);

/// Everybody's catalog has the guard `galera` of the three.
struct Cluster;

impl CurrentCatalogs for Cluster {
    fn current<'a>(&'a self, _node: &'a Node) -> Current<'a> {
        let rule = Rule { members: HOSTS.map(str::to_owned).to_vec(), max: 1 };
        let guards = BTreeMap::from([("galera".to_owned(), rule)]);
        let definitions = Definitions { catalog: Digest::of(b"c"), resources: BTreeMap::new(), modules: BTreeMap::new(), guards };
        Box::pin(async move { Ok(Arc::new(definitions)) })
    }
}

/// Two servers over one database, where it takes several.
async fn servers(place: &Place) -> [Store; 2] {
    let here = place.open().await;
    let there = if matches!(place.database, Database::Sqlite(_)) { here.clone() } else { place.open().await };
    for host in HOSTS {
        with_host(&here, host).await;
    }
    [here, there]
}

fn keeper(store: &Store) -> LeaseKeeper {
    LeaseKeeper::new(store.clone(), Arc::new(Cluster))
}

fn request(wait_s: u64) -> LeaseRequest {
    LeaseRequest { guard: "galera".to_owned(), run: "run-1".to_owned(), wait_s }
}

fn proof(found: Readiness, demand: u64, over: bool) -> LeaseProof {
    LeaseProof { guard: "galera".to_owned(), found, demand, over }
}

fn not_ready() -> Readiness {
    Readiness::NotReady { why: "2 of 3 nodes".to_owned() }
}

/// Asks and waits for as long as one may.
fn ask(store: &Store, host: &'static str) -> JoinHandle<LeaseAnswer> {
    let keeper = keeper(store);
    let request = LeaseRequest { run: format!("{host} waits"), ..request(60) };
    tokio::spawn(async move { keeper.ask(host, &request).await.unwrap() })
}

/// What a host hears that others want to know, once anybody does.
async fn demand(store: &Store, host: &str) -> Demand {
    let news = GateKeeper::new(store.clone(), Arc::new(Cluster));
    let heard = news.news(host, NewsRequest { after: 0, wait_s: 60, demands_after: 0 });
    let answer = tokio::time::timeout(PATIENCE, heard).await.unwrap().unwrap();
    answer.demands.into_iter().next().unwrap()
}

/// Answers what is asked of a host with this.
async fn answer(store: &Store, host: &str, found: Readiness) {
    let demand = demand(store, host).await;
    keeper(store).prove(host, &proof(found, demand.number, false)).await.unwrap();
}

async fn reason(store: &Store, host: &str) -> String {
    let leases = store.all_leases().await.unwrap();
    leases.into_iter().find(|lease| lease.host == host).map_or("none".to_owned(), |lease| lease.reason)
}

async fn holders(store: &Store) -> Vec<String> {
    store.all_leases().await.unwrap().into_iter().filter(|lease| lease.held).map(|lease| lease.host).collect()
}

pub(crate) async fn a_lease_comes_when_all_others_are_ready_and_goes_to_the_next(place: &Place) {
    let [here, there] = servers(place).await;
    let first = ask(&here, "db-1");
    answer(&there, "db-2", Readiness::Ready).await;
    assert!(!first.is_finished());
    answer(&there, "db-3", Readiness::Ready).await;
    assert_eq!(tokio::time::timeout(PATIENCE, first).await.unwrap().unwrap(), LeaseAnswer::Held);
    assert!(here.demands("db-2", 0).await.unwrap().is_empty(), "it has said so");

    let refused = keeper(&there).ask("db-2", &request(0)).await.unwrap();
    assert_eq!(refused, LeaseAnswer::Refused { why: "db-1 holds the lease".to_owned() });
    assert!(there.demands("db-3", 0).await.unwrap().is_empty(), "nobody is troubled in vain");
    let second = ask(&there, "db-2");
    // It asks before the lease is free: who asks later asks the others anew.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !there.all_leases().await.unwrap().iter().any(|lease| lease.run == "db-2 waits") {
        assert!(tokio::time::Instant::now() < deadline, "it never asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!keeper(&here).prove("db-1", &proof(Readiness::Ready, 0, true)).await.unwrap().held);
    // What they said before the first one was interrupted does not count any more.
    answer(&here, "db-1", Readiness::Ready).await;
    assert!(!second.is_finished());
    answer(&here, "db-3", Readiness::Ready).await;
    assert_eq!(tokio::time::timeout(PATIENCE, second).await.unwrap().unwrap(), LeaseAnswer::Held);
    assert_eq!(holders(&here).await, ["db-2"]);
}

pub(crate) async fn a_member_that_is_silent_or_not_ready_keeps_the_others_from_it_by_name(place: &Place) {
    let [here, _] = servers(place).await;
    let refused = keeper(&here).ask("db-1", &request(0)).await.unwrap();
    assert_eq!(refused, LeaseAnswer::Refused { why: "db-2 and db-3 do not answer".to_owned() });
    answer(&here, "db-3", not_ready()).await;
    answer(&here, "db-2", Readiness::Ready).await;
    // The answer to an earlier question is none to a later one.
    let held = ask(&here, "db-1");
    let newer = demand(&here, "db-3").await.number;
    keeper(&here).prove("db-3", &proof(Readiness::Ready, newer - 1, false)).await.unwrap();
    answer(&here, "db-2", Readiness::Ready).await;
    assert!(!held.is_finished());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while reason(&here, "db-1").await != "db-3 does not answer" {
        assert!(tokio::time::Instant::now() < deadline, "{}", reason(&here, "db-1").await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    keeper(&here).prove("db-3", &proof(Readiness::Ready, newer, false)).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap(), LeaseAnswer::Held);
}

pub(crate) async fn no_lease_ends_by_itself(place: &Place) {
    let [here, _] = servers(place).await;
    let first = ask(&here, "db-1");
    answer(&here, "db-2", Readiness::Ready).await;
    answer(&here, "db-3", Readiness::Ready).await;
    assert_eq!(first.await.unwrap(), LeaseAnswer::Held);
    assert!(reason(&here, "db-1").await.contains("not proved yet"));
    assert!(keeper(&here).prove("db-1", &proof(not_ready(), 0, true)).await.unwrap().held);
    assert_eq!(reason(&here, "db-1").await, "it is not ready: 2 of 3 nodes");
    here.close().await;
    let again = place.open().await;
    assert_eq!(holders(&again).await, ["db-1"], "another server's start is no reason");
    // A run that was killed asks again: the others have to be ready once more.
    let second = ask(&again, "db-1");
    answer(&again, "db-2", Readiness::Ready).await;
    answer(&again, "db-3", Readiness::Ready).await;
    assert_eq!(second.await.unwrap(), LeaseAnswer::Held);

    let taken = again.take_lease("galera", "db-1", "its disk is gone", "alice").await.unwrap();
    assert!(taken.held);
    assert!(holders(&again).await.is_empty());
    assert!(matches!(again.take_lease("galera", "db-1", "x", "alice").await, Err(StoreError::NotFound(_))));
    let late = keeper(&again).prove("db-1", &proof(Readiness::Ready, 0, true)).await.unwrap();
    assert!(!late.held, "it hears that it holds none");
}

pub(crate) async fn of_all_who_ask_at_once_one_gets_it(place: &Place) {
    let [here, there] = servers(place).await;
    let asking = [ask(&here, "db-1"), ask(&there, "db-2"), ask(&here, "db-3")];
    let mut answering = Vec::new();
    for host in HOSTS {
        let store = there.clone();
        answering.push(tokio::spawn(async move {
            let mut after = 0;
            loop {
                let found = store.demands(host, after).await.unwrap();
                for demand in found {
                    after = after.max(demand.number);
                    keeper(&store).prove(host, &proof(Readiness::Ready, demand.number, false)).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }));
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !asking.iter().any(JoinHandle::is_finished) {
        assert!(tokio::time::Instant::now() < deadline, "nobody gets it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(holders(&here).await.len(), 1);
    assert_eq!(asking.iter().filter(|one| one.is_finished()).count(), 1);
    for task in asking {
        task.abort();
    }
    answering.iter().for_each(JoinHandle::abort);
}

pub(crate) async fn a_waiting_that_was_ended_does_not_come_back(place: &Place) {
    let [here, _] = servers(place).await;
    let waiting = ask(&here, "db-1");
    answer(&here, "db-2", Readiness::Ready).await;
    // A number that nobody gave out yet answers nothing.
    keeper(&here).prove("db-3", &proof(Readiness::Ready, 1000, false)).await.unwrap();
    keeper(&here).prove("db-3", &proof(not_ready(), 0, false)).await.unwrap();
    let demand = demand(&here, "db-3").await;
    keeper(&here).prove("db-3", &proof(not_ready(), demand.number, false)).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while reason(&here, "db-1").await != "db-3 is not ready: 2 of 3 nodes" {
        assert!(tokio::time::Instant::now() < deadline && !waiting.is_finished(), "{}", reason(&here, "db-1").await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    here.take_lease("galera", "db-1", "no more", "olga").await.unwrap();
    // Whatever wakes the request, it does not write itself down again.
    keeper(&here).ask("db-2", &request(0)).await.unwrap();
    keeper(&here).prove("db-3", &proof(Readiness::Ready, demand.number, false)).await.unwrap();
    let refused = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(refused, LeaseAnswer::Refused { why: "its waiting was ended".to_owned() });
    assert_eq!(reason(&here, "db-1").await, "none");
}

pub(crate) async fn who_gave_up_asking_is_called_and_who_wants_nothing_any_more_is_forgotten(place: &Place) {
    let [here, _] = servers(place).await;
    let first = ask(&here, "db-1");
    answer(&here, "db-2", Readiness::Ready).await;
    answer(&here, "db-3", Readiness::Ready).await;
    assert_eq!(first.await.unwrap(), LeaseAnswer::Held);
    keeper(&here).ask("db-2", &request(0)).await.unwrap();
    keeper(&here).ask("db-3", &request(0)).await.unwrap();
    keeper(&here).prove("db-3", &proof(not_ready(), 0, true)).await.unwrap();
    assert_eq!(reason(&here, "db-3").await, "none");
    keeper(&here).prove("db-1", &proof(Readiness::Ready, 0, true)).await.unwrap();
    let told = |news: Vec<News>| news.contains(&News::Lease { guard: "galera".to_owned() });
    assert!(told(here.news("db-2", 0).await.unwrap().news));
    assert!(!told(here.news("db-3", 0).await.unwrap().news));
}

pub(crate) async fn nobody_gets_what_its_catalog_does_not_have_or_fills_the_table(place: &Place) {
    let [here, _] = servers(place).await;
    let other = LeaseRequest { guard: "other".to_owned(), ..request(0) };
    let refused = keeper(&here).ask("db-1", &other).await.unwrap();
    assert!(matches!(refused, LeaseAnswer::Refused { why } if why.contains("has no guard other")));
    let proof = LeaseProof { guard: "other".to_owned(), ..proof(Readiness::Ready, 7, false) };
    assert!(!keeper(&here).prove("db-1", &proof).await.unwrap().held);
    assert!(here.all_leases().await.unwrap().is_empty());
    let long = LeaseRequest { guard: "g".repeat(300), ..request(0) };
    assert!(matches!(keeper(&here).ask("db-1", &long).await, Err(StoreError::Unprocessable(_))));
}
