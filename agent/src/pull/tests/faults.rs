//! A server that breaks off, lies, or never ends: whatever it does, no report is lost, doubled or out of order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keel_engine::protocol::reports::{Delivery, Receipt};
use keel_engine::report::Totals;

use super::authority::Authority;
use super::fake::{Fake, Reply, Request};
use super::identities::{cache, order};
use crate::client::{Client, Fault, Limits};
use crate::pull::delivery::deliver;
use crate::pull::home::Home;
use crate::pull::node::Node;
use crate::pull::round;
use crate::pull::server::{Server, client};
use crate::pull::settings::AgentSettings;
use crate::pull::spool::Spool;

const PROBLEM: &str = r#"{"code":"internal","status":500,"detail":"no"}"#;

fn joined(root: &tempfile::TempDir, authority: &Authority, fake: &Fake) -> (Home, AgentSettings) {
    let home = Home::below(root.path()).unwrap();
    authority.admit(&home, "db-1", &fake.address.to_string());
    let settings = AgentSettings::load(&home).unwrap();
    (home, settings)
}

/// Takes reports as the server does: stored before the answer, an id once.
fn store(stored: &Mutex<Vec<Delivery>>, request: &Request) -> Receipt {
    let delivery: Delivery = serde_json::from_slice(&request.body).unwrap();
    let mut stored = stored.lock().unwrap();
    let repeated = stored.iter().any(|one| one.id == delivery.id);
    let id = delivery.id.clone();
    if !repeated {
        stored.push(delivery);
    }
    Receipt { id, repeated }
}

#[test]
fn an_answer_that_is_cut_anywhere_loses_and_doubles_nothing() {
    let authority = Authority::new();
    let stored: Arc<Mutex<Vec<Delivery>>> = Arc::default();
    let count = Arc::new(Mutex::new(0_usize));
    let (kept, turn) = (Arc::clone(&stored), Arc::clone(&count));
    let fake = Fake::start(authority.server(|_| {}), move |request| {
        if request.line != "POST /v1/reports" {
            return Reply::Answer("500 Internal Server Error", String::new(), PROBLEM.as_bytes().to_vec());
        }
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        // Each third request breaks before it is stored, each third one after it.
        let answer = |receipt: &Receipt| {
            let body = serde_json::to_vec(receipt).unwrap();
            [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
        };
        match *turn % 3 {
            0 => Reply::Cut(Vec::new()),
            1 => {
                let whole = answer(&store(&kept, request));
                let cut = (*turn * 7) % whole.len();
                Reply::Cut(whole[..cut].to_vec())
            }
            _ => Reply::Answer("200 OK", String::new(), serde_json::to_vec(&store(&kept, request)).unwrap()),
        }
    });
    let root = tempfile::tempdir().unwrap();
    let (home, settings) = joined(&root, &authority, &fake);
    cache(&home, "db-1");
    let node = Node::load(&home).unwrap();
    for _ in 0..20 {
        let _ = round::make(&home, &settings, &order(), &|| false, &mut |_| {}).unwrap();
    }
    let spool = Spool::open(&home).unwrap();
    for _ in 0..100 {
        let _ = deliver(&spool, &node.host, &Server::of(&home, &settings, &node).unwrap());
    }
    let sequences: Vec<u64> = stored.lock().unwrap().iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<u64>>());
}

fn ask(fake: &Fake, home: &Home, settings: &AgentSettings, limits: Limits) -> Fault {
    let node = Node::load(home).unwrap();
    let client: Client = client(home, settings, &node).unwrap();
    assert_eq!(client.address().to_string(), fake.address.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.send(client.request(reqwest::Method::GET, "/v1/x"), limits)).unwrap_err()
}

#[test]
fn an_answer_that_drips_or_never_ends_is_given_up() {
    let authority = Authority::new();
    let dripping = Fake::start(authority.server(|_| {}), |_| Reply::Drip);
    let root = tempfile::tempdir().unwrap();
    let (home, settings) = joined(&root, &authority, &dripping);
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::SMALL };
    assert!(ask(&dripping, &home, &settings, limits).to_string().contains("it took too long"));

    let long = Fake::start(authority.server(|_| {}), |_| Reply::Answer("200 OK", String::new(), vec![b'x'; 100_000]));
    let root = tempfile::tempdir().unwrap();
    let (home, settings) = joined(&root, &authority, &long);
    let limits = Limits { body_max: 1000, ..Limits::SMALL };
    assert!(ask(&long, &home, &settings, limits).to_string().contains("longer than 1000 bytes"));
}

#[test]
fn a_redirect_is_not_followed_and_no_proof_of_who_asks_goes_elsewhere() {
    let authority = Authority::new();
    let elsewhere = Fake::start(authority.server(|_| {}), |_| Reply::Answer("200 OK", String::new(), Vec::new()));
    let target = format!("location: https://{}/v1/x\r\n", elsewhere.address);
    let fake = Fake::start(authority.server(|_| {}), move |_| Reply::Answer("307 Temporary Redirect", target.clone(), Vec::new()));
    let root = tempfile::tempdir().unwrap();
    let (home, settings) = joined(&root, &authority, &fake);
    assert!(matches!(ask(&fake, &home, &settings, Limits::SMALL), Fault::Away(_)));
    assert!(elsewhere.requests.lock().unwrap().is_empty());
}

#[test]
fn a_report_that_is_never_taken_does_not_hold_up_the_others() {
    let authority = Authority::new();
    let fake = Fake::start(authority.server(|_| {}), |request| {
        if request.line != "POST /v1/reports" {
            return Reply::Answer("500 Internal Server Error", String::new(), PROBLEM.as_bytes().to_vec());
        }
        let delivery: Delivery = serde_json::from_slice(&request.body).unwrap();
        if delivery.sequence == 1 {
            let body = r#"{"code":"unprocessable","status":422,"detail":"odd"}"#;
            return Reply::Answer("422 Unprocessable", String::new(), body.as_bytes().to_vec());
        }
        assert_eq!(delivery.report.totals, Totals::default());
        Reply::Answer("200 OK", String::new(), serde_json::to_vec(&Receipt { id: delivery.id, repeated: false }).unwrap())
    });
    let root = tempfile::tempdir().unwrap();
    let (home, settings) = joined(&root, &authority, &fake);
    cache(&home, "db-1");
    let done = round::make(&home, &settings, &order(), &|| false, &mut |_| {}).unwrap();
    assert!(done.troubles.iter().any(|trouble| trouble.contains("report 1, which was put aside")), "{:?}", done.troubles);
    let done = round::make(&home, &settings, &order(), &|| false, &mut |_| {}).unwrap();
    assert!(!done.troubles.iter().any(|trouble| trouble.contains("put aside")));
    assert_eq!(Spool::backlog_of(&home).reports, 0);
}
