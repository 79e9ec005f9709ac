//! A disk that is really full, and a file system that is really read-only.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::scratch::{Done, Scratch, strays_below};

/// Runs keel where a file system is mounted on `/small`, which only that process sees: with these options while
/// the script fills it, then remounted with those.
fn run_with_small(scratch: &Scratch, script: &str) -> Option<Done> {
    if !geteuid().is_root() {
        println!("skipped for want of root: file systems of their own");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "/bin/sh", "-euc", &format!("small=$1; shift; {script}; exec \"$@\""), "sh"]);
    command.arg(scratch.path("small")).args(scratch.line("apply"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
    Some(Done::of(&mut command))
}

/// Two files on the small file system, and one that is elsewhere.
fn scratch() -> Scratch {
    let large = "x".repeat(100_000);
    let scratch = Scratch::new(&format!(
        "file \"/small/a\" content={large:?}\nfile \"/small/old\" content={large:?}\nfile \"/elsewhere\" content=well\n"
    ));
    scratch.lay(&[("/small/", ""), ("/var/", "")]);
    scratch
}

#[test]
fn on_a_full_disk_nothing_is_half_written() {
    let scratch = scratch();
    let look = "mount -t tmpfs -o size=64k none \"$small\"; echo old >\"$small/old\"; \
                set -- /bin/sh -c '\"$@\"; code=$?; echo \"left:\" $(ls -A \"$0\") \"$(cat \"$0/old\")\"; exit $code' \"$small\" \"$@\"";
    let Some(done) = run_with_small(&scratch, look) else { return };
    let done = done.expect(4, "a full disk");
    assert!(done.said.contains("left: old old"), "{}", done.said);
    assert_eq!(done.said.matches("no space left on device").count(), 2, "{}", done.said);
    assert_eq!(std::fs::read_to_string(scratch.path("/elsewhere")).unwrap(), "well", "{}", done.said);
}

#[test]
fn on_a_read_only_file_system_others_go_on() {
    let scratch = scratch();
    let Some(done) = run_with_small(&scratch, "mount -t tmpfs none \"$small\"; mount -o remount,ro \"$small\"") else { return };
    let done = done.expect(4, "a read-only file system");
    assert_eq!(done.said.matches("read-only file system").count(), 2, "{}", done.said);
    assert!(scratch.path("/elsewhere").exists(), "{}", done.said);
}

#[test]
fn without_room_for_its_state_a_run_does_not_happen_or_says_so() {
    for (when, script) in [
        ("read-only", "mount -t tmpfs none \"$small/../var\"; mount -o remount,ro \"$small/../var\""),
        ("full", "mount -t tmpfs -o size=16k none \"$small/../var\"; cat /dev/zero >\"$small/../var/zeros\" 2>/dev/null || :"),
    ] {
        let scratch = scratch();
        let Some(done) = run_with_small(&scratch, script) else { return };
        let done = done.expect(1, when);
        assert!(["cannot make", "cannot write", "cannot keep room"].iter().any(|words| done.said.contains(words)), "{when}: {}", done.said);
        assert!(!scratch.path("/elsewhere").exists(), "{when}: nothing may be changed that cannot be remembered: {}", done.said);
        assert_eq!(strays_below(&scratch.root()), Vec::<std::path::PathBuf>::new());
        assert!(!Path::new(&scratch.path("/small/a")).exists());
    }
}
