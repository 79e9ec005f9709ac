//! A local user who swaps files and folders for links while keel writes where that user may write: nothing is
//! written, removed or given away outside. Every subject is raced: all that it touched in a run before stands in
//! folders that anybody may write, and is swapped for links to somebody else's files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::fcntl::{OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;

use super::scratch::{Done, Scratch, Tree, is_state};
use super::subjects::{Subject, each_subject, subjects};
use super::trial::command_of;

/// Subjects that are not raced, and why nobody can race them.
pub(super) const NOT_RACED: &[(&str, &str)] = &[
    ("group", "useradd and its kin go by path in /etc, where only root writes"),
    ("user", "useradd and its kin go by path in /etc, where only root writes"),
    ("alternatives", "update-alternatives goes by path in /usr/bin, where only root writes"),
    ("exec", "does what the manifest tells it to do"),
    ("wait", "writes nothing"),
];
/// How many swaps there are at least, and how many with KEEL_FAULTS=all.
const SWAPS: (usize, usize) = (5_000, 100_000);
/// How many runs while they go on.
const RUNS: (usize, usize) = (4, 60);

/// What the user puts back where a run has removed it.
#[derive(Clone)]
enum Bait {
    File,
    Folder,
    Link(PathBuf),
}

/// Two names in a folder. It is held open, so that the user's own swaps stay in it, wherever its path leads.
pub(super) struct Pair {
    folder: File,
    names: [String; 2],
    baits: Option<[Bait; 2]>,
}

impl Pair {
    pub(super) fn new(folder: &Path, names: [&str; 2]) -> Self {
        Self { folder: File::open(folder).unwrap(), names: names.map(str::to_owned), baits: None }
    }

    /// Swaps them, or puts back what is missing; says whether they were swapped.
    fn swap(&self) -> bool {
        let [one, other] = &self.names;
        if renameat2(&self.folder, one.as_str(), &self.folder, other.as_str(), RenameFlags::RENAME_EXCHANGE).is_ok() {
            return true;
        }
        for (name, bait) in self.names.iter().zip(self.baits.iter().flatten()) {
            // What is there already stays.
            let _ = match bait {
                Bait::File => {
                    openat(&self.folder, name.as_str(), OFlag::O_CREAT | OFlag::O_EXCL, Mode::from_bits_truncate(0o666)).map(drop)
                }
                Bait::Folder => mkdirat(&self.folder, name.as_str(), Mode::from_bits_truncate(0o777)),
                Bait::Link(target) => symlinkat(target, &self.folder, name.as_str()),
            };
        }
        false
    }
}

/// Swaps pairs of names, one after the other, until it is told to stop.
pub(super) fn swap(pairs: &[Pair], stop: &AtomicBool, swaps: &AtomicUsize) {
    for pair in pairs.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        swaps.fetch_add(usize::from(pair.swap()), Ordering::Relaxed);
    }
}

/// Everything of a tree that an escape would change, times of change included.
pub(super) fn seal(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let bytes = if found.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        lines.push(format!("{path:?} {:o} {} {}.{} {bytes:?}", found.mode(), found.uid(), found.ctime(), found.ctime_nsec()));
        if found.is_dir() {
            lines.extend(seal(&path));
        }
    }
    lines.sort();
    lines
}

/// What a run touches, by its path below the root: files, links, folders, and the folders that they are in.
fn touched(scratch: &Scratch, before: &Tree) -> BTreeSet<PathBuf> {
    let changed = scratch.tree().differing(before);
    let own = changed.iter().filter(|path| !is_state(path) && !path.starts_with("aside"));
    // What was below a folder that is none any more has no place.
    let stands_in_file = |path: &&PathBuf| path.ancestors().skip(1).any(|above| scratch.root().join(above).is_file());
    let own = own.filter(|path| !stands_in_file(path));
    let above = own.flat_map(|path| path.ancestors()).filter(|path| path.components().count() > 1);
    above.map(Path::to_owned).collect()
}

