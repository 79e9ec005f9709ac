//! Many resources write in a folder that a local user may write, and swaps for a link as a whole: file by file, and the
//! folder itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::racer::{Pair, seal, swap};
use super::scratch::Scratch;

/// How many swaps there are at least, and how many runs while they go on.
const SWAPS: usize = 100_000;
const RUNS: usize = 25;

/// What the user's folder holds; each name also stands in the folder that must stay as it is.
const NAMES: [&str; 8] = ["file", "line", "block", "ini", "keys", "values", "gone", "owned"];

/// Every type that writes files, below a folder that the user swaps and at names that the user swaps.
fn manifest(turn: usize) -> String {
    let mut text = String::new();
    for folder in ["/user/folder", "/user"] {
        let id = folder.replace('/', "-");
        text += &format!(
            "file \"{folder}/file\" content=\"turn {turn}\" mode=\"0{}\"
             line \"line{id}\" path=\"{folder}/line\" line=\"turn {turn}\" match=\"^turn\"
             block \"block{id}\" path=\"{folder}/block\" content=\"turn {turn}\"
             ini \"{folder}/ini\" {{ section a {{ turn \"{turn}\"; }}; }}
             yaml_file \"{folder}/values\" {{ values {{ turn {turn}; }}; }}
             directory_tree \"{folder}/mirror-2\" source=\"/source\" purge=#true force=#true
             key_value \"{folder}/keys\" format=plain {{ values {{ turn \"{turn}\"; }}; }}
             file \"{folder}/gone\" ensure=absent force=#true
             file \"{folder}/owned\" mode=\"0{}\"
             file \"{folder}/made-{}\" ensure=directory
             file \"{folder}/mirror\" source=\"/source\" recurse=#true purge=#true force=#true
             file \"{folder}/link\" target=\"turn-{turn}\"\n",
            600 + turn % 2 * 40,
            600 + turn % 2 * 44,
            turn % 2,
        );
    }
    text
}

/// The user's folder with things to swap, and the folder outside.
fn lay(scratch: &Scratch) -> Vec<Pair> {
    scratch.lay(&[
        ("/source/a", "a"),
        ("/source/deep/b", "b"),
        ("/user/folder/mirror/", ""),
        ("/user/mirror/", ""),
        ("/victim/mirror/deep/b", "v"),
    ]);
    let mut pairs = vec![Pair::new(&scratch.path("/user"), ["folder", "to-victim"])];
    symlink("../victim", scratch.path("/user/to-victim")).unwrap();
    for name in NAMES {
        fs::write(scratch.path(&format!("/victim/{name}")), format!("{name} of somebody else\n")).unwrap();
        for folder in ["/user", "/user/folder"] {
            fs::write(scratch.path(&format!("{folder}/{name}")), "turn: 0\n").unwrap();
            symlink(scratch.path(&format!("/victim/{name}")), scratch.path(&format!("{folder}/link-to-{name}"))).unwrap();
            pairs.push(Pair::new(&scratch.path(folder), [name, &format!("link-to-{name}")]));
        }
    }
    symlink("../victim/mirror", scratch.path("/user/to-mirror")).unwrap();
    pairs.push(Pair::new(&scratch.path("/user"), ["mirror", "to-mirror"]));
    // Anybody may write there, and root never trusts such a folder.
    for folder in ["/user", "/user/folder"] {
        fs::set_permissions(scratch.path(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    pairs
}

#[test]
fn swapped_links_lead_nothing_out_of_the_target() {
    let scratch = Scratch::new("");
    let pairs = lay(&scratch);
    let sealed = seal(&scratch.path("/victim"));
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut outcomes = [0; 2];
    std::thread::scope(|scope| {
        // The folder and the names in it are swapped independently of each other.
        let (folders, names) = pairs.split_at(1);
        scope.spawn(|| swap(folders, &stop, &swaps));
        scope.spawn(|| swap(names, &stop, &swaps));
        let mut run = 0;
        while run < RUNS || swaps.load(Ordering::Relaxed) < SWAPS {
            run += 1;
            scratch.manifest(&manifest(run));
            let done = scratch.run("apply");
            let known = matches!(done.code, 0 | 4);
            if !known || seal(&scratch.path("/victim")) != sealed {
                stop.store(true, Ordering::Relaxed);
                assert!(known, "ended with {}: {}", done.code, done.said);
            }
            outcomes[usize::from(done.code == 4)] += 1;
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{} swaps; of the runs {} had no failure and {} had some", swaps.into_inner(), outcomes[0], outcomes[1]);
    assert_eq!(seal(&scratch.path("/victim")), sealed, "something outside was changed");
}
