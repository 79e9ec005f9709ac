//! What a run changed comes back, and what does not is said.

use std::os::unix::fs::PermissionsExt;

use crate::stage::Stage;

const OLD: &str =
    "file \"/a\" content=\"old\" mode=\"0640\"\nfile \"/gone\" content=\"gone\"\nini \"/c.ini\" {\n section s {\n key one\n }\n}";
const NEW: &str = "file \"/a\" content=\"new\" mode=\"0600\"\nfile \"/gone\" ensure=absent\nini \"/c.ini\" {\n section s {\n key two\n }\n}\nfile \"/made\" content=\"m\"";

fn changed() -> Stage {
    let stage = Stage::new(OLD);
    stage.run("apply", &[]).expect(0);
    stage.manifest(NEW);
    stage.run("apply", &[]).expect(0);
    stage
}

fn undo(stage: &Stage, more: &[&str], code: i32) -> String {
    let root = stage.root();
    let arguments = [&["undo", "last", "--root", root.to_str().unwrap()], more].concat();
    stage.keel(&arguments).expect(code).out
}

#[test]
fn files_come_back_with_owner_and_mode_and_the_rest_is_said() {
    let stage = changed();
    let before = stage.tree();
    let shown = undo(&stage, &["--noop"], 0);
    assert!(shown.contains("/a") && shown.contains("would come back"), "{shown}");
    assert_eq!(stage.tree(), before);
    let out = undo(&stage, &[], 0);
    assert_eq!([stage.read("a"), stage.read("gone"), stage.read("made")].map(Option::unwrap_or_default), ["old", "gone", "m"]);
    assert!(stage.read("c.ini").unwrap().contains("key = one") || stage.read("c.ini").unwrap().contains("key=one"));
    assert_eq!(std::fs::metadata(stage.root().join("a")).unwrap().permissions().mode() & 0o777, 0o640);
    let left = out.split("not undone:").nth(1).unwrap();
    assert!(left.contains("+ file \"/made\"") && !left.contains("\"/a\"") && !left.contains("c.ini"), "{out}");
    // The site still wants the change: the next run makes it again, as drift.
    assert!(stage.run("apply", &["--detailed-exitcode"]).expect(2).out.contains("drift"));
}

#[test]
fn what_was_changed_since_is_left_alone_unless_forced() {
    let stage = changed();
    stage.write("root/a", "mine");
    let out = undo(&stage, &[], 4);
    assert!(out.contains("was changed since"), "{out}");
    assert_eq!(stage.read("a").as_deref(), Some("mine"));
    assert_eq!(stage.read("gone").as_deref(), Some("gone"), "the others come back");
    undo(&stage, &["--force"], 0);
    assert_eq!(stage.read("a").as_deref(), Some("old"));
}

#[test]
fn a_damaged_backup_and_an_unknown_run_are_errors_that_change_nothing() {
    let stage = changed();
    let kept = stage.root().join("var/lib/keel/site-stage/backups");
    for folder in std::fs::read_dir(&kept).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            std::fs::write(file.path(), "damaged").unwrap();
        }
    }
    assert!(undo(&stage, &[], 4).contains("damaged"));
    assert_eq!(stage.read("a").as_deref(), Some("new"));
    let root = stage.root();
    let unknown = stage.keel(&["undo", "1-1", "--root", root.to_str().unwrap()]).expect(64);
    assert!(unknown.err.contains("no run \"1-1\" is known here"), "{}", unknown.err);
}

#[test]
fn a_large_file_that_was_removed_is_not_kept_and_that_is_said() {
    let stage = Stage::new("file \"/large\" ensure=absent");
    stage.write("root/large", "");
    std::fs::OpenOptions::new().write(true).open(stage.root().join("large")).unwrap().set_len((16 << 20) + 1).unwrap();
    stage.run("apply", &[]).expect(0);
    assert_eq!(stage.read("large"), None);
    let out = undo(&stage, &[], 0);
    assert!(out.split("not undone:").nth(1).is_some_and(|left| left.contains("file \"/large\"")), "{out}");
}

#[test]
fn the_same_as_data() {
    let stage = changed();
    let out = undo(&stage, &["--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 4, "{out}");
    assert_eq!((&json["files"][0]["fate"], &json["files"][3]["fate"]), (&"back".into(), &"made".into()), "{out}");
    assert_eq!(json["not_undone"].as_array().unwrap().len(), 1, "{out}");
}

#[test]
fn a_file_that_the_run_made_and_changed_stays_as_it_is() {
    let stage = Stage::new("host a ip=\"10.0.0.1\" file=\"/h\"\nhost b ip=\"10.0.0.2\" file=\"/h\"\nfile \"/kept\" content=x");
    stage.write("root/kept", "old");
    stage.run("apply", &[]).expect(0);
    let made = stage.read("h").unwrap();
    assert!(made.contains("10.0.0.1") && made.contains("10.0.0.2"), "{made}");
    let out = undo(&stage, &[], 0);
    assert_eq!((stage.read("h").as_deref(), stage.read("kept").as_deref()), (Some(&*made), Some("old")));
    assert!(out.contains("was made by the run, and stays"), "{out}");
    let left = out.split("not undone:").nth(1).unwrap();
    assert!(left.contains("host \"a\"") && left.contains("host \"b\"") && !left.contains("/kept"), "{out}");
}

#[test]
fn what_was_purged_is_told_by_its_file() {
    let stage = Stage::new("host a ip=\"10.0.0.1\"");
    stage.write("root/etc/hosts", "10.0.0.1\ta\n10.0.0.9\told\n");
    stage.manifest("host a ip=\"10.0.0.1\"\npurge host max=5");
    stage.run("apply", &[]).expect(0);
    assert!(!stage.read("etc/hosts").unwrap().contains("old"));
    let out = undo(&stage, &[], 0);
    assert!(stage.read("etc/hosts").unwrap().contains("old"));
    assert!(!out.contains("not undone:"), "{out}");
}

#[test]
fn a_run_says_its_name_and_an_undo_is_told_like_a_run_and_can_be_undone() {
    let stage = Stage::new(OLD);
    stage.run("apply", &[]).expect(0);
    stage.manifest(NEW);
    let applied = stage.run("apply", &[]).expect(0).out;
    let name = applied.trim_end().rsplit(", run ").next().unwrap().to_owned();
    assert!(name.split('-').all(|part| part.parse::<u64>().is_ok()), "{applied}");
    assert!(!stage.run("apply", &[]).expect(0).out.contains(", run "), "a run that changed nothing has nothing to take back");
    let (root, told) = (stage.root(), undo(&stage, &["--json"], 0));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["run"], *name);
    let undone_by = told["undone_by"].as_str().unwrap();
    let explained = stage.keel(&["explain", "(file)/a", "--host", "h", "--root", root.to_str().unwrap()]).expect(0).out;
    assert!(explained.contains(&format!("run {undone_by}): changed")) && explained.contains("undo"), "{explained}");
    // `last` still means the run, of which nothing is left to take back.
    assert!(undo(&stage, &[], 0).contains("is as it was before"));
    assert_eq!(stage.read("a").as_deref(), Some("old"));
    stage.keel(&["undo", undone_by, "--root", root.to_str().unwrap()]).expect(0);
    assert_eq!(stage.read("a").as_deref(), Some("new"));
}
