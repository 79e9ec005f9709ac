//! `keel apply`.

use std::path::PathBuf;

use clap::Args;
use keel_engine::report::Mode;

use super::plan::{self, RunArguments};
use crate::cli::Context;
use crate::error::Result;
use crate::plan_file::PlanFile;
use crate::pull::home::Home;

/// Converge this host, and show what was changed.
///
/// Without a site, on a host that has joined one, the catalog is the server's, and the run is reported to it.
///
/// With a file that `keel plan -o` wrote, exactly the reviewed plan is applied, or nothing. Exits 0, 4
/// if resources failed, 75 if another run holds the lock; with --detailed-exitcode also 2 if anything
/// was changed, and 6 for both.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel apply examples/quickstart --host here --root \"$(mktemp -d)\"\n  keel plan -o change.plan && keel apply change.plan"
)]
pub struct Arguments {
    /// The site's folder, or a plan file; the nearest site upward, if not given.
    #[arg(value_name = "SITE|PLAN")]
    from: Option<PathBuf>,
    /// Change nothing and show what would be changed, as `keel plan` does; nothing in a manifest
    /// can make such a run change the host.
    #[arg(long)]
    noop: bool,
    #[command(flatten)]
    run: RunArguments,
}

/// Runs it.
///
/// # Errors
/// The run did not happen.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    if let Some(file) = arguments.from.as_ref().filter(|path| path.is_file()) {
        return apply_plan(file, arguments, context);
    }
    let mode = if arguments.noop { Mode::Plan } else { Mode::Apply };
    if let Some(home) = plan::server_home(arguments.from.as_deref(), &arguments.run, context)? {
        let report = plan::from_server(&home, &arguments.run, mode, context)?;
        return plan::show(&report, &arguments.run, context);
    }
    let prepared = plan::prepare(arguments.from.as_deref(), &arguments.run, mode, context)?;
    let report = plan::make(prepared, &arguments.run, mode, context)?;
    plan::show(&report, &arguments.run, context)
}

/// Plans once more; only if the very same changes come out of it are they made.
fn apply_plan(file: &std::path::Path, given: &Arguments, context: &Context) -> Result<u8> {
    let reviewed = PlanFile::read(file)?;
    let arguments = reviewed.arguments(&given.run);
    let make = |mode| match &reviewed.site {
        Some(site) => plan::make(plan::prepare(Some(site), &arguments, mode, context)?, &arguments, mode, context),
        None => plan::from_server(&Home::below(&arguments.root)?, &arguments, mode, context),
    };
    let now = make(Mode::Plan)?;
    reviewed.check(&now)?;
    if given.noop {
        return plan::show(&now, &arguments, context);
    }
    plan::show(&make(Mode::Apply)?, &arguments, context)
}
