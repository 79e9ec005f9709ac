//! Orphans: released and reported once, or removed where the site says so.

use crate::stage::Stage;

const TWO: &str = "file \"/a\" content=\"a\"\nfile \"/b\" content=\"b\"";
const ONE: &str = "file \"/a\" content=\"a\"";

#[test]
fn by_default_they_are_released_and_reported_once() {
    let stage = Stage::new(TWO);
    stage.run("apply", &[]).expect(0);
    stage.manifest(ONE);
    let first = stage.run("apply", &[]).expect(0);
    assert!(first.out.contains("file \"/b\" is no longer declared"), "{}", first.out);
    let second = stage.run("apply", &[]).expect(0);
    assert!(!second.out.contains("no longer declared"), "{}", second.out);
    assert_eq!(stage.read("b").as_deref(), Some("b"));
}

#[test]
fn what_no_run_ever_brought_about_is_not_called_released() {
    let stage =
        Stage::new("file \"/a\" content=\"a\"\nfile \"/none/b\" content=\"b\"\nfile \"/c\" content=\"c\" require=(file)\"/none/b\"");
    stage.run("apply", &[]).expect(4);
    stage.manifest("");
    let plan = stage.run("plan", &["--json"]).expect(0);
    let report: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let released: Vec<&str> = report["released"].as_array().unwrap().iter().map(|address| address["title"].as_str().unwrap()).collect();
    assert_eq!(released, ["/a"], "{report}");
    let done = stage.run("apply", &[]).expect(0);
    for title in ["/none/b", "/c"] {
        assert!(done.out.contains(&format!("file \"{title}\" is no longer declared; no run ever brought it about")), "{}", done.out);
    }
    let second = stage.run("apply", &[]).expect(0);
    assert!(!second.out.contains("no longer declared"), "{}", second.out);
}

#[test]
fn a_prune_rule_plans_and_makes_their_removal() {
    let stage = Stage::new(TWO);
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\ntype = \"file\"\nmax = 5\n");
    stage.run("apply", &[]).expect(0);
    stage.manifest(ONE);
    let plan = stage.run("plan", &["--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("- file \"/b\""), "{}", plan.out);
    assert_eq!(stage.read("b").as_deref(), Some("b"));
    stage.run("apply", &[]).expect(0);
    assert_eq!(stage.read("b"), None);
    stage.run("apply", &["--detailed-exitcode"]).expect(0);
}

#[test]
fn more_removals_than_allowed_stop_the_run_and_name_the_flag() {
    let stage = Stage::new(TWO);
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\ntype = \"file\"\nmax = 1\n");
    stage.run("apply", &[]).expect(0);
    stage.manifest("");
    let plan = stage.run("plan", &[]).expect(0);
    assert!(plan.out.contains("- file \"/a\"") && plan.out.contains("--prune-max 2"), "{}", plan.out);
    let refused = stage.run("apply", &[]).expect(1);
    assert!(refused.err.contains("--prune-max 2"), "{}", refused.err);
    assert_eq!(stage.read("a").as_deref(), Some("a"));
    stage.run("apply", &["--prune-max", "2"]).expect(0);
    assert_eq!((stage.read("a"), stage.read("b")), (None, None));
}

const MODULE: &str = "module m {\n    file \"/d\" ensure=directory\n}\n";

#[test]
fn an_orphan_whose_removal_failed_keeps_its_module_for_the_rule() {
    let stage = Stage::new("use m");
    stage.write("site/modules/m/module.kdl", MODULE);
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\nmodule = \"m\"\nmax = 5\n");
    stage.run("apply", &[]).expect(0);
    stage.write("root/d/foreign", "x");
    stage.manifest(ONE);
    let failed = stage.run("apply", &[]).expect(4);
    assert!(failed.out.contains("not empty"), "{}", failed.out);
    std::fs::remove_file(stage.root().join("d/foreign")).unwrap();
    let plan = stage.run("plan", &["--json"]).expect(0);
    let report: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let removal = report["resources"].as_array().unwrap().iter().find(|one| one["outcome"] == "would_change").unwrap().clone();
    assert_eq!(removal["origin"], "modules/m/module.kdl:2", "{removal}");
    stage.run("apply", &[]).expect(0);
    assert!(!stage.root().join("d").exists());
}

#[test]
fn a_prune_rule_inside_a_module_means_what_the_module_had() {
    let stage = Stage::new("use m\nfile \"/other\" content=\"x\"");
    stage.write(
        "site/modules/m/module.kdl",
        "module m {\n    prune file max=3\n    file \"/a\" content=\"a\"\n    file \"/b\" content=\"b\"\n}\n",
    );
    stage.run("apply", &[]).expect(0);
    stage.write("site/modules/m/module.kdl", "module m {\n    prune file max=3\n    file \"/a\" content=\"a\"\n}\n");
    stage.manifest("use m");
    let done = stage.run("apply", &[]).expect(0);
    assert_eq!((stage.read("a").is_some(), stage.read("b"), stage.read("other").is_some()), (true, None, true), "{}", done.out);
    assert!(done.out.contains("file \"/other\" is no longer declared"), "{}", done.out);
}

#[test]
fn what_a_killed_run_brought_is_known_to_the_next_one() {
    let stage = Stage::new(ONE);
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\ntype = \"file\"\nmax = 5\n");
    stage.run("apply", &[]).expect(0);
    stage.manifest(
        "file \"/a\" content=\"a\"\nfile \"/b\" content=\"b\"\nwait \"slow\" paths=\"/never\" timeout=\"60s\" { require (file)\"/b\"; }",
    );
    let root = stage.root();
    let mut child = stage.command(&["apply", "--host", "h", "--root", root.to_str().unwrap()]).spawn().unwrap();
    while stage.read("b").is_none() {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended before it could be killed");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    stage.manifest(ONE);
    stage.run("apply", &[]).expect(0);
    assert_eq!((stage.read("a").is_some(), stage.read("b")), (true, None));
    stage.run("apply", &["--detailed-exitcode"]).expect(0);
}
