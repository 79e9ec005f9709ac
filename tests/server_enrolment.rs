//! Enrolment over the real server: tokens, approval, and who does not get in.

use std::sync::Barrier;

use keel_tests::server::{CatalogServer, Identity};
use serde_json::json;

#[test]
fn of_a_hundred_who_use_one_token_exactly_one_gets_in() {
    let server = CatalogServer::start_with("[limits]\nenrolments_per_minute = 10000");
    let token = server.token(&[]);
    let candidates: Vec<Identity> = (0..100).map(|number| Identity::candidate(&format!("web-{number}"))).collect();
    let start = Barrier::new(candidates.len());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |candidate| {
            start.wait();
            server.ask(candidate, Some(&token)).status
        };
        let threads: Vec<_> = candidates.iter().map(|candidate| scope.spawn(move || ask(candidate))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 99, "{statuses:?}");
    let nodes = server.add_operator("vera", "viewer").get("/operator/v1/nodes").unwrap().json();
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_token_is_good_for_its_host_and_its_time() {
    let server = CatalogServer::start();
    let token = server.token(&["--host", "db-1"]);
    let refused = server.ask(&Identity::candidate("db-2"), Some(&token));
    assert_eq!((refused.status, refused.code().as_str()), (401, "token-refused"));
    assert_eq!(server.ask(&Identity::candidate("db-1"), Some(&token)).status, 200);
    assert_eq!(server.ask(&Identity::candidate("db-1"), Some(&token)).status, 401);

    let short = server.token(&["--valid", "1"]);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(server.ask(&Identity::candidate("db-3"), Some(&short)).code(), "token-refused");
    assert_eq!(server.ask(&Identity::candidate("db-3"), Some("guess")).code(), "token-refused");
}

#[test]
fn who_lost_the_answer_asks_again_with_the_same_key() {
    let server = CatalogServer::start();
    let (candidate, token) = (Identity::candidate("db-1"), server.token(&[]));
    let first = server.ask(&candidate, Some(&token)).json();
    let again = server.ask(&candidate, Some(&token)).json();
    assert_eq!(first, again);
    let id = first["id"].as_str().unwrap();
    assert_eq!(server.agent(None).get(&format!("/v1/enrolment/{id}")).unwrap().json(), first);
}

#[test]
fn a_key_waits_under_one_name() {
    let server = CatalogServer::start();
    let candidate = Identity::candidate("db-1");
    assert_eq!(server.ask(&candidate, None).status, 202);
    let mut renamed = candidate.same();
    renamed.host = "db-2".to_owned();
    let refused = server.ask(&renamed, None);
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
    assert_eq!(server.ask(&candidate, None).status, 202);
}

#[test]
fn without_a_token_an_operator_decides() {
    let server = CatalogServer::start();
    let operator = server.add_operator("otto", "operator");
    let (right, wrong) = (Identity::candidate("db-1"), Identity::candidate("db-1"));
    let waiting = server.ask(&right, None);
    assert_eq!((waiting.status, waiting.json()["state"].as_str()), (202, Some("waiting")));
    let id = waiting.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.ask(&wrong, None).status, 202);

    let listed = operator.get("/operator/v1/nodes").unwrap().json();
    assert_eq!(listed["waiting"].as_array().unwrap().len(), 2);
    assert_eq!(operator.post("/operator/v1/nodes/db-1/approve", &json!({})).unwrap().status, 409);
    let approved = operator.post("/operator/v1/nodes/db-1/approve", &json!({ "id": id })).unwrap();
    assert_eq!((approved.status, approved.json()["approved_by"].as_str()), (200, Some("otto")));

    let issued = server.agent(None).get(&format!("/v1/enrolment/{id}")).unwrap().json();
    let identity = right.with_chain(issued["certificate"]["chain"].as_str().unwrap());
    assert_eq!(server.agent(Some(&identity)).post("/v1/certificate", &identity.renewal()).unwrap().status, 200);
    let turned_away = operator.get("/operator/v1/nodes/db-1").unwrap().json();
    assert_eq!(turned_away["waiting"].as_array().unwrap().len(), 0);
}

#[test]
fn a_name_is_one_hosts_until_it_is_purged() {
    let server = CatalogServer::start();
    let admin = server.add_operator("ada", "admin");
    let old = server.enrol("db-1");
    let other = server.ask(&Identity::candidate("db-1"), Some(&server.token(&[])));
    assert_eq!((other.status, other.code().as_str()), (409, "conflict"));
    assert_eq!(admin.post("/operator/v1/nodes/db-1/revoke", &json!({ "why": "replaced" })).unwrap().status, 200);
    assert_eq!(server.ask(&Identity::candidate("db-1"), Some(&server.token(&[]))).status, 409);
    assert_eq!(admin.send("DELETE", "/operator/v1/nodes/db-1", &[], b"").unwrap().status, 204);
    let new = server.enrol("db-1");
    assert_eq!(server.agent(Some(&old)).post("/v1/certificate", &old.renewal()).unwrap().status, 401);
    assert_eq!(server.agent(Some(&new)).post("/v1/certificate", &new.renewal()).unwrap().status, 200);
}

#[test]
fn guessing_is_slowed_down() {
    let server = CatalogServer::start_with("[limits]\nenrolments_per_minute = 5");
    let candidate = Identity::candidate("db-1");
    let statuses: Vec<u16> = (0..8).map(|_| server.ask(&candidate, Some("guess")).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
    let late = server.ask(&candidate, Some("guess"));
    assert!(late.headers.contains_key("retry-after"));
}

#[test]
fn no_secret_is_in_a_log_or_in_what_is_kept() {
    let mut server = CatalogServer::start();
    let bearer = server.command(&["operator", "add", "ada", "--role", "admin"]);
    let admin = server.operator(Some(bearer.trim()));
    let made = admin.post("/operator/v1/tokens", &json!({})).unwrap().json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(made["command"].as_str().unwrap().contains(&token));
    assert_eq!(server.ask(&Identity::candidate("db-1"), Some(&token)).status, 200);
    assert_eq!(server.ask(&Identity::candidate("db-2"), Some(&token)).status, 401);
    assert_eq!(server.stop(), Some(0));
    let mut looked_at = 0;
    for name in ["server.log", "audit.log", "state/server.db"] {
        let bytes = std::fs::read(server.path(name)).unwrap();
        looked_at += bytes.len();
        for secret in [bearer.trim(), &token] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{name} has a secret in it");
        }
    }
    assert!(looked_at > 0);
}
