//! Runs: what they change, what they say, how they exit.

use std::process::Stdio;

use crate::stage::{Done, Stage};

const MOTD: &str = "file \"/motd\" content=\"ahoy\\n\" mode=\"0640\"";

#[test]
fn a_run_changes_and_the_next_one_does_not() {
    let stage = Stage::new(MOTD);
    stage.run("apply", &["--detailed-exitcode"]).expect(2);
    assert_eq!(stage.read("motd").as_deref(), Some("ahoy\n"));
    let second = stage.run("apply", &["--detailed-exitcode"]).expect(0);
    assert!(second.out.contains("0 changed, 1 unchanged"), "{}", second.out);
}

#[test]
fn a_plan_leaves_no_trace_and_says_what_apply_then_does() {
    let stage = Stage::new(MOTD);
    let before = stage.tree();
    let plan = stage.run("plan", &["--detailed-exitcode", "--json"]).expect(2);
    assert_eq!(stage.tree(), before);
    let apply = stage.run("apply", &["--json"]).expect(0);
    let changes = |done: &Done| serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["resources"][0]["changes"].clone();
    assert_eq!(changes(&plan), changes(&apply));
    let settled = stage.tree();
    stage.run("plan", &[]).expect(0);
    assert_eq!(stage.tree(), settled);
}

#[test]
fn without_the_flag_changes_exit_0_and_failures_4() {
    let stage = Stage::new(MOTD);
    stage.run("plan", &[]).expect(0);
    stage.manifest("file \"/no/parent\" content=\"x\"\nfile \"/there\" content=\"x\"");
    stage.run("apply", &[]).expect(4);
    assert_eq!(stage.read("there").as_deref(), Some("x"), "the failure of one stops no other");
    stage.manifest("file \"/no/parent\" content=\"x\"\nfile \"/also\" content=\"x\"");
    stage.run("apply", &["--detailed-exitcode"]).expect(6);
}

