//! Secrets: a canary is planted and looked for wherever it must not be.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::stage::{Done, Stage};

const CANARY: &str = "c4nary-4nd-m0re";

/// A site with the canary as `app/password`.
fn stage() -> Stage {
    let manifest = "file \"/app.conf\" content=\"password={{ secret('app/password') }}\\n\" mode=\"0600\"
        file \"/plain\" content=\"x\"";
    let stage = Stage::new(manifest);
    stage.keel(&["secret", "init"]).expect(0);
    set(&stage, "app/password", CANARY).expect(0);
    stage
}

fn set(stage: &Stage, path: &str, value: &str) -> Done {
    let mut child =
        stage.command(&["secret", "set", path]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    Done::of(child.wait_with_output().unwrap())
}

fn assert_silent(what: &str, done: &Done) {
    assert!(!done.out.contains(CANARY) && !done.err.contains(CANARY), "{what} tells the secret:\n{}\n{}", done.out, done.err);
}

#[test]
fn the_file_gets_it_and_nothing_else_shows_it() {
    let stage = stage();
    for (what, arguments) in [("plan", &["plan", "--json"][..]), ("plan", &["plan", "--full"]), ("apply", &["apply", "--full", "--all"])] {
        let done = stage.run(arguments[0], &arguments[1..]).expect(0);
        assert_silent(what, &done);
    }
    assert_eq!(stage.read("app.conf").unwrap(), format!("password={CANARY}\n"));
    stage.write("root/app.conf", "password=old\n");
    let plan = stage.run("plan", &["--full"]).expect(0);
    assert_silent("a plan of drift", &plan);
    assert!(plan.out.contains("(secret) differs"), "{}", plan.out);
    assert_silent("compile", &stage.keel(&["compile", "--host", "h"]).expect(0));
    assert_silent("check", &stage.keel(&["check", "--json"]).expect(0));
    assert_silent("graph", &stage.keel(&["graph", "--host", "h"]).expect(0));
    for (path, (_, _, _, bytes)) in stage.tree() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(path.ends_with("app.conf") || !text.contains(CANARY), "{} holds the secret", path.display());
    }
}

#[test]
fn an_unchanged_secret_is_no_change_and_a_new_one_is() {
    let stage = stage();
    stage.run("apply", &[]).expect(0);
    stage.run("apply", &["--detailed-exitcode"]).expect(0);
    set(&stage, "app/password", "another").expect(0);
    stage.run("apply", &["--detailed-exitcode"]).expect(2);
    assert_eq!(stage.read("app.conf").as_deref(), Some("password=another\n"));
}

#[test]
fn without_the_key_nothing_is_changed_and_the_secret_is_named() {
    let stage = stage();
    std::fs::remove_file(stage.folder().join("identity")).unwrap();
    let done = stage.run("apply", &[]).expect(1);
    assert!(done.err.contains("keel secret init"), "{}", done.err);
    stage.keel(&["secret", "init"]).expect(0);
    let wrong = stage.run("apply", &[]).expect(1);
    assert!(wrong.err.contains("app/password"), "{}", wrong.err);
    assert_eq!((stage.read("app.conf"), stage.read("plain")), (None, None));
}

