//! Connections: slow ones, many ones, and those that are open when the server ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use keel_tests::agent::until;
use keel_tests::server::{CatalogServer, Identity, Lie, read_answer};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use x509_parser::pem::parse_x509_pem;

/// What 95 of 100 requests take at most.
fn p95(server: &CatalogServer) -> Duration {
    let client = server.agent(None);
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(client.get("/v1/live").unwrap().status, 200);
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[94]
}

#[test]
fn a_thousand_dripping_connections_hold_nobody_up() {
    let server = CatalogServer::start();
    let client = server.agent(None);
    // Half of them never finish the handshake, half never finish a head.
    let silent: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(server.agents_address()).unwrap()).collect();
    let mut dripping: Vec<_> = (0..500).map(|_| client.connect().unwrap()).collect();
    for stream in &mut dripping {
        stream.write_all(b"GET /v1/live HTTP/1.1\r\nHost: x\r\nx-slow: ").unwrap();
        stream.flush().unwrap();
    }
    // Everybody else is answered, in a time that only an outage could take.
    assert!(p95(&server) < Duration::from_secs(5));
    for stream in &mut dripping {
        // A header that comes a byte at a time is not waited for: the connection ends, with or without a word.
        let _ = stream.write_all(b"y");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    assert_eq!(client.get("/v1/live").unwrap().status, 200);
}

#[test]
fn over_the_limit_connections_are_closed_and_places_come_back() {
    let server = CatalogServer::start_with("[limits]\nconnections = 5");
    let client = server.agent(None);
    let mut held: Vec<_> = (0..5).map(|_| client.connect().unwrap()).collect();
    assert!(client.get("/v1/live").is_err());
    held.pop();
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.get("/v1/live").is_err() {
        assert!(Instant::now() < deadline, "the place of a closed connection does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn one_host_has_its_share_and_no_more() {
    let server = CatalogServer::start_with("[limits]\nhost_requests_per_minute = 10");
    let (greedy, modest) = (server.enrol("db-1"), server.enrol("db-2"));
    let renew = |identity| server.agent(Some(identity)).post("/v1/certificate", &greedy_body(identity)).unwrap();
    let statuses: Vec<u16> = (0..15).map(|_| renew(&greedy).status).collect();
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 3, "{statuses:?}");
    assert_eq!(renew(&modest).status, 200);
}

fn greedy_body(identity: &Identity) -> serde_json::Value {
    identity.renewal()
}

#[test]
fn a_server_that_stops_finishes_what_goes_on() {
    let mut server = CatalogServer::start();
    let client = server.agent(None);
    let mut idle = client.connect().unwrap();
    idle.write_all(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut idle).unwrap().status, 200);
    // A request has begun when the server is asked to stop: it waits for the body.
    let body = Identity::candidate("db-1").request(Some(&server.token(&[]))).to_string();
    let head = format!(
        "POST /v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut busy = client.connect().unwrap();
    busy.write_all(head.as_bytes()).unwrap();
    let mut go_on = *b"HTTP/1.1 100 Continue\r\n\r\n";
    let awaited = go_on;
    busy.read_exact(&mut go_on).unwrap();
    assert_eq!(go_on, awaited);
    let log = server.path("server.log");
    std::thread::scope(|scope| {
        let stopped = scope.spawn(|| server.stop());
        let is_stopping = || std::fs::read_to_string(&log).unwrap().contains("keel-server: stopping");
        until("the server knows", is_stopping);
        busy.write_all(body.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut busy).unwrap().status, 200, "what had begun is answered");
        let mut nothing = Vec::new();
        let _ = idle.read_to_end(&mut nothing);
        assert!(nothing.is_empty());
        assert_eq!(stopped.join().unwrap(), Some(0));
    });
    assert!(client.get("/v1/live").is_err());
}

#[test]
fn what_was_acknowledged_before_a_crash_is_there_after_it() {
    let mut server = CatalogServer::start_with("[limits]\nenrolments_per_minute = 10000");
    let identities: Vec<_> = (0..5).map(|number| server.enrol(&format!("web-{number}"))).collect();
    let token = server.token(&[]);
    for number in 0..5 {
        // Killed with a request on its way: whether it counted or not, it counted once.
        let candidate = Identity::candidate(&format!("late-{number}"));
        let body = candidate.request(Some(&token)).to_string();
        let mut open = server.agent(None).connect().unwrap();
        let head =
            format!("POST /v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        open.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        std::thread::sleep(Duration::from_millis(number * 2));
        server.kill();
        server.resume();
    }
    for identity in &identities {
        assert_eq!(server.agent(Some(identity)).post("/v1/certificate", &identity.renewal()).unwrap().status, 200);
    }
    let nodes = server.add_operator("vera", "viewer").get("/operator/v1/nodes").unwrap().json();
    let late = nodes["nodes"].as_array().unwrap().iter().filter(|node| node["host"].as_str().unwrap().starts_with("late-"));
    assert!(late.count() <= 1, "one token let several hosts in: {nodes}");
}

#[test]
fn chains_of_fifty_certificates_are_refused_at_little_cost() {
    let server = CatalogServer::start();
    let good = server.enrol("db-1");
    let (_, pem) = parse_x509_pem(server.authority_file("agents.pem").as_bytes()).unwrap();
    let issuer = pem.parse_x509().unwrap().subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned();
    // Each of them bears the issuer's name, so that each might have signed any other.
    let impostor = |_| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, issuer.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    };
    let impostors: String = (0..49).map(impostor).collect();
    let chained = |identity: Identity| {
        let leaf = identity.chain().split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned();
        identity.with_chain(&format!("{leaf}\n{impostors}"))
    };
    let forged = server.agent(Some(&chained(good.forged(&server, Lie::Foreign))));
    let before = server.usage().cpu_seconds;
    for _ in 0..20 {
        assert!(forged.get("/v1/live").is_err());
    }
    let each = (server.usage().cpu_seconds - before) / 20.0;
    // A tenth of a second where it counts; a build without optimisation is slower.
    assert!(each < 1.0, "one costs {each} s of processor time");
    assert_eq!(server.agent(Some(&good)).post("/v1/certificate", &good.renewal()).unwrap().status, 200);
}
