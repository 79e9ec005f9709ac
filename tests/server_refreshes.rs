//! Refreshes from host to host over the real programs: agents make those that `keel diff` lists, and no others.

use std::collections::BTreeSet;
use std::process::Command;

use keel_tests::agent::{AgentHost, text};
use keel_tests::program::keel;
use keel_tests::server::CatalogServer;
use serde_json::Value;
use tempfile::TempDir;

/// Changes go on from each of them to the next one.
const HOSTS: [&str; 3] = ["origin", "middle", "edge"];

/// Host and title of what is refreshed.
type Refreshed = BTreeSet<(String, String)>;

/// Three hosts, their server, and where they write down what they are refreshed for.
struct Fleet {
    shared: TempDir,
    server: CatalogServer,
    hosts: Vec<AgentHost>,
    commit: String,
}

impl Fleet {
    /// A fleet converged to a manifest; none where the test is not root's.
    fn of(manifest: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can make machines of scratch folders");
            return None;
        }
        let shared = tempfile::Builder::new().prefix("keel-refreshed-").tempdir().unwrap();
        let server = CatalogServer::start();
        server.site.write("keel.toml", "name = \"fleet\"\n");
        server.site.write("inventory/hosts.toml", "[hosts.origin]\n[hosts.middle]\n[hosts.edge]\n");
        let join = |name: &&str| {
            let host = AgentHost::join(&server, name).furnish(shared.path());
            host.set("interval = '12h'").set("gate_wait = '1s'");
            host
        };
        let hosts = HOSTS.iter().map(join).collect();
        let mut fleet = Self { shared, server, hosts, commit: String::new() };
        fleet.push(manifest);
        fleet.run(&HOSTS);
        Some(fleet)
    }

    fn push(&mut self, manifest: &str) {
        self.commit = self.server.site.write("manifests/site.kdl", manifest).push("next");
        self.server.command(&["notify"]);
    }

    /// One run of each, in this order.
    fn run(&self, names: &[&str]) {
        for name in names {
            let host = self.hosts.iter().find(|host| host.name() == *name).unwrap();
            let done = host.once();
            assert!(matches!(done.status.code(), Some(0 | 4)), "{name}: {}", text(&done));
        }
    }

    /// What was refreshed since the last time.
    fn refreshed(&self) -> Refreshed {
        let log = self.shared.path().join("log");
        let lines = std::fs::read_to_string(&log).unwrap_or_default();
        std::fs::write(&log, "").unwrap();
        let pair = |line: &str| line.split_once(' ').map(|(host, title)| (host.to_owned(), title.to_owned()));
        lines.lines().filter_map(pair).collect()
    }

    /// What a diff from the commit before this one lists: what is certain, and what is not.
    fn listed(&self) -> [Refreshed; 2] {
        let mut command = Command::new(keel());
        let base = format!("{}~1", self.commit);
        command.args(["diff", &base, &self.commit, "--json", "--site"]).arg(self.server.site.repository()).current_dir("/");
        let done = command.output().unwrap();
        let preview: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", text(&done)));
        let mut listed = [Refreshed::new(), Refreshed::new()];
        for entry in preview["entries"].as_array().unwrap() {
            for refresh in entry["refreshes"].as_array().unwrap() {
                let certain = refresh["sources"].as_array().unwrap().iter().any(|cause| cause["only_if"].is_null());
                let title = refresh["target"]["title"].as_str().unwrap();
                let hosts = entry["hosts"].as_array().unwrap().iter().filter_map(Value::as_str);
                listed[usize::from(!certain)].extend(hosts.map(|host| (host.to_owned(), title.to_owned())));
            }
        }
        listed
    }
}

/// What `origin` declares in its module, and what the others say of what they wait with.
fn site(origin: &str, middle: &str, edge: &str) -> String {
    let command = |name: &str| {
        format!("exec {name} refresh_only=#true {{\n command \"/bin/sh\" \"-c\" \"echo {{{{ host.name }}}} {name} >>/shared/log\"\n")
    };
    format!(
        "module data {{\n{origin}\n}}\nhost origin {{\nuse data {{\nnotify (exec)whole host=middle\n}}\n}}\n\
         host middle {{\n{}{middle}\nnotify (exec)passed\n}}\n{}}}\n{}}}\n}}\n\
         host edge {{\n{}{edge}\n}}\n}}\n",
        command("heard"),
        command("passed"),
        command("whole"),
        command("last"),
    )
}

const FILE: &str = "file \"/srv/data\" content=\"one\"";
const MIDDLE: &str = "subscribe (file)\"/srv/data\" host=origin";
const EDGE: &str = "subscribe (exec)passed host=middle";

#[test]
fn what_a_diff_lists_on_other_hosts_their_agents_do() {
    let Some(mut fleet) = Fleet::of(&site(FILE, MIDDLE, EDGE)) else { return };
    assert_eq!(fleet.refreshed(), Refreshed::new(), "nobody knew anything before");
    let more = "file \"/srv/more\" content=\"m\"";
    let two = FILE.replace("one", "two");
    let steps = [
        ("a change, from host to host", site(&two, MIDDLE, EDGE), 4),
        ("restated", site(&format!("{two} backup=#false"), MIDDLE, EDGE), 0),
        ("only planned", site(&format!("{FILE} noop=#true"), MIDDLE, EDGE), 0),
        ("meant again", site(FILE, MIDDLE, EDGE), 4),
        ("one more in the module", site(&format!("{FILE}\n{more}"), MIDDLE, EDGE), 1),
        ("one less in the module", site(FILE, MIDDLE, EDGE), 1),
        ("no gate, and a change", site(&two, MIDDLE, ""), 3),
        ("a gate to what does not change", site(&two, MIDDLE, EDGE), 0),
    ];
    for (what, manifest, count) in steps {
        fleet.push(&manifest);
        let [certain, perhaps] = fleet.listed();
        // Whoever waits is asked first and last, so that all that is owed is done.
        fleet.run(&["edge", "middle", "origin", "middle", "edge"]);
        assert_eq!((&certain, &perhaps), (&fleet.refreshed(), &Refreshed::new()), "{what}");
        assert_eq!(certain.len(), count, "{what}");
    }
}

#[test]
fn through_a_new_gate_comes_what_a_diff_says_may_come() {
    let edge = "subscribe (file)\"/srv/data\" host=origin";
    let two = FILE.replace("one", "two");
    for (order, comes) in [(["edge", "origin", "edge"], true), (["origin", "edge", "edge"], false)] {
        let Some(mut fleet) = Fleet::of(&site(FILE, "", "")) else { return };
        fleet.push(&site(&two, "", edge));
        let [certain, perhaps] = fleet.listed();
        let last = ("edge".to_owned(), "last".to_owned());
        assert_eq!((certain.contains(&last), &perhaps), (false, &Refreshed::from([last.clone()])));
        fleet.run(&order);
        assert_eq!(fleet.refreshed().contains(&last), comes, "{order:?}");
    }
}
