//! A machine that was copied with its key: the copy is refused, and everybody who looks is told.

use keel_tests::server::{CatalogServer, Client};

/// Asks for something of the host's own, as a machine; the status and, where it is refused, the code.
fn ask(agent: &Client, machine: &str) -> (u16, String) {
    let answer = agent.send("GET", "/v1/secrets", &[("keel-machine", machine)], b"").unwrap();
    (answer.status, if answer.status == 403 { answer.code() } else { String::new() })
}

#[test]
fn of_a_machine_and_its_copy_the_copy_is_refused_and_told_of() {
    let server = CatalogServer::start();
    let viewer = server.add_operator("vera", "viewer");
    let agent = server.agent(Some(&server.enrol("db-1")));
    let other = server.agent(Some(&server.enrol("db-2")));
    let (first, restarted, copy) = ("11111111-1111", "22222222-2222", "33333333-3333");
    let is_let_in = |machine: &str| ask(&agent, machine).0 != 403;
    assert!(is_let_in(first) && is_let_in(restarted), "a machine that starts again is the same host");
    let troubles = || viewer.get("/operator/v1/status").unwrap().json()["troubles"].to_string();
    assert!(is_let_in(copy) && !troubles().contains("certificate of db-1"), "one that came once may have started again");

    assert!(is_let_in(restarted), "who was there first stays");
    assert!(troubles().contains("a second machine with the certificate of db-1 was refused"), "{}", troubles());
    assert_eq!(ask(&agent, copy), (403, "forbidden".to_owned()));
    assert!(server.audit().iter().any(|line| line["audit"] == "copy" && line["object"] == "db-1"));
    assert!(is_let_in(restarted) && ask(&other, copy).0 != 403, "another host on any machine is nobody's copy");
    assert_eq!(agent.send("GET", "/v1/secrets", &[("keel-machine", "../x")], b"").unwrap().status, 400);

    let health = server.operator(None).get("/health").unwrap().text();
    assert!(health.contains("two machines have the certificate of one host") && !health.contains("db-1"), "{health}");
}
