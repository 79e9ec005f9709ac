//! Reports of the real agent on their way to the real server: whatever breaks, none is lost, none is
//! doubled, and they come in order.

use std::collections::BTreeSet;

use keel_tests::agent::{AgentHost, Line, text, until};
use keel_tests::server::{CatalogServer, Client};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Cuts of the network that are tried, by as many hosts at the same time.
const CUTS: u64 = 1_000;
const HOSTS: u64 = 4;
/// Of so many runs one is left alone, so that what waits does not grow for ever.
const LEFT_ALONE: u64 = 8;

/// All reports of a host that the server has, the oldest first.
fn reports(operator: &Client, host: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let page = operator.get(&format!("/operator/v1/reports?host={host}{before}")).unwrap().json();
        all.extend(page["reports"].as_array().unwrap().iter().cloned());
        match page["before"].as_u64() {
            Some(older) => before = format!("&before={older}"),
            None => break,
        }
    }
    all.reverse();
    all
}

/// Checks that a host's reports are all there, once each and in order.
#[track_caller]
fn assert_whole(server: &CatalogServer, host: &str, expected: usize) {
    let operator = server.add_operator(&format!("vera-{host}"), "viewer");
    let reports = reports(&operator, host);
    let ids: BTreeSet<&str> = reports.iter().map(|report| report["id"].as_str().unwrap()).collect();
    assert_eq!((reports.len(), ids.len()), (expected, expected), "none is lost and none is doubled");
    let begun: Vec<u64> = reports.iter().map(|report| report["started_ms"].as_u64().unwrap()).collect();
    assert!(begun.is_sorted(), "they came in order");
    let status = operator.get("/operator/v1/status").unwrap().json();
    let standing = status["hosts"].as_array().unwrap().iter().find(|one| one["host"] == host).unwrap();
    assert_eq!(standing["missing_reports"], 0, "{standing}");
}

fn generous() -> CatalogServer {
    CatalogServer::start_with("[limits]\nhost_requests_per_minute = 1000000\nenrolments_per_minute = 10000")
}

/// A number from a seed.
fn draw(seed: u64, below: u64) -> u64 {
    let hash = blake3::hash(&seed.to_le_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % below
}

/// Lets a host run until the network was cut so often while it delivered reports; says how many runs it took.
fn cut_deliveries(line: &Line, host: &AgentHost, seeds: std::ops::Range<u64>) -> usize {
    // The first run sends facts, too. A plan asks for the catalog over the same connection as a run, and
    // then ends: what a run sends and gets beyond that is its report and the answer.
    host.once();
    line.passed();
    host.keel(&["plan"]);
    let before = line.passed();
    host.once();
    let whole = line.passed();
    let (mut runs, mut cuts) = (2, 0);
    for seed in seeds.clone() {
        while runs < 10 * (seeds.end - seeds.start) {
            let turn = draw(seed ^ runs << 32, u64::MAX);
            let way = usize::from(turn.is_multiple_of(2));
            // Within two reports: as a rule one or two wait.
            let reach = before[way] + usize::try_from(draw(turn, 2 * (whole[way] - before[way]) as u64)).unwrap();
            match (turn % LEFT_ALONE, way) {
                (2, _) => line.cut_after(None, None),
                (_, 0) => line.cut_after(Some(reach), None),
                (_, _) => line.cut_after(None, Some(reach)),
            }
            host.once();
            runs += 1;
            if line.was_cut() {
                cuts += 1;
                break;
            }
        }
    }
    assert_eq!(cuts, seeds.end - seeds.start, "after {runs} runs");
    line.cut_after(None, None);
    let last = host.once();
    assert_eq!(host.waiting_reports(), 0, "{}", text(&last));
    usize::try_from(runs + 1).unwrap()
}

#[test]
fn a_thousand_cuts_in_the_middle_of_reports_lose_and_double_nothing() {
    let server = generous();
    std::thread::scope(|scope| {
        for number in 0..HOSTS {
            let server = &server;
            scope.spawn(move || {
                let line = Line::to(server.agents_address());
                let host = AgentHost::join_over(&line, server, &format!("db-{number}"));
                let share = CUTS / HOSTS;
                let runs = cut_deliveries(&line, &host, number * share..(number + 1) * share);
                assert_whole(server, host.name(), runs);
            });
        }
    });
}

#[test]
fn a_server_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let mut server = generous();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    let turns = 12;
    for turn in 0..turns {
        let mut run = host.command(&["agent", "--once"]);
        let mut run = run.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(draw(turn, 150)));
        server.kill();
        run.wait().unwrap();
        server.resume();
        line.lead_to(Some(server.agents_address()));
    }
    let last = host.once();
    assert_eq!(host.waiting_reports(), 0, "{}", text(&last));
    assert_whole(&server, "db-1", usize::try_from(turns + 1).unwrap());
}

#[test]
fn what_waits_is_delivered_when_the_server_is_back_and_not_at_the_next_run() {
    let mut server = generous();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    let agent = host.set("interval = \"12h\"").start();
    let is_quiet = || host.status()["running"] == false && !host.status()["last_round"].is_null();
    until("its first run is over", || is_quiet() && host.waiting_reports() == 0);
    server.kill();
    line.lead_to(None);
    until("it knows that the server is away", || !host.status()["server_away"].is_null());
    agent.signal(Signal::SIGHUP);
    until("a report waits", || is_quiet() && host.waiting_reports() == 1);
    server.resume();
    line.lead_to(Some(server.agents_address()));
    until("it is delivered", || host.waiting_reports() == 0);
    assert_whole(&server, "db-1", 2);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn what_is_reported_while_the_server_is_away_for_48_intervals_comes_later_in_order() {
    let mut server = generous();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    server.kill();
    line.lead_to(None);
    for _ in 0..48 {
        host.once();
    }
    assert_eq!(host.waiting_reports(), 48);
    server.resume();
    line.lead_to(Some(server.agents_address()));
    let last = host.once();
    assert_eq!(host.waiting_reports(), 0, "{}", text(&last));
    assert_whole(&server, "db-1", 49);
}

#[test]
fn settings_that_lead_to_the_server_again_end_its_absence() {
    let mut server = generous();
    let host = AgentHost::join(&server, "db-1");
    let agent = host.set("interval = \"12h\"").start();
    until("its first run is over", || host.status()["running"] == false && !host.status()["last_round"].is_null());
    server.kill();
    until("it knows that the server is away", || !host.status()["server_away"].is_null());
    server.resume();
    host.follow(&server);
    agent.signal(Signal::SIGHUP);
    until("it knows that it is back", || host.status()["server_away"].is_null());
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn who_joins_under_another_name_puts_the_reports_of_the_first_one_aside() {
    let server = generous();
    let line = Line::to(server.agents_address());
    let host = AgentHost::join_over(&line, &server, "db-1");
    line.lead_to(None);
    host.once();
    assert_eq!(host.waiting_reports(), 1);
    line.lead_to(Some(server.agents_address()));
    let token = server.token(&["--host", "db-2"]);
    let joined = host.enroll(&server, &line.url(), &["--again", "--host", "db-2", "--token", &token]).output().unwrap();
    assert!(joined.status.success(), "{}", text(&joined));
    let run = host.once();
    assert!(text(&run).contains("put aside: it was written as db-1"), "{}", text(&run));
    assert_eq!(host.waiting_reports(), 0, "{}", text(&run));
    assert_whole(&server, "db-2", 1);
    let aside = std::fs::read_dir(host.path("var/lib/keel/agent/spool/refused")).unwrap().count();
    assert_eq!(aside, 1, "nothing is lost");
}
