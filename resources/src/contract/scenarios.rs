//! The scenarios of the contract suite: a type, what stands there first, what is declared, and which
//! changes that takes. A new type has at least one for coming and one for going.

use keel_engine::value::{Map, Value};

use crate::host::Host;
use crate::trial::{Trial, list};

/// One resource on a host in some state.
pub(super) struct Scenario {
    pub(super) type_name: &'static str,
    pub(super) title: &'static str,
    /// What stands there first: paths with their texts.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) attributes: fn(&Trial) -> Vec<(&'static str, Value)>,
    /// Glyph and attribute of each change of the first run, in order.
    pub(super) changes: &'static [&'static str],
    /// Paths beside the footprint that an apply may write: the tools' own backups and locks.
    pub(super) also_writes: &'static [&'static str],
    pub(super) needs: Needs,
}

/// What a scenario takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Root,
    /// The host is this machine, and the attributes keep to the scratch folder.
    Machine,
    Pacemaker,
    MariaDb,
    Balancer,
}

/// Types that a scratch folder cannot hold, with the test that holds them against a real system.
pub(super) const PROVED_IN_THE_LAB: &[(&str, &str)] = &[
    ("package", "tests/lab_types.rs"),
    ("service", "tests/lab_types.rs"),
    ("debconf", "tests/lab_types.rs"),
    ("galera_cluster", "tests/lab_galera.rs"),
    ("mysql_plugin", "tests/lab_mysql.rs"),
    ("mysql_replication", "tests/lab_mysql.rs"),
];

impl Scenario {
    /// A host in the first state; none where the scenario needs what this machine has not.
    pub(super) fn trial(&self) -> Option<Trial> {
        let mut trial = match self.needs {
            Needs::Root => Trial::as_root()?,
            Needs::Pacemaker => Trial::with_pacemaker()?,
            Needs::MariaDb => Trial::with_mariadb()?,
            Needs::Balancer => Trial::with_balancer(),
            Needs::Nothing | Needs::Machine => Trial::new(),
        };
        if self.needs == Needs::Machine {
            trial.host = Host::new("/");
        }
        for (path, text) in self.files {
            match path.strip_suffix('/') {
                Some(folder) => std::fs::create_dir_all(trial.path(folder)).unwrap(),
                None => trial.write(path, text),
            }
        }
        Some(trial)
    }
}

/// A host with a user, a group and a job.
const ACCOUNTS: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\n"),
    ("/etc/shadow", "root:*:19000:0:99999:7:::\nada:!:19000:0:99999:7:::\n"),
    ("/etc/group", "root:x:0:\nusers:x:100:\nold:x:300:\ncrontab:x:101:\n"),
    ("/etc/login.defs", "UID_MIN 1000\nUSERGROUPS_ENAB yes\n"),
    ("/var/spool/cron/crontabs/root", "# by hand\n5 4 * * * backup\n# Evenkeel: old\n1 1 * * * run\n"),
];
const HASH: &str = "$6$salt$hash";

pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

pub(super) fn table(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Map>())
}

