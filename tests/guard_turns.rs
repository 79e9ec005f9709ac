//! Guards without a server, over the real program: members that all apply the same site at once take turns, no two of them
//! are down together, and what does not go on says why.
//!
//! Each member is a machine of its own in a scratch root. Its "service" is a script that writes down in a folder that all
//! have in common when it goes down and when it is up again; the others cannot see that it is down for a part of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keel_tests::agent::{AgentHost, text};
use tempfile::TempDir;

const HOSTS: [&str; 3] = ["db-1", "db-2", "db-3"];
/// As long as all members take to have had their turns, twice, on a machine with other things to do.
const TWO_ROUNDS: Duration = Duration::from_secs(100);

/// Is going down for a while before anybody can see it, and comes back.
const RESTART: &str = "\
echo \"down $1\" >>/shared/witness
sleep 1
rm -f \"/shared/well-$1\"
sleep 1
test -e /shared/sick || touch \"/shared/well-$1\"
echo \"up $1\" >>/shared/witness
";

const GUARD: &str = "\
        ask { paths \"/shared/well-{{ member }}\" }
        turn 10
";

/// Three members of one cluster that have a site and no server, and what a witness saw of them.
struct Cluster {
    shared: TempDir,
    hosts: Vec<AgentHost>,
}

impl Cluster {
    /// A cluster; none where the test is not root's.
    fn of(guard: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can make machines of scratch folders");
            return None;
        }
        let shared = tempfile::Builder::new().prefix("keel-witness-").tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = shared.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("restart", RESTART);
        write("witness", "");
        write("site/keel.toml", "name = \"cluster\"\n");
        write("site/inventory/hosts.toml", "[hosts.db-1]\n[hosts.db-2]\n[hosts.db-3]\n");
        write("site/inventory/groups/db.toml", "tier = \"custom\"\nmembers = [\"db-*\"]\n");
        let manifest = format!(
            "module member {{\n    guard cluster members=\"{{{{ groups.db.hosts }}}}\" {{\n        ready {{\n            paths \"/shared/well-{{{{ host.name }}}}\"\n            interval 1\n            timeout 2\n        }}\n\
             \x20       drain \"/bin/sh\" \"-c\" \"echo out $0 >>/shared/witness\" \"{{{{ host.name }}}}\"\n\
             \x20       undrain \"/bin/sh\" \"-c\" \"echo back $0 >>/shared/witness\" \"{{{{ host.name }}}}\"\n{guard}    }}\n\
             \x20   file \"/srv/config\" content=\"one\" {{\n        notify (exec)restart\n    }}\n\
             \x20   exec restart refresh_only=#true guard=cluster {{\n        command \"/bin/sh\" \"/shared/restart\" \"{{{{ host.name }}}}\"\n    }}\n}}\n\
             group db {{\n    use member\n}}\n"
        );
        write("site/manifests/site.kdl", &manifest);
        HOSTS.iter().for_each(|name| write(&format!("well-{name}"), ""));
        let hosts = HOSTS.iter().map(|name| AgentHost::alone(name).furnish(shared.path())).collect();
        Some(Self { shared, hosts })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.path().join(name)
    }

    /// What a run on a member says.
    fn keel(&self, host: &AgentHost, command: &str, more: &[&str]) -> String {
        text(&host.keel(&[&[command, "/shared/site", "--host", host.name()], more].concat()))
    }

    /// All members apply the site again and again, at once, until this is so.
    fn apply_until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> BTreeSet<String> {
        let (over, deadline) = (AtomicBool::new(false), Instant::now() + TWO_ROUNDS);
        std::thread::scope(|scope| {
            let runs: Vec<_> = self.hosts.iter().map(|host| scope.spawn(|| self.apply_again(host, &over))).collect();
            while !holds(self) && Instant::now() < deadline && runs.iter().all(|runs| !runs.is_finished()) {
                self.down_and_out();
                std::thread::sleep(Duration::from_millis(50));
            }
            over.store(true, Ordering::Release);
            let said: BTreeSet<String> = runs.into_iter().flat_map(|runs| runs.join().unwrap()).collect();
            assert!(holds(self), "never came true: {what}; {:?}; {said:?}", self.seen());
            said
        })
    }

    /// One run after the other; what they said of the guard, each once.
    fn apply_again(&self, host: &AgentHost, over: &AtomicBool) -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        while !over.load(Ordering::Acquire) {
            let output = self.keel(host, "apply", &[]);
            let lines = output.lines().filter(|line| line.contains("guard cluster"));
            said.extend(lines.map(|line| format!("{}: {}", host.name(), line.trim())));
            std::thread::sleep(Duration::from_millis(100));
        }
        said
    }

    /// What the witness saw, a line each.
    fn seen(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("witness")).unwrap().lines().map(str::to_owned).collect()
    }

    fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|line| line.split(' ').next() == Some(what)).count()
    }

    /// Who is down, and who is out of service. Never were two at once, and nobody goes down who still is in service.
    fn down_and_out(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut down, mut out) = (BTreeSet::new(), BTreeSet::new());
        for line in self.seen() {
            let (what, name) = line.split_once(' ').unwrap();
            match what {
                "out" => drop(out.insert(name.to_owned())),
                "down" => drop(down.insert(name.to_owned())),
                "up" => drop(down.remove(name)),
                "back" => drop(out.remove(name)),
                _ => panic!("{line}"),
            }
            assert!(down.len() <= 1 && out.len() <= 1, "two are down or out at once: {:?}", self.seen());
            assert!(down.is_subset(&out), "one is down and in service: {:?}", self.seen());
        }
        (down, out)
    }

    /// Waits until all were restarted and are back; afterwards there is nothing to do any more.
    fn until_done(&self) -> BTreeSet<String> {
        let said = self.apply_until("all were restarted and are back", |cluster| cluster.count("back") == 3);
        assert_eq!(self.down_and_out(), (BTreeSet::new(), BTreeSet::new()));
        assert_eq!(self.count("up"), 3, "{:?}", self.seen());
        for host in &self.hosts {
            let plan = self.keel(host, "plan", &["--detailed-exitcode"]);
            assert!(plan.starts_with("Some(0)"), "{plan}");
        }
        said
    }
}

