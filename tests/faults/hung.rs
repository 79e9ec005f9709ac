//! Commands that do not end: trees of processes that ignore TERM, fork twice and leave the session. None of them
//! outlives the run that gave their command a time.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::geteuid;

use super::processes;
use super::scratch::{Done, Scratch};

/// How many commands run at once on any machine.
const COMMANDS: usize = 2;
/// How long each command may take.
const TIME: Duration = Duration::from_secs(6);
/// How often the living processes are counted.
const LOOK: Duration = Duration::from_millis(50);
/// How much longer than its time the last process may live.
const GRACE: Duration = Duration::from_secs(15);
/// How many trees each command begins.
const TREES: usize = 50;

/// Begins so many trees. The children get the ignored signal from the shell.
const SCRIPT: &str = "trap '' TERM; i=0; while [ $i -lt $KEEL_FAULTS_TREES ]; do
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
            "exec hung-{command} always=#true timeout=\"{}s\" shell={SCRIPT:?} {{ environment {{ KEEL_FAULTS_MARK \"{mark}\"; KEEL_FAULTS_TREES \"{TREES}\"; }}; }}\n",
            TIME.as_secs()
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
    let clock = Instant::now();
    let mark = format!("KEEL_FAULTS_MARK={mark}");
    let (is_over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(processes::with_environment(&mark).len(), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let done = Done::of(&mut command);
        is_over.store(true, Ordering::Relaxed);
        done.expect(4, "commands that do not end")
    });
    let most = most.into_inner();
    assert!(most >= 2 * COMMANDS * TREES, "only {most} processes lived at once, two are in each tree");
    // All are begun at once, so this bounds the last of them.
    let longer = clock.elapsed().saturating_sub(TIME);
    println!("{} trees, all gone {longer:.1?} after their time", COMMANDS * TREES);
    assert!(longer <= GRACE, "the last was gone {longer:.1?} after its time");
    let given_up = done.said.matches(&format!("took longer than {} seconds and was ended", TIME.as_secs())).count();
    Some((given_up, processes::with_environment(&mark)))
}

#[track_caller]
fn check(found: Option<(usize, Vec<i32>)>) {
    let Some((given_up, survivors)) = found else { return };
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
