//! Commands that do not end: trees of processes that ignore TERM, fork twice and leave the session. None of them
//! outlives the run that gave their command a time.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::unistd::geteuid;

use super::processes;
use super::scratch::{Done, Scratch};

const COMMANDS: usize = 4;
/// How many trees each command begins.
const TREES: usize = 25;

/// Begins so many trees. The children get the ignored signal from the shell.
const SCRIPT: &str = "trap '' TERM; i=0; while [ $i -lt 25 ]; do
    setsid /bin/sh -c '(setsid sleep 3600 </dev/null >/dev/null 2>&1 &) & exec sleep 3600' & i=$((i+1)); done; wait";

/// Runs commands of which each begins its trees, with those of this machine's folders in sight.
fn survivors(control_groups: bool) -> Option<(usize, Vec<i32>)> {
    if !geteuid().is_root() {
        println!("skipped for want of root: hung commands");
        return None;
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mark = format!("{}-{time}", std::process::id());
    let mut manifest = String::new();
    for command in 0..COMMANDS {
        manifest += &format!(
            "exec hung-{command} always=#true timeout=\"2s\" shell={SCRIPT:?} {{ environment {{ KEEL_FAULTS_MARK \"{mark}\"; }}; }}\n"
        );
    }
    let scratch = Scratch::new(&manifest.replace("\\'", "'"));
    scratch.furnish();
    if control_groups {
        std::fs::create_dir(scratch.path("sys")).unwrap();
    }
    let line = scratch.line_inside("apply");
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
    let done = Done::of(&mut command).expect(4, "commands that do not end");
    let given_up = done.said.matches("took longer than 2 seconds and was ended").count();
    Some((given_up, processes::with_environment(&format!("KEEL_FAULTS_MARK={mark}"))))
}

#[track_caller]
fn check(found: Option<(usize, Vec<i32>)>) {
    let Some((given_up, survivors)) = found else { return };
    println!("{} trees begun", COMMANDS * TREES);
    processes::end(&survivors.iter().copied().collect());
    assert_eq!(survivors, Vec::<i32>::new(), "outlived the run");
    assert_eq!(given_up, COMMANDS);
}

#[test]
fn no_tree_of_processes_outlives_its_time() {
    check(survivors(true));
}

#[test]
fn no_tree_outlives_its_time_where_there_are_no_control_groups() {
    check(survivors(false));
}
