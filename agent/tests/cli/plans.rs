//! Plan files: exactly the reviewed plan, or nothing.

use crate::stage::Stage;

fn planned(stage: &Stage) -> String {
    let file = stage.folder().join("reviewed.plan").to_str().unwrap().to_owned();
    stage.run("plan", &["-o", &file]).expect(0);
    file
}

#[test]
fn a_reviewed_plan_is_applied_once() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    let file = planned(&stage);
    stage.keel(&["apply", &file]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("x"));
    let again = stage.keel(&["apply", &file]).expect(1);
    assert!(again.err.contains("out of date") && again.err.contains("file \"/a\""), "{}", again.err);
}

#[test]
fn a_plan_is_refused_when_the_site_or_the_host_moved() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    let file = planned(&stage);
    stage.manifest("file \"/a\" content=\"y\"");
    let moved = stage.keel(&["apply", &file]).expect(1);
    assert!(moved.err.contains("the catalog is"), "{}", moved.err);
    let file = planned(&stage);
    stage.write("root/a", "somebody else's");
    stage.keel(&["apply", &file]).expect(1);
    assert_eq!(stage.read("a").as_deref(), Some("somebody else's"));
}

#[test]
fn what_is_no_plan_is_said() {
    let stage = Stage::new("");
    stage.write("notes.txt", "not a plan");
    let file = stage.folder().join("notes.txt");
    let done = stage.keel(&["apply", file.to_str().unwrap()]).expect(64);
    assert!(done.err.contains("is no plan file"), "{}", done.err);
}

#[test]
fn a_root_that_is_not_there_is_said_and_not_made() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    let missing = stage.folder().join("misspelt");
    for verb in ["plan", "apply"] {
        let done = stage.keel(&[verb, "--host", "h", "--root", missing.to_str().unwrap()]).expect(64);
        assert!(done.err.contains("the folder has to exist"), "{}", done.err);
        assert!(!missing.exists(), "{verb}");
    }
}

#[test]
fn a_plan_is_out_of_date_when_only_the_values_differ() {
    let stage = Stage::new("file \"/a\" content=\"x\"");
    stage.run("apply", &[]).expect(0);
    std::fs::write(stage.root().join("a"), "one").unwrap();
    let plan = stage.folder().join("plan");
    stage.run("plan", &["-o", plan.to_str().unwrap()]).expect(0);
    std::fs::write(stage.root().join("a"), "two").unwrap();
    let done = stage.keel(&["apply", plan.to_str().unwrap()]).expect(1);
    assert!(done.err.contains("would still change content, but not from and to the same values"), "{}", done.err);
    assert_eq!(stage.read("a").as_deref(), Some("two"));
}
