//! The README's first command, start to end, as an ordinary user in a folder of their own.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use keel_tests::program::keel;

/// `nobody`, who owns nothing and may do nothing.
const NOBODY: u32 = 65534;

/// Copies what the user needs to where they may read it: the repository may be somebody's own.
fn set_out(to: &Path) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart");
    let copied = Command::new("cp").arg("-r").arg(&example).arg(to.join("quickstart")).status().unwrap();
    assert!(copied.success());
    std::fs::copy(keel(), to.join("keel")).unwrap();
    std::fs::create_dir(to.join("scratch")).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_quickstart_changes_then_rests_then_heals() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    set_out(here);
    let scratch = here.join("scratch");
    let mut command = if nix::unistd::geteuid().is_root() {
        chown(&scratch, Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]);
        command.arg(here.join("quickstart/run"));
        command
    } else {
        Command::new(here.join("quickstart/run"))
    };
    let home = here.join("home-that-is-not-there");
    let output =
        command.arg(&scratch).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("KEEL_BIN", here.join("keel")).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    let runs: Vec<&str> = said.split("\n$ keel ").skip(1).collect();
    let [first, second, plan, heal] = runs.as_slice() else { panic!("four runs were expected:\n{said}") };
    let files = ["tide.conf", "brest.txt", "dover.txt", "motto"];
    for file in files {
        assert!(first.contains(file), "the first run says nothing of {file}:\n{first}");
        assert!(!second.contains(file), "the second run says something of {file}:\n{second}");
    }
    for (name, run) in [("plan", plan), ("healing run", heal)] {
        for file in &files[..3] {
            assert!(run.contains(file), "the {name} says nothing of {file}:\n{run}");
        }
        assert!(!run.contains("motto") && !run.contains("cuxhaven.txt"), "the {name} speaks of what did not drift:\n{run}");
        assert!(run.contains("-port = 9999") && run.contains("+port = 8081"), "the {name} shows no diff:\n{run}");
    }
    assert!(std::fs::read_to_string(scratch.join("etc/tide/tide.conf")).unwrap().contains("port = 8081\nstation = Brest\n"));
    assert_eq!(std::fs::read_to_string(scratch.join("srv/tide/brest.txt")).unwrap(), "Brest: no reading yet\n");
    let mode = std::fs::metadata(scratch.join("srv/tide/dover.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(std::fs::read_to_string(scratch.join("etc/tide/motto")).unwrap(), "keep an even keel\n");
}