#[test]
fn three_that_apply_at_once_without_a_server_go_down_one_after_the_other() {
    let Some(cluster) = Cluster::of(GUARD) else { return };
    let plans: Vec<String> = cluster.hosts.iter().map(|host| cluster.keel(host, "plan", &[])).collect();
    let says = |words: &str| plans.iter().filter(|plan| plan.contains(words)).count();
    let (later, now) = (says("members take turns, and the next one of this host is from "), says("its turn is now, until "));
    assert!(later >= 2 && later + now == 3, "{plans:?}");
    assert_eq!(says("guarded by cluster: "), 3, "{plans:?}");
    let said = cluster.until_done();
    let why = "waiting for the lease of guard cluster: without a server members take turns, and the next one of this host is from";
    let waited = |host: &&&str| said.iter().any(|line| line.starts_with(**host) && line.contains(why));
    // One may have had its turn just when all began.
    assert!(HOSTS.iter().filter(waited).count() >= 2, "{said:?}");
}

#[test]
fn a_member_that_is_not_well_without_a_server_keeps_the_others_up_and_is_named() {
    let Some(cluster) = Cluster::of(GUARD) else { return };
    std::fs::write(cluster.path("sick"), "").unwrap();
    // The first one stays sick after its restart.
    cluster.apply_until("somebody was restarted", |cluster| cluster.count("up") == 1);
    let (_, out) = cluster.down_and_out();
    let sick = out.first().unwrap().clone();
    let position = HOSTS.iter().position(|host| *host == sick).unwrap();
    let why = format!("guard cluster: this host is not ready: /shared/well-{sick} is not there");
    let output = cluster.keel(&cluster.hosts[position], "apply", &[]);
    assert!(output.contains(&why), "{output}");
    // Longer than a round: all others had their turns.
    let begun = Instant::now();
    let said = cluster.apply_until("a round is over", |_| begun.elapsed() > Duration::from_secs(36));
    for host in HOSTS.iter().filter(|host| **host != sick) {
        let why = format!("waiting for the lease of guard cluster: {sick} is not ready: /shared/well-{sick} is not there");
        assert!(said.iter().any(|line| line.starts_with(host) && line.contains(&why)), "{host} does not say why: {said:?}");
    }
    assert_eq!((cluster.count("up"), cluster.count("back")), (1, 0), "nobody else went down: {:?}", cluster.seen());
    std::fs::remove_file(cluster.path("sick")).unwrap();
    std::fs::write(cluster.path(&format!("well-{sick}")), "").unwrap();
    cluster.until_done();
}

#[test]
fn who_cannot_ask_the_others_or_has_a_server_takes_no_turn() {
    let Some(cluster) = Cluster::of("") else { return };
    let db = &cluster.hosts[0];
    for command in ["plan", "apply"] {
        let output = cluster.keel(db, command, &[]);
        assert!(output.contains("its guard has no `ask`"), "{output}");
    }
    assert_eq!((cluster.seen(), db.read("srv/config")), (Vec::new(), "one".to_owned()), "files do not wait");
    std::fs::create_dir_all(db.path("etc/keel")).unwrap();
    std::fs::write(db.path("etc/keel/agent.toml"), "server = \"keel.example.org\"\n").unwrap();
    let output = cluster.keel(db, "apply", &[]);
    assert!(output.contains("the leases of this host are its server's"), "{output}");
    assert_eq!(cluster.seen(), [""; 0]);
    let output = cluster.keel(db, "apply", &["--unguarded"]);
    assert!(output.starts_with("Some(0)"), "{output}");
    assert_eq!(cluster.seen(), ["down db-1", "up db-1"]);
}
