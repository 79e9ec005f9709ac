//! Changes outside of their hours are shown and left for later.

use crate::stage::Stage;

/// A schedule that opens a few hours from now, by the clock of UTC.
fn later() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let hour = |ahead: u64| (now / 3600 + ahead) % 24;
    format!("schedule later range=\"{:02}:00-{:02}:00\" timezone=UTC\n", hour(3), hour(5))
}

#[test]
fn a_change_waits_for_its_hour_unless_somebody_says_otherwise() {
    let stage = Stage::new(&format!("{}file \"/a\" content=\"a\" schedule=later\nfile \"/b\" content=\"b\"", later()));
    let plan = stage.run("plan", &["--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("^ file \"/a\"") && plan.out.contains("waiting for schedule later: opens "), "{}", plan.out);
    assert!(plan.out.contains("1 would change, 1 waiting"), "{}", plan.out);
    stage.run("apply", &[]).expect(0);
    assert_eq!((stage.read("a"), stage.read("b").as_deref()), (None, Some("b")));
    stage.run("apply", &["--any-hour"]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("a"));
    let after = stage.run("apply", &["--detailed-exitcode"]).expect(0);
    assert!(!after.out.contains("waiting"), "{}", after.out);
}

#[test]
fn a_removal_keeps_to_the_hours_of_what_it_removes() {
    let stage = Stage::new(&format!("{}file \"/a\" content=\"a\" schedule=later", later()));
    stage.write("site/keel.toml", "name = \"stage\"\n[[prune]]\ntype = \"file\"\nmax = 5\n");
    stage.run("apply", &["--any-hour"]).expect(0);
    stage.manifest("");
    let kept = stage.run("apply", &[]).expect(0);
    assert!(kept.out.contains("waiting for schedule later"), "{}", kept.out);
    assert_eq!(stage.read("a").as_deref(), Some("a"));
    stage.run("apply", &["--any-hour"]).expect(0);
    assert_eq!(stage.read("a"), None);
}

#[test]
fn a_reviewed_plan_is_applied_as_it_was_reviewed() {
    let stage = Stage::new(&format!("{}file \"/a\" content=\"a\" schedule=later", later()));
    let file = stage.folder().join("plan");
    stage.run("plan", &["--any-hour", "-o", file.to_str().unwrap()]).expect(0);
    stage.keel(&["apply", file.to_str().unwrap()]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("a"));
}
