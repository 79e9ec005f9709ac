//! All processes that came of one command, so that none outlives its timeout.
//!
//! A control group of its own holds even those that leave the session and the parent. Where none can
//! be made (not root, no cgroup v2), the tree is what descends from the command, is in its session or has
//! its mark in the environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often what is left is asked to end, a pause apart, before it is given up.
const KILL_ROUNDS_MAX: u32 = 200;
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// How the names of all groups start.
const GROUP: &str = "keel-";

/// Groups in which a command left a process behind, for when that has ended too.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The processes of one command.
#[derive(Debug)]
pub(crate) struct ProcessTree {
    group: Option<PathBuf>,
    /// Tells the command's processes from others, where there is no group.
    mark: String,
}

/// The variable that holds the mark.
pub(crate) const MARK: &str = "KEEL_COMMAND";

impl ProcessTree {
    /// Makes the place for a command's processes.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).retain(|group| fs::remove_dir(group).is_err());
        let mark = format!("{}-{number}", std::process::id());
        let group = own_group().map(|own| own.join(format!("{GROUP}{mark}")));
        let group = group.filter(|group| fs::create_dir(group).is_ok());
        Self { group, mark }
    }

    /// What the command's environment has to hold; nothing where there is a group.
    pub(crate) fn mark(&self) -> Option<(&'static str, &str)> {
        self.group.is_none().then_some((MARK, self.mark.as_str()))
    }

    /// The file into which a process writes its number to join; empty if there is no group.
    pub(crate) fn join_file(&self) -> PathBuf {
        self.group.as_ref().map(|group| group.join("cgroup.procs")).unwrap_or_default()
    }

    /// All processes of the command that `leader` began.
    fn members(&self, leader: Pid) -> BTreeSet<i32> {
        let processes = processes();
        let mut members = descendants(leader.as_raw(), &processes);
        if let Some((name, mark)) = self.mark() {
            let entry = format!("{name}={mark}");
            members.extend(processes.iter().filter(|process| !process.ended && has_entry(process.pid, &entry)).map(|process| process.pid));
        }
        if let Some(group) = &self.group {
            members.extend(read_numbers(&group.join("cgroup.procs")).filter(|pid| is_alive(*pid)));
        }
        members
    }

    /// Whether any process is left.
    pub(crate) fn is_empty(&self, leader: Pid) -> bool {
        self.members(leader).is_empty()
    }

    /// Asks all to end.
    pub(crate) fn terminate(&self, leader: Pid) {
        self.signal(leader, Signal::SIGTERM);
    }

    /// Ends all, whatever they do about it.
    pub(crate) fn kill(&self, leader: Pid) {
        for _ in 0..KILL_ROUNDS_MAX {
            if let Some(group) = &self.group {
                // Kernels before 5.14 have no such file; the signals below do the same.
                let _ = fs::write(group.join("cgroup.kill"), "1");
            }
            self.signal(leader, Signal::SIGKILL);
            if self.is_empty(leader) {
                return;
            }
            std::thread::sleep(KILL_PAUSE);
        }
    }

    fn signal(&self, leader: Pid, signal: Signal) {
        for pid in self.members(leader) {
            // One that has just ended by itself is as good as signalled.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for ProcessTree {
    /// A group with processes in it stays: a command may leave a daemon behind on purpose.
    fn drop(&mut self) {
        if let Some(group) = self.group.take().filter(|group| fs::remove_dir(group).is_err()) {
            LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(group);
        }
    }
}

/// The living processes of commands that another process of this program began and did not outlive. It has to be of the
/// same control group as this one, as the runs of one agent are.
#[must_use]
pub fn left_by(process: u32) -> BTreeSet<i32> {
    let of_it = format!("{process}-");
    let begins = |text: &str, prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(&of_it));
    let groups = own_group().and_then(|own| fs::read_dir(own).ok()).into_iter().flatten().flatten();
    let groups = groups.filter(|entry| entry.file_name().to_str().is_some_and(|name| begins(name, GROUP)));
    let grouped = groups.flat_map(|entry| read_numbers(&entry.path().join("cgroup.procs"))).filter(|pid| is_alive(*pid));
    let mark = format!("{MARK}=");
    let is_marked = |pid: i32| environment(pid).iter().any(|one| std::str::from_utf8(one).is_ok_and(|one| begins(one, &mark)));
    let marked = processes().into_iter().filter(|process| !process.ended && is_marked(process.pid)).map(|process| process.pid);
    grouped.chain(marked).collect()
}

