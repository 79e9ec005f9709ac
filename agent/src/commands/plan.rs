//! `keel plan`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keel_engine::catalog::Catalog;
use keel_engine::preview::{HostPreview, Preview, Revision, Subject};
use keel_engine::report::{Mode, Report};
use keel_engine::walk::{Filter, LeaseSource};
use keel_resources::pacemaker::FAMILY;
use tempfile::TempDir;

use super::agent::round;
use super::fleet_plan::{self, FleetArguments};
use super::preview::{self, Format, FormatArguments};
use super::target::{self, FactSource, HostArguments, Kept, SiteArgument};
use crate::cli::{Context, print, print_json};
use crate::compile_cache::{CompileCache, Key, Request};
use crate::error::{Error, Result};
use crate::plan_file::PlanFile;
use crate::progress;
use crate::pull::home::Home;
use crate::render::preview::Pictures;
use crate::render::report::{self, Style};
use crate::run::purge::PurgeLimit;
use crate::run::turns::TurnLeases;
use crate::run::{self, Choice, Desired, Options};
use crate::secrets::open::Opener;
use crate::secrets::{identity, store};
use crate::site_folder::SiteFolder;
use crate::state::State;
use crate::stop;
use crate::type_traits::TypeTraits;

/// Show what converging this host would change, and change nothing.
///
/// Without a site, on a host that has joined one, the catalog is the server's. With --environment the agents of
/// many hosts are asked what a commit would change, through the server that they belong to: guards of `exec` run
/// there, nothing else does. Who does not answer in time is listed as silent.
///
/// Exits 0, or 4 if something cannot be told or somebody is silent; with --detailed-exitcode also 2 if there is anything to
/// change, and 6 for both.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel plan\n  keel plan --format markdown\n  keel plan --environment pr-812 --hosts \"group:web\" --format markdown\n  keel plan examples/quickstart --host here --root \"$(mktemp -d)\""
)]
pub struct Arguments {
    #[command(flatten)]
    site: SiteArgument,
    #[command(flatten)]
    pub(super) run: RunArguments,
    /// Write the plan to a file, for `keel apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    form: FormatArguments,
    #[command(flatten)]
    fleet: FleetArguments,
}

/// How a run is made and shown; the same for plan and apply.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub(crate) host: HostArguments,
    /// The folder that is treated as the host's root.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// A file that is taken for the cluster's configuration: only what belongs there takes part, and nothing else is
    /// looked at or changed. `cibadmin --query` writes such a file.
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    pub cib: Option<PathBuf>,
    /// Only resources with this tag, type, module or address; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub only: Vec<String>,
    /// Not those resources; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub skip: Vec<String>,
    /// Remove up to this many resources that are no longer declared, whatever the site's limit is.
    #[arg(long, value_name = "COUNT")]
    pub prune_max: Option<usize>,
    /// Purge up to this many undeclared things of a type, whatever the limit in the manifests is; may be repeated.
    #[arg(long, value_name = "TYPE=COUNT")]
    pub purge_max: Vec<PurgeLimit>,
    /// Make changes at any hour, whatever their schedules say.
    #[arg(long)]
    pub any_hour: bool,
    /// Interrupt members of clusters without a lease, whatever their guards say: nobody asks whether the others are well.
    #[arg(long)]
    pub unguarded: bool,
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
        let Self { prune_max, any_hour, unguarded, .. } = *self;
        Choice { filter, prune_max, purge_max: self.purge_max.clone(), any_hour, unguarded, cib: None }
    }
}

/// Runs it.
///
/// # Errors
/// The run did not happen.
pub fn run(arguments: &Arguments, context: &Context) -> Result<u8> {
    if let Some(reference) = &arguments.fleet.environment {
        return of_fleet(reference, arguments, context);
    }
    if let Some(home) = server_home(arguments.site.site.as_deref(), &arguments.run, context)? {
        let report = from_server(&home, &arguments.run, Mode::Plan, context)?;
        if let Some(file) = &arguments.out {
            PlanFile::new(None, &arguments.run, &report).write(file)?;
        }
        return show_as(&report, arguments, None, context);
    }
    let prepared = prepare(arguments.site.site.as_deref(), &arguments.run, Mode::Plan, context)?;
    let site = prepared.folder.folder().to_owned();
    let catalog = (arguments.form.format == Format::Html).then(|| prepared.desired.catalog.clone());
    let report = make(prepared, &arguments.run, Mode::Plan, context)?;
    if let Some(file) = &arguments.out {
        PlanFile::new(Some(&site), &arguments.run, &report).write(file)?;
    }
    show_as(&report, arguments, catalog, context)
}

/// Shows what live hosts say that a commit would change.
fn of_fleet(reference: &str, arguments: &Arguments, context: &Context) -> Result<u8> {
    let asked = fleet_plan::ask(reference, &arguments.fleet, context)?;
    let preview = &asked.preview;
    let pictures = || Pictures::of(preview, |host| asked.catalog(host));
    let RunArguments { json, full, detailed_exitcode, .. } = arguments.run;
    let format = if json { Format::Json } else { arguments.form.format };
    let style = Style { paint: context.paint(), all: false, full };
    print(&preview::render(preview, FormatArguments { format, ..arguments.form }, style, pictures)?)?;
    Ok(preview::exit_code(preview, detailed_exitcode))
}

