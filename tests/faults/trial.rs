//! A subject between the state that its runs begin with and the one that an unharmed run brings.

use std::process::{Command, Stdio};

use super::scratch::{Done, Scratch, Tree};
use super::subjects::Subject;
use super::tracer::{Ended, Watcher, follow};

/// A run of a subject that nobody disturbs.
pub(crate) fn command_of(subject: &Subject, scratch: &Scratch) -> Command {
    let line = subject.line(scratch);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
    command
}

/// A subject whose end is known.
pub(crate) struct Trial {
    pub(crate) subject: &'static Subject,
    pub(crate) scratch: Scratch,
    before: Tree,
    after: Tree,
}

impl Trial {
    /// Runs a subject once; none where this user cannot.
    pub(crate) fn of(subject: &'static Subject) -> Option<Self> {
        let scratch = subject.scratch()?;
        let before = scratch.tree();
        Done::of(&mut command_of(subject, &scratch)).expect(0, subject.name);
        let after = scratch.tree();
        assert_ne!(before, after, "{} changes nothing", subject.name);
        Some(Self { subject, scratch, before, after })
    }

    /// A run from the first state under a watcher.
    pub(crate) fn follow(&self, watcher: &mut dyn Watcher) -> Ended {
        self.subject.lay(&self.scratch);
        let line = self.subject.line(&self.scratch);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        follow(&line, &self.scratch.folder().join("said"), watcher)
    }

    /// What is neither old nor new after a run that was disturbed.
    pub(crate) fn torn(&self) -> Option<String> {
        let mut torn = self.scratch.tree().torn(&self.before, &self.after);
        let strays = self.scratch.strays();
        torn.retain(|path| !self.subject.is_foreign(path) && !strays.iter().any(|stray| path.starts_with(stray)));
        (!torn.is_empty()).then(|| format!("torn: {torn:?}"))
    }

    /// Where the host is not as an unharmed run leaves it.
    pub(crate) fn differing(&self) -> Option<String> {
        let mut differing = self.scratch.tree().differing(&self.after);
        differing.retain(|path| !self.subject.is_varying(path));
        (!differing.is_empty()).then(|| format!("did not come to the same end in {differing:?}"))
    }

    /// What a run left lying about.
    pub(crate) fn strays(&self) -> Option<String> {
        let strays = self.scratch.strays();
        (!strays.is_empty()).then(|| format!("left {strays:?}"))
    }

    /// Makes the next run, undisturbed, and says what is wrong with it.
    pub(crate) fn faults_of_next(&self) -> Vec<String> {
        let next = Done::of(&mut command_of(self.subject, &self.scratch));
        let ended = (next.code != 0).then(|| format!("ended with {}: {}", next.code, next.said));
        let faults = [ended, self.differing(), self.strays()];
        faults.into_iter().flatten().map(|fault| format!("the next run {fault}")).collect()
    }
}
