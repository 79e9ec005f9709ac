//! Bad surroundings (rows G of the catalogue of bad input): damaged state, folders that others may write to, odd
//! settings of who starts the program, unknown configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::scratch::{Done, Scratch};
use super::seed::Seed;

const MANIFEST: &str = "file \"/etc/a\" content=\"one\\n\"\nfile \"/etc/d\" ensure=directory\nline \"/etc/b\" line=two";

/// A host that has converged.
fn converged() -> Scratch {
    let scratch = Scratch::new(MANIFEST);
    scratch.lay(&[("/etc/b", "")]);
    scratch.run("apply").expect(0, "the first run");
    scratch
}

/// The files of the state, but for the book of refreshes: that one is refused where it is damaged.
fn state_files(scratch: &Scratch) -> Vec<PathBuf> {
    let files = ["catalog.bin", "enforced.bin", "last-report.json"].map(|name| scratch.path("var/lib/keel/site-faults").join(name));
    let cached = scratch.path("var/cache/keel/site-faults/digests.bin");
    files.into_iter().chain([cached]).filter(|path| path.exists()).collect()
}

#[test]
fn g02_g03_damaged_state_never_leads_a_run_astray() {
    let (scratch, mut seed) = (converged(), Seed::new());
    let tree = scratch.tree();
    for path in state_files(&scratch) {
        let whole = fs::read(&path).unwrap();
        for _ in 0..8 {
            let mut damaged = whole.clone();
            let at = seed.below(damaged.len());
            damaged[at] ^= 1 << seed.below(8);
            damaged.truncate(if seed.below(2) == 0 { at } else { usize::MAX });
            fs::write(&path, damaged).unwrap();
            fs::write(scratch.path("/etc/a"), "drift\n").unwrap();
            let done = scratch.run("apply");
            assert!(done.code == 0 && scratch.tree() == tree, "{} damaged at {at}, {seed:?}: {}", path.display(), done.said);
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn g02_a_damaged_book_of_refreshes_is_refused_by_name() {
    let scratch = converged();
    scratch.write("root/var/lib/keel/site-faults/owed.json", "[{");
    let done = scratch.run("apply").expect(1, "a damaged book");
    assert!(done.said.contains("owed.json is damaged"), "{}", done.said);
}

#[test]
fn g04_an_unknown_key_of_the_site_is_an_error() {
    let scratch = converged();
    scratch.write("site/keel.toml", "name = \"faults\"\ncolour = \"red\"\n");
    let done = scratch.run("apply").expect(1, "an unknown key");
    assert!(done.said.contains("colour") && done.said.contains("keel.toml"), "{}", done.said);
}

#[test]
fn g05_a_state_that_others_may_write_to_is_refused() {
    for folder in ["var/lib/keel/site-faults", "run/keel"] {
        let scratch = converged();
        fs::set_permissions(scratch.path(folder), fs::Permissions::from_mode(0o770)).unwrap();
        let done = scratch.run("apply").expect(1, folder);
        assert!(done.said.contains("others may write to"), "{}", done.said);
    }
}

#[test]
fn g06_g08_who_starts_it_has_no_influence() {
    let usual = converged().tree();
    let odd = [
        "umask 000; exec \"$@\"",
        "umask 077; exec \"$@\"",
        "mkdir gone; cd gone; rmdir ../gone; exec \"$@\"",
        "exec \"$@\" <&-",
        "exec \"$@\" 3<. 4<. 5<. 9<.",
        "export LD_PRELOAD=/none PATH=/none IFS=/ LC_ALL=tr_TR.UTF-8 TZ=:/none HOME=/none RUST_LOG=trace; exec \"$@\"",
        "ulimit -n 40; exec \"$@\"",
    ];
    for script in odd {
        let scratch = Scratch::new(MANIFEST);
        scratch.lay(&[("/etc/b", "")]);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).args(scratch.line("apply")).current_dir(scratch.folder());
        Done::of(&mut command).expect(0, script);
        assert_eq!(scratch.tree().differing(&usual), Vec::<PathBuf>::new(), "{script}");
    }
}
