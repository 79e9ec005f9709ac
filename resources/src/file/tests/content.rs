//! Bytes: written exactly, compared by digest, judged before they go live, never shown when secret.

use std::sync::Arc;

use keel_engine::attributes::Attributes;
use keel_engine::contents::MemoryContents;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{ResourceType, Work};
use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use super::*;
use crate::file::File;
use crate::host::{Backups, Claims, Digests, Host};
use crate::trial::list;

#[test]
fn an_empty_file_is_made_with_mode_0644() {
    let trial = Trial::new();
    assert_eq!(converge(&trial, "/a", &[("ensure", text("file"))]).unwrap(), ["+ ensure: absent -> file"]);
    assert_eq!((trial.read("/a").as_str(), mode(&trial, "/a")), ("", 0o644));
}

#[test]
fn bytes_are_written_exactly() {
    let trial = Trial::new();
    converge(&trial, "/a", &[("content", text("one\r\ntwö"))]).unwrap();
    assert_eq!(trial.read("/a"), "one\r\ntwö");
}

#[test]
fn the_same_content_is_not_written_again() {
    let trial = Trial::new();
    trial.write("/a", "same");
    let before = inode(&trial, "/a");
    assert_eq!(converge(&trial, "/a", &[("content", text("same"))]).unwrap(), Vec::<String>::new());
    assert_eq!(inode(&trial, "/a"), before);
}

#[test]
fn other_content_replaces_the_file_and_keeps_its_mode() {
    let trial = Trial::new();
    trial.write("/a", "old\n");
    set_mode(&trial, "/a", 0o640);
    let before = inode(&trial, "/a");
    assert_eq!(converge(&trial, "/a", &[("content", text("new\nlines\n"))]).unwrap(), ["~ content: 1 line -> 2 lines"]);
    assert_ne!(inode(&trial, "/a"), before);
    assert_eq!(mode(&trial, "/a"), 0o640);
}

#[test]
fn replace_false_keeps_the_content_and_still_sets_the_mode() {
    let trial = Trial::new();
    trial.write("/a", "theirs");
    let attributes = [("content", text("ours")), ("replace", Value::Bool(false)), ("mode", text("0600"))];
    assert_eq!(converge(&trial, "/a", &attributes).unwrap(), ["~ mode: 0644 -> 0600"]);
    assert_eq!(trial.read("/a"), "theirs");
    converge(&trial, "/b", &attributes).unwrap();
    assert_eq!(trial.read("/b"), "ours");
}

#[test]
fn a_refused_content_leaves_the_old_one() {
    let trial = Trial::new();
    trial.write("/a", "old");
    let error = converge(&trial, "/a", &[("content", text("new")), ("validate", list(&["/bin/grep", "-q", "old", "%"]))]).unwrap_err();
    assert!(error.contains("was refused"), "{error}");
    assert_eq!(trial.read("/a"), "old");
    assert_eq!(names(&trial, "/"), ["a"]);
    converge(&trial, "/a", &[("content", text("newer")), ("validate", list(&["/bin/grep", "-q", "newer", "%"]))]).unwrap();
    assert_eq!(trial.read("/a"), "newer");
}

#[test]
fn a_validator_that_prints_a_secret_content_is_not_quoted() {
    let trial = Trial::new();
    let show = |content: Value| {
        let validate = list(&["sh", "-c", "cat $0; tr A-Z a-z <$0 >&2; exit 1", "%"]);
        let desired = File::from_attributes("/a", &Map::from_iter([("content".to_owned(), content), ("validate".to_owned(), validate)]));
        let desired = desired.unwrap();
        let observed = FileType.observe(&trial.host, &[&desired]).remove(0).unwrap();
        let changes = FileType.diff(&desired, &observed);
        let failure = FileType.apply(&trial.host, &Work { desired: &desired, observed: &observed, changes: &changes }).unwrap_err();
        format!("{} {}", failure.message, failure.help.unwrap_or_default())
    };
    let shown = show(Value::Secret(Secret::new("pw=CANARY\n".to_owned())));
    assert!(shown.contains("exited with status 1") && shown.contains("content is secret"), "{shown}");
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    assert!(show(text("pw=plain\n")).contains("pw=plain"));
}

#[test]
fn a_folder_that_the_catalog_brings_may_still_be_missing() {
    let mut trial = Trial::new();
    let attributes = [("content", text("x"))];
    assert!(plan(&trial, "/deep/er/x", &attributes).unwrap_err().contains("the directory /deep/er does not exist"));
    assert_eq!(plan(&trial, "/deep/er/x", &[("ensure", text("absent"))]).unwrap(), Vec::<String>::new());
    let folder = Footprint::default().own("path:/deep/er");
    trial.host = Host::new(trial.path("/")).with_claims(Claims::of([folder]));
    assert_eq!(plan(&trial, "/deep/er/x", &attributes).unwrap().len(), 2);
    let elsewhere = Footprint::default().own("path:/deep").write("path:/deep/er");
    trial.host = Host::new(trial.path("/")).with_claims(Claims::of([elsewhere]));
    assert!(plan(&trial, "/deep/er/x", &attributes).is_err(), "who removes a folder does not bring it");
}

