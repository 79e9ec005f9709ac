//! What is applied while faults happen: for every resource type, things that come, change and go.

mod coverage;
mod files;
mod host;
mod tools;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::geteuid;

use super::scratch::{Done, Scratch};
use super::tracer::Tools;

/// Some resources of one type, or of a few that are alike, and the host they find.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// The types of its resources.
    pub(crate) types: &'static [&'static str],
    /// What stands there first, see [`Scratch::lay`].
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// `@` in it stands for the scratch folder.
    pub(crate) manifest: &'static str,
    /// What the shell does in the scratch folder after that.
    prepare: &'static str,
    /// Paths that other people's tools write in their own way.
    pub(crate) foreign: &'static [&'static str],
    /// Names that are not the same after two runs that come to the same.
    pub(crate) varying: &'static [&'static str],
    needs: Needs,
}

/// What a subject takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Tools that only root may use, and that are never killed half way: they leave locks behind that only people
    /// may remove.
    Root,
    /// The scratch root as a machine of its own, see [`Scratch::furnish`].
    Machine,
}

/// A subject of which nothing is said yet.
const PLAIN: Subject =
    Subject { name: "", types: &[], files: &[], manifest: "", prepare: "", foreign: &[], varying: &[], needs: Needs::Nothing };

/// All of them.
pub(crate) fn subjects() -> impl Iterator<Item = &'static Subject> {
    [files::SUBJECTS, host::SUBJECTS, tools::SUBJECTS].into_iter().flatten()
}

/// Does something with every subject, on as many threads as there are processors.
pub(crate) fn each_subject<T: Send>(work: impl Fn(&'static Subject) -> T + Sync) -> Vec<(&'static str, T)> {
    // KEEL_SUBJECT names one alone, to look into it.
    let chosen = std::env::var("KEEL_SUBJECT").ok();
    let subjects: Vec<&Subject> = subjects().filter(|subject| chosen.as_deref().is_none_or(|chosen| chosen == subject.name)).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(subject);
                    done.lock().unwrap().push((subject.name, result));
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// A resource that has nothing to do with the others, and whose turn comes last.
const BYSTANDER: &str = "\nfile \"/aside/bystander\" content=\"well\\n\"\n";

impl Subject {
    /// The site and the root in their first state; none where this user cannot apply it.
    pub(crate) fn scratch(&self) -> Option<Scratch> {
        if self.needs != Needs::Nothing && !geteuid().is_root() {
            println!("skipped for want of root: {}", self.name);
            return None;
        }
        let scratch = Scratch::new("");
        let folder = scratch.folder().to_str().unwrap();
        scratch.manifest(&(self.manifest.replace('@', folder) + BYSTANDER));
        self.lay(&scratch);
        Some(scratch)
    }

    /// Lays the first state out again.
    pub(crate) fn lay(&self, scratch: &Scratch) {
        scratch.lay(&[self.files, &[("/aside/", "")]].concat());
        if self.needs == Needs::Machine {
            scratch.furnish();
        }
        if !self.prepare.is_empty() {
            let mut shell = Command::new("/bin/sh");
            Done::of(shell.args(["-euc", self.prepare]).current_dir(scratch.folder())).expect(0, self.prepare);
        }
    }

    /// The command line of a run.
    pub(crate) fn line(&self, scratch: &Scratch) -> Vec<String> {
        if self.needs == Needs::Machine { scratch.line_inside("apply") } else { scratch.line("apply") }
    }

    /// Whether a path below the root is this machine's: the programs and the site that are mounted there.
    pub(crate) fn is_borrowed(&self, path: &std::path::Path) -> bool {
        self.needs == Needs::Machine
            && ["usr", "bin", "sbin", "lib", "lib64", "site", "keel", "proc", "dev", "sys"].iter().any(|folder| path.starts_with(folder))
    }

    /// What becomes of its tools where keel is killed.
    pub(crate) fn tools(&self) -> Tools {
        if self.needs == Needs::Root { Tools::Finish } else { Tools::Die }
    }

    /// Whether a path is not the same after two runs that come to the same.
    pub(crate) fn is_varying(&self, path: &std::path::Path) -> bool {
        self.varying.iter().any(|varying| path.starts_with(varying))
    }

    /// Whether somebody else's tool writes a path.
    pub(crate) fn is_foreign(&self, path: &std::path::Path) -> bool {
        self.foreign.iter().any(|foreign| path.starts_with(foreign))
    }
}
