//! What an unharmed apply asks of the disk, and in which order: content and name of whatever is put in place are
//! synced before the report says that it changed.

use std::path::{Path, PathBuf};

use nix::libc;

use super::calls::{Act, Call, Deed};
use super::scratch::is_state;
use super::subjects::{Subject, each_subject};
use super::tracer::{Verdict, Watcher};
use super::trial::Trial;

/// Everything that a run did to files, in order.
#[derive(Default)]
struct Trace(Vec<Deed>);

impl Watcher for Trace {
    fn enter(&mut self, _call: &Call) -> Verdict {
        Verdict::Go
    }

    fn leave(&mut self, call: &Call, result: i64) {
        let noted = call.act().is_some_and(|act| act.changes() || act == Act::Open);
        if result >= 0 && noted {
            self.0.extend(call.deed());
        }
    }
}

/// The place of the first deed that writes a report down.
fn report_at(deeds: &[Deed]) -> usize {
    let is_report = |deed: &Deed| deed.act == Act::Create && deed.path.to_string_lossy().contains("report");
    deeds.iter().position(is_report).unwrap_or(deeds.len())
}

fn is_synced(deeds: &[Deed], path: &Path) -> bool {
    deeds.iter().any(|deed| deed.act == Act::Sync && deed.path == path)
}

/// What a loss of power could undo or leave half done.
fn faults(deeds: &[Deed], root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let report = report_at(deeds);
    for (at, deed) in deeds.iter().enumerate() {
        let (before, after) = (&deeds[..at], &deeds[at + 1..]);
        // What comes before the report has to last before it is written.
        let until_report = if at < report { &deeds[at + 1..report] } else { after };
        match deed.act {
            Act::Rename if deed.path.starts_with(root) => {
                let made = before.iter().rposition(|one| matches!(one.act, Act::Create | Act::Make) && one.path == deed.path);
                let filled = before.iter().rposition(|one| matches!(one.act, Act::Write | Act::Set) && one.path == deed.path);
                if let Some(last) = made.max(filled)
                    && !is_synced(&before[last..], &deed.path)
                {
                    faults.push(format!("{} went into place before its content was synced", deed.to.display()));
                }
                if !is_synced(until_report, parent(&deed.to)) {
                    faults.push(format!("{} was reported before its name was synced", deed.to.display()));
                }
            }
            Act::Remove if is_asked_for(&deed.path, root) => {
                let folder_goes = after.iter().any(|one| one.act == Act::Remove && one.path == parent(&deed.path));
                if !folder_goes && !is_synced(until_report, parent(&deed.path)) {
                    faults.push(format!("{} was reported as gone before that was synced", deed.path.display()));
                }
            }
            _ => {}
        }
    }
    faults
}

/// Whether a removal is a change of the host, and not the tidying up of candidates.
fn is_asked_for(path: &Path, root: &Path) -> bool {
    let is_candidate = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".keel-"));
    path.strip_prefix(root).is_ok_and(|below| !is_state(below)) && !is_candidate
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Openings that another user or a command that is begun meanwhile could make use of.
fn careless(deeds: &[Deed], root: &Path) -> Vec<String> {
    let exclusive = libc::O_EXCL | libc::O_NOFOLLOW;
    let is_careless = |deed: &&Deed| {
        let inherited = deed.flags & libc::O_CLOEXEC == 0;
        let below = deed.path.strip_prefix(root).ok().filter(|below| !is_state(below) && !below.starts_with("proc"));
        let shared = deed.act == Act::Create && below.is_some() && deed.flags & exclusive != exclusive;
        let in_tmp = deed.act == Act::Create && below.is_none() && ["/tmp", "/var/tmp"].iter().any(|tmp| deed.path.starts_with(tmp));
        matches!(deed.act, Act::Open | Act::Create) && (inherited || shared || in_tmp && !deed.path.starts_with(root))
    };
    deeds.iter().filter(is_careless).map(|deed| format!("carelessly opened: {} with {:o}", deed.path.display(), deed.flags)).collect()
}

fn check(subject: &'static Subject) -> (usize, Vec<String>) {
    let Some(trial) = Trial::of(subject) else { return (0, Vec::new()) };
    let (mut trace, root) = (Trace::default(), trial.scratch.root());
    let ended = trial.follow(&mut trace);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let deeds = trace.0;
    let renames = deeds.iter().filter(|deed| deed.act == Act::Rename && deed.path.starts_with(&root)).count();
    // A check that does not miss the syncs where there are none would find nothing wrong either.
    let unsynced: Vec<Deed> = deeds.iter().filter(|deed| deed.act != Act::Sync).cloned().collect();
    assert!(faults(&unsynced, &root).len() >= renames, "{}: the check overlooks renames", subject.name);
    println!("{}: {renames} renames, all of them synced", subject.name);
    (renames, [faults(&deeds, &root), careless(&deeds, &root)].concat())
}

#[test]
fn what_is_reported_as_changed_is_on_disk() {
    let checked = each_subject(check);
    let renames: usize = checked.iter().map(|(_, (renames, _))| renames).sum();
    let faults: Vec<String> =
        checked.into_iter().flat_map(|(name, (_, faults))| faults.into_iter().map(move |fault| format!("{name}: {fault}"))).collect();
    assert!(renames > 50 && faults.is_empty(), "{renames} renames\n{}", faults.join("\n"));
}

#[test]
fn every_missing_sync_is_seen() {
    let deed = |act, path: &str, to: &str| Deed { act, path: PathBuf::from(path), to: PathBuf::from(to), flags: 0 };
    let good = [
        deed(Act::Create, "/r/etc/.keel-1", ""),
        deed(Act::Write, "/r/etc/.keel-1", ""),
        deed(Act::Sync, "/r/etc/.keel-1", ""),
        deed(Act::Rename, "/r/etc/.keel-1", "/r/etc/a"),
        deed(Act::Remove, "/r/srv/b", ""),
        deed(Act::Sync, "/r/srv", ""),
        deed(Act::Sync, "/r/etc", ""),
        deed(Act::Create, "/r/var/lib/keel/site-s/last-report.new-1", ""),
    ];
    let root = Path::new("/r");
    assert_eq!(faults(&good, root), Vec::<String>::new());
    for (at, _) in good.iter().enumerate().filter(|(_, deed)| deed.act == Act::Sync) {
        let mut less = good.to_vec();
        let sync = less.remove(at);
        assert_eq!(faults(&less, root).len(), 1, "{sync:?}");
        less.push(sync);
        assert_eq!(faults(&less, root).len(), 1, "too late");
    }
}