#[test]
fn a_local_source_is_copied_without_its_mode() {
    let trial = Trial::new();
    trial.write("/source", "bytes");
    set_mode(&trial, "/source", 0o755);
    std::fs::write(trial.path("/binary"), [0xff, 0, 0xfe]).unwrap();
    converge(&trial, "/a", &[("source", text("/source"))]).unwrap();
    assert_eq!((trial.read("/a").as_str(), mode(&trial, "/a")), ("bytes", 0o644));
    converge(&trial, "/b", &[("source", text("/binary"))]).unwrap();
    assert_eq!(std::fs::read(trial.path("/b")).unwrap(), [0xff, 0, 0xfe]);
}

#[test]
fn the_first_source_that_exists_wins_and_none_is_an_error() {
    let trial = Trial::new();
    trial.write("/second", "2");
    trial.write("/third", "3");
    converge(&trial, "/a", &[("source", list(&["/first", "/second", "/third"]))]).unwrap();
    assert_eq!(trial.read("/a"), "2");
    let error = converge(&trial, "/b", &[("source", list(&["/x", "/y"]))]).unwrap_err();
    assert_eq!(error, "the source /x, nor /y does not exist");
    assert!(!trial.exists("/b"));
}

#[test]
fn a_blob_is_taken_from_the_catalogs_contents() {
    let mut trial = Trial::new();
    let mut contents = MemoryContents::default();
    let blob = contents.insert(&b"from the site"[..]);
    trial.host = Host::new(trial.path("/")).with_contents(Arc::new(contents));
    converge(&trial, "/a", &[("source", Value::Blob(blob))]).unwrap();
    assert_eq!(trial.read("/a"), "from the site");
    let unknown = Value::Blob(keel_engine::contents::Blob::of(b"other"));
    assert!(plan(&trial, "/b", &[("source", unknown)]).unwrap_err().contains("not in this catalog"));
}

#[test]
fn old_bytes_go_beside_or_into_the_store() {
    let mut trial = Trial::new();
    trial.host = Host::new(trial.path("/")).with_backups(Backups::new(trial.path("/backups"), "run"));
    trial.write("/a", "first");
    converge(&trial, "/a", &[("content", text("second")), ("backup", text(".bak"))]).unwrap();
    assert_eq!(trial.read("/a.bak"), "first");
    assert!(!trial.exists("/backups"));
    converge(&trial, "/a", &[("content", text("third"))]).unwrap();
    assert!(trial.read("/backups/index").contains("\"/a\""));
    let index = trial.read("/backups/index");
    converge(&trial, "/a", &[("content", text("fourth")), ("backup", Value::Bool(false))]).unwrap();
    converge(&trial, "/a", &[("content", Value::Secret(Secret::new("fifth".to_owned())))]).unwrap();
    assert_eq!(trial.read("/backups/index"), index, "neither unwanted nor secret bytes are kept");
}

#[test]
fn a_secret_is_shown_nowhere_and_readable_by_nobody_else() {
    let trial = Trial::new();
    let secret = || Value::Secret(Secret::new("canary".to_owned()));
    let changes = converge(&trial, "/a", &[("content", secret())]).unwrap();
    assert_eq!(changes, ["+ ensure: absent -> file", "+ content: absent -> (secret)", "+ mode: absent -> 0600"]);
    trial.write("/b", "old canary");
    assert_eq!(converge(&trial, "/b", &[("content", secret())]).unwrap(), ["~ content: (secret) -> (secret)"]);
}

#[test]
fn without_a_diff_only_sizes_and_digests_are_shown() {
    let trial = Trial::new();
    trial.write("/a", "old");
    let changes = converge(&trial, "/a", &[("content", text("new!")), ("show_diff", Value::Bool(false))]).unwrap();
    assert!(changes[0].starts_with("~ content: 3 bytes, blake3"), "{changes:?}");
}

#[test]
fn a_missing_parent_fails_and_names_it() {
    let trial = Trial::new();
    let error = converge(&trial, "/no/such/a", &[("content", text("x"))]).unwrap_err();
    assert!(error.contains("the directory /no/such does not exist"), "{error}");
}

#[test]
fn many_files_are_observed_in_threads_in_the_same_order() {
    let mut trial = Trial::new();
    let count = 1500;
    let desired: Vec<File> = (0..count)
        .map(|number| {
            trial.write(&format!("/d/{number}"), &format!("{number}"));
            let content = if number % 2 == 0 { number } else { number + 1 };
            let attributes: Map = [("content".to_owned(), text(&content.to_string()))].into_iter().collect();
            File::from_attributes(&format!("/d/{number}"), &attributes).unwrap()
        })
        .collect();
    let desired: Vec<&File> = desired.iter().collect();
    let mut saved = Digests::new(i64::MAX).to_bytes();
    for _ in 0..2 {
        trial.host = Host::new(trial.path("/")).with_digests(Digests::from_bytes(&saved, i64::MAX));
        let observed = FileType.observe(&trial.host, &desired);
        let changed = desired.iter().zip(observed).map(|(desired, observed)| FileType.diff(desired, &observed.unwrap()).len());
        assert_eq!(changed.collect::<Vec<_>>(), (0..count).map(|number| number % 2).collect::<Vec<_>>());
        saved = trial.host.digests().unwrap().to_bytes();
    }
    assert!(saved.len() > count / 2 * 70, "digests of files with the wanted size are remembered");
}
