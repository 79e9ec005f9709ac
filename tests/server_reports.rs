//! Facts and reports over the server's real API: rows of the catalogue of bad input, and a server that is killed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keel_tests::server::{CatalogServer, Identity, assert_all_kept_once, deliver_until, delivery, reports_of};
use serde_json::{Value, json};

/// A delivery with one thing in it changed.
fn changed(sequence: u64, change: impl FnOnce(&mut Value)) -> Value {
    let mut delivery = delivery("db-1", sequence);
    change(&mut delivery);
    delivery
}

/// Rows F01 to F09.
#[test]
fn server_facts_are_data_and_have_an_end() {
    let server = CatalogServer::start();
    let host = server.enrol("db-1");
    let agent = server.agent(Some(&host));
    let put = |body: &[u8]| agent.send("PUT", "/v1/facts", &[("Content-Type", "application/json")], body).unwrap();
    let many = format!("{{\"a\":[{}]}}", vec!["1"; 10_241].join(","));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(65), "]".repeat(65));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let rows: [(&str, &[u8], u16); 6] = [
        ("F01 a byte more than a mebibyte", large.as_bytes(), 413),
        ("F02 10,241 facts", many.as_bytes(), 422),
        ("F03 too deep", deep.as_bytes(), 400),
        ("F07 not UTF-8", b"{\"a\":\"\xff\"}", 400),
        ("no table", b"[]", 422),
        ("a key twice", b"{\"a\":1,\"a\":2}", 400),
    ];
    for (name, body, status) in rows {
        assert_eq!(put(body).status, status, "{name}");
    }
    let odd = json!({
        "hostname": ["a"], "fqdn": "db-2.example", "a\u{0}": 1, "k".repeat(4096): 1, "__proto__": 1, "x": { "$sealed": [] }, "big": "1e400"
    });
    let answer = put(odd.to_string().replace("\"1e400\"", "1e400").as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let dropped: Vec<Value> = answer.json()["dropped"].as_array().unwrap().iter().map(|one| one["path"].clone()).collect();
    assert_eq!(dropped.len(), 6, "F04, F06, F08: what is wrong is left out, the rest is taken: {dropped:?}");
    // F05: another host's name among the facts changes nobody's identity.
    let operator = server.add_operator("alice", "viewer");
    let nodes = operator.get("/operator/v1/nodes").unwrap().json();
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(nodes["nodes"][0]["host"], "db-1");
}

/// Rows A17, A23, A24 and P04 to P08.
#[test]
fn server_reports_are_taken_once_and_from_their_host_alone() {
    let server = CatalogServer::start();
    let host = server.enrol("db-1");
    let agent = server.agent(Some(&host));
    let post = |body: &Value| agent.post("/v1/reports", body).unwrap();
    let rows: [(&str, Value, u16); 9] = [
        ("a first one", delivery("db-1", 1), 200),
        ("A23 once more", delivery("db-1", 1), 200),
        ("A24 the same id for another", changed(1, |one| one["report"]["duration_ms"] = json!(6)), 409),
        ("A17 another host's", delivery("db-2", 1), 403),
        ("P04 the year 2099", changed(2, |one| one["report"]["started_ms"] = json!(4_070_908_800_000_u64)), 200),
        ("P05 a catalog that nobody knows", delivery("db-1", 3), 200),
        ("P06 counts that do not sum up", changed(4, |one| one["report"]["totals"]["failed"] = json!(7)), 422),
        ("a field that nobody knows", changed(4, |one| one["host"] = json!("db-2")), 400),
        ("P07 a gap", delivery("db-1", 6), 200),
    ];
    for (name, body, status) in rows {
        let answer = post(&body);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let operator = server.add_operator("alice", "admin");
    assert_eq!(reports_of(&operator, "db-1").len(), 4);
    let status = operator.get("/operator/v1/status").unwrap().json();
    assert_eq!(status["hosts"][0]["missing_reports"], 2, "the gap is shown");
    assert!(operator.get("/operator/v1/reports/db-1-report-2").unwrap().text().contains("clock"));
    assert!(server.audit().iter().any(|line| line["audit"] == "report" && line["outcome"] == "refused"), "A17 is written down");
    let gone = operator.send("DELETE", "/operator/v1/nodes/db-1", &[], b"").unwrap();
    assert_eq!(gone.status, 204);
    let late = post(&delivery("db-1", 7)).status;
    assert!(matches!(late, 401 | 403), "P08 after the host was deleted: {late}");
}

#[test]
fn server_killed_at_any_moment_keeps_what_it_acknowledged() {
    const KILLS: u64 = 8;
    let server = CatalogServer::start_with("[limits]\nhost_requests_per_minute = 1000000\n");
    let hosts: Vec<Identity> = ["a-1", "a-2", "a-3"].iter().map(|host| server.enrol(host)).collect();
    let server = Mutex::new(server);
    let over = AtomicBool::new(false);
    let deliver = |host: &Identity| deliver_until(&over, &host.host, || server.lock().unwrap().agent(Some(host)));
    let acknowledged: Vec<Vec<String>> = std::thread::scope(|scope| {
        let senders: Vec<_> = hosts.iter().map(|host| scope.spawn(|| deliver(host))).collect();
        for kill in 0..KILLS {
            std::thread::sleep(Duration::from_millis(150 + 37 * kill));
            let mut server = server.lock().unwrap();
            server.kill();
            server.resume();
        }
        over.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let server = server.into_inner().unwrap();
    let operator = server.add_operator("alice", "viewer");
    for (host, acknowledged) in hosts.iter().zip(&acknowledged) {
        assert_all_kept_once(&operator, &host.host, acknowledged);
    }
}

/// The settings say how long reports are kept; the running server sees to it, at its start and every hour.
#[test]
fn server_forgets_reports_that_are_older_than_they_have_to_be() {
    let mut server = CatalogServer::start_with("[reports]\ndays = 0\nquiet_days = 0\n");
    let host = server.enrol("db-1");
    for sequence in 1..=3 {
        assert_eq!(server.agent(Some(&host)).post("/v1/reports", &delivery("db-1", sequence)).unwrap().status, 200);
    }
    assert_eq!(reports_of(&server.add_operator("before", "viewer"), "db-1").len(), 3, "nothing is looked through in between");
    server.kill();
    server.resume();
    let operator = server.add_operator("after", "viewer");
    let gone = (0..600).any(|_| {
        let left = reports_of(&operator, "db-1").len();
        std::thread::sleep(Duration::from_millis(if left == 0 { 0 } else { 100 }));
        left == 0
    });
    assert!(gone, "{}", server.log());
    let again = server.agent(Some(&host)).post("/v1/reports", &delivery("db-1", 3)).unwrap();
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)), "what was forgotten was still delivered once");
}