#[test]
fn get_list_generate_and_rotate() {
    let stage = stage();
    assert_eq!(stage.keel(&["secret", "get", "app/password"]).expect(0).out, format!("{CANARY}\n"));
    assert_eq!(stage.keel(&["secret", "list"]).expect(0).out, "app/password  opens\n");
    stage.keel(&["secret", "generate", "app/token", "--length", "20"]).expect(0);
    assert_eq!(stage.keel(&["secret", "get", "app/token"]).expect(0).out.trim().len(), 20);
    stage.keel(&["secret", "generate", "app/token"]).expect(64);
    let file = stage.site().join("secrets/app.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    stage.keel(&["secret", "rotate"]).expect(0);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
    stage.keel(&["secret", "rotate"]).expect(0);
    assert_eq!(stage.keel(&["secret", "get", "app/password"]).expect(0).out, format!("{CANARY}\n"));
    let missing = stage.keel(&["secret", "get", "app/pasword"]).expect(64);
    assert!(missing.err.contains("did you mean `app/password`"), "{}", missing.err);
}

#[test]
fn a_command_of_the_site_s_user_never_sees_the_value_as_an_argument() {
    let stage = Stage::new("");
    stage.keel(&["secret", "init"]).expect(0);
    stage.keel(&["secret", "set", "app/password", CANARY]).expect(64);
    set(&stage, "app/password", "").expect(64);
    set(&stage, "../password", CANARY).expect(64);
}

#[test]
fn a_secret_that_leaves_the_manifest_is_not_shown_on_its_way_out() {
    let stage = stage();
    stage.run("apply", &[]).expect(0);
    stage.manifest("file \"/app.conf\" content=\"password=none\\n\" mode=\"0600\"\nfile \"/plain\" content=\"x\"");
    assert_silent("plan", &stage.run("plan", &["--full"]).expect(0));
    assert_silent("apply", &stage.run("apply", &["--json"]).expect(0));
    assert_eq!(stage.read("app.conf").as_deref(), Some("password=none\n"));
}

#[test]
fn what_is_typed_is_not_shown_and_the_terminal_is_as_before() {
    for ends in [Some("\n"), None] {
        let stage = stage();
        let terminal = openpty(None, None).unwrap();
        let (mut person, program) = (File::from(terminal.master), File::from(terminal.slave));
        let mut child = stage
            .command(&["secret", "set", "app/typed"])
            .stdin(program.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let shows = || tcgetattr(&program).unwrap().local_flags.contains(LocalFlags::ECHO);
        while shows() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before anything was typed");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        person.write_all(format!("{CANARY}{}", ends.unwrap_or_default()).as_bytes()).unwrap();
        if ends.is_none() {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), nix::sys::signal::Signal::SIGTERM)
                .unwrap();
        }
        let done = Done::of(child.wait_with_output().unwrap()).expect(if ends.is_some() { 0 } else { 143 });
        assert_silent("what was said", &done);
        assert!(shows(), "the terminal is left dumb");
        drop(program);
        let mut seen = Vec::new();
        // Reading ends with an error once nobody has the other side.
        let _ = person.read_to_end(&mut seen);
        assert!(!String::from_utf8_lossy(&seen).contains(CANARY), "{seen:?}");
        if ends.is_some() {
            assert_eq!(stage.keel(&["secret", "get", "app/typed"]).expect(0).out.trim(), CANARY);
        }
    }
}

#[test]
fn what_should_have_been_a_secret_is_shown_nowhere() {
    let stage = Stage::new("use shop");
    stage.write(
        "site/modules/shop/module.kdl",
        "module shop {\n    param (secret)password\n    user shop uid=1000 password=\"{{ password }}\"\n}\n",
    );
    let check = |arguments: &[&str]| stage.keel(&[&["check"], arguments].concat());
    let given = check(&["--var", "shop.password=CANARY"]).expect(1);
    assert!(given.out.contains("expected secret, found a plain string"), "{}", given.out);
    stage.write("site/modules/shop/module.kdl", "module shop {\n    mysql_user \"shop@localhost\" password=CANARY\n}\n");
    for format in ["text", "json", "markdown", "junit", "sarif", "github", "gitlab", "html"] {
        let done = check(&["--format", format]).expect(0);
        assert!(done.out.contains("KE0810") && !done.out.contains("CANARY"), "{format}: {}", done.out);
        assert!(!given.out.contains("CANARY"), "{}", given.out);
    }
}

/// Every type that takes a secret, with something else in its place.
fn plain(canary: &str) -> String {
    format!(
        "user bob password=\"$6${canary}$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh\"
mysql_user \"x@y\" {{
    password \"{canary}\"
}}
mysql_replication db role=replica source_host=\"10.0.0.1\" source_user=replica source_password=\"{canary}\"
git \"/srv/g\" repo=\"https://example.org/x\" username=u password={canary}
archive \"/srv/a\" source=\"https://example.org/x.tar\" digest=\"sha256:{}\" username=u password=#\"{canary}\"#
mysql_query_check q query=\"SELECT 1\" user=u password=\"a {{{{ '{canary}' }}}}\"
",
        "0".repeat(64)
    )
}

