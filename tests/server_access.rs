//! The authorisation matrix: every route of the server, asked by every identity.
//!
//! The routes come from the program itself (`keel-server openapi`), what is right from the table here: a
//! route without a row fails the test.

use std::collections::{BTreeMap, BTreeSet};

use keel_tests::server::{Answer, CatalogServer, Client, Identity, Lie};
use serde_json::{Value, json};

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Anyone,
    Host,
    RenewingHost,
    Viewer,
    Operator,
    Admin,
}

/// Whom each route is for.
const ROWS: &[(&str, For)] = &[
    ("GET /v1/live", For::Anyone),
    ("GET /v1/authority", For::Anyone),
    ("POST /v1/enrolment", For::Anyone),
    ("GET /v1/enrolment/{id}", For::Anyone),
    ("POST /v1/certificate", For::RenewingHost),
    ("PUT /v1/facts", For::Host),
    ("GET /v1/catalog", For::Host),
    ("GET /v1/content/{blake3}", For::Host),
    ("GET /v1/secrets", For::Host),
    ("POST /v1/gates", For::Host),
    ("POST /v1/leases", For::Host),
    ("POST /v1/leases/proof", For::Host),
    ("GET /v1/news", For::Host),
    ("POST /v1/reports", For::Host),
    ("GET /v1/inquiries", For::Host),
    ("GET /v1/inquiries/{id}/catalog", For::Host),
    ("GET /v1/inquiries/{id}/content/{blake3}", For::Host),
    ("GET /v1/inquiries/{id}/secrets", For::Host),
    ("POST /v1/inquiries/{id}/answer", For::Host),
    ("GET /health", For::Anyone),
    ("GET /metrics", For::Viewer),
    ("GET /operator/v1/nodes", For::Viewer),
    ("GET /operator/v1/nodes/{host}", For::Viewer),
    ("POST /operator/v1/nodes/{host}/approve", For::Operator),
    ("POST /operator/v1/nodes/{host}/revoke", For::Admin),
    ("PUT /operator/v1/nodes/{host}/environment", For::Operator),
    ("DELETE /operator/v1/nodes/{host}", For::Admin),
    ("POST /operator/v1/tokens", For::Admin),
    ("GET /operator/v1/environments", For::Viewer),
    ("POST /operator/v1/environments/look", For::Operator),
    ("GET /operator/v1/status", For::Viewer),
    ("GET /operator/v1/reports", For::Viewer),
    ("GET /operator/v1/reports/{id}", For::Viewer),
    ("GET /operator/v1/why/{host}", For::Viewer),
    ("GET /operator/v1/leases", For::Viewer),
    ("POST /operator/v1/leases/release", For::Operator),
    ("POST /operator/v1/run", For::Operator),
    ("POST /operator/v1/inquiries", For::Operator),
    ("GET /operator/v1/inquiries/{id}", For::Viewer),
    ("GET /operator/v1/inquiries/{id}/hosts", For::Viewer),
    ("GET /operator/v1/inquiries/{id}/hosts/{host}/catalog", For::Operator),
];

/// A route as the program describes it: the listener, the method and the path.
fn routes(server: &CatalogServer) -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_str(&server.command(&["openapi"])).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let listener = operation["tags"][0].as_str().unwrap().to_owned();
            found.push((listener, method.to_uppercase(), path.clone()));
        }
    }
    found
}

/// Asks a route for nothing that exists, and sends nothing that could be done.
fn ask(client: &Client, method: &str, path: &str) -> Result<Answer, String> {
    let path = path.replace("{id}", &"0".repeat(64)).replace("{blake3}", &"0".repeat(64)).replace("{host}", "nobody");
    let body: &[u8] = if matches!(method, "POST" | "PUT") { b"[]" } else { b"" };
    loop {
        let answer = client.send(method, &path, &[("Content-Type", "application/json")], body);
        // Only so many wrong tokens a minute are looked at.
        match &answer {
            Ok(refused) if refused.status == 429 => std::thread::sleep(std::time::Duration::from_secs(2)),
            _ => return answer,
        }
    }
}

/// What became of it: refused with a status, or let through to the handler.
fn verdict(answer: Result<Answer, String>) -> &'static str {
    match answer {
        Err(_) => "no handshake",
        Ok(answer) if answer.status == 401 && answer.code() == "certificate-expired" => "expired",
        Ok(answer) if answer.status == 401 => "401",
        Ok(answer) if answer.status == 403 => "403",
        // A site without a commit has no catalogs yet, and says so.
        Ok(answer) if answer.status >= 500 && answer.code() != "unavailable" => panic!("{}", answer.text()),
        Ok(_) => "through",
    }
}

