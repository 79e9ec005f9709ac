//! The processes of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A living process and its parent.
fn table() -> Vec<(i32, i32)> {
    let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| stat(&fs::read_to_string(format!("/proc/{name}/stat")).ok()?)).collect()
}

/// Number and parent of a process that has not ended, from its line in `/proc`.
fn stat(line: &str) -> Option<(i32, i32)> {
    let pid = line.split(' ').next()?.parse().ok()?;
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    Some((pid, fields.next()?.parse().ok()?)).filter(|_| !ended)
}

/// What descends from a process, without itself.
pub(crate) fn descendants(of: i32) -> BTreeSet<i32> {
    let table = table();
    let mut found = BTreeSet::from([of]);
    loop {
        let more: Vec<i32> =
            table.iter().filter(|(pid, parent)| found.contains(parent) && !found.contains(pid)).map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            found.remove(&of);
            return found;
        }
        found.extend(more);
    }
}

/// The living processes whose environment holds this.
pub(crate) fn with_environment(mark: &str) -> Vec<i32> {
    let has = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|one| one == mark.as_bytes()))
    };
    table().into_iter().map(|(pid, _)| pid).filter(has).collect()
}

/// Kills these, and returns when they are gone.
pub(crate) fn end(pids: &BTreeSet<i32>) {
    for pid in pids {
        // One that has just ended by itself is as good as killed.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    wait_for(pids);
}

/// Returns when these are gone.
pub(crate) fn wait_for(pids: &BTreeSet<i32>) {
    let is_there = |pid: &i32| Path::new(&format!("/proc/{pid}")).exists();
    while pids.iter().any(is_there) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_line_of_the_table_is_read() {
    assert_eq!(stat("12 (a) b (c) S 3 12"), Some((12, 3)));
    assert_eq!(stat("12 (a) Z 3 12"), None);
}
