//! `keel diff`: two states of a site, compared for every host.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::stage::{Done, Stage};

/// Runs git in the stage's site, as somebody.
pub(crate) fn git(folder: &Path, arguments: &[&str]) {
    let somebody = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"];
    let done = Done::of(Command::new("git").arg("-C").arg(folder).args(somebody).args(arguments).output().unwrap());
    assert_eq!(done.code, 0, "{}", done.err);
}

pub(crate) fn commit(stage: &Stage, message: &str) {
    git(&stage.site(), &["add", "-A"]);
    git(&stage.site(), &["commit", "-q", "-m", message]);
}

/// A site with three hosts in two groups, committed on `main`, with an edit of everything in its folder.
pub(crate) fn edited() -> Stage {
    let stage = Stage::new("");
    stage.write("site/inventory/hosts.toml", "[hosts.web-1]\n[hosts.web-2]\n[hosts.db-1]\n");
    stage.write("site/inventory/groups/web.toml", "members = [\"web-*\"]\n[vars]\nport = 80\n");
    stage.write("site/inventory/groups/db.toml", "members = [\"db-*\"]\n[vars]\nport = 3306\n");
    stage.write("site/modules/app/module.kdl", APP);
    stage.write("site/manifests/site.kdl", "on \"host:*\" { use app; }\ngroup db { file \"/etc/db\" content=\"x\"; }\n");
    git(&stage.site(), &["init", "-q"]);
    commit(&stage, "one");
    stage
}

