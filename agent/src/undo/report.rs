//! The report of an undo: what it did, told by the resources of the run that it took back.

use std::collections::BTreeSet;
use std::path::Path;

use keel_engine::change::Change;
use keel_engine::report::{Cause, Mode, Outcome, Reason, Report, ReportedChange, ResourceReport, Totals};

use super::{Fate, UndoneFile, meant};
use crate::state::reports::Written;

/// When an undo was made, and how it is called.
#[derive(Debug, Clone)]
pub struct Act {
    /// Its name, like a run's.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// The report of what an undo did to these files of a run, with what the resources in it decide over; none where it did
/// nothing. What the run did and no file tells stands in neither.
pub fn report_of(undone: &Report, written: &Written, files: &[UndoneFile], act: Act) -> Option<(Report, Written)> {
    let touched: Vec<&UndoneFile> = files.iter().filter(|file| is_touched(&file.fate)).collect();
    if touched.is_empty() {
        return None;
    }
    let (mut resources, mut decided, mut told) = (Vec::new(), Written::new(), BTreeSet::new());
    for resource in undone.resources.iter().filter(|resource| resource.has_made_changes()) {
        let address = resource.address.to_string();
        let Some(keys) = written.get(&address) else { continue };
        let (own, _) = meant(keys, files);
        let own: Vec<&UndoneFile> = own.into_iter().filter(|file| is_touched(&file.fate)).collect();
        if !own.is_empty() {
            told.extend(own.iter().map(|file| file.path.as_path()));
            resources.push(taken_back(resource, &own, &undone.run));
            decided.insert(address, keys.clone());
        }
    }
    let report = Report {
        run: act.name,
        mode: Mode::Apply,
        started_ms: act.started_ms,
        duration_ms: act.duration_ms,
        totals: Totals::of(&resources),
        resources,
        owed: Vec::new(),
        released: Vec::new(),
        warnings: warnings(&undone.run, &touched, &told),
        ..undone.clone()
    };
    Some((report, decided))
}

/// Whether an undo wrote the file, or should have.
fn is_touched(fate: &Fate) -> bool {
    matches!(fate, Fate::Back | Fate::ChangedSince | Fate::Failed { .. })
}

fn taken_back(resource: &ResourceReport, files: &[&UndoneFile], run: &str) -> ResourceReport {
    let back = |reported: &ReportedChange| {
        let Change { attribute, before, after, .. } = &reported.change;
        ReportedChange { change: Change::between(attribute, after.clone(), before.clone()), cause: Cause::Undo }
    };
    let failures: Vec<String> = files.iter().filter_map(|file| failure(file)).collect();
    let reason = (!failures.is_empty())
        .then(|| Reason::ApplyFailed { message: failures.join("; "), help: Some(format!("keel undo {run} --force")) });
    ResourceReport {
        outcome: if reason.is_some() { Outcome::Failed } else { Outcome::Changed },
        reason,
        changes: resource.changes.iter().map(back).collect(),
        refresh: None,
        refreshes: Vec::new(),
        duration_us: 0,
        ..resource.clone()
    }
}

/// Why a file did not come back.
fn failure(file: &UndoneFile) -> Option<String> {
    match &file.fate {
        Fate::ChangedSince => Some(format!("{} was changed since the run, and is left alone", file.path.display())),
        Fate::Failed { why } => Some(format!("{} could not be brought back: {why}", file.path.display())),
        _ => None,
    }
}

/// That this is no convergence, and the files that no resource of the run tells of.
fn warnings(run: &str, touched: &[&UndoneFile], told: &BTreeSet<&Path>) -> Vec<String> {
    let others = touched.iter().filter(|file| !told.contains(file.path.as_path()));
    let others = others.map(|file| failure(file).unwrap_or_else(|| format!("{} came back", file.path.display())));
    std::iter::once(format!("this was `keel undo {run}`, and no convergence")).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use keel_engine::address::Address;
    use keel_engine::change::Shown;
    use keel_engine::digest::Digest;
    use keel_engine::report::FORMAT_VERSION;

    use super::*;

    fn changed(title: &str, change: Change) -> ResourceReport {
        ResourceReport {
            address: Address::new("file", title),
            origin: "site.kdl:1".to_owned(),
            modules: Vec::new(),
            outcome: Outcome::Changed,
            reason: None,
            changes: vec![ReportedChange { change, cause: Cause::New }],
            refresh: None,
            refreshes: Vec::new(),
            duration_us: 1,
        }
    }

    fn run() -> Report {
        let resources = vec![
            changed("/a", Change::update("content", "old", "new")),
            changed("/b", Change::delete("ensure", "file")),
            changed("/made", Change::create("content", "x")),
        ];
        Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: "1-1".to_owned(),
            host: "h".to_owned(),
            site: "s".to_owned(),
            catalog: Digest::of(b"c"),
            mode: Mode::Apply,
            started_ms: 1,
            duration_ms: 1,
            totals: Totals::of(&resources),
            resources,
            owed: Vec::new(),
            released: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_came_back_is_told_by_its_resources_the_other_way_round() {
        let keys = |path: &str| (Address::new("file", path).to_string(), vec![format!("path:{path}")]);
        let written = Written::from([keys("/a"), keys("/b"), keys("/made")]);
        let file = |path: &str, fate: Fate| UndoneFile { path: PathBuf::from(path), fate };
        let act = || Act { name: "2-1".to_owned(), started_ms: 2, duration_ms: 3 };
        let files = [file("/a", Fate::Back), file("/b", Fate::ChangedSince), file("/made", Fate::Made), file("/odd", Fate::Back)];
        let (report, decided) = report_of(&run(), &written, &files, act()).unwrap();
        let told: Vec<(&str, Outcome)> = report.resources.iter().map(|resource| (&*resource.address.title, resource.outcome)).collect();
        assert_eq!(told, [("/a", Outcome::Changed), ("/b", Outcome::Failed)]);
        let change = &report.resources[0].changes[0];
        assert_eq!((&change.change.before, &change.change.after, change.cause), (&Shown::from("new"), &Shown::from("old"), Cause::Undo));
        assert!(report.is_undo() && report.is_partial() && report.warnings.iter().any(|warning| warning.contains("/odd came back")));
        assert_eq!((report.run.as_str(), report.totals.changed, report.totals.failed, decided.len()), ("2-1", 1, 1, 2));
        let nothing = [file("/a", Fate::AsBefore), file("/made", Fate::Made)];
        assert!(report_of(&run(), &written, &nothing, act()).is_none());
    }
}