#[test]
fn plain_values_of_secret_attributes_are_shown_nowhere() {
    let stage = Stage::new(&plain("CANARY1"));
    for file in ["keel.toml", "inventory/hosts.toml", "manifests/site.kdl"] {
        stage.write(&format!("base/{file}"), &std::fs::read_to_string(stage.site().join(file)).unwrap());
    }
    stage.manifest(&plain("CANARY2"));
    let base = stage.folder().join("base");
    let formats = ["text", "json", "markdown", "junit", "sarif", "github", "gitlab", "html"];
    let silent = |done: &Done| assert!(!format!("{}{}", done.out, done.err).contains("CANARY"), "{}{}", done.out, done.err);
    for format in formats {
        let diff = stage.keel(&["diff", base.to_str().unwrap(), ".", "--format", format]).expect(0);
        silent(&diff);
        silent(&stage.run("plan", &["--format", format]));
        silent(&stage.keel(&["check", "--format", format]));
    }
    let diff = stage.keel(&["diff", base.to_str().unwrap(), "."]).expect(0).out;
    assert_eq!(diff.matches("(secret) differs").count(), 6, "{diff}");
    for arguments in [&["compile", "--host", "h"][..], &["graph", "--host", "h"], &["explain", "(user)bob", "--host", "h"]] {
        silent(&stage.keel(arguments).expect(0));
    }
    silent(&stage.run("apply", &["--json"]));
    stage.write("site/tests/t.kdl", "test x {\n    host h\n    contains (mysql_user)\"x@y\" password=\"CANARY3\"\n}\n");
    let tested = stage.keel(&["test"]).expect(4);
    silent(&tested);
    assert!(tested.out.contains("`password` is another one, which is not shown"), "{}", tested.out);
    silent(&stage.keel(&["test", "--format", "json"]));
    // Nor where the line beside it, or the value itself, is wrong.
    stage.manifest(&format!("{}user eve password=\"CANARY4:x\"\nmysql_user \"z@y\" password=4711471147\n", plain("CANARY5")));
    let check = stage.keel(&["check"]).expect(1);
    silent(&check);
    assert!(!check.out.contains("4711471147") && check.out.contains("is no hash of a password"), "{}", check.out);
}

#[test]
fn a_value_that_is_closed_anew_is_the_same_to_a_diff_and_to_a_host() {
    let stage = stage();
    stage.run("apply", &[]).expect(0);
    let base = |stage: &Stage| {
        for file in ["keel.toml", "inventory/hosts.toml", "manifests/site.kdl", "secrets/app.toml"] {
            stage.write(&format!("base/{file}"), &std::fs::read_to_string(stage.site().join(file)).unwrap());
        }
    };
    base(&stage);
    let diff = |more: &[&str]| stage.keel(&[&["diff", stage.folder().join("base").to_str().unwrap(), "."], more].concat()).expect(0).out;
    let same = |what: &str| {
        let shown = diff(&[]);
        assert!(shown.contains("1 restated") && shown.contains("closed anew, of the same value: secret app/password"), "{what}: {shown}");
        stage.run("apply", &["--detailed-exitcode"]).expect(0);
    };
    stage.keel(&["secret", "rotate"]).expect(0);
    same("rotated, from a file as it always was");
    set(&stage, "app/password", CANARY).expect(0);
    same("set to what it was");
    stage.keel(&["secret", "rotate", "app/password"]).expect(0);
    same("and once more");
    base(&stage);
    let other = set(&stage, "app/password", "c4nary-0ther").expect(0);
    assert_eq!((diff(&[]).matches("app/password (secret) differs").count(), &*other.err), (1, ""));
    stage.run("apply", &["--detailed-exitcode"]).expect(2);
    // Who cannot open the value before cannot know, and says so.
    base(&stage);
    std::fs::rename(stage.folder().join("identity"), stage.folder().join("away")).unwrap();
    let blind = set(&stage, "app/password", "c4nary-0ther").expect(0);
    assert!(blind.err.contains("could not be compared"), "{}", blind.err);
    assert_eq!(diff(&[]).matches("app/password (secret) differs").count(), 1);
}
