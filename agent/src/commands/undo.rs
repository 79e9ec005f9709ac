//! `keel undo`.

use std::path::PathBuf;

use clap::Args;
use keel_engine::report::{Report, ResourceReport};
use keel_resources::host::Host;
use serde_json::json;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::paint::{Paint, printable};
use crate::run::new_name;
use crate::state::State;
use crate::state::lock::Lock;
use crate::state::previous::PreviousCatalog;
use crate::state::reports::Reports;
use crate::state::unfinished::Unfinished;
use crate::undo::{Extent, Fate, UndoneFile, bring_back, remaining};

/// Give the files that a run changed what they held before.
///
/// Files that the run replaced or removed come back, with owner and mode; files that were changed since are left
/// alone. What cannot be undone is said: packages, services, accounts, new files, secrets. The next run makes the
/// changes again unless the site takes them back, so pause the agent (keel agent disable) or revert the commit
/// first. Exits 0, or 4 if a file did not come back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel undo last --noop\n  keel undo 1764000000000-4711")]
pub struct Arguments {
    /// The run's name, as reports and `keel explain` say it; `last` is the last one in which anything happened.
    #[arg(value_name = "RUN")]
    name: String,
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Change nothing and show what would come back.
    #[arg(long)]
    noop: bool,
    /// Bring back also what was changed since the run; what it holds now is kept like every other backup.
    #[arg(long, conflicts_with = "noop")]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such run, another one is under way, or what was kept cannot be read.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    let root = std::fs::canonicalize(&arguments.root)
        .map_err(|error| Error::usage(format!("cannot use {} as the root: {error}", arguments.root.display())))?;
    let (state, report) = find(&root, &arguments.name)?;
    let extent = match (arguments.noop, arguments.force) {
        (true, _) => Extent::Shown,
        (false, false) => Extent::Untouched,
        (false, true) => Extent::Everything,
    };
    let files = undo(&root, &state, &report.run, extent)?;
    let previous = PreviousCatalog::load(&state).map_err(Error::host)?;
    let catalog = previous.catalog().filter(|catalog| catalog.id().is_ok_and(|id| id == report.catalog));
    let rest = remaining(&report, catalog.as_ref(), &files);
    if arguments.json {
        let rest: Vec<_> = rest.iter().map(|resource| &resource.address).collect();
        print_json(&json!({ "format_version": "1.0", "run": report.run, "host": report.host, "files": files, "not_undone": rest }))?;
    } else {
        print(&text(&report, &files, &rest, context.paint()))?;
    }
    Ok(if files.iter().all(|file| file.fate.is_undone()) { 0 } else { 4 })
}

/// The run, with the state of the site that made it.
fn find(root: &std::path::Path, name: &str) -> Result<(State, Report)> {
    let of_state = |state: State| {
        let reports = Reports::of(&state);
        let report = if name == "last" { reports.newest_first().next() } else { reports.of_run(name) };
        report.map(|report| (state, report))
    };
    State::all(root).into_iter().filter_map(of_state).max_by_key(|(_, report)| report.started_ms).ok_or_else(|| {
        Error::usage(format!("no run {name:?} is known here"))
            .hint("`keel explain ADDRESS` names the last run that changed something; reports of 200 runs are kept")
    })
}

/// Writes nothing outside of the lock, and is a run of its own: it can be undone, too.
fn undo(root: &std::path::Path, state: &State, run: &str, extent: Extent) -> Result<Vec<UndoneFile>> {
    let kept = state.backups(run);
    let unreadable = |error: std::io::Error| Error::host(format!("the index of backups cannot be read: {error}"));
    if extent == Extent::Shown {
        return Ok(bring_back(&Host::new(root), &kept, &kept.replaced_in(run).map_err(unreadable)?, extent));
    }
    state.make_folders().map_err(Error::host)?;
    let _lock = Lock::take(&state.running, "keel undo")?;
    let unfinished = Unfinished::begin(state).map_err(Error::host)?;
    let host = Host::new(root).with_backups(state.backups(&new_name()));
    let host = unfinished.take_over(host).map_err(Error::host)?;
    Ok(bring_back(&host, &kept, &kept.replaced_in(run).map_err(unreadable)?, extent))
}

fn text(report: &Report, files: &[UndoneFile], rest: &[&ResourceReport], paint: Paint) -> String {
    let mut text = format!("{}   on {}\n", paint.bold(&format!("undo run {}", report.run)), report.host);
    for file in files {
        let (mark, what) = match &file.fate {
            Fate::Back => (paint.green("<"), "came back".to_owned()),
            Fate::WouldComeBack => (paint.yellow("<"), "would come back".to_owned()),
            Fate::AsBefore => (paint.dim("="), "is as it was before".to_owned()),
            Fate::ChangedSince => (paint.red("x"), "was changed since, and is left alone; --force brings it back".to_owned()),
            Fate::Failed { why } => (paint.red("x"), format!("could not be brought back: {why}")),
        };
        text.push_str(&format!("{mark} {:<44}  {}\n", printable(&file.path.to_string_lossy()), printable(&what)));
    }
    if files.is_empty() {
        text.push_str("the run replaced and removed no file that was kept\n");
    }
    if !rest.is_empty() {
        text.push_str("\nnot undone:\n");
    }
    for resource in rest {
        let attributes: Vec<&str> = resource.changes.iter().map(|reported| reported.change.attribute.as_str()).collect();
        text.push_str(&format!("{} {:<44}  {}\n", resource.glyph(), resource.address.to_string(), attributes.join(", ")));
    }
    let refreshes = report.resources.iter().filter(|resource| resource.refresh.is_some());
    for resource in refreshes {
        text.push_str(&format!("{} was refreshed by the run; do it again where it reads what came back\n", resource.address));
    }
    text
}
