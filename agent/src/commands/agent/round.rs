//! `keel agent --once`, and the process in which the agent makes a run.

use clap::Args;
use keel_engine::protocol::reports::Trigger;
use keel_engine::report::Report;
use keel_engine::walk::Filter;

use super::ready;
use crate::cli::{Context, print, print_error};
use crate::error::{Error, Result};
use crate::progress;
use crate::pull::home::Home;
use crate::pull::pause::Pause;
use crate::pull::preview;
use crate::pull::round::{self, Done, Order};
use crate::pull::settings::AgentSettings;
use crate::pull::{process, self_check};
use crate::render::paint::printable;
use crate::render::report::{self, Style};
use crate::run::Choice;
use crate::stop;

/// Make one run for the agent that started this.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent --once")]
pub(super) struct Arguments {
    /// What started it, as JSON.
    #[arg(long)]
    trigger: String,
    /// Only this resource; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    only: Vec<String>,
}

/// Makes a run for the agent, with a few lines for the journal.
///
/// # Errors
/// The run did not happen.
pub(super) fn run(arguments: &Arguments, home: &Home) -> Result<u8> {
    process::normalise();
    let settings = ready(home)?;
    let trigger: Trigger = serde_json::from_str(&arguments.trigger).map_err(|error| Error::usage(format!("--trigger: {error}")))?;
    let stop = stop::on_signals()?;
    let filter = Filter { only: arguments.only.clone(), skip: Vec::new() };
    let order = Order { trigger, choice: Choice { filter, ..Choice::default() } };
    let started_by = order.trigger.to_string();
    let done = round::make(home, &settings, &order, &|| stop.is_asked(), &mut |progress| stop.note(progress))?;
    done.troubles.iter().for_each(|trouble| print_error(&format!("keel: {trouble}\n")));
    let report = done.report?;
    let totals = report.totals;
    if report.has_changes() || report.has_failures() || totals.waiting > 0 {
        let (changed, failed, waiting) = (totals.changed + totals.would_change, totals.failed, totals.waiting);
        print_error(&format!("keel: run ({started_by}): {changed} changed, {failed} failed, {waiting} waiting of {}\n", totals.resources));
    }
    Ok(exit_code(&report))
}

/// Makes a run for whoever typed the command.
///
/// # Errors
/// The run did not happen, or the agent is disabled.
pub(super) fn once(home: &Home, context: &Context) -> Result<u8> {
    process::normalise();
    let report = typed(home, Choice::default(), context)?;
    print(&report::text(&report, Style { paint: context.paint(), all: false, full: false }))?;
    Ok(exit_code(&report))
}

/// Makes a run that somebody asked for on the host; what went wrong besides goes to standard error.
///
/// # Errors
/// As [`once`].
pub(in crate::commands) fn typed(home: &Home, choice: Choice, context: &Context) -> Result<Report> {
    let settings = ready(home)?;
    if let Some(pause) = Pause::load(home)? {
        let (by, reason) = (printable(&pause.by), printable(&pause.reason));
        return Err(Error::host(format!("{by} disabled the agent: {reason}")).hint("keel agent enable"));
    }
    let stop = stop::on_signals()?;
    let order = Order { trigger: Trigger::Local, choice };
    let mut line = progress::Line::new(context.environment.stderr_is_terminal);
    let done = round::make(home, &settings, &order, &|| stop.is_asked(), &mut |progress| {
        stop.note(progress);
        line.show(progress);
    });
    line.clear();
    let Done { report, troubles } = done?;
    let said = report.as_ref().map_or_else(|_| Vec::new(), |report| report.warnings.clone());
    for trouble in troubles.iter().filter(|trouble| !said.contains(trouble)) {
        print_error(&format!("{} {trouble}\n", context.paint_errors().red("keel:")));
    }
    report
}

/// Shows what a run would change.
///
/// # Errors
/// There is nothing to plan by.
pub(in crate::commands) fn preview(home: &Home, choice: &Choice, context: &Context) -> Result<Report> {
    let settings = AgentSettings::load(home)?;
    self_check::check(home)?;
    let stop = stop::on_signals()?;
    let mut line = progress::Line::new(context.environment.stderr_is_terminal);
    let report = preview::make(home, &settings, choice, &|| stop.is_asked(), &mut |progress| {
        stop.note(progress);
        line.show(progress);
    });
    line.clear();
    report
}

fn exit_code(report: &Report) -> u8 {
    if report.has_failures() { 4 } else { 0 }
}