pub(super) fn scenarios() -> Vec<Scenario> {
    [
        files(),
        file_parts(),
        table_entries(),
        accounts(),
        acts(),
        checkouts(),
        archives(),
        waits(),
        super::host_settings::scenarios(),
        super::text_values::scenarios(),
        super::balancers::scenarios(),
        super::clusters::scenarios(),
        super::databases::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn files() -> Vec<Scenario> {
    let base = |title, files, attributes, changes| Scenario {
        type_name: "file",
        title,
        files,
        attributes,
        changes,
        also_writes: &[],
        needs: Needs::Nothing,
    };
    vec![
        base("/a", &[], |_| vec![("content", text("x\n")), ("mode", text("0600"))], &["+ ensure", "+ content", "+ mode"]),
        base("/a", &[("/a", "old\n")], |_| vec![("content", text("new\n"))], &["~ content"]),
        base("/a", &[("/a", "same\n")], |_| vec![("content", text("same\n"))], &[]),
        base("/a", &[("/a", "x"), ("/b", "y")], |_| vec![("source", text("/b")), ("mode", text("u+x"))], &["~ content", "~ mode"]),
        base("/d", &[], |_| vec![("ensure", text("directory"))], &["+ ensure"]),
        base("/l", &[("/l", "x")], |_| vec![("target", text("/no/such"))], &["~ ensure", "+ target"]),
        base("/a", &[("/a", "x")], |_| vec![("ensure", text("absent"))], &["- ensure"]),
        base("/d", &[("/d/x/y", "z")], |_| vec![("ensure", text("absent")), ("force", Value::Bool(true))], &["- ensure"]),
        base(
            "/d",
            &[("/d/old", "x"), ("/d/same", "s"), ("/s/same", "s"), ("/s/new/deep", "n")],
            |_| vec![("source", text("/s")), ("recurse", Value::Bool(true)), ("purge", Value::Bool(true))],
            &["+ new", "+ new/deep", "- old"],
        ),
    ]
}

/// A scenario of a type that keeps its things in a file and needs nothing else.
pub(super) fn part(
    type_name: &'static str,
    title: &'static str,
    files: &'static [(&'static str, &'static str)],
    attributes: fn(&Trial) -> Vec<(&'static str, Value)>,
    changes: &'static [&'static str],
) -> Scenario {
    Scenario { type_name, title, files, attributes, changes, also_writes: &[], needs: Needs::Nothing }
}

fn file_parts() -> Vec<Scenario> {
    vec![
        part("line", "/f", &[("/f", "a\n")], |_| vec![("line", text("b"))], &["+ line"]),
        part("line", "/f", &[("/f", "a1\nb\n")], |_| vec![("line", text("a2")), ("match", text("^a"))], &["~ line"]),
        part("line", "/f", &[("/f", "a\nb\na\n")], |_| vec![("line", text("a")), ("ensure", text("absent"))], &["- line", "- line"]),
        part("block", "b", &[("/f", "a\n")], |_| vec![("path", text("/f")), ("content", text("x\ny\n"))], &["+ content"]),
        part(
            "block",
            "b",
            &[("/f", "# BEGIN b\nx\n# END b\na\n")],
            |_| vec![("path", text("/f")), ("ensure", text("absent"))],
            &["- content"],
        ),
        part(
            "ini",
            "/f",
            &[("/f", "[a]\nx=1\ny=2\n")],
            |_| vec![("section", table(&[("a", table(&[("x", text("9")), ("y", Value::Null), ("z", list(&["1", "2"]))]))]))],
            &["~ a/x", "- a/y", "+ a/z"],
        ),
        part(
            "ini",
            "/f",
            &[("/f", "[a]\nx=1\n[b]\n")],
            |_| vec![("ensure", text("absent")), ("section", table(&[("a", table(&[("x", text("any"))]))]))],
            &["- a/x"],
        ),
    ]
}

/// Entries of the system's own tables.
fn table_entries() -> Vec<Scenario> {
    vec![
        part(
            "host",
            "a",
            &[("/etc/hosts", "::1 b\n")],
            |_| vec![("ip", text("10.0.0.1")), ("aliases", text("x"))],
            &["+ ensure", "+ ip", "+ aliases"],
        ),
        part(
            "mount",
            "/srv",
            &[("/etc/fstab", "/dev/a / ext4 defaults 0 1\n")],
            |_| vec![("device", text("/dev/b")), ("fstype", text("xfs"))],
            &["+ ensure", "+ device", "+ fstype", "+ options"],
        ),
        part(
            "mount",
            "/srv",
            &[("/etc/fstab", "/dev/b /srv ext4 ro 0 2\n")],
            |_| vec![("device", text("/dev/b")), ("fstype", text("ext4")), ("pass", Value::Int(2))],
            &["~ options"],
        ),
        part("mount", "/srv", &[("/etc/fstab", "/dev/b /srv ext4\n")], |_| vec![("ensure", text("absent"))], &["- ensure"]),
        part("host", "a", &[("/etc/hosts", "::1 b\n10.0.0.1 a\n")], |_| vec![("ip", text("10.0.0.2"))], &["~ ip"]),
        part("host", "a", &[("/etc/hosts", "::1 b\n10.0.0.1 a\n")], |_| vec![("ensure", text("absent"))], &["- ensure"]),
        Scenario {
            also_writes: &["/proc/sys/vm/x"],
            ..part(
                "sysctl",
                "vm.x",
                &[("/proc/sys/vm/x", "1\n"), ("/etc/sysctl.d/", "")],
                |_| vec![("value", Value::Int(2))],
                &["~ live", "+ persist"],
            )
        },
        part("sysctl", "vm.x", &[("/etc/sysctl.d/60-vm.x.conf", "vm.x = 1\n")], |_| vec![("ensure", text("absent"))], &["- persist"]),
    ]
}

fn accounts() -> Vec<Scenario> {
    let base = |type_name, title, attributes, changes| Scenario {
        type_name,
        title,
        files: ACCOUNTS,
        attributes,
        changes,
        also_writes: &["/etc", "/home", "/var"],
        needs: Needs::Root,
    };
    vec![
        base("group", "web", |_| vec![("gid", Value::Int(500))], &["+ ensure", "+ gid"]),
        base("group", "old", |_| vec![("gid", Value::Int(301)), ("members", list(&["ada"]))], &["~ gid", "~ members"]),
        base("group", "old", |_| vec![("ensure", text("absent"))], &["- ensure"]),
        base("user", "eve", |_| vec![("uid", Value::Int(1007)), ("password", text(HASH))], &["+ ensure", "+ uid", "+ password"]),
        base("user", "ada", |_| vec![("comment", text("Ada")), ("password", text(HASH))], &["~ comment", "~ password"]),
        base("user", "ada", |_| vec![("ensure", text("absent"))], &["- ensure"]),
        base("cron", "sweep", |_| vec![("command", text("sweep")), ("hour", Value::Int(3))], &["+ ensure"]),
        base("cron", "old", |_| vec![("command", text("run")), ("special", text("daily"))], &["~ schedule"]),
        base("cron", "old", |_| vec![("ensure", text("absent"))], &["- ensure"]),
    ]
}

/// Acts on a host: they are done when something says so.
fn acts() -> Vec<Scenario> {
    let base = |title, files, attributes, changes| Scenario {
        type_name: "exec",
        title,
        files,
        attributes,
        changes,
        also_writes: &["/"],
        needs: Needs::Machine,
    };
    let touch = |trial: &Trial| {
        let made = trial.path("/made").to_string_lossy().into_owned();
        vec![
            ("creates", text(&made)),
            ("command", list(&["/bin/sh", "-c", "cat >\"$0\" && echo $TOKEN", &made])),
            ("environment", table(&[("TOKEN", text("t"))])),
            ("input", text("i")),
        ]
    };
    vec![base("make", &[], touch, &["! command"]), base("make", &[("/made", "x")], touch, &[])]
}

/// Checkouts of a repository that is made beside them.
fn checkouts() -> Vec<Scenario> {
    let base = |title, files, attributes, changes| Scenario {
        type_name: "git",
        title,
        files,
        attributes,
        changes,
        also_writes: &[],
        needs: Needs::Nothing,
    };
    let origin = |trial: &Trial| {
        let path = trial.path("/origin");
        std::fs::create_dir_all(&path).unwrap();
        let script = "git init -q -b main . && git -c user.name=a -c user.email=a commit -q --allow-empty -m one";
        trial.host.command("/bin/sh").arguments(["-c", script]).directory(&path).environment("HOME", "/").succeed().unwrap();
        vec![("repo", Value::from(path.to_string_lossy().into_owned())), ("revision", text("main"))]
    };
    // A commit that is there already needs no network, wherever the repository has moved to.
    let moved = |trial: &Trial| {
        let path = trial.path("/work");
        std::fs::create_dir_all(&path).unwrap();
        let script = "test -e .git || { git init -q . && git -c user.name=a -c user.email=a commit -q --allow-empty -m one && \
                      git remote add origin https://old.example/x && touch .git/index; }; git rev-parse HEAD";
        let made = trial.host.command("/bin/sh").arguments(["-c", script]).directory(&path).environment("HOME", "/").succeed().unwrap();
        let commit = Value::from(made.text().unwrap().trim());
        vec![("repo", text("https://new.example/x")), ("revision", commit), ("password", text("pass-word"))]
    };
    vec![
        base("/work", &[], origin, &["+ ensure"]),
        base("/work", &[("/work/x", "")], |_| vec![("ensure", text("absent")), ("force", Value::Bool(true))], &["- ensure"]),
        base("/work", &[], moved, &["~ repo"]),
    ]
}

/// An archive that is made beside the folder it is unpacked in.
fn archives() -> Vec<Scenario> {
    let attributes = |trial: &Trial| {
        let script = "mkdir app && echo x >app/file && tar --create --gzip --file app.tar.gz app && rm -r app";
        trial.host.command("/bin/sh").arguments(["-c", script]).directory(trial.path("/")).succeed().unwrap();
        vec![("source", text("/app.tar.gz")), ("strip_components", Value::Int(1))]
    };
    let fetched = |_: &Trial| {
        let digest = format!("sha256:{}", "0".repeat(64));
        let login = [("username", text("me")), ("password", text("pass-word"))];
        [("source", text("https://example.org/x.tar")), ("digest", Value::from(digest))].into_iter().chain(login).collect()
    };
    const MARK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000\n";
    let base = |files, changes| Scenario {
        type_name: "archive",
        title: "/opt",
        files,
        attributes,
        changes,
        also_writes: &[],
        needs: Needs::Nothing,
    };
    vec![
        base(&[], &["+ source"]),
        base(&[("/opt/.keel-archive", "an earlier one\n"), ("/opt/old", "")], &["~ source"]),
        Scenario { attributes: fetched, ..base(&[("/opt/.keel-archive", MARK)], &[]) },
    ]
}

/// Waiting changes nothing.
fn waits() -> Vec<Scenario> {
    vec![Scenario {
        type_name: "wait",
        title: "x",
        files: &[("/here", "")],
        attributes: |_| vec![("paths", list(&["/here"])), ("absent", list(&["/gone"]))],
        changes: &[],
        also_writes: &[],
        needs: Needs::Nothing,
    }]
}
