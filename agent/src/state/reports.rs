//! The reports of earlier runs: the last one, and those in which anything happened, for `keel explain`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keel_engine::footprint::Key;
use keel_engine::report::{Outcome, Report};
use serde::{Deserialize, Serialize};

use super::{State, read_if_there, replace, sync_folder_of};

/// How many reports are kept.
const KEPT_MAX: usize = 200;

/// What resources decide over, by their addresses.
pub type Written = BTreeMap<String, Vec<Key>>;

/// A report as it stands on disk.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    report: &'a Report,
    written: &'a Written,
}

/// The part of it that reports do not have.
#[derive(Deserialize)]
struct KeptWritten {
    #[serde(default)]
    written: Written,
}

/// The reports on disk.
pub struct Reports {
    last: PathBuf,
    last_whole: PathBuf,
    folder: PathBuf,
}

/// Gives a file a second name, in place of what has that name now.
fn link(file: &Path, name: &Path) -> std::io::Result<()> {
    let neighbour = name.with_extension(format!("new-{}", std::process::id()));
    std::fs::hard_link(file, &neighbour)?;
    std::fs::rename(&neighbour, name).and_then(|()| sync_folder_of(name))
}

impl Reports {
    /// The reports of a host.
    pub fn of(state: &State) -> Self {
        let kept = |name: &str| state.kept.join(name);
        Self { last: kept("last-report.json"), last_whole: kept("last-whole-report.json"), folder: kept("reports") }
    }

    /// Keeps a run's report without the resources that were simply unchanged. A run in which nothing
    /// happened replaces the last report, but never one of those that tell what happened. `written` stands beside
    /// it, for whoever undoes the run.
    ///
    /// # Errors
    /// Names the file that cannot be written, and says why.
    pub fn keep(&self, report: &Report, written: &Written) -> Result<(), String> {
        let kept = report.without_unchanged();
        if kept.is_partial() && self.last().is_some_and(|last| !last.is_partial()) {
            link(&self.last, &self.last_whole).map_err(|error| format!("cannot keep {}: {error}", self.last_whole.display()))?;
        }
        let text = serde_json::to_vec_pretty(&Kept { report: &kept, written }).map_err(|error| error.to_string())?;
        if kept.resources.iter().any(|resource| resource.outcome != Outcome::Skipped) {
            std::fs::create_dir_all(&self.folder).map_err(|error| format!("cannot make {}: {error}", self.folder.display()))?;
            let kept = self.folder.join(format!("{}.json", report.run));
            replace(&kept, &text)?;
            self.forget_oldest();
            // One file with two names: the text of a large run is written once.
            return link(&kept, &self.last).or_else(|_| replace(&self.last, &text));
        }
        replace(&self.last, &text)
    }

    /// The reports in which anything happened, the newest first. One that cannot be read is left out: the others
    /// still tell their part.
    pub fn newest_first(&self) -> impl Iterator<Item = Report> {
        let mut files = self.files();
        files.reverse();
        files.into_iter().filter_map(|file| serde_json::from_slice(&read_if_there(&file).ok()??).ok())
    }

    /// The report of a run in which anything happened, if it is still kept.
    pub fn of_run(&self, run: &str) -> Option<Report> {
        self.newest_first().find(|report| report.run == run)
    }

    /// What the resources that a run changed decide over.
    pub fn written_in(&self, run: &str) -> Written {
        let bytes = read_if_there(&self.folder.join(format!("{run}.json"))).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).map(|KeptWritten { written }| written).unwrap_or_default()
    }

    /// The last run, whatever came of it; none before the first.
    pub fn last(&self) -> Option<Report> {
        serde_json::from_slice(&read_if_there(&self.last).ok()??).ok()
    }

    /// Where the last run left something out, the last one that did not: it still tells how the rest is.
    pub fn last_whole_before(&self, last: &Report) -> Option<Report> {
        if !last.is_partial() {
            return None;
        }
        serde_json::from_slice(&read_if_there(&self.last_whole).ok()??).ok()
    }

    /// The files in the order of their runs: a run's name begins with its time.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
        files.sort();
        files
    }

    fn forget_oldest(&self) {
        let files = self.files();
        for file in &files[..files.len().saturating_sub(KEPT_MAX)] {
            // One report too many does no harm.
            let _ = std::fs::remove_file(file);
        }
    }
}
