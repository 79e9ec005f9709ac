//! Previews in all their forms. What they have in common stands here: heads, totals, and how hosts are named.

pub mod github;
pub mod gitlab;
pub mod html;
pub mod junit;
pub mod markdown;
mod picture;
pub mod sarif;
pub mod text;

use keel_engine::address::Address;
use keel_engine::difference::{Cause, ExpectedDisruption, ExpectedRefresh, Fate, RelationDifference, ResourceDifference};
use keel_engine::preview::{Entry, HostState, Level, Place, Preview, Problem, Revision, Subject};

use super::counted;
use super::paint::printable;
pub use picture::Pictures;

/// Hosts of an entry that are named before the rest is counted.
const HOSTS_SHOWN: usize = 8;

/// `main@4be2d10f`.
fn revision(revision: &Revision) -> String {
    let name = printable(&revision.name);
    match &revision.commit {
        Some(commit) if commit.starts_with(&revision.name) => short(commit).to_owned(),
        Some(commit) => format!("{name}@{}", short(commit)),
        None => name,
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// What against what.
fn subject(preview: &Preview) -> String {
    match &preview.subject {
        Subject::Difference { base, head } => format!("{} -> {}", revision(base), revision(head)),
        Subject::Check { of } | Subject::Plan { of } => revision(of),
    }
}

/// The command that such a preview comes from.
fn verb(preview: &Preview) -> &'static str {
    match preview.subject {
        Subject::Difference { .. } => "diff",
        Subject::Check { .. } => "check",
        Subject::Plan { .. } => "plan",
    }
}

/// `3 hosts: 2 changed, 1 unchanged`.
fn host_totals(preview: &Preview) -> String {
    let states = preview.totals.states.iter().map(|(state, count)| format!("{count} {}", preview.words(*state)));
    let states: Vec<String> = states.collect();
    let hosts = counted(preview.totals.hosts, "host");
    if states.is_empty() { hosts } else { format!("{hosts}: {}", states.join(", ")) }
}

/// `1 added, 2 changed, 1 refreshed, 1 disruption`, over all hosts.
fn resource_totals(preview: &Preview) -> String {
    let totals = &preview.totals;
    let mut parts: Vec<String> = totals.fates.iter().map(|(fate, count)| format!("{count} {}", fate.word())).collect();
    if totals.refreshes > 0 {
        parts.push(format!("{} refreshed", totals.refreshes));
    }
    if totals.disruptions > 0 {
        parts.push(counted(totals.disruptions, "disruption"));
    }
    match (parts.is_empty(), &preview.subject) {
        (true, Subject::Check { .. }) => counted(preview.problems.len(), "finding"),
        (true, _) => "no resource changes".to_owned(),
        (false, _) => parts.join(", "),
    }
}

/// The same of one entry, for one host of it.
fn entry_totals(preview: &Preview, entry: &Entry) -> String {
    let mut counts = std::collections::BTreeMap::<Fate, usize>::new();
    entry.difference.resources.iter().for_each(|one| *counts.entry(one.fate).or_default() += 1);
    let mut parts: Vec<String> = counts.iter().map(|(fate, count)| format!("{count} {}", fate.word())).collect();
    let (relations, settings) = (entry.difference.relations.len(), entry.difference.settings.len());
    parts.extend((relations > 0).then(|| counted(relations, "relation")));
    parts.extend((settings > 0).then(|| counted(settings, "setting")));
    parts.extend((!entry.difference.refreshes.is_empty()).then(|| format!("{} refreshed", entry.difference.refreshes.len())));
    if !matches!(entry.state, HostState::Changed | HostState::Unchanged) {
        parts.insert(0, preview.words(entry.state).to_owned());
    }
    parts.join(", ")
}

/// `web-1, web-2 and 3 more`.
fn hosts(entry: &Entry, full: bool) -> String {
    named(&entry.hosts, full)
}

fn named(hosts: &[String], full: bool) -> String {
    if full || hosts.len() <= HOSTS_SHOWN {
        return hosts.join(", ");
    }
    let shown = hosts.get(..HOSTS_SHOWN).unwrap_or(hosts).join(", ");
    format!("{shown} and {} more", hosts.len() - HOSTS_SHOWN)
}

/// An address that cannot move a reader's cursor or turn the writing around.
fn address(address: &Address) -> String {
    printable(&address.to_string())
}

/// What is interrupted, as a sentence.
fn disruption(expected: &ExpectedDisruption) -> String {
    let because = causes(&expected.sources);
    let because = if because.is_empty() { because } else { format!(", because of {because}") };
    format!("{} {}{because}", address(&expected.address), expected.kind.words())
}

/// Who is refreshed, as a sentence.
fn refresh(expected: &ExpectedRefresh) -> String {
    format!("{} {}, because of {}", expected.effect, address(&expected.target), causes(&expected.sources))
}

fn causes(sources: &[Cause]) -> String {
    let cause = |cause: &Cause| {
        let host = cause.host.as_ref().map(|host| format!(" on {}", printable(host))).unwrap_or_default();
        let condition = cause.only_if.map(|condition| format!(" ({})", condition.words())).unwrap_or_default();
        format!("{}{host}{condition}", address(&cause.address))
    };
    sources.iter().map(cause).collect::<Vec<_>>().join(", ")
}

/// A relation as a sentence.
fn relation(difference: &RelationDifference) -> String {
    let RelationDifference { action, from, word, target, host, effect, .. } = difference;
    let host = host.as_ref().map(|host| format!(" on {}", printable(host))).unwrap_or_default();
    let effect = effect.map(|effect| format!(", {effect}")).unwrap_or_default();
    format!("{} {} {word} {}{host}{effect}", action.glyph(), address(from), address(target))
}

/// What stands behind a resource: what becomes of it, and what has to be known besides.
fn remark(resource: &ResourceDifference) -> String {
    let meaning = resource.fate.meaning().unwrap_or(resource.fate.word());
    match &resource.note {
        Some(note) => format!("{meaning}; {}", printable(note)),
        None => meaning.to_owned(),
    }
}

/// A problem on one line, without its advice.
fn problem(problem: &Problem) -> String {
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    };
    let code = problem.code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    let place = problem.place.as_ref().map(|place| format!("{}:{}:{}: ", printable(&place.file), place.line, place.column));
    let side = if problem.in_base { " (in the former state)" } else { "" };
    format!("{}{level}{code}: {}{side}", place.unwrap_or_default(), printable(&problem.message))
}

/// The place of `file:line`, if it is a file of the site's own.
fn place_of(origin: &str) -> Option<Place> {
    let (file, line) = origin.rsplit_once(':')?;
    let own = !file.is_empty() && file != "?" && !file.starts_with('(');
    own.then_some(Place { file: file.to_owned(), line: line.parse().ok().filter(|line| *line > 0)?, column: 1 })
}

/// `2 hosts: web-1, web-2`, for formats that say one thing after the other.
fn on_hosts(entry: &Entry) -> String {
    format!("{}: {}", counted(entry.hosts.len(), "host"), hosts(entry, false))
}

#[cfg(test)]
mod tests;
