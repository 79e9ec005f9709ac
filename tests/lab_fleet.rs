//! One catalog server and three agents, from packages on bare hosts to a converged fleet, with the very commands
//! that `examples/fleet/README.md` shows; then a push that concerns one group, drift, and an agent that hangs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use keel_tests::lab::{Image, Lab, Node, say};
use keel_tests::program::package;
use serde_json::Value;

const SERVER: &str = "keel-1";
const ORIGIN: &str = "origin-1";
const EDGES: [&str; 2] = ["edge-1", "edge-2"];
const PAGE: &str = "The lighthouse is lit.";

/// The most that `systemd-analyze security` may say of the server's unit, in tenths: 0 is sealed off, 100 is anything.
const EXPOSURE_MAX: u32 = 20;

/// How often to look before something counts as not happening, half a second apart.
const LOOKS: usize = 240;

#[test]
fn lab_a_fleet_converges_from_packages_and_a_push_reaches_one_group() {
    let Some(lab) = Lab::for_test(&[SERVER, ORIGIN, EDGES[0], EDGES[1]], &Image::bare()) else { return };
    deliver_packages(&lab);
    follow(&lab, "The server", SERVER);
    follow(&lab, "The site", SERVER);
    edges_wait_for_their_origin(&lab);
    a_push_reaches_one_group(&lab);
    drift_is_healed_at_once(&lab);
    units_hold(&lab);
}

fn edges_wait_for_their_origin(lab: &Lab) {
    for edge in EDGES {
        follow(lab, "A host", edge);
    }
    for edge in EDGES {
        let written = "test -e /etc/nginx/conf.d/edge.conf && ! test -e /etc/nginx/sites-enabled/default";
        until(lab.node(edge), "what needs no origin is done", |node| node.shell(written).unwrap().success());
        let status = status(lab.node(edge));
        assert!(!converged(&status), "{edge} has no origin yet, and says that all is well: {status}");
    }
    follow(lab, "A host", ORIGIN);
    for name in [ORIGIN, EDGES[0], EDGES[1]] {
        until(lab.node(name), "all is well", |node| converged(&status(node)));
    }
    for edge in EDGES {
        answers(lab.node(edge));
    }
}

fn a_push_reaches_one_group(lab: &Lab) {
    let agents = [ORIGIN, EDGES[0], EDGES[1]];
    let before = agents.map(|name| status(lab.node(name)));
    follow(lab, "Change a group", SERVER);
    for edge in EDGES {
        until(lab.node(edge), "it has the new settings", |node| {
            node.shell("grep -q 'valid 200 30s' /etc/nginx/conf.d/edge.conf").unwrap().success()
        });
        until(lab.node(edge), "all is well", |node| converged(&status(node)));
        let said = sh(lab.node(edge), "journalctl -q -o cat -u keel-agent");
        assert!(said.contains("the server says: a new catalog"), "{edge} was not told of it, it ran on its own:\n{said}");
        answers(lab.node(edge));
    }
    let after = agents.map(|name| status(lab.node(name)));
    let catalog = |status: &Value| status["catalog"]["id"].as_str().unwrap().to_owned();
    assert_eq!(catalog(&before[0]), catalog(&after[0]), "the origin's catalog has nothing to do with that push");
    assert!((1..3).all(|edge| catalog(&before[edge]) != catalog(&after[edge])), "the edges have new catalogs");
    let said = sh(lab.node(ORIGIN), "journalctl -q -o cat -u keel-agent");
    assert!(!said.contains("the server says"), "nobody has anything to tell the origin:\n{said}");
}

fn drift_is_healed_at_once(lab: &Lab) {
    let edge = lab.node(EDGES[0]);
    follow(lab, "Heal at once", EDGES[0]);
    until(edge, "it watches", |node| node.shell("test -s /run/keel/watch.json").unwrap().success());
    until(edge, "all is well", |node| converged(&status(node)));
    let drifts = [
        ("a touched file", "echo '# mine' >> /etc/nginx/conf.d/edge.conf", "! grep -q mine /etc/nginx/conf.d/edge.conf"),
        ("a stopped service", "systemctl stop nginx", "systemctl is-active -q nginx"),
    ];
    for (what, plant, healed) in drifts {
        sh(edge, plant);
        let since = Instant::now();
        until(edge, what, |node| node.shell(healed).unwrap().success());
        say(&format!("{what} was mended after {} ms", since.elapsed().as_millis()));
        until(edge, "it rests", |node| status(node)["running"] == false);
    }
    answers(edge);
}