/// Gives everybody the folders of what is touched, and somebody else files of the same names.
fn lay(scratch: &Scratch, touched: &BTreeSet<PathBuf>) -> Vec<Pair> {
    let root = scratch.root();
    let mut pairs = Vec::new();
    for path in touched {
        let (place, victim) = (root.join(path), root.join("victim").join(path));
        let holds_more = touched.iter().any(|other| other != path && other.starts_with(path));
        let is_folder = holds_more || place.symlink_metadata().is_ok_and(|found| found.is_dir());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::create_dir_all(if is_folder { &victim } else { victim.parent().unwrap() }).unwrap();
        if !is_folder {
            fs::write(&victim, "somebody else's\n").unwrap();
        }
        let up: PathBuf = path.parent().unwrap().components().map(|_| Component::ParentDir).collect();
        let link = Bait::Link(up.join("victim").join(path));
        let name = path.file_name().unwrap().to_str().unwrap();
        let baits = [if is_folder { Bait::Folder } else { Bait::File }, link];
        let pair = Pair { baits: Some(baits), ..Pair::new(place.parent().unwrap(), [name, &format!("to-{name}")]) };
        pair.swap();
        pairs.push(pair);
    }
    for folder in touched.iter().flat_map(|path| path.ancestors().skip(1)).filter(|folder| *folder != Path::new("")) {
        // Anybody may write there, and root never trusts such a folder.
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    pairs
}

/// Runs of a subject while all that it touches is swapped: how many swaps, and how many runs without and with failures.
fn race(subject: &'static Subject) -> (usize, [usize; 2]) {
    let Some(scratch) = subject.scratch().filter(|_| NOT_RACED.iter().all(|(name, _)| *name != subject.name)) else {
        return (0, [0; 2]);
    };
    let before = scratch.tree();
    Done::of(&mut command_of(subject, &scratch)).expect(0, subject.name);
    let pairs = lay(&scratch, &touched(&scratch, &before));
    assert!(!pairs.is_empty(), "{} touches nothing", subject.name);
    let sealed = seal(&scratch.path("/victim"));
    let (stop, swaps, mut outcomes) = (AtomicBool::new(false), AtomicUsize::new(0), [0; 2]);
    let (least, runs) = if super::is_thorough() { (SWAPS.1, RUNS.1) } else { (SWAPS.0, RUNS.0) };
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&pairs, &stop, &swaps));
        let mut run = 0;
        let fault = loop {
            if run >= runs && swaps.load(Ordering::Relaxed) >= least {
                break None;
            }
            run += 1;
            let done = Done::of(&mut command_of(subject, &scratch));
            match done.code {
                0 | 4 => outcomes[usize::from(done.code == 4)] += 1,
                _ => break Some(format!("ended with {}: {}", done.code, done.said)),
            }
            if seal(&scratch.path("/victim")) != sealed {
                break Some(format!("changed something outside: {}", done.said));
            }
        };
        stop.store(true, Ordering::Relaxed);
        assert_eq!(fault, None, "{}", subject.name);
    });
    (swaps.into_inner(), outcomes)
}

#[test]
fn no_type_is_led_out_of_its_target() {
    let raced = each_subject(race);
    for (name, (swaps, [good, bad])) in &raced {
        println!("{name}: {swaps} swaps; of the runs {good} had no failure and {bad} had some");
    }
    println!("{} swaps", raced.iter().map(|(_, (swaps, _))| swaps).sum::<usize>());
}

#[test]
fn who_goes_by_path_is_caught() {
    let subject = subjects().next().unwrap();
    let scratch = subject.scratch().unwrap();
    let before = scratch.tree();
    Done::of(&mut command_of(subject, &scratch)).expect(0, subject.name);
    let touched = touched(&scratch, &before);
    let pairs = lay(&scratch, &touched);
    let sealed = seal(&scratch.path("/victim"));
    let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&pairs, &stop, &swaps));
        let careless = |path: &PathBuf| {
            let path = scratch.root().join(path);
            // The look that everybody thinks is enough.
            if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
                let _ = fs::write(&path, "mine\n");
            }
        };
        let caught = (0..1_000_000).any(|_| {
            touched.iter().for_each(careless);
            seal(&scratch.path("/victim")) != sealed
        });
        stop.store(true, Ordering::Relaxed);
        assert!(caught, "{swaps:?} swaps led nobody astray");
    });
}
