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
