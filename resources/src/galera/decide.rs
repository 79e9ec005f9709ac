//! What a member of a Galera cluster does next, judged by what all members say. Pure; any doubt ends in a refusal.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Claim, Position, Process, Report};

/// What every member said, by name; or why it said nothing.
pub(super) type Reports = BTreeMap<String, Result<Report, String>>;

/// What a member does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is where it belongs.
    Settled,
    /// It writes down which cluster it is in.
    Record(String),
    /// It takes back what would make its next start begin a new cluster.
    ClearFlag,
    /// It stops being a server of its own.
    StopAlone,
    /// It asks its data how far it goes.
    Measure,
    /// It begins the cluster, which never was.
    Bootstrap,
    /// It begins the cluster anew from its data, which goes furthest.
    Recover(Position),
    /// It joins the others.
    Join,
    /// Something else comes first.
    Wait(String),
    /// Somebody has to decide.
    Refuse(String),
}

/// Decides for the member `own`.
pub(super) fn next(own: &str, reports: &Reports) -> Step {
    let Some(Ok(me)) = reports.get(own) else {
        return Step::Wait(format!("{own} itself does not say how it is"));
    };
    let answers: BTreeMap<&str, &Report> =
        reports.iter().filter_map(|(name, report)| Some((name.as_str(), report.as_ref().ok()?))).collect();
    if me.has_flag && me.process != Process::Changing {
        return Step::ClearFlag;
    }
    match me.process {
        Process::Changing => Step::Wait("MariaDB is starting or stopping".to_owned()),
        Process::Running if me.is_alone() => begin(own, me, reports, &answers),
        Process::Running => running(me, &answers),
        Process::Stopped => begin(own, me, reports, &answers),
    }
}

/// Why the members do not belong together: records and data of more than one cluster.
fn of_several_clusters(answers: &BTreeMap<&str, &Report>) -> Option<String> {
    let mut clusters: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, report) in answers {
        let said = [report.identity.as_deref().map(|uuid| (uuid, "is recorded in")), report.cluster().map(|uuid| (uuid, "has data of"))];
        for (uuid, how) in said.into_iter().flatten() {
            clusters.entry(uuid).or_default().push(format!("{name} {how} {uuid}"));
        }
    }
    (clusters.len() > 1).then(|| {
        let said: Vec<String> = clusters.into_values().flatten().collect();
        format!("members are of different clusters: {}", said.join(", "))
    })
}

/// A server that runs in a cluster.
fn running(me: &Report, answers: &BTreeMap<&str, &Report>) -> Step {
    if me.is_synced() {
        return match (me.cluster(), me.identity.as_deref()) {
            (Some(cluster), None) => Step::Record(cluster.to_owned()),
            (Some(cluster), Some(recorded)) if cluster != recorded => {
                Step::Refuse(format!("this member is in the cluster {cluster}, and was in {recorded} before: which one is right?"))
            }
            _ => Step::Settled,
        };
    }
    if me.is_in_primary() || me.answers.is_none() {
        return Step::Wait(format!("MariaDB is {}", me.state()));
    }
    match answers.iter().find(|(_, report)| report.is_in_primary()) {
        Some((name, _)) => Step::Wait(format!("it is cut off from {name}, which has the cluster, and comes back once it reaches it")),
        None => Step::Refuse(
            "MariaDB runs here, but no member that answers has the cluster: it does not know which part may go on. \
             Mend the network, or stop MariaDB on all members"
                .to_owned(),
        ),
    }
}

/// A server that does not run in the cluster yet.
fn begin(own: &str, me: &Report, reports: &Reports, answers: &BTreeMap<&str, &Report>) -> Step {
    if answers.values().any(|report| report.is_in_primary()) {
        return join(own, me, answers);
    }
    if let Some((name, Err(why))) = reports.iter().find(|(_, report)| report.is_err()) {
        return Step::Wait(format!("{name} does not answer ({why}), and nobody starts the cluster without knowing how far its data goes"));
    }
    if let Some((name, report)) =
        answers.iter().find(|(name, report)| **name != own && report.has_flag && report.process != Process::Changing)
    {
        return Step::Wait(format!(
            "{name} ({}) would begin a new cluster with its next start: keel there takes that back",
            report.state()
        ));
    }
    let busy = |report: &&Report| !report.is_alone() && report.process != Process::Stopped;
    if let Some((name, report)) = answers.iter().find(|(_, report)| busy(report)) {
        return Step::Wait(format!("{name} is {}", report.state()));
    }
    if let Some(why) = of_several_clusters(answers) {
        return Step::Refuse(why);
    }
    let has_existed = answers.values().any(|report| report.identity.is_some() || report.uuid.is_some());
    if has_existed { recover(own, me, answers) } else { first(own, me, answers) }
}

