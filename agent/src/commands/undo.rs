//! `keel undo`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use keel_engine::report::{Report, ResourceReport};
use keel_resources::host::Host;
use serde_json::json;

use crate::cli::{Context, print, print_json};
use crate::error::{Error, Result};
use crate::render::paint::{Paint, printable};
use crate::run::{new_name, since_1970};
use crate::state::State;
use crate::state::lock::Lock;
use crate::state::reports::{Reports, Written};
use crate::state::unfinished::Unfinished;
use crate::undo::{Act, Extent, Fate, Undone, UndoneFile, bring_back, remaining, report_of};

/// Give the files that a run changed what they held before.
///
/// Files that the run replaced or removed come back, with owner and mode; files that were changed since are left
/// alone. What cannot be undone is said: packages, services, accounts, what the kernel and systemd have read, secrets;
/// files that the run made stay. The next run makes the
/// changes again unless the site takes them back, so pause the agent (keel agent disable) or revert the commit
/// first. What was done is kept on the host like a run's report: `keel explain` and `keel agent status` tell it.
/// Exits 0, or 4 if a file did not come back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel undo last --noop\n  keel undo 1764000000000-4711")]
pub struct Arguments {
    /// The run's name, as the last line of `keel apply` and `keel explain` say it; `last` is the last one in which
    /// anything happened. An undo has a name, too, and can be undone by it.
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
    let written = Reports::of(&state).written_in(&report.run);
    let (files, name) = take_back(&root, &state, (&report, &written), extent)?;
    let rest = remaining(&report, &written, &files);
    if arguments.json {
        let rest: Vec<_> = rest.iter().map(|(resource, _)| &resource.address).collect();
        let (run, host) = (&report.run, &report.host);
        let told = json!({ "format_version": "1.1", "run": run, "host": host, "files": files, "not_undone": rest, "undone_by": name });
        print_json(&told)?;
    } else {
        let closing = name.map(|name| format!("{}\n", context.paint().dim(&format!("run {name}")))).unwrap_or_default();
        print(&format!("{}{closing}", text(&report, &files, &rest, context.paint())))?;
    }
    Ok(if files.iter().all(|file| file.fate.is_settled()) { 0 } else { 4 })
}

/// The run, with the state of the site that made it.
fn find(root: &std::path::Path, name: &str) -> Result<(State, Report)> {
    let of_state = |state: State| {
        let reports = Reports::of(&state);
        let report = if name == "last" { reports.newest_first().find(|report| !report.is_undo()) } else { reports.of_run(name) };
        report.map(|report| (state, report))
    };
    let states = State::all(root).map_err(Error::host)?;
    states.into_iter().filter_map(of_state).max_by_key(|(_, report)| report.started_ms).ok_or_else(|| {
        Error::usage(format!("no run {name:?} is known here"))
            .hint("`keel explain ADDRESS` names the last run that changed something; reports of 200 runs are kept")
    })
}

/// Brings the files of a run back, and keeps a report of it, whose name comes along where there was anything to tell.
/// Writes nothing outside of the lock; what it replaces is kept like what a run replaces.
fn take_back(
    root: &std::path::Path,
    state: &State,
    (report, written): (&Report, &Written),
    extent: Extent,
) -> Result<(Vec<UndoneFile>, Option<String>)> {
    let kept = state.backups(&report.run);
    let unreadable = |error: std::io::Error| Error::host(format!("the index of backups cannot be read: {error}"));
    if extent == Extent::Shown {
        let files = kept.replaced_in(&report.run).map_err(unreadable)?;
        return Ok((bring_back(&Host::new(root), &kept, &files, extent), None));
    }
    state.make_folders().map_err(Error::host)?;
    let _lock = Lock::take(&state.running, "keel undo")?;
    let unfinished = Unfinished::begin(state).map_err(Error::host)?;
    let (name, started_ms, clock) = (new_name(), since_1970(), Instant::now());
    let host = Host::new(root).with_backups(state.backups(&name));
    let host = unfinished.take_over(host).map_err(Error::host)?;
    let files = bring_back(&host, &kept, &kept.replaced_in(&report.run).map_err(unreadable)?, extent);
    unfinished.release();
    let duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Some((told, decided)) = report_of(report, written, &files, Act { name: name.clone(), started_ms, duration_ms }) else {
        return Ok((files, None));
    };
    Reports::of(state).keep(&told, &decided).map_err(Error::host)?;
    Ok((files, Some(name)))
}

fn text(report: &Report, files: &[UndoneFile], rest: &[(&ResourceReport, Undone)], paint: Paint) -> String {
    let mut text = format!("{}   on {}\n", paint.bold(&format!("undo run {}", report.run)), report.host);
    for file in files {
        let (mark, what) = match &file.fate {
            Fate::Back => (paint.green("<"), "came back".to_owned()),
            Fate::WouldComeBack => (paint.yellow("<"), "would come back".to_owned()),
            Fate::AsBefore => (paint.dim("="), "is as it was before".to_owned()),
            Fate::Made => (paint.dim("+"), "was made by the run, and stays".to_owned()),
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
    for (resource, undone) in rest {
        let attributes: Vec<&str> = resource.changes.iter().map(|reported| reported.change.attribute.as_str()).collect();
        let files = if *undone == Undone::Files { "; its files came back, and who has read them goes on as before" } else { "" };
        text.push_str(&format!("{} {:<44}  {}{files}\n", resource.glyph(), resource.address.to_string(), attributes.join(", ")));
    }
    let refreshes = report.resources.iter().filter(|resource| resource.refresh.is_some());
    for resource in refreshes {
        text.push_str(&format!("{} was refreshed by the run; do it again where it reads what came back\n", resource.address));
    }
    text
}
