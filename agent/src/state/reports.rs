//! The reports of earlier runs: the last one, and those in which anything happened, for `keel explain`.

use std::path::{Path, PathBuf};

use keel_engine::report::{Outcome, Report};

use super::{State, read_if_there, replace, sync_folder_of};

/// How many reports are kept.
const KEPT_MAX: usize = 200;

/// The reports on disk.
pub struct Reports {
    last: PathBuf,
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
        Self { last: state.kept.join("last-report.json"), folder: state.kept.join("reports") }
    }

    /// Keeps a run's report without the resources that were simply unchanged. A run in which nothing
    /// happened replaces the last report, but never one of those that tell what happened.
    ///
    /// # Errors
    /// Names the file that cannot be written, and says why.
    pub fn keep(&self, report: &Report) -> Result<(), String> {
        let kept = report.without_unchanged();
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| error.to_string())?;
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

    /// The last run, whatever came of it; none before the first.
    pub fn last(&self) -> Option<Report> {
        serde_json::from_slice(&read_if_there(&self.last).ok()??).ok()
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