/// Takes part in a cluster that runs.
fn join(own: &str, me: &Report, answers: &BTreeMap<&str, &Report>) -> Step {
    let clusters: BTreeSet<&str> = answers.values().filter(|report| report.is_in_primary()).filter_map(|report| report.cluster()).collect();
    let known = [("has data of", me.uuid.as_deref()), ("was in", me.identity.as_deref())];
    let mut known = known.into_iter().filter_map(|(how, uuid)| Some((how, uuid?)));
    if let Some((how, foreign)) = known.find(|(_, uuid)| !clusters.contains(uuid)) {
        let cluster = clusters.iter().copied().collect::<Vec<_>>().join(", ");
        return Step::Refuse(format!(
            "{own} {how} another cluster ({foreign}) than this one ({cluster}): its data would be lost when it joins. \
             If it shall be, empty {} and remove /var/lib/keel-galera there",
            me.datadir
        ));
    }
    if clusters.len() > 1 {
        return Step::Refuse(format!("the members run as several clusters: {}", clusters.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if me.uuid.is_none() && !me.databases.is_empty() && me.identity.is_none() {
        let names = me.databases.join(", ");
        return Step::Refuse(format!(
            "{own} has databases of its own ({names}), which would be lost when it joins: save and drop them first"
        ));
    }
    let joins = |report: &Report| {
        !report.is_alone() && (report.process == Process::Changing || report.process == Process::Running && !report.is_synced())
    };
    if let Some((name, report)) = answers.iter().find(|(name, report)| **name != own && joins(report)) {
        return Step::Wait(format!("{name} is {}: one at a time", report.state()));
    }
    if me.is_alone() { Step::StopAlone } else { Step::Join }
}

/// Begins a cluster that never was, on the first member; or on the one that has databases to bring along.
fn first(own: &str, me: &Report, answers: &BTreeMap<&str, &Report>) -> Step {
    let full: Vec<&str> = answers.iter().filter(|(_, report)| !report.databases.is_empty()).map(|(name, _)| *name).collect();
    let seed = match full.as_slice() {
        [] => answers.keys().next().copied(),
        [only] => Some(*only),
        several => {
            return Step::Refuse(format!(
                "several members have databases of their own ({}): all but one's would be lost",
                several.join(", ")
            ));
        }
    };
    match seed {
        Some(seed) if seed == own && me.is_alone() => Step::StopAlone,
        Some(seed) if seed == own => Step::Bootstrap,
        Some(seed) => Step::Wait(format!("{seed} begins the cluster")),
        None => Step::Refuse("the cluster has no members".to_owned()),
    }
}

/// Begins a cluster anew after all of it stopped, on the member whose data goes furthest.
fn recover(own: &str, me: &Report, answers: &BTreeMap<&str, &Report>) -> Step {
    if me.is_alone() {
        return Step::StopAlone;
    }
    if let Some((name, _)) = answers.iter().find(|(_, report)| report.is_alone()) {
        return Step::Wait(format!("{name} runs outside of the cluster"));
    }
    let is_untold = |report: &Report| report.uuid.is_none() && report.identity.is_some() && !report.databases.is_empty();
    if let Some((name, report)) = answers.iter().find(|(_, report)| is_untold(report)) {
        // It may be a copy that was cut off, or the data that goes furthest.
        return Step::Refuse(format!(
            "{name} was in the cluster and has databases, and its grastate.dat does not say of which cluster they are: if others go \
             as far, empty {} there; if not, write the UUID into it, and its data is asked how far it goes",
            report.datadir
        ));
    }
    if me.uuid.is_some() && me.position().is_none() {
        return Step::Measure;
    }
    let with_data = || answers.iter().filter(|(_, report)| report.uuid.is_some());
    if let Some((name, _)) = with_data().find(|(_, report)| report.position().is_none()) {
        return Step::Wait(format!("{name} has not told yet how far its data goes"));
    }
    let positions: BTreeMap<&str, Position> = with_data().filter_map(|(name, report)| Some((*name, report.position()?))).collect();
    if let Some((name, position)) =
        positions.iter().find(|(name, position)| answers.get(*name).and_then(|report| report.uuid.as_deref()) != Some(&position.uuid))
    {
        return Step::Refuse(format!("the data of {name} is of the cluster {}, and its grastate.dat says another one", position.uuid));
    }
    if let Some((name, _)) = positions.iter().find(|(_, position)| position.seqno < 0) {
        return Step::Refuse(format!("the data of {name} does not tell how far it goes (seqno -1)"));
    }
    let Some(highest) = positions.values().map(|position| position.seqno).max() else {
        return Step::Refuse("the cluster has existed, and no member has data of it any more: restore a backup".to_owned());
    };
    let safe: BTreeSet<&str> = with_data().filter(|(_, report)| report.is_safe).map(|(name, _)| *name).collect();
    let furthest: Vec<&str> = positions.iter().filter(|(_, position)| position.seqno == highest).map(|(name, _)| *name).collect();
    if safe.len() > 1 {
        let names: Vec<&str> = safe.into_iter().collect();
        return Step::Refuse(format!("several members say that they stopped last (safe_to_bootstrap: 1): {}", names.join(", ")));
    }
    if let Some(name) = safe.iter().find(|name| !furthest.contains(*name)) {
        let others = furthest.join(", ");
        return Step::Refuse(format!(
            "{name} says that it stopped last (safe_to_bootstrap: 1), but {others} goes further, to seqno {highest}"
        ));
    }
    let winner = safe.first().or(furthest.first()).copied().unwrap_or_default();
    match positions.get(own).filter(|_| winner == own) {
        Some(position) => Step::Recover(position.clone()),
        None => Step::Wait(format!("{winner}, whose data goes furthest (seqno {highest}), begins the cluster anew")),
    }
}

/// Who of those that are asked has to answer before somebody has the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quorum {
    /// All of them: a member that stops needs to know of every other one that it is well.
    All,
    /// Those that do: a member that starts takes nothing away.
    Answering,
}

/// How the turn goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// This is written down, and all are asked again.
    Say(Claim),
    /// It is this member's turn.
    Have,
    /// It is another one's.
    Wait(String),
}

/// Whether it is a member's turn. Who claims it looks once more afterwards and takes it back where another one claims it
/// too: of two at least the later one sees the other. Those who only wish for it go by their names.
pub(super) fn turn(own: &str, reports: &Reports, quorum: Quorum) -> Turn {
    if let (Quorum::All, Some((name, Err(why)))) = (quorum, reports.iter().find(|(_, report)| report.is_err())) {
        return Turn::Wait(format!("{name} does not answer ({why})"));
    }
    let claim = |name: &str| reports.get(name).and_then(|report| report.as_ref().ok()).and_then(|report| report.claim);
    let others = || reports.keys().filter(|name| *name != own);
    let holder = others().find(|name| claim(name) == Some(Claim::Mine));
    match (claim(own), holder) {
        (Some(Claim::Mine), None) => Turn::Have,
        (Some(Claim::Mine), Some(_)) | (None, _) => Turn::Say(Claim::Wish),
        (Some(Claim::Wish), Some(holder)) => Turn::Wait(format!("it is the turn of {holder}")),
        (Some(Claim::Wish), None) => match others().find(|name| name.as_str() < own && claim(name).is_some()) {
            Some(earlier) => Turn::Wait(format!("{earlier} comes first")),
            None => Turn::Say(Claim::Mine),
        },
    }
}

/// Why a member may not be restarted now: another one is not well.
pub(super) fn may_not_stop(own: &str, reports: &Reports) -> Option<String> {
    let others = reports.iter().filter(|(name, _)| *name != own);
    let well = reports.len();
    for (name, report) in others {
        match report {
            Err(why) => return Some(format!("{name} does not answer ({why})")),
            Ok(report) if !report.is_synced() => return Some(format!("{name} is {}", report.state())),
            Ok(report) if report.answers.as_ref().is_some_and(|answers| answers.size != well) => {
                let seen = report.answers.as_ref().map(|answers| answers.size).unwrap_or_default();
                return Some(format!("{name} sees {seen} members, and {well} are declared: nobody answers for how the others are"));
            }
            Ok(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