/// Prints a plan in the form that was asked for, and turns it into the exit code.
fn show_as(report: &Report, arguments: &Arguments, catalog: Option<Catalog>, context: &Context) -> Result<u8> {
    let format = arguments.form.format;
    if arguments.run.json || matches!(format, Format::Text | Format::Json) {
        let run = RunArguments { json: arguments.run.json || format == Format::Json, ..arguments.run.clone() };
        return show(report, &run, context);
    }
    let host = HostPreview::of_report(report, Vec::new(), &TypeTraits::of_all());
    let of = Revision { name: format!("catalog {}", report.catalog.short()), commit: None };
    let preview = Preview::fold(&report.site, Subject::Plan { of }, vec![host], Vec::new());
    let pictures = || Pictures::of(&preview, |_| catalog.clone());
    let style = Style { paint: context.paint(), all: arguments.run.all, full: arguments.run.full };
    print(&preview::render(&preview, arguments.form, style, pictures)?)?;
    Ok(exit_code(report, arguments.run.detailed_exitcode))
}

/// The agent's home, if the catalog is the server's: no site was named, none is near, and the host has joined one.
///
/// # Errors
/// The command line asks for what only a site can give.
pub(super) fn server_home(site: Option<&Path>, arguments: &RunArguments, context: &Context) -> Result<Option<Home>> {
    if site.is_some() || SiteFolder::find(None, &context.environment.folder).is_ok() {
        return Ok(None);
    }
    if arguments.cib.is_some() {
        let message = "plans and applies on a file need a site";
        return Err(Error::usage(message).hint("name the site's folder: keel plan SITE --host NAME --cib FILE"));
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

/// Why nothing that is guarded is interrupted in a cluster's configuration in a file.
const NO_LEASES: &str = "nobody keeps leases for a file; use --unguarded";

/// What a run is made of.
pub(super) struct Prepared {
    folder: SiteFolder,
    root: PathBuf,
    desired: Desired,
    /// What a run on a cluster's configuration in a file goes by.
    on_file: Option<OnFile>,
}

/// A run on a cluster's configuration in a file: it has a root of its own, which goes when the run ends.
struct OnFile {
    cib: PathBuf,
    scratch: TempDir,
}

impl OnFile {
    fn of(cib: &Path) -> Result<Self> {
        let cannot = |error: std::io::Error| Error::usage(format!("cannot use {} as a cluster's configuration: {error}", cib.display()));
        let path = std::fs::canonicalize(cib).map_err(|error| cannot(error).hint("`cibadmin --empty` prints an empty one"))?;
        Ok(Self { cib: path, scratch: TempDir::new().map_err(cannot)? })
    }

    /// Leaves out all that does not belong into a cluster's configuration.
    fn restrict(&self, choice: &mut Choice, catalog: &Catalog) {
        let types = keel_resources::all();
        let is_of_cluster = |name: &str| types.iter().any(|kind| kind.schema().name == name && kind.family() == Some(FAMILY));
        let names: BTreeSet<&str> = catalog.resources.iter().map(|resource| &*resource.address.type_name).collect();
        choice.filter.skip.extend(names.into_iter().filter(|name| !is_of_cluster(name)).map(str::to_owned));
        choice.cib = Some(self.cib.clone());
    }
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
    let on_file = arguments.cib.as_deref().map(OnFile::of).transpose()?;
    let root = on_file.as_ref().map_or(root, |on_file| on_file.scratch.path().to_owned());
    // A run on a file leaves nothing behind but the file.
    let mode = if on_file.is_some() { Mode::Plan } else { mode };
    let key = Key::of(&folder, &Request { host, variables: &arguments.host.variables, facts: &facts });
    let cache = CompileCache::of(&arguments.root, &folder, host);
    if let Some(desired) = key.as_ref().and_then(|key| cache.load(key)) {
        return Ok(Prepared { folder, root, desired, on_file });
    }
    let compiled = target::compile_with(folder.clone(), &arguments.host, Some(facts), Kept::Below(&arguments.root, mode), context)?;
    let bytes = compiled.catalog.to_bytes().map_err(|error| Error::host(format!("cannot encode the catalog: {error}")))?;
    if let (Mode::Apply, true, Some(key)) = (mode, compiled.silent, key) {
        // Without the cache the next run compiles again, and is right all the same.
        let _ = cache.store(&key, &bytes, &compiled.contents);
    }
    let desired = Desired { catalog: compiled.catalog, bytes, contents: Arc::new(compiled.contents) };
    Ok(Prepared { folder, root, desired, on_file })
}

/// Makes a run.
pub(super) fn make(prepared: Prepared, arguments: &RunArguments, mode: Mode, context: &Context) -> Result<Report> {
    let Prepared { folder, root, desired, on_file } = prepared;
    let stop = stop::on_signals()?;
    let mut choice = arguments.choice();
    if let Some(on_file) = &on_file {
        on_file.restrict(&mut choice, &desired.catalog);
    }
    let turns = TurnLeases::new(root.clone(), &State::of_site(&root, &desired.catalog.site), &desired.catalog);
    let turns = on_file.is_none().then_some(&turns);
    let leases = turns.map_or(LeaseSource::Nobody(NO_LEASES), |turns| LeaseSource::Asked(turns));
    let options = Options { root, name: run::new_name(), mode, choice, stop: &|| stop.is_asked(), gates: None, leases, turns };
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
