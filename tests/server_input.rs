//! Bad input to the server's API: each row is refused as it should be, and the server lives on.

use keel_tests::server::{CatalogServer, Client, Identity};
use serde_json::json;

/// A request, head and body, to the agents' listener, and the statuses that are right; 0 is a closed connection.
struct Row {
    name: &'static str,
    request: Vec<u8>,
    right: &'static [u16],
}

fn row(name: &'static str, request: impl Into<Vec<u8>>, right: &'static [u16]) -> Row {
    Row { name, request: request.into(), right }
}

/// A whole enrolment request around a body.
fn enrolment(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("POST /v1/enrolment HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Rows A01 to A06: sizes, codings and shapes of bodies.
fn bodies() -> Vec<Row> {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let declared = "POST /v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n";
    let endless = format!(
        "POST /v1/enrolment HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{}",
        format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(20)
    );
    vec![
        row("A01 one byte more than it takes", enrolment(JSON, " ".repeat(32 * 1024 + 1)), &[413]),
        row("A01 declared and not sent", declared, &[413]),
        row("A02 chunks without end", endless, &[413]),
        row("A03 gzip", enrolment(&format!("{JSON}Content-Encoding: gzip\r\n"), "x"), &[415]),
        row("A04 no type", enrolment("", "{}"), &[415]),
        row("A04 wrong type", enrolment("Content-Type: text/yaml\r\n", "{}"), &[415]),
        row("A05 too deep", enrolment(JSON, &deep), &[400]),
        row("A06 key twice", enrolment(JSON, r#"{"host":"a","host":"b","csr":"","recipient":""}"#), &[400]),
        row("A06 not a number", enrolment(JSON, r#"{"host":NaN}"#), &[400]),
        row("A06 bytes after the end", enrolment(JSON, "{} x"), &[400]),
        row("A06 not UTF-8", enrolment(JSON, b"{\"host\":\"\xff\xfe\"}"), &[400]),
    ]
}

/// Rows A07 to A10: heads that intermediaries read in two ways, and heads that are too large.
fn heads() -> Vec<Row> {
    let post = |headers: &str| format!("POST /v1/enrolment HTTP/1.1\r\nHost: x\r\n{JSON}{headers}\r\n0\r\n\r\n");
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(80 * 1024));
    vec![
        row("A07 length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), &[400]),
        row("A08 signed length", post("Content-Length: +5\r\n"), &[400]),
        row("A08 two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n"), &[400]),
        row("A09 folded header", post("x-folded: a\r\n b\r\n"), &[400]),
        row("A09 huge chunk", post("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff"), &[400]),
        row("A10 200 headers", format!("GET /v1/live HTTP/1.1\r\nHost: x\r\n{many}\r\n"), &[431]),
        row("A10 80 KiB of header", format!("GET /v1/live HTTP/1.1\r\nHost: x\r\n{large}\r\n"), &[431, 0]),
    ]
}

/// Rows A12 to A14, A17 and A29: paths and queries.
fn paths() -> Vec<Row> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let id = "0".repeat(64);
    vec![
        row("A12 dots", get("/v1/%2e%2e/health"), &[404]),
        row("A12 dots twice", get("/v1/%252e%252e/live"), &[404]),
        row("A12 slashes", get("/v1//live"), &[404]),
        row("A12 semicolon", get("/v1/live;x"), &[404]),
        row("A12 NUL", get("/v1/live%00"), &[404]),
        row("A13 case", get("/V1/Live"), &[404]),
        row("A14 path for a hash", get("/v1/enrolment/..%2f..%2fx"), &[400, 404]),
        row("A14 short", get("/v1/enrolment/00"), &[400]),
        row("A14 upper case", get(&format!("/v1/enrolment/{}", "A".repeat(64))), &[400, 404]),
        row("A14 65", get(&format!("/v1/enrolment/{id}0")), &[400]),
        row("A14 absent", get(&format!("/v1/enrolment/{id}")), &[404]),
        row("A18 a query where there is none", get("/v1/live?host=db-2"), &[400]),
        row("a method that is none here", "PATCH /v1/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &[405]),
        row("operators' routes are not here", get("/operator/v1/nodes"), &[404]),
    ]
}

#[test]
fn every_row_is_refused_as_it_should_be() {
    let server = CatalogServer::start_with("[limits]\nenrolments_per_minute = 10000");
    let client = server.agent(None);
    let mut wrong = Vec::new();
    for Row { name, request, right } in bodies().into_iter().chain(heads()).chain(paths()) {
        let found = client.raw(&request).map_or(0, |answer| answer.status);
        if !right.contains(&found) {
            wrong.push(format!("{name}: {found} instead of {right:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(client.get("/v1/live").unwrap().status, 200);
}

#[test]
fn requests_that_ask_for_more_than_a_key_are_refused() {
    let server = CatalogServer::start();
    let candidate = Identity::candidate("db-1");
    let client = server.agent(None);
    let changed = |field: &str, value: &str| {
        let mut request = candidate.request(Some("token"));
        request[field] = json!(value);
        client.post("/v1/enrolment", &request).unwrap().status
    };
    for host in ["", "DB-1", "../db-1", "db-1/..", "10.0.0.1", "db-1\u{1b}[2J", "db-1.", &"a".repeat(254)] {
        assert_eq!(changed("host", host), 400, "{host:?}");
    }
    for csr in ["", "x", &"x".repeat(20_000), server.root().as_str()] {
        assert_eq!(changed("csr", csr), 400);
    }
    assert_eq!(changed("recipient", "age1\n"), 400);
    assert!(server.log().chars().all(|character| character == '\n' || !character.is_control()));
}

#[test]
fn lists_have_limits_and_cursors_are_names() {
    let server = CatalogServer::start();
    server.enrol("db-1");
    server.enrol("db-2");
    let viewer = server.add_operator("vera", "viewer");
    let status = |query: &str| viewer.get(&format!("/operator/v1/nodes?{query}")).unwrap().status;
    for query in ["limit=-1", "limit=0", "limit=1000000000", "limit=x", "after=';DROP%20TABLE%20nodes", "after=..%2f", "unknown=1"] {
        assert_eq!(status(query), 400, "{query}");
    }
    let first = viewer.get("/operator/v1/nodes?limit=1").unwrap().json();
    assert_eq!((first["nodes"][0]["host"].as_str(), first["after"].as_str()), (Some("db-1"), Some("db-1")));
    let second = viewer.get("/operator/v1/nodes?limit=1&after=db-1").unwrap().json();
    assert_eq!(second["nodes"][0]["host"], "db-2");
}

#[test]
fn without_tls_there_is_no_answer() {
    use std::io::{Read, Write};
    let server = CatalogServer::start();
    for address in [server.agents_address(), server.operators_address()] {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset is as good an end as any.
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    }
    let stranger = Client::new(server.agents_address(), &CatalogServer::prepare("").root(), None, None);
    assert!(stranger.get("/v1/live").is_err());
}
