//! A host's plan, as a preview shows it.

use super::{HostPreview, HostState, Level, Problem};
use crate::change::{Action, Change};
use crate::difference::{Cause, Difference, ExpectedDisruption, ExpectedRefresh, Fate, ResourceDifference, TypeTraits};
use crate::report::{Outcome, Reason, RefreshReport, Report, ResourceReport};

impl HostPreview {
    /// What a plan says. What is unchanged or was left out is not in it.
    pub fn of_report(report: &Report, groups: Vec<String>, types: &dyn TypeTraits) -> Self {
        let shown = report.resources.iter().filter(|resource| resource.reason != Some(Reason::Filtered));
        let mut difference = Difference::default();
        for resource in shown {
            difference.resources.extend(of_resource(resource));
            difference.refreshes.extend(resource.refresh.as_ref().map(|refresh| ExpectedRefresh {
                target: resource.address.clone(),
                effect: refresh.effect,
                sources: causes(refresh),
            }));
            difference.disruptions.extend(disruptions(resource, types));
        }
        difference.resources.extend(report.released.iter().map(|address| ResourceDifference {
            address: address.clone(),
            fate: Fate::Released,
            origin: String::new(),
            modules: Vec::new(),
            note: None,
            changes: Vec::new(),
        }));
        let state = if report.has_failures() {
            HostState::Broken
        } else if report.has_changes() || !difference.resources.is_empty() {
            HostState::Changed
        } else {
            HostState::Unchanged
        };
        let warning = |message: &String| Problem {
            level: Level::Warning,
            code: None,
            message: message.clone(),
            help: Vec::new(),
            place: None,
            in_base: false,
        };
        let problems = report.warnings.iter().map(warning).collect();
        Self { host: report.host.clone(), groups, state, difference, problems }
    }
}

fn of_resource(resource: &ResourceReport) -> Option<ResourceDifference> {
    let fate = match resource.outcome {
        Outcome::Unchanged => return None,
        Outcome::Failed | Outcome::Skipped => Fate::Failed,
        Outcome::Waiting => Fate::Waiting,
        Outcome::Unknown => Fate::Unknown,
        Outcome::WouldChange if resource.reason == Some(Reason::Noop) => Fate::Noop,
        Outcome::Changed | Outcome::WouldChange => match resource.action()? {
            Action::Create => Fate::Added,
            Action::Update => Fate::Changed,
            Action::Delete => Fate::Deleted,
            Action::Run => Fate::Run,
        },
    };
    Some(ResourceDifference {
        address: resource.address.clone(),
        fate,
        origin: resource.origin.clone(),
        modules: resource.modules.clone(),
        note: resource.reason.as_ref().filter(|_| fate != Fate::Noop).map(ToString::to_string),
        changes: resource.changes.iter().map(|reported| reported.change.clone()).collect(),
    })
}

/// Of a refresh that reached the host a report names the resource, and not its host.
fn causes(refresh: &RefreshReport) -> Vec<Cause> {
    refresh.sources.iter().cloned().map(Cause::here).collect()
}

fn disruptions(resource: &ResourceReport, types: &dyn TypeTraits) -> Vec<ExpectedDisruption> {
    if resource.outcome != Outcome::WouldChange || resource.reason == Some(Reason::Noop) {
        return Vec::new();
    }
    let name = &resource.address.type_name;
    let changes: Vec<Change> = resource.changes.iter().map(|reported| reported.change.clone()).collect();
    let own = if changes.is_empty() { None } else { types.disruption(name, &changes, None) };
    let own = own.map(|kind| (kind, Vec::new()));
    let refreshed = resource.refresh.as_ref().and_then(|refresh| {
        let kind = types.disruption(name, &[], Some(refresh.effect))?;
        Some((kind, causes(refresh)))
    });
    let expected = |(kind, sources)| ExpectedDisruption { kind, address: resource.address.clone(), sources };
    own.into_iter().chain(refreshed).map(expected).collect()
}