#[test]
fn drift_and_intent_are_told_apart() {
    let stage = Stage::new(MOTD);
    let causes = |done: Done| {
        let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let changes = report["resources"][0]["changes"].as_array().unwrap().clone();
        changes.iter().map(|change| format!("{} {}", change["attribute"], change["cause"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert!(causes(stage.run("apply", &["--json"])).iter().all(|cause| cause.ends_with("new")));
    stage.write("root/motd", "scribble");
    assert_eq!(causes(stage.run("apply", &["--json"])), ["content drift"]);
    stage.manifest("file \"/motd\" content=\"aye\\n\" mode=\"0640\"");
    assert_eq!(causes(stage.run("apply", &["--json"])), ["content intent"]);
}

#[test]
fn an_edited_key_is_intent_and_a_touched_one_is_drift() {
    let stage = Stage::new("ini \"/a.ini\" { section s { k one; }; }");
    stage.run("apply", &[]).expect(0);
    stage.manifest("ini \"/a.ini\" { section s { k two; }; }");
    assert!(stage.run("plan", &[]).expect(0).out.contains("  intent  "));
    stage.run("apply", &[]).expect(0);
    stage.write("root/a.ini", "[s]\nk = three\n");
    assert!(stage.run("plan", &[]).expect(0).out.contains("  drift  "));
}

#[test]
fn noop_on_a_resource_is_only_planned() {
    let stage = Stage::new("file \"/motd\" content=\"x\" noop=#true\nfile \"/other\" content=\"x\"");
    let done = stage.run("apply", &[]).expect(0);
    assert!(done.out.contains("noop, only planned"), "{}", done.out);
    assert_eq!((stage.read("motd"), stage.read("other").as_deref()), (None, Some("x")));
}

#[test]
fn only_and_skip_choose_by_tag_type_and_address() {
    let manifest = "file \"/a\" content=\"x\" tag=red\nfile \"/b\" content=\"x\"\nini \"/c.ini\" { section s { k v; }; }";
    let stage = Stage::new(manifest);
    stage.run("apply", &["--only", "red"]).expect(0);
    assert_eq!((stage.read("a").is_some(), stage.read("b").is_some()), (true, false));
    stage.run("apply", &["--skip", "(file)/b", "--only", "file", "--only", "ini"]).expect(0);
    assert_eq!((stage.read("b").is_some(), stage.read("c.ini").is_some()), (false, true));
}

#[test]
fn a_resource_behind_another_host_waits() {
    let stage = Stage::new("file \"/a\" content=\"x\" { require (file)\"/z\" host=other; }");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\n[hosts.other]\n");
    stage.write("site/manifests/other.kdl", "host other { file \"/z\" content=\"z\"; }\n");
    let done = stage.run("apply", &[]).expect(0);
    assert!(done.out.contains("waiting on other: file \"/z\""), "{}", done.out);
    assert_eq!(stage.read("a"), None);
}

#[test]
fn a_host_waits_where_another_one_says_so() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\n[hosts.other]\n");
    let before = "host other { file \"/z\" content=\"z\" { before (file)\"/a\" host=h; }; }\n";
    stage.write("site/manifests/site.kdl", "host h { file \"/a\" content=\"x\"; }\n");
    stage.write("site/manifests/other.kdl", before);
    let done = stage.run("apply", &[]).expect(0);
    assert!(done.out.contains("waiting on other: file \"/z\""), "{}", done.out);
    assert_eq!(stage.read("a"), None);
}

#[test]
fn lowered_manifests_are_kept_below_the_root_by_an_apply_only() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    let kept = stage.root().join("var/cache/keel/lowered");
    stage.run("plan", &[]).expect(0);
    assert!(!kept.exists(), "a plan changes nothing");
    stage.run("apply", &[]).expect(0);
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    stage.manifest("file \"/a\" content=\"y\"");
    stage.run("apply", &[]).expect(0);
    assert_eq!((std::fs::read_dir(&kept).unwrap().count(), stage.read("a").as_deref()), (1, Some("y")));
}

#[test]
fn a_run_variable_wins_over_the_inventory() {
    let stage = Stage::new("file \"/a\" content=\"{{ greeting }}\"");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { greeting = \"from the host\" }\n");
    stage.run("apply", &["--var", "greeting=from the run"]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("from the run"));
    stage.run("apply", &[]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("from the host"));
}

#[test]
fn a_second_run_at_the_same_time_is_refused() {
    let stage = Stage::new("wait \"slow\" paths=\"/never\" timeout=\"20s\"");
    let root = stage.root();
    let arguments = ["apply", "--host", "h", "--root", root.to_str().unwrap()];
    let mut first = stage.command(&arguments).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let lock = root.join("run/keel/lock");
    let held = |path: &std::path::Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("process"));
    for _ in 0..400 {
        if held(&lock) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let second = stage.keel(&arguments).expect(75);
    assert!(second.err.contains(&format!("process {}", first.id())), "{}", second.err);
    let first_id = nix::unistd::Pid::from_raw(i32::try_from(first.id()).unwrap());
    nix::sys::signal::kill(first_id, nix::sys::signal::Signal::SIGKILL).unwrap();
    first.wait().unwrap();
    // The kernel dropped the lock with the process: nothing has to be cleaned up by hand.
    stage.manifest("file \"/a\" content=\"x\"");
    stage.run("apply", &[]).expect(0);
}

#[test]
fn a_site_that_does_not_compile_changes_nothing() {
    let stage = Stage::new("file \"/a\" content=\"x\"\nfile \"/b\" contnt=\"x\"");
    let before = stage.tree();
    let done = stage.run("apply", &[]).expect(1);
    assert!(done.err.contains("contnt") && done.err.contains("did you mean `content`"), "{}", done.err);
    assert_eq!(stage.tree(), before);
}

#[test]
fn a_run_that_is_asked_to_stop_finishes_what_it_began_and_says_so() {
    let stage = Stage::new("wait \"slow\" paths=\"/never\" timeout=\"3s\"\nfile \"/after\" content=\"x\" { require (wait)slow; }");
    let root = stage.root();
    let mut command = stage.command(&["apply", "--host", "h", "--root", root.to_str().unwrap()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lock = root.join("run/keel/lock");
    while !std::fs::read_to_string(&lock).is_ok_and(|text| text.contains("process")) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    let done = Done::of(child.wait_with_output().unwrap()).expect(4);
    assert!(done.out.contains("asked to stop"), "{}", done.out);
    assert_eq!(stage.read("after"), None);
}

#[test]
fn a_second_signal_ends_the_command_that_is_waited_for() {
    let stage = Stage::new("");
    let root = stage.root();
    let begun = root.join("begun");
    stage.manifest(&format!("file \"/f\" content=\"x\" {{ validate sh \"-c\" \"touch {}; sleep 300\" \"%\"; }}", begun.display()));
    let mut command = stage.command(&["apply", "--host", "h", "--root", root.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !begun.exists() {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended before it began anything");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    for _ in 0..2 {
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        // Two signals at once count as one.
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
    let done = Done::of(child.wait_with_output().unwrap()).expect(4);
    assert!(done.err.contains("waiting for file \"/f\"; ask again to end it"), "{}", done.err);
    assert!(done.out.contains("was ended, because the run was asked twice to stop"), "{}", done.out);
    assert_eq!(stage.read("f"), None);
}

#[test]
fn words_that_mean_nothing_are_said_with_the_nearest_ones() {
    let stage = Stage::new(MOTD);
    let done = stage.run("apply", &["--only", "fil"]).expect(0);
    assert!(done.out.contains("is \"fil\"; did you mean `file`?"), "{}", done.out);
    let done = stage.run("apply", &["--skip", "nonsense", "--skip", "prune"]).expect(0);
    assert!(done.out.contains("is \"nonsense\"") && !done.out.contains("is \"prune\""), "{}", done.out);
}

#[test]
fn a_wrong_variable_is_a_usage_error_and_an_unheard_one_a_warning() {
    let stage = Stage::new("file \"/a\" content=\"{{ greeting }}\"");
    stage.write("site/inventory/hosts.toml", "[hosts.h]\nvars = { greeting = \"ahoy\" }\n");
    assert!(stage.run("apply", &["--var", "bad"]).expect(64).err.contains("`bad` has no `=`"));
    let done = stage.run("apply", &["--var", "greting=x"]).expect(0);
    assert!(done.err.contains("nothing in the site mentions the variable `greting`") && done.err.contains("`greeting`"), "{}", done.err);
    assert_eq!(stage.read("a").as_deref(), Some("ahoy"));
}

#[test]
fn what_is_notified_and_cannot_run_below_another_root_stays_owed() {
    let stage = Stage::new("file \"/a\" content=\"x\" { notify (exec)reload; }\nexec reload refresh_only=#true shell=\"true\"");
    for command in ["plan", "apply", "apply"] {
        let out = stage.run(command, &[]).expect(0).out;
        assert!(out.contains("not refreshed, still owed: commands are not run below another root"), "{command}: {out}");
        assert_eq!(out.matches("restart exec \"reload\" because of file \"/a\"").count(), 1, "{command}: {out}");
    }
}
