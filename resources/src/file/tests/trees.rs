//! Directories with all they hold.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use keel_engine::contents::MemoryContents;
use keel_engine::footprint::Footprint;
use keel_engine::value::Map;

use super::*;
use crate::host::{Claims, Host};

fn yes() -> Value {
    Value::Bool(true)
}

/// A trial with a catalog that holds a tree of these files, and the tree as a source.
fn with_tree(files: &[(&str, &str)]) -> (Trial, Value) {
    let mut trial = Trial::new();
    let mut contents = MemoryContents::default();
    let tree: Map = files.iter().map(|(path, text)| ((*path).to_owned(), Value::Blob(contents.insert(text.as_bytes())))).collect();
    trial.host = Host::new(trial.path("/")).with_contents(Arc::new(contents));
    (trial, Value::Map(tree))
}

#[test]
fn a_tree_is_mirrored_and_other_files_stay() {
    let (trial, tree) = with_tree(&[("a", "1"), ("sub/b", "2")]);
    trial.write("/d/own", "mine");
    trial.write("/d/a", "old");
    let changes = converge(&trial, "/d", &[("source", tree), ("recurse", yes())]).unwrap();
    assert_eq!(changes, ["~ a: 1 line -> 1 line", "+ sub: absent -> directory", "+ sub/b: absent -> 1 line"]);
    assert_eq!((trial.read("/d/a").as_str(), trial.read("/d/sub/b").as_str()), ("1", "2"));
    assert_eq!(names(&trial, "/d"), ["a", "own", "sub/"]);
}

#[test]
fn a_local_tree_is_mirrored_with_its_links() {
    let trial = Trial::new();
    trial.write("/source/x/y", "1");
    symlink("x/y", trial.path("/source/link")).unwrap();
    converge(&trial, "/d", &[("source", text("/source")), ("recurse", yes())]).unwrap();
    assert_eq!(trial.read("/d/x/y"), "1");
    assert_eq!(std::fs::read_link(trial.path("/d/link")).unwrap().to_str(), Some("x/y"));
}

#[test]
fn purge_removes_files_that_nobody_declares_and_directories_only_by_force() {
    let (mut trial, tree) = with_tree(&[("a", "1")]);
    let claimed = Footprint::default().own("path:/d/claimed/x").write("path:/d/lines#one");
    trial.host = trial.host.with_claims(Claims::of([claimed]));
    for path in ["/d/old", "/d/sub/old", "/d/claimed/x", "/d/claimed/old", "/d/lines", "/d/keep.local"] {
        trial.write(path, "");
    }
    symlink("/etc", trial.path("/d/link")).unwrap();
    let attributes = |force| {
        [("source", tree.clone()), ("recurse", yes()), ("purge", yes()), ("ignore", text("*.local")), ("force", Value::Bool(force))]
    };
    assert_eq!(
        converge(&trial, "/d", &attributes(false)).unwrap(),
        [
            "+ a: absent -> 1 line",
            "- claimed/old: file -> absent",
            "- link: link -> absent",
            "- old: file -> absent",
            "- sub/old: file -> absent"
        ]
    );
    assert_eq!(names(&trial, "/d"), ["a", "claimed/", "keep.local", "lines", "sub/"]);
    assert_eq!(converge(&trial, "/d", &attributes(true)).unwrap(), ["- sub: directory -> absent"]);
    assert_eq!(names(&trial, "/d"), ["a", "claimed/", "keep.local", "lines"]);
    assert_eq!(names(&trial, "/d/claimed"), ["x"]);
}

#[test]
fn a_purge_that_would_remove_too_much_removes_nothing() {
    let trial = Trial::new();
    for number in 0..3 {
        trial.write(&format!("/d/{number}"), "");
    }
    let attributes = [("recurse", yes()), ("purge", yes()), ("purge_max", Value::Int(2))];
    let error = converge(&trial, "/d", &attributes).unwrap_err();
    assert_eq!(error, "purging /d would remove 3 entries, and purge_max is 2");
    assert_eq!(names(&trial, "/d").len(), 3);
}

#[test]
fn a_limit_keeps_to_the_upper_levels() {
    let (trial, tree) = with_tree(&[("a", "1"), ("sub/b", "2")]);
    trial.write("/d/sub/deep", "");
    let attributes = [("source", tree), ("recurse", yes()), ("recurselimit", Value::Int(1)), ("purge", yes())];
    converge(&trial, "/d", &attributes).unwrap();
    assert_eq!(names(&trial, "/d/sub"), ["deep"]);
}

#[test]
fn a_mode_holds_for_the_tree_but_not_for_what_has_its_own_resource() {
    let mut trial = Trial::new();
    trial.host = Host::new(trial.path("/")).with_claims(Claims::of([Footprint::default().own("path:/d/own")]));
    for path in ["/d/a", "/d/own", "/d/sub/b"] {
        trial.write(path, "");
    }
    let changes = converge(&trial, "/d", &[("recurse", yes()), ("mode", text("0640"))]).unwrap();
    assert_eq!(changes, ["~ mode: 0755 -> 0750", "~ a mode: 0644 -> 0640", "~ sub mode: 0755 -> 0750", "~ sub/b mode: 0644 -> 0640"]);
    assert_eq!((mode(&trial, "/d/own"), mode(&trial, "/d/sub")), (0o644, 0o750));
}