/// The control group of this process, if groups can be made below it.
fn own_group() -> Option<&'static Path> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    OWN.get_or_init(|| {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = group_path(&mounts, &groups)?;
        clear(&own);
        let probe = own.join(format!("{GROUP}{}", std::process::id()));
        let usable = fs::create_dir(&probe).is_ok() && probe.join("cgroup.procs").exists();
        let _ = fs::remove_dir(&probe);
        usable.then_some(own)
    })
    .as_deref()
}

/// Removes the groups of runs that have ended; those with processes in them cannot be removed.
fn clear(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_prefix(GROUP)?.split('-').next()?.parse().ok());
        if run.is_some_and(|run| !is_alive(run)) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Where the second version of control groups has this process.
fn group_path(mounts: &str, groups: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(Path::new(mount).join(path.trim_start_matches('/')))
}

fn read_numbers(file: &Path) -> impl Iterator<Item = i32> + use<> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>().into_iter()
}

/// A line of the process table.
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    ended: bool,
}

/// Reads `/proc/PID/stat`; the name in parentheses may hold anything, also parentheses.
fn parse_stat(text: &str) -> Option<Process> {
    let pid = text.split(' ').next()?.parse().ok()?;
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { pid, parent, session, ended: matches!(state, "Z" | "X") })
}

fn read_process(pid: &str) -> Option<Process> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether a process was begun with this in its environment.
fn has_entry(pid: i32, entry: &str) -> bool {
    environment(pid).iter().any(|one| one == entry.as_bytes())
}

/// What a process was begun with; nothing where it has ended.
fn environment(pid: i32) -> Vec<Vec<u8>> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

fn is_alive(pid: i32) -> bool {
    read_process(&pid.to_string()).is_some_and(|process| !process.ended)
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| read_process(entry.file_name().to_str()?)).collect()
}

/// The living among the leader, what descends from it and what is in its session.
fn descendants(leader: i32, processes: &[Process]) -> BTreeSet<i32> {
    let mut found: BTreeSet<i32> = BTreeSet::from([leader]);
    loop {
        let before = found.len();
        found.extend(processes.iter().filter(|p| p.session == leader || found.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
        if found.len() == before {
            break;
        }
    }
    processes.iter().filter(|process| !process.ended && found.contains(&process.pid)).map(|process| process.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_own_group_in_a_hybrid_mount() {
        let mounts =
            "36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = "4:memory:/x\n0::/system.slice/keel.service\n";
        assert_eq!(group_path(mounts, groups).unwrap(), Path::new("/sys/fs/cgroup/unified/system.slice/keel.service"));
        assert_eq!(group_path("", groups), None);
    }

    #[test]
    fn reads_a_name_with_parentheses() {
        let process = parse_stat("12 (a) b (c) S 3 12 11 0 -1").unwrap();
        assert_eq!((process.pid, process.parent, process.session, process.ended), (12, 3, 11, false));
    }

    #[test]
    fn a_tree_is_descent_and_session() {
        let process = |pid, parent, session| Process { pid, parent, session, ended: false };
        let table = [process(10, 1, 10), process(11, 10, 10), process(12, 11, 12), process(13, 1, 10), process(14, 1, 14)];
        assert_eq!(descendants(10, &table), BTreeSet::from([10, 11, 12, 13]));
    }
}
