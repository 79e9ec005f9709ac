//! Owners, groups and modes.

use keel_engine::attributes::Attributes;
use keel_engine::resource::{ObserveError, ResourceType};
use keel_engine::value::Map;

use super::*;
use crate::file::File;

#[test]
fn directories_get_the_search_bit_with_the_read_bit() {
    let trial = Trial::new();
    for (path, asked, expected) in [("/a", "0644", 0o755), ("/b", "0600", 0o700), ("/c", "2750", 0o2750)] {
        converge(&trial, path, &[("ensure", text("directory")), ("mode", text(asked))]).unwrap();
        assert_eq!(mode(&trial, path), expected, "{asked}");
    }
    converge(&trial, "/d", &[("ensure", text("directory"))]).unwrap();
    assert_eq!(mode(&trial, "/d"), 0o755, "less what the umask of the tests, 022, takes");
}

#[test]
fn an_octal_mode_clears_special_bits() {
    let trial = Trial::new();
    trial.write("/a", "");
    set_mode(&trial, "/a", 0o4755);
    assert_eq!(converge(&trial, "/a", &[("mode", text("755"))]).unwrap(), ["~ mode: 4755 -> 0755"]);
    let lent = [("mode", text("4755")), ("allow_setuid", Value::Bool(true)), ("content", text("x"))];
    converge(&trial, "/a", &lent).unwrap();
    assert_eq!(mode(&trial, "/a"), 0o4755);
}

#[test]
fn a_symbolic_mode_changes_what_is_there_once() {
    let trial = Trial::new();
    trial.write("/a", "");
    set_mode(&trial, "/a", 0o600);
    assert_eq!(converge(&trial, "/a", &[("mode", text("g+r,o-rwx"))]).unwrap(), ["~ mode: 0600 -> 0640"]);
    assert_eq!(plan(&trial, "/a", &[("mode", text("g+r,o-rwx"))]).unwrap(), Vec::<String>::new());
}

#[test]
fn owner_and_group_go_by_the_hosts_own_names() {
    let Some(trial) = Trial::as_root() else { return };
    trial.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nalice:x:4001:4002::/:/bin/sh\n");
    trial.write("/etc/group", "root:x:0:\nstaff:x:4002:\n");
    let attributes = [("content", text("x")), ("owner", text("alice")), ("group", text("staff"))];
    assert_eq!(
        converge(&trial, "/a", &attributes).unwrap(),
        ["+ ensure: absent -> file", "+ content: absent -> 1 line", "+ owner: absent -> alice", "+ group: absent -> staff"]
    );
    let stat = trial.path("/a").metadata().unwrap();
    assert_eq!((stat.uid(), stat.gid()), (4001, 4002));
    assert_eq!(converge(&trial, "/a", &[("owner", Value::Int(0))]).unwrap(), ["~ owner: alice -> 0"]);
    assert_eq!(converge(&trial, "/l", &[("target", text("a")), ("owner", text("alice"))]).unwrap().len(), 3);
    assert_eq!(trial.path("/l").symlink_metadata().unwrap().uid(), 4001);
    assert_eq!(trial.path("/a").metadata().unwrap().uid(), 0, "the link is owned, not its target");
}

#[test]
fn an_unknown_owner_is_waited_for_and_leaves_nothing_behind() {
    let trial = Trial::new();
    let attributes: Map = [("content", text("x")), ("owner", text("nobody-here"))].map(|(name, value)| (name.to_owned(), value)).into();
    let desired = File::from_attributes("/a", &attributes).unwrap();
    match FileType.observe(&trial.host, &[&desired]).remove(0) {
        Err(ObserveError::NotYet(failure)) => assert_eq!(failure.message, "the user \"nobody-here\" does not exist"),
        other => panic!("{other:?}"),
    }
    assert!(!trial.exists("/a"));
}

#[test]
fn the_footprint_names_parent_owner_and_group() {
    let attributes: Map =
        [("content", text("x")), ("owner", text("mysql")), ("group", Value::Int(7))].map(|(name, value)| (name.to_owned(), value)).into();
    let footprint = FileType.footprint(&File::from_attributes("/etc/mysql/a", &attributes).unwrap());
    assert_eq!(footprint.provides, ["file:/etc/mysql/a", "path:/etc/mysql/a"]);
    assert_eq!(footprint.writes, ["file:/etc/mysql/a", "path:/etc/mysql/a"]);
    assert_eq!(footprint.needs, ["path:/etc/mysql", "user:mysql"]);
    let mode_only: Map = [("mode".to_owned(), text("0600"))].into_iter().collect();
    let footprint = FileType.footprint(&File::from_attributes("/etc/hosts", &mode_only).unwrap());
    assert_eq!(footprint.writes, ["file:/etc/hosts"], "others may write lines of it");
}
