//! The agent as a program: who may start it, with what, and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use keel_tests::agent::{AgentHost, Line, text, until};
use keel_tests::server::CatalogServer;
use nix::sys::signal::Signal;

fn joined() -> (CatalogServer, Line, AgentHost) {
    let server = CatalogServer::start();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    (server, line, host)
}

#[test]
fn of_two_agents_the_second_one_says_who_is_there_and_exits_75() {
    let (_server, _line, host) = joined();
    let agent = host.start();
    let second = host.keel(&["agent"]);
    assert_eq!(second.status.code(), Some(75), "{}", text(&second));
    assert!(text(&second).contains(&format!("keel agent, process {}", agent.process())), "{}", text(&second));
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn it_runs_at_its_start_and_at_once_when_it_hears_hup() {
    let (_server, _line, host) = joined();
    host.set("interval = \"1d\"");
    let agent = host.start();
    // There is no catalog for this host, so each run leaves a line.
    let runs = |log: &str| log.matches("keel: there is no catalog yet").count();
    until("a run came by itself", || runs(&agent.log()) == 1 && host.status()["running"] == false);
    agent.signal(Signal::SIGHUP);
    until("another run came", || runs(&agent.log()) == 2);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn an_agent_whose_runs_do_not_happen_is_not_well_and_the_server_hears_why() {
    let (server, _line, host) = joined();
    host.set("interval = \"1d\"");
    let agent = host.start();
    let failure = || host.status()["last_round"]["failure"].as_str().unwrap_or_default().to_owned();
    until("the first run did not happen", || failure().contains("no catalog"));
    let status = host.keel(&["agent", "status"]);
    assert!(
        status.status.code() == Some(1) && text(&status).contains("no run") && text(&status).contains("no catalog"),
        "{}",
        text(&status)
    );

    std::fs::set_permissions(host.path("etc/keel"), PermissionsExt::from_mode(0o777)).unwrap();
    agent.signal(Signal::SIGHUP);
    until("the next one is refused", || failure().contains("others may write"));
    assert_eq!(host.keel(&["agent", "status"]).status.code(), Some(1));
    let operator = server.add_operator("vera", "viewer");
    let last =
        || operator.get("/operator/v1/reports?host=db-1").unwrap().json()["reports"][0]["failure"].as_str().unwrap_or_default().to_owned();
    until("the server hears of it", || last().contains("others may write"));
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn settings_and_folders_that_cannot_be_trusted_stop_it_with_a_reason() {
    let (_server, _line, host) = joined();
    let folder = host.path("var/lib/keel/agent");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o770)).unwrap();
    let refused = host.once();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("others may write") && text(&refused).contains("chmod 0700"), "{}", text(&refused));
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();

    std::fs::set_permissions(folder.join("node.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(text(&host.once()).contains("others may read"), "a key that is no secret any more");
    std::fs::set_permissions(folder.join("node.pem"), PermissionsExt::from_mode(0o600)).unwrap();

    host.set("intervall = \"1m\"");
    let refused = host.keel(&["agent"]);
    assert!(text(&refused).contains("intervall"), "{}", text(&refused));
}

#[test]
fn a_hostile_start_changes_nothing() {
    let (_server, _line, host) = joined();
    let keel = host.command(&["agent", "--once"]);
    let program = keel.get_program().to_str().unwrap().to_owned();
    let arguments: Vec<&str> = keel.get_args().map(|word| word.to_str().unwrap()).collect();
    // No mask, no standard input, files that somebody left open, and a folder that goes away.
    let script = format!(
        "d=$(mktemp -d); cd $d; rmdir $d; umask 000; export LD_LIBRARY_PATH=/nowhere HTTPS_PROXY=http://127.0.0.1:1; exec 5<>/dev/null 9<>/dev/null; exec {program} {} <&-",
        arguments.join(" ")
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
    assert!(text(&output).contains("no catalog"), "{}", text(&output));
    assert_eq!(host.waiting_reports(), 0, "the report was delivered, proxy or not");
    for entry in std::fs::read_dir(host.path("var/lib/keel/agent/spool")).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0, "{:?} may be written by others", entry.path());
    }
}

#[test]
fn disabled_it_makes_no_run_and_says_why() {
    let (server, _line, host) = joined();
    assert!(host.keel(&["agent", "disable", "--reason", "moving house"]).status.success());
    let refused = host.once();
    let operator = server.add_operator("vera", "viewer");
    let status = operator.get("/operator/v1/status").unwrap().json();
    assert!(status["hosts"][0]["last"]["failure"].as_str().unwrap().contains("moving house"), "operators see it, too: {status}");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("moving house") && text(&refused).contains("keel agent enable"), "{}", text(&refused));
    assert!(text(&host.keel(&["agent", "status"])).contains("moving house"));
    assert!(host.keel(&["agent", "enable"]).status.success());
    assert!(!text(&host.once()).contains("moving house"));
}

#[test]
fn a_wrong_fingerprint_or_a_used_token_lets_nobody_in() {
    let (server, line, host) = joined();
    let newcomer = AgentHost::alone("db-2");
    let token = server.token(&[]);
    let wrong = newcomer.keel(&["agent", "enroll", "--server", &line.url(), "--fingerprint", &"00".repeat(32), "--token", &token]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong).contains("compare the fingerprint"), "{}", text(&wrong));
    assert!(text(&wrong).contains("the fingerprint of its authority is "), "{}", text(&wrong));
    // The token was kept from whoever that was: it is still good, once.
    let enroll = |host: &AgentHost| host.enroll(&server, &line.url(), &["--token", &token]).output().unwrap();
    let first = enroll(&newcomer);
    assert!(first.status.success(), "{}", text(&first));
    let late = enroll(&AgentHost::alone("db-3"));
    assert_eq!(late.status.code(), Some(1));
    assert!(text(&late).contains("the token is not good for this host"), "{}", text(&late));
    let joined = host.keel(&["agent", "enroll", "--server", &line.url(), "--fingerprint", &"00".repeat(32)]);
    assert!(text(&joined).contains("has joined already, as db-1"), "{}", text(&joined));
}

#[test]
fn who_begins_to_join_under_one_name_can_join_under_another() {
    let server = CatalogServer::start();
    let operator = server.add_operator("otto", "operator");
    let host = AgentHost::alone("machine");
    let begin = |name: &str| {
        let mut enroll = host.enroll(&server, &server.agents_url(), &["--host", name]);
        enroll.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let waiting = |name: &str| {
        let listed = operator.get("/operator/v1/nodes").unwrap().json();
        let one = listed["waiting"].as_array().unwrap().iter().find(|one| one["host"] == name).cloned();
        one.map(|one| one["id"].as_str().unwrap().to_owned())
    };
    let mut first = begin("wait-a");
    until("it waits under the first name", || waiting("wait-a").is_some());
    first.kill().unwrap();
    first.wait().unwrap();

    let second = begin("wait-b");
    until("it waits under the second one", || waiting("wait-b").is_some());
    let approval = serde_json::json!({ "id": waiting("wait-b").unwrap() });
    assert_eq!(operator.post("/operator/v1/nodes/wait-b/approve", &approval).unwrap().status, 200);
    let joined = second.wait_with_output().unwrap();
    assert!(joined.status.success() && text(&joined).contains("wait-b has joined"), "{}", text(&joined));
}
