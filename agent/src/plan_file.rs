//! Plan files: a reviewed plan with what it was made from, so that exactly it can be applied.

use std::path::{Path, PathBuf};

use keel_engine::digest::Digest;
use keel_engine::report::{Outcome, Report, ResourceReport};
use serde::{Deserialize, Serialize};

use crate::commands::plan::RunArguments;
use crate::error::{Error, Result};
use crate::run::purge::PurgeLimit;

/// The form of plan files; a program reads only its own.
const FORMAT: &str = "keel plan 1";

/// A plan on disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlanFile {
    format: String,
    /// The site's folder; none if the catalog was the server's.
    pub site: Option<PathBuf>,
    root: PathBuf,
    host: String,
    variables: Vec<String>,
    facts: Option<PathBuf>,
    only: Vec<String>,
    skip: Vec<String>,
    prune_max: Option<usize>,
    #[serde(default)]
    purge_limits: Vec<PurgeLimit>,
    any_hour: bool,
    #[serde(default)]
    unguarded: bool,
    #[serde(default)]
    cib: Option<PathBuf>,
    report: Report,
}

impl PlanFile {
    /// The plan that a report shows, with the arguments that it was made by.
    pub fn new(site: Option<&Path>, arguments: &RunArguments, report: &Report) -> Self {
        Self {
            format: FORMAT.to_owned(),
            site: site.map(Path::to_owned),
            root: absolute(&arguments.root),
            host: report.host.clone(),
            variables: arguments.host.variables.clone(),
            facts: arguments.host.facts.as_deref().map(absolute),
            only: arguments.only.clone(),
            skip: arguments.skip.clone(),
            prune_max: arguments.prune_max,
            purge_limits: arguments.purge_max.clone(),
            any_hour: arguments.any_hour,
            unguarded: arguments.unguarded,
            cib: arguments.cib.as_deref().map(absolute),
            report: report.clone(),
        }
    }

    /// Writes the file, for its owner alone.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::host(error.to_string()))?;
        crate::state::replace(&absolute(file), &text).map_err(Error::host)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no plan of this program.
    pub fn read(file: &Path) -> Result<Self> {
        let failed = |why: String| Error::usage(format!("{} is no plan file: {why}", file.display())).hint("`keel plan -o FILE` makes one");
        let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        let plan: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if plan.format != FORMAT {
            return Err(failed(format!("it has the form {:?}, this program reads {FORMAT:?}", plan.format)));
        }
        Ok(plan)
    }

    /// The arguments of the plan, with the look of the command that applies it.
    pub fn arguments(&self, look: &RunArguments) -> RunArguments {
        let mut arguments = look.clone();
        arguments.root.clone_from(&self.root);
        arguments.host.host = Some(self.host.clone());
        arguments.host.variables.clone_from(&self.variables);
        arguments.host.facts.clone_from(&self.facts);
        arguments.only.clone_from(&self.only);
        arguments.skip.clone_from(&self.skip);
        arguments.prune_max = self.prune_max;
        arguments.purge_max.clone_from(&self.purge_limits);
        arguments.any_hour = self.any_hour;
        arguments.unguarded = self.unguarded;
        arguments.cib.clone_from(&self.cib);
        arguments
    }

    /// Compares the reviewed plan with one made now.
    ///
    /// # Errors
    /// They differ; the first differences are named.
    pub fn check(&self, now: &Report) -> Result<()> {
        let differences = differences(&self.report, now);
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        let message = format!("the plan is out of date, nothing was changed: {shown}");
        Err(Error::host(message).hint("plan again, and review what changed"))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What of a resource's plan has to be the same.
fn essence(resource: &ResourceReport) -> impl PartialEq + '_ {
    let changes: Vec<_> = resource.changes.iter().map(|reported| &reported.change).collect();
    (&resource.address, resource.outcome, changes, &resource.refresh)
}

fn differences(reviewed: &Report, now: &Report) -> Vec<String> {
    if reviewed.catalog != now.catalog {
        return vec![format!("the catalog is {} and was {}", short(now.catalog), short(reviewed.catalog))];
    }
    let mut found = Vec::new();
    for resource in &now.resources {
        match reviewed.resources.iter().find(|known| known.address == resource.address) {
            Some(known) if essence(known) == essence(resource) => {}
            Some(known) if will(known) == will(resource) => {
                found.push(format!("{} would still {}, but not from and to the same values", resource.address, will(resource)));
            }
            Some(known) => found.push(format!("{} was planned to {} and would now {}", resource.address, will(known), will(resource))),
            None => found.push(format!("{} was not in the plan", resource.address)),
        }
    }
    found
}

fn short(digest: Digest) -> String {
    digest.short()
}

fn will(resource: &ResourceReport) -> String {
    match resource.outcome {
        Outcome::Unchanged => "stay unchanged".to_owned(),
        Outcome::WouldChange => {
            let attributes: Vec<&str> = resource.changes.iter().map(|reported| reported.change.attribute.as_str()).collect();
            format!("change {}", attributes.join(", "))
        }
        outcome => format!("be {}", outcome.word()),
    }
}
