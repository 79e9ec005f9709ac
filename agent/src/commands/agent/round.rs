//! `keel agent --once`, and the process in which the agent makes a run.

use clap::Args;
use keel_engine::protocol::reports::Trigger;
use keel_engine::report::Report;
use keel_engine::walk::Filter;

use super::ready;
use crate::cli::{Context, print, print_error, print_json};
use crate::error::{Error, Result};
use crate::progress;
use crate::pull::home::Home;
use crate::pull::order::Order;
use crate::pull::pause::Pause;
use crate::pull::preview::{self, Subject};
use crate::pull::refused;
use crate::pull::round::{self, Done};
use crate::pull::settings::AgentSettings;
use crate::pull::{process, self_check};
use crate::render::report::{self, Style};
use crate::run::Choice;
use crate::stop;

/// Make one run for the agent that started this.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel agent --once")]
pub(super) struct Arguments {
    /// What started it, as JSON; without it only the reports that wait are delivered.
    #[arg(long)]
    trigger: Option<String>,
    /// Only this resource; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    only: Vec<String>,
}

/// Makes a run for the agent, with a few lines for the journal, and the reason for it if it does not happen.
///
/// # Errors
/// The run did not happen.
pub(super) fn run(arguments: &Arguments, home: &Home) -> Result<u8> {
    process::normalise();
    let Some(trigger) = &arguments.trigger else {
        round::deliver_what_waits(home, &ready(home)?)?;
        return Ok(0);
    };
    let trigger = serde_json::from_str(trigger).map_err(|error| Error::usage(format!("--trigger: {error}")))?;
    let made = make(trigger, &arguments.only, home);
    // The agent that started this keeps it, for whoever asks how the host is.
    if let Err(error) = &made {
        print(&error.message)?;
    }
    made
}

fn make(trigger: Trigger, only: &[String], home: &Home) -> Result<u8> {
    let settings = ready_or_told(home, &trigger)?;
    let stop = stop::on_signals()?;
    let filter = Filter { only: only.to_vec(), skip: Vec::new() };
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
pub(super) fn once(home: &Home, json: bool, context: &Context) -> Result<u8> {
    process::normalise();
    let report = typed(home, Choice::default(), context)?;
    if json {
        print_json(&report)?;
        return Ok(exit_code(&report));
    }
    print(&report::text(&report, Style { paint: context.paint(), all: false, full: false }))?;
    Ok(exit_code(&report))
}

/// Makes a run that somebody asked for on the host; what went wrong besides goes to standard error.
///
/// # Errors
/// As [`once`].
pub(in crate::commands) fn typed(home: &Home, choice: Choice, context: &Context) -> Result<Report> {
    let settings = ready_or_told(home, &Trigger::Local)?;
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
    let report = preview::make(home, &settings, Subject::NextRound, choice, &|| stop.is_asked(), &mut |progress| {
        stop.note(progress);
        line.show(progress);
    });
    line.clear();
    report
}

/// As [`ready`], on a host that is not disabled; where it fails, the server hears why there was no run.
fn ready_or_told(home: &Home, trigger: &Trigger) -> Result<AgentSettings> {
    let enabled = |settings| match Pause::load(home)? {
        Some(pause) => Err(pause.refusal()),
        None => Ok(settings),
    };
    ready(home).and_then(enabled).inspect_err(|error| {
        if let Err(why) = refused::tell(home, trigger, error) {
            print_error(&format!("keel: the server was not told: {why}\n"));
        }
    })
}

fn exit_code(report: &Report) -> u8 {
    if report.has_failures() { 4 } else { 0 }
}