#[test]
fn every_route_by_every_identity() {
    let server = CatalogServer::start_with("[limits]\nenrolments_per_minute = 10000\nhost_requests_per_minute = 10000");
    let rows: BTreeMap<&str, For> = ROWS.iter().copied().collect();
    let routes = routes(&server);
    let named: BTreeSet<String> = routes.iter().map(|(_, method, path)| format!("{method} {path}")).collect();
    assert_eq!(named, rows.keys().map(|name| (*name).to_owned()).collect(), "routes (left) and rows of this table (right)");

    let agents = agents(&server);
    let operators = operators(&server, &agents);
    let mut wrong = Vec::new();
    for (listener, method, path) in &routes {
        let whom = rows[format!("{method} {path}").as_str()];
        let clients = if listener == "agents" { &agents } else { &operators };
        for (who, client) in clients {
            let (expected, found) = (expected(who, whom), verdict(ask(client, method, path)));
            if expected != found {
                wrong.push(format!("{method} {path} by {who}: {found} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_route_refuses_a_query_that_it_does_not_know() {
    let server = CatalogServer::start();
    let (host, admin) = (server.enrol("db-1"), server.add_operator("ada", "admin"));
    let agent = server.agent(Some(&host));
    let mut wrong = Vec::new();
    for (listener, method, path) in routes(&server) {
        let client = if listener == "agents" { &agent } else { &admin };
        for query in ["?surprise=1", "?host=db-2&host=db-3", "?limit=1&surprise"] {
            let answer = ask(client, &method, &format!("{path}{query}")).unwrap();
            if answer.status != 400 || answer.code() != "malformed" {
                wrong.push(format!("{method} {path}{query}: {}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is right.
fn expected(who: &str, whom: For) -> &'static str {
    match (who, whom) {
        ("foreign authority", _) => "no handshake",
        (_, For::Anyone) => "through",
        ("host" | "another host", For::Host | For::RenewingHost) | ("expired", For::RenewingHost) => "through",
        ("expired", For::Host) => "expired",
        ("viewer", For::Viewer) | ("operator", For::Viewer | For::Operator) | ("admin", For::Viewer | For::Operator | For::Admin) => {
            "through"
        }
        ("viewer" | "operator", _) => "403",
        _ => "401",
    }
}

fn agents(server: &CatalogServer) -> BTreeMap<&'static str, Client> {
    let admin = server.add_operator("matrix", "admin");
    let [host, other, revoked, deleted] = ["db-1", "db-2", "gone-1", "gone-2"].map(|name| server.enrol(name));
    assert_eq!(admin.post("/operator/v1/nodes/gone-1/revoke", &json!({ "why": "sold" })).unwrap().status, 200);
    assert_eq!(admin.send("DELETE", "/operator/v1/nodes/gone-2", &[], b"").unwrap().status, 204);
    let forged = |lie| server.agent(Some(&host.forged(server, lie)));
    BTreeMap::from([
        ("nobody", server.agent(None)),
        ("host", server.agent(Some(&host))),
        ("another host", server.agent(Some(&other))),
        ("revoked", server.agent(Some(&revoked))),
        ("deleted", server.agent(Some(&deleted))),
        ("expired", forged(Lie::Expired)),
        ("unlisted serial number", forged(Lie::OtherSerial)),
        ("listed under another name", forged(Lie::OtherName)),
        ("foreign authority", forged(Lie::Foreign)),
        ("token of an admin", with_token(server.agents_address(), server)),
    ])
}

fn with_token(address: std::net::SocketAddr, server: &CatalogServer) -> Client {
    let token = server.command(&["operator", "add", "lost", "--role", "admin"]);
    Client::new(address, &server.root(), None, Some(token.trim()))
}

fn operators(server: &CatalogServer, agents: &BTreeMap<&'static str, Client>) -> BTreeMap<&'static str, Client> {
    assert_eq!(agents["host"].get("/v1/live").unwrap().status, 200);
    let identity: Identity = server.enrol("db-3");
    let removed = server.add_operator("removed", "admin");
    server.command(&["operator", "remove", "removed"]);
    BTreeMap::from([
        ("nobody", server.operator(None)),
        ("wrong token", server.operator(Some("0123456789abcdef"))),
        ("removed operator", removed),
        ("certificate of a host", Client::new(server.operators_address(), &server.root(), Some(&identity), None)),
        ("viewer", server.add_operator("vera", "viewer")),
        ("operator", server.add_operator("otto", "operator")),
        ("admin", server.add_operator("ada", "admin")),
    ])
}

#[test]
fn handshakes_with_wrong_certificates_fail() {
    let server = CatalogServer::start();
    let host = server.enrol("db-1");
    assert_eq!(server.agent(Some(&host)).get("/v1/live").unwrap().status, 200);
    for lie in [Lie::Foreign, Lie::LongExpired, Lie::NotYet, Lie::ForServers, Lie::ForNothing] {
        let answer = server.agent(Some(&host.forged(&server, lie))).get("/v1/live");
        assert!(answer.is_err(), "{lie:?}: {answer:?}");
    }
}

#[test]
fn a_certificate_that_ran_out_can_be_renewed_with_the_same_key_only() {
    let server = CatalogServer::start();
    let host = server.enrol("db-1");
    let expired = host.forged(&server, Lie::Expired);
    let client = server.agent(Some(&expired));
    let stranger = Identity::candidate("db-1");
    assert_eq!(client.post("/v1/certificate", &stranger.renewal()).unwrap().status, 403);
    let renewed = client.post("/v1/certificate", &expired.renewal()).unwrap();
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let identity = expired.with_chain(renewed.json()["chain"].as_str().unwrap());
    assert_ne!(identity.serial(), host.serial());
    assert_eq!(server.agent(Some(&identity)).post("/v1/certificate", &identity.renewal()).unwrap().status, 200);
}

#[test]
fn revocation_reaches_renewed_certificates_and_open_connections() {
    use std::io::Write;
    let server = CatalogServer::start();
    let admin = server.add_operator("ada", "admin");
    let first = server.enrol("db-1");
    let answer = server.agent(Some(&first)).post("/v1/certificate", &first.renewal()).unwrap();
    let chain = answer.json()["chain"].as_str().unwrap().to_owned();
    let renewal = first.renewal().to_string();
    let mut open = server.agent(Some(&first)).connect().unwrap();
    let request = format!(
        "POST /v1/certificate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{renewal}",
        renewal.len()
    );
    open.write_all(request.as_bytes()).unwrap();
    assert_eq!(keel_tests::server::read_answer(&mut open).unwrap().status, 200);
    assert_eq!(admin.post("/operator/v1/nodes/db-1/revoke", &json!({ "why": "stolen" })).unwrap().status, 200);
    open.write_all(request.as_bytes()).unwrap();
    assert_eq!(keel_tests::server::read_answer(&mut open).unwrap().code(), "unauthenticated");
    let renewed = first.with_chain(&chain);
    assert_eq!(server.agent(Some(&renewed)).post("/v1/certificate", &renewed.renewal()).unwrap().status, 401);
    let refused = server.audit().into_iter().filter(|act| act["actor"] == "unlisted db-1" && act["outcome"] == "refused");
    assert_eq!(refused.count(), 2);
}

#[test]
fn what_operators_are_refused_is_written_down_with_who_and_why() {
    let server = CatalogServer::start_with("environments = ['production']");
    let admin = server.add_operator("ada", "admin");
    assert_eq!(admin.post("/operator/v1/nodes/nobody/revoke", &json!({ "why": "stolen" })).unwrap().status, 404);
    assert_eq!(admin.post("/operator/v1/tokens", &json!({ "environment": "nowhere" })).unwrap().status, 422);
    assert_eq!(admin.post("/operator/v1/nodes/nobody/revoke", &json!({ "why": 7 })).unwrap().status, 400);
    assert_eq!(admin.send("POST", "/operator/v1/environments/look", &[], b"").unwrap().status, 202);
    assert_eq!(admin.get("/operator/v1/nodes/nobody").unwrap().status, 404);
    let acts: Vec<[String; 3]> =
        server.audit().iter().map(|line| ["object", "outcome", "actor"].map(|part| line[part].as_str().unwrap().to_owned())).collect();
    let expected = [
        ("POST /operator/v1/nodes/nobody/revoke", "refused"),
        ("POST /operator/v1/tokens", "refused"),
        ("POST /operator/v1/nodes/nobody/revoke", "refused"),
        ("repository", "done"),
    ];
    assert_eq!(acts, expected.map(|(object, outcome)| [object, outcome, "operator ada"].map(str::to_owned)), "who only looks does nothing");
    assert!(server.audit()[1]["detail"].as_str().unwrap().contains("nowhere"));
}