const APP: &str = "module app {
    file \"/etc/app.conf\" mode=\"0640\" {
        content \"port = {{ port }}\\nname = app\\n\"
        notify (service)app effect=restart
    }
    service app ensure=running
}
";

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn hosts_that_change_in_the_same_way_are_one_entry() {
    let stage = edited();
    assert!(stage.keel(&["diff", "main"]).expect(0).out.contains("3 hosts: 3 unchanged"));
    stage.keel(&["diff", "main", "--detailed-exitcode"]).expect(0);
    stage.write("site/inventory/groups/web.toml", "members = [\"web-*\"]\n[vars]\nport = 8080\n");
    let shown = stage.keel(&["diff", "main", "--detailed-exitcode"]).expect(2).out;
    for part in ["2 hosts: web-1, web-2", "-port = 80\n", "+port = 8080\n", "restart service \"app\"", "3 hosts: 2 changed, 1 unchanged"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert!(!shown.contains("mode"), "what stays is not shown\n{shown}");
    let data = json(&stage.keel(&["diff", "main", "--json"]).expect(0));
    assert_eq!(data["entries"][0]["hosts"], serde_json::json!(["web-1", "web-2"]));
    assert_eq!(data["entries"][0]["disruptions"][0]["kind"], "restart");
    assert_eq!(data["unchanged"], serde_json::json!(["db-1"]));
    // Committed, it is the same between the two commits, and a selector narrows it.
    commit(&stage, "two");
    assert_eq!(stage.keel(&["diff", "main~1..main"]).expect(0).out.lines().count(), shown.lines().count());
    let one = stage.keel(&["diff", "main~1", "main", "-l", "host:web-2"]).expect(0).out;
    assert!(one.contains("\nweb-2 ") && one.contains("1 host: 1 changed"), "{one}");
}

#[test]
fn hosts_that_come_go_or_do_not_compile_are_said() {
    let stage = edited();
    stage.write("site/inventory/hosts.toml", "[hosts.web-1]\n[hosts.web-3]\n[hosts.db-1]\n");
    stage.write("site/manifests/site.kdl", "on \"host:*\" { use app; }\nhost db-1 { fail \"not today\"; }\n");
    let shown = stage.keel(&["diff", "main", "--detailed-exitcode"]).expect(6).out;
    for part in ["web-3  new, ", "web-2  removed", "db-1  broken", "not today", "manifests/site.kdl:2:"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    commit(&stage, "two");
    stage.write("site/manifests/site.kdl", "on \"host:*\" { use app; }\n");
    assert!(stage.keel(&["diff", "main"]).expect(0).out.contains("db-1  compiles again"));
}

#[test]
fn what_is_no_longer_declared_is_released_or_deleted() {
    let stage = edited();
    stage.write("site/manifests/site.kdl", "on \"host:*\" { use app; }\n");
    let released = stage.keel(&["diff", "main"]).expect(0).out;
    assert!(released.contains(". file \"/etc/db\"") && released.contains("stays on the host as it is"), "{released}");
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\ntype = \"file\"\nmax = 5\n");
    let deleted = stage.keel(&["diff", "main"]).expect(0).out;
    assert!(deleted.contains("- file \"/etc/db\"") && deleted.contains("ensure       present -> absent"), "{deleted}");
}

#[test]
fn what_does_not_change_a_host_is_told_from_what_does() {
    let site = |how: &str, noop: &str, ensure: &str| {
        format!(
            "file \"/etc/app.conf\" content=\"a\"{how} {{ notify (service)app effect=restart }}\n\
             service app ensure={ensure}\nfile \"/etc/new\" content=\"n\"{noop}\n"
        )
    };
    let stage = Stage::new(&site("", " noop=#true", "running"));
    stage.write("site/keel.toml", "name = \"stage\"\n");
    git(&stage.site(), &["init", "-q"]);
    commit(&stage, "one");
    let diff = |manifest: &str| {
        stage.manifest(manifest);
        stage.keel(&["diff", "main"]).expect(0).out
    };
    let how = diff(&site(" show_diff=#true backup=#false tag=x", " noop=#true", "running"));
    assert!(how.contains(". file \"/etc/app.conf\"") && how.contains("the host stays as it is"), "{how}");
    assert!(!how.contains("restart") && how.contains("1 restated"), "{how}");
    let lifted = diff(&site("", "", "running"));
    assert!(lifted.contains("~ file \"/etc/new\"") && lifted.contains("content"), "{lifted}");
    let stopped = diff(&site("", " noop=#true", "stopped").replace("\"a\"", "\"b\""));
    assert!(stopped.contains("disruption: service \"app\" stops") && !stopped.contains("restart"), "{stopped}");
}

#[test]
fn a_secret_is_never_shown_and_its_change_is() {
    let stage = Stage::new("file \"/s\" content=\"key={{ secret('db/pw') }}\\nport=1\\n\"");
    stage.write("site/keel.toml", "name = \"stage\"\n");
    stage.keel(&["secret", "init"]).expect(0);
    let set = |text: &str| {
        stage.write("canary", text);
        let mut command = stage.command(&["secret", "set", "db/pw"]);
        command.stdin(std::fs::File::open(stage.folder().join("canary")).unwrap());
        Done::of(command.output().unwrap()).expect(0);
    };
    set("canary-one");
    git(&stage.site(), &["init", "-q"]);
    commit(&stage, "one");
    set("canary-two");
    for format in ["text", "json", "markdown", "junit", "sarif", "github", "gitlab", "html"] {
        let shown = stage.keel(&["diff", "main", "--format", format]).expect(0).out;
        assert!(!shown.contains("canary-"), "{format}: {shown}");
    }
    let shown = stage.keel(&["diff", "main"]).expect(0).out;
    assert!(shown.contains("content: db/pw (secret) differs"), "{shown}");
}

#[test]
fn revisions_that_are_not_there_are_said() {
    let stage = edited();
    let missing = stage.keel(&["diff", "nobody"]).expect(64);
    assert!(missing.err.contains("no revision nobody") && missing.err.contains("try:"), "{}", missing.err);
    assert!(stage.keel(&["diff", "main...main"]).expect(64).err.contains("merge-base"));
    assert!(stage.keel(&["diff", "--", "--upload-pack=x"]).expect(64).err.contains("no revision"));
    assert!(stage.keel(&["diff", "main", "-l", "group:nobody"]).expect(64).err.contains("--hosts"));
    let loose = Stage::new("");
    assert!(loose.keel(&["diff", "main"]).expect(64).err.contains("no git repository"));
    // Two folders need no repository, and a bare repository no folder.
    let (one, other) = (stage.site(), loose.site());
    loose.keel(&["diff", one.to_str().unwrap(), other.to_str().unwrap()]).expect(0);
    let bare = stage.folder().join("bare.git");
    git(stage.folder(), &["clone", "-q", "--bare", one.to_str().unwrap(), bare.to_str().unwrap()]);
    let shown = loose.keel(&["diff", "main", "main", "--site", bare.to_str().unwrap()]).expect(0).out;
    assert!(shown.contains("3 hosts: 3 unchanged"), "{shown}");
}

#[test]
fn what_is_asked_wrongly_is_wrong_usage_and_said_once_with_what_to_try() {
    let stage = edited();
    for (arguments, part) in [
        (&["diff", "main", "--var", "x"][..], "`x` has no `=`"),
        (&["diff", ""], "keel diff main"),
        (&["diff", "..main"], "keel diff HEAD..main"),
        (&["diff", "main", "-l", "host:zz"], "the hosts of the inventory are db-1, web-1, web-2"),
        (&["check", "-l", "bogus(("], "group:web and tag:new"),
        (&["diff", "main", "--format", "markdown", "--max-bytes", "10"], "1000"),
        (&["explain", "ke9999"], "keel check"),
    ] {
        let done = stage.keel(arguments).expect(64);
        assert_eq!(done.err.matches(part).count(), 1, "{arguments:?}: {}", done.err);
    }
    assert!(stage.keel(&["explain", "ke0802"]).expect(0).out.starts_with("KE0802"));
    stage.write("site/manifests/site.kdl", "host web-1 {\n");
    assert!(stage.keel(&["fmt", "--check"]).expect(1).err.contains("1 manifest cannot be read, so it stays"));
}