/// The units are sound, the server's is sealed off, and an agent that hangs is replaced.
fn units_hold(lab: &Lab) {
    let (server, edge) = (lab.node(SERVER), lab.node(EDGES[1]));
    sh(server, "systemd-analyze verify --man=no keel-server.service keel-agent.service");
    sh(server, &format!("systemd-analyze security --no-pager --threshold={EXPOSURE_MAX} keel-server.service"));

    assert_eq!(sh(server, "systemctl show -P WatchdogUSec keel-server").trim(), "1min", "a server that hangs is started anew");

    let shorter = "mkdir -p /run/systemd/system/keel-agent.service.d && \
        printf '[Service]\\nWatchdogSec=3s\\nRestartSec=1s\\n' > /run/systemd/system/keel-agent.service.d/shorter.conf && \
        systemctl daemon-reload && systemctl restart keel-agent";
    sh(edge, shorter);
    let process = || sh(edge, "systemctl show -P MainPID keel-agent").trim().to_owned();
    let hung = process();
    sh(edge, &format!("kill -STOP {hung}"));
    until(edge, "another agent is there", |node| {
        node.shell("systemctl is-active -q keel-agent").unwrap().success() && ![&hung, "0"].contains(&process().as_str())
    });
    assert_eq!(sh(edge, "systemctl show -P NRestarts keel-agent").trim(), "1", "and that one was not restarted in its turn");

    // The package's own upgrade, as a run would make it: nobody waits for the agent, and then it is a new one.
    let before = process();
    sh(edge, "cd && apt-get install -y --reinstall ./keel_*.deb");
    until(edge, "the agent is the upgraded one", |node| {
        node.shell("systemctl is-active -q keel-agent").unwrap().success() && process() != before
    });
}

/// Puts the packages where the README's commands expect them: the server gets both, the others the agent's.
fn deliver_packages(lab: &Lab) {
    for node in lab.nodes() {
        let names: &[&str] = if node.name() == SERVER { &["keel", "keel-server"] } else { &["keel"] };
        for path in names.iter().map(|name| package(name)) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            node.copy_in(&path, &format!("/root/{file}")).unwrap();
        }
    }
}

/// Types what a section of the README shows, each line at its own host; what is shown for `edge-1` is
/// typed for the given host.
fn follow(lab: &Lab, section: &str, host: &str) {
    let mut said = String::new();
    for (prompt, line) in shown(section) {
        let (prompt, line) = (prompt.replace(EDGES[0], host), line.replace(EDGES[0], host));
        let typed = match line.split_once(" --token ") {
            // The command as the server has just printed it, which has to look like the one that is shown.
            Some((start, _)) => {
                assert!(said.starts_with(start), "the README shows {line:?}, and the server said {said:?}");
                said.trim().to_owned()
            }
            None => line,
        };
        said = sh(lab.node(&prompt), &format!("cd && {typed}"));
    }
}

/// The commands of a section, each with the host whose prompt it stands behind.
fn shown(section: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fleet/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let body = text.split("\n## ").find_map(|part| part.strip_prefix(&format!("{section}\n"))).unwrap();
    let commands = body.lines().filter_map(|line| line.strip_prefix("    ")?.split_once("# "));
    let commands: Vec<(String, String)> = commands.map(|(prompt, line)| (prompt.to_owned(), line.to_owned())).collect();
    assert!(!commands.is_empty(), "the README shows no command in {section}");
    commands
}

/// Looks until a host is as it should be.
#[track_caller]
fn until(node: &Node, what: &str, good: impl Fn(&Node) -> bool) {
    for _ in 0..LOOKS {
        if good(node) {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let stands = node.shell("keel agent status; journalctl -q -n 60 -o cat -u keel-agent").unwrap();
    panic!("{}: not in two minutes: {what}\n{}{}", node.name(), stands.stdout, stands.stderr);
}

fn status(node: &Node) -> Value {
    serde_json::from_str(&sh(node, "keel agent status --json")).unwrap()
}

fn converged(status: &Value) -> bool {
    let count = |name: &str| status["last_run"][name].as_u64();
    status["running"] == false && ["failed", "waiting", "skipped"].iter().all(|name| count(name) == Some(0))
}

/// A client in the lab's network gets the page.
#[track_caller]
fn answers(node: &Node) {
    let mut stream = TcpStream::connect((node.address(), 80)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET / HTTP/1.0\r\nHost: {}\r\n\r\n", node.name()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(PAGE), "{}: {answer}", node.name());
}

#[track_caller]
fn sh(node: &Node, script: &str) -> String {
    let ran = node.shell(script).unwrap();
    if !ran.success() {
        let journal = node.shell("journalctl -q -n 60 -o cat -u keel-server -u keel-agent").unwrap().stdout;
        panic!("{}: {script}\nended with {}:\n{}{}\n{journal}", node.name(), ran.status, ran.stdout, ran.stderr);
    }
    ran.stdout
}
