//! `keel plan`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_engine::report::{Mode, Report};
use keel_engine::walk::Filter;

use super::agent::round;
use super::target::{self, FactSource, HostArguments, Kept, SiteArgument};
use crate::cli::{Context, print, print_json};
use crate::compile_cache::{CompileCache, Key, Request};
use crate::error::{Error, Result};
use crate::plan_file::PlanFile;
use crate::progress;
use crate::pull::home::Home;
use crate::render::report::{self, Style};
use crate::run::{self, Choice, Desired, Options};
use crate::secrets::open::Opener;
use crate::secrets::{identity, store};
use crate::site_folder::SiteFolder;
use crate::stop;

/// Show what converging this host would change, and change nothing.
///
/// Without a site, on a host that has joined one, the catalog is the server's.
///
/// Exits 0, or 4 if something cannot be told; with --detailed-exitcode also 2 if there is anything to
/// change, and 6 for both.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel plan\n  keel plan examples/quickstart --host here --root \"$(mktemp -d)\"")]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    #[command(flatten)]
    pub(super) run: RunArguments,
    /// Write the plan to a file, for `keel apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How a run is made and shown; the same for plan and apply.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub(crate) host: HostArguments,
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Only resources with this tag, type, module or address; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub only: Vec<String>,
    /// Not those resources; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub skip: Vec<String>,
    /// Remove up to this many resources that are no longer declared, whatever the site's limit is.
    #[arg(long, value_name = "COUNT")]
    pub prune_max: Option<usize>,
    /// Make changes at any hour, whatever their schedules say.
    #[arg(long)]
    pub any_hour: bool,
    /// Tell changes by the exit code, too: 2 changes, 4 failures, 6 both.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Show unchanged resources, too.
    #[arg(long)]
    pub all: bool,
    /// Show diffs of any length.
    #[arg(long)]
    pub full: bool,
}

impl RunArguments {
    fn choice(&self) -> Choice {
        let filter = Filter { only: self.only.clone(), skip: self.skip.clone() };
        Choice { filter, prune_max: self.prune_max, any_hour: self.any_hour }
    }
}

/// Runs it.
///
/// # Errors
/// The run did not happen.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    if let Some(home) = server_home(arguments.site.site.as_deref(), &arguments.run, context)? {
        let report = from_server(&home, &arguments.run, Mode::Plan, context)?;
        if let Some(file) = &arguments.out {
            PlanFile::new(None, &arguments.run, &report).write(file)?;
        }
        return show(&report, &arguments.run, context);
    }
    let prepared = prepare(arguments.site.site.as_deref(), &arguments.run, Mode::Plan, context)?;
    let site = prepared.folder.folder().to_owned();
    let report = make(prepared, &arguments.run, Mode::Plan, context)?;
    if let Some(file) = &arguments.out {
        PlanFile::new(Some(&site), &arguments.run, &report).write(file)?;
    }
    show(&report, &arguments.run, context)
}

/// The agent's home, if the catalog is the server's: no site was named, none is near, and the host has joined one.
///
/// # Errors
/// The command line asks for what only a site can give.
pub(super) fn server_home(site: Option<&Path>, arguments: &RunArguments, context: &Context) -> Result<Option<Home>> {
    if site.is_some() || SiteFolder::find(None, &context.environment.folder).is_ok() {
        return Ok(None);
    }
    let Some(home) = Home::below(&arguments.root).ok().filter(|home| home.settings.exists()) else { return Ok(None) };
    let HostArguments { host, variables, facts } = &arguments.host;
    if host.is_some() || !variables.is_empty() || facts.is_some() {
        let message = "without a site the server decides the host, its variables and its facts";
        return Err(Error::usage(message).hint("leave out --host, --var and --facts, or name the site's folder"));
    }
    Ok(Some(home))
}

/// Makes a run by the server's catalog.
pub(super) fn from_server(home: &Home, arguments: &RunArguments, mode: Mode, context: &Context) -> Result<Report> {
    let choice = arguments.choice();
    match mode {
        Mode::Plan => round::preview(home, &choice, context),
        Mode::Apply => round::typed(home, choice, context),
    }
}

/// What a run is made of.
pub(super) struct Prepared {
    folder: SiteFolder,
    root: PathBuf,
    desired: Desired,
}

/// Compiles the host for a run on this machine, with its facts of now; an unchanged site is not
/// compiled again. An apply keeps the compile for the next time.
pub(super) fn prepare(site: Option<&Path>, arguments: &RunArguments, mode: Mode, context: &Context) -> Result<Prepared> {
    let folder = SiteFolder::find(site, &context.environment.folder)?;
    // A misspelt root is not made: neither the caches nor the run would find anything of the host there.
    let root = std::fs::canonicalize(&arguments.root).map_err(|error| {
        let message = format!("cannot use {} as the root: {error}", arguments.root.display());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Error::usage(message).hint("the folder has to exist"),
            _ => Error::host(message),
        }
    })?;
    let facts = target::facts(&arguments.host, FactSource::Live(&arguments.root))?.unwrap_or_default();
    let host = arguments.host.host.as_deref();
    let key = Key::of(&folder, &Request { host, variables: &arguments.host.variables, facts: &facts });
    let cache = CompileCache::of(&arguments.root, &folder, host);
    if let Some(desired) = key.as_ref().and_then(|key| cache.load(key)) {
        return Ok(Prepared { folder, root, desired });
    }
    let compiled = target::compile_with(folder.clone(), &arguments.host, Some(facts), Kept::Below(&arguments.root, mode), context)?;
    let bytes = compiled.catalog.to_bytes().map_err(|error| Error::host(format!("cannot encode the catalog: {error}")))?;
    if let (Mode::Apply, true, Some(key)) = (mode, compiled.silent, key) {
        // Without the cache the next run compiles again, and is right all the same.
        let _ = cache.store(&key, &bytes, &compiled.contents);
    }
    let desired = Desired { catalog: compiled.catalog, bytes, contents: Arc::new(compiled.contents) };
    Ok(Prepared { folder, root, desired })
}

/// Makes a run.
pub(super) fn make(prepared: Prepared, arguments: &RunArguments, mode: Mode, context: &Context) -> Result<Report> {
    let Prepared { folder, root, desired } = prepared;
    let stop = stop::on_signals()?;
    let choice = arguments.choice();
    let options = Options { root, name: run::new_name(), mode, choice, stop: &|| stop.is_asked(), gates: None };
    let opener = || {
        let path = context.environment.identity_file().ok_or_else(|| Error::host("there is no key to open secrets with"))?;
        Ok(Opener { identities: identity::load(&path)?, closed: store::all(&folder)? })
    };
    let mut line = progress::Line::new(context.environment.stderr_is_terminal && !arguments.json);
    let report = run::make(desired, &options, opener, &mut |progress| {
        stop.note(progress);
        line.show(progress);
    });
    line.clear();
    report
}

/// Prints a report and turns it into the exit code.
pub(super) fn show(report: &Report, arguments: &RunArguments, context: &Context) -> Result<u8> {
    if arguments.json {
        print_json(report)?;
    } else {
        print(&report::text(report, Style { paint: context.paint(), all: arguments.all, full: arguments.full }))?;
    }
    Ok(exit_code(report, arguments.detailed_exitcode))
}

fn exit_code(report: &Report, detailed: bool) -> u8 {
    let failed = if report.has_failures() { 4 } else { 0 };
    let changed = if detailed && report.has_changes() { 2 } else { 0 };
    failed + changed
}
