//! One run of a host: from a compiled catalog to a report. Plan and apply are the same code; a plan
//! writes nothing, neither to the host nor to the agent's own state.

pub mod purge;
pub(crate) mod removal;
pub mod turns;
pub mod wall_clock;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use keel_engine::address::Address;
use keel_engine::attributes::AttributeError;
use keel_engine::catalog::Catalog;
use keel_engine::contents::Contents;
use keel_engine::digest::Digest;
use keel_engine::footprint::Footprint;
use keel_engine::graph::Graph;
use keel_engine::ledger::{Ledger, MemoryLedger};
use keel_engine::report::{FORMAT_VERSION, Mode, Outcome, Report, Totals};
use keel_engine::walk::{Filter, Gates, GroupError, Groups, LeaseSource, Progress, Run, walk};
use keel_manifests::diagnostic::did_you_mean;
use keel_resources::host::{Claims, Host};
use nix::sys::stat::umask;

use crate::error::{Error, Result};
use crate::secrets::open::{Opener, has_sealed};
use crate::state::State;
use crate::state::ledger::LedgerFile;
use crate::state::lock::Lock;
use crate::state::memory::{Applied, Memory};
use crate::state::reports::Written;
use crate::state::retention;
use crate::state::unfinished::Unfinished;
use purge::PurgeLimit;
use removal::Removals;
use turns::TurnLeases;

/// What a report says whose run was cut short.
const STOPPED: &str = "the run was asked to stop before its end; the next one goes on where it left off";

/// How a run is to be made.
pub struct Options<'a> {
    /// The folder that is treated as the host's root.
    pub root: PathBuf,
    /// The run's name, see [`new_name`].
    pub name: String,
    /// Plan or apply.
    pub mode: Mode,
    /// What takes part, and how far it may go.
    pub choice: Choice,
    /// Whether the run was asked to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Who knows about other hosts, and how long an apply waits for them.
    pub gates: Option<(&'a dyn Gates, Duration)>,
    /// Where leases come from, for what interrupts a member of a cluster.
    pub leases: LeaseSource<'a>,
    /// The turns that `leases` are, where there is no server.
    pub turns: Option<&'a TurnLeases>,
}

impl<'a> Options<'a> {
    /// Where leases come from, if any are needed.
    fn leases(&self) -> LeaseSource<'a> {
        if self.choice.unguarded { LeaseSource::NotNeeded } else { self.leases }
    }

    /// The host that is looked at.
    fn host(&self) -> Host {
        let host = Host::new(&self.root);
        match &self.choice.cib {
            Some(file) => host.with_cib(file),
            None => host,
        }
    }
}

/// What takes part in a run that somebody typed, and how far it may go.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Which resources.
    pub filter: Filter,
    /// How many orphans may be removed, instead of what the site says.
    pub prune_max: Option<usize>,
    /// How many things that no resource declares may be purged of a type, instead of what the site says.
    pub purge_max: Vec<PurgeLimit>,
    /// Whether changes are made at any hour, whatever their schedules say.
    pub any_hour: bool,
    /// Whether members of clusters are interrupted without a lease, whatever their guards say.
    pub unguarded: bool,
    /// The file that is taken for the configuration of the host's cluster.
    pub cib: Option<PathBuf>,
}

/// What is to be converged to.
pub struct Desired {
    /// The catalog, secrets closed.
    pub catalog: Catalog,
    /// Its binary form.
    pub bytes: Vec<u8>,
    /// Its contents.
    pub contents: Arc<dyn Contents>,
}

/// Makes a run. `opener` is asked for only if the catalog has secrets.
///
/// # Errors
/// The run did not happen: another one holds the lock, a secret cannot be opened, the state is
/// damaged, more would be removed than allowed.
pub fn make(
    desired: Desired,
    options: &Options<'_>,
    opener: impl FnOnce() -> Result<Opener>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report> {
    let (clock, started_ms) = (Instant::now(), since_1970());
    let state = State::of_site(&options.root, &desired.catalog.site);
    let begun = (options.mode == Mode::Apply).then(|| prepare(&state, options)).transpose()?;
    let mut memory = Memory::load(&state).map_err(Error::host)?;
    let (mut catalog, types) = (desired.catalog, keel_resources::all());
    let declared_count = catalog.resources.len();
    let Removals { concealed, released, warnings } = removal::add(&mut catalog, &memory, &desired.bytes, options, &types)?;

    let opened = if has_sealed(&catalog.resources) { Some(opener()?.open_all(&catalog.resources)?) } else { None };
    let groups = Groups::build(&types, opened.as_deref().unwrap_or(&catalog.resources)).map_err(|error| group_error(&catalog, error))?;
    let footprints: Arc<[Footprint]> = groups.footprints().into();
    let graph = Graph::build(&catalog, &footprints).map_err(|cycle| cycle_error(&catalog, &cycle))?;
    let host = options.host().with_contents(desired.contents).with_backups(state.backups(&options.name));
    let host = host.with_claims(Claims::of(Arc::clone(&footprints))).with_digests(memory.digests.of_run(started_ms));
    let host = if let Some((_, unfinished)) = &begun { unfinished.take_over(host).map_err(Error::host)? } else { host };
    let mut ledger = open_ledger(&state, options.mode, &catalog)?;
    if options.mode == Mode::Apply {
        memory.begin(&desired.bytes).map_err(Error::host)?;
    }

    let run = Run {
        catalog: &catalog,
        graph: &graph,
        groups: &groups,
        host: &host,
        mode: options.mode,
        filter: &options.choice.filter,
        workers: workers(),
        clock: &|| clock.elapsed(),
        started_ms,
        enforced: &memory.enforced,
        concealed: &concealed,
        stop: options.stop,
        opening: &|schedule| if options.choice.any_hour { None } else { wall_clock::opening(schedule) },
        gates: options.gates.map(|(gates, _)| gates),
        leases: options.leases(),
        patience: options.gates.map_or(Duration::ZERO, |(_, patience)| patience),
    };
    let resources = walk(&run, &mut *ledger, progress);
    let mut report = Report {
        format_version: FORMAT_VERSION.to_owned(),
        run: options.name.clone(),
        host: catalog.host.clone(),
        site: catalog.site.clone(),
        catalog: Digest::of(&desired.bytes),
        mode: options.mode,
        started_ms,
        warnings: wind_up(warnings, &catalog, options).into_iter().chain(groups.warnings()).collect(),
        duration_ms: milliseconds(clock.elapsed()),
        totals: Totals::of(&resources),
        resources,
        owed: ledger.owed(),
        released,
    };
    if options.mode == Mode::Apply {
        begun.iter().for_each(|(_, unfinished)| unfinished.release());
        let written = &written(&catalog, &footprints, &report);
        let removals = catalog.resources.split_off(declared_count);
        report.warnings.extend(shorten_backups(&state, options, &report));
        let applied = Applied { catalog: &catalog, bytes: &desired.bytes, removals: &removals, report: &report, written };
        memory.keep(&applied, host.digests()).map_err(Error::host)?;
    }
    Ok(report)
}

/// What the resources that were changed, or failed on the way, decide over.
fn written(catalog: &Catalog, footprints: &[Footprint], report: &Report) -> Written {
    let touched = |outcome: Outcome| matches!(outcome, Outcome::Changed | Outcome::Failed);
    let touched: BTreeSet<&Address> =
        report.resources.iter().filter(|resource| touched(resource.outcome)).map(|resource| &resource.address).collect();
    let all = catalog.resources.iter().zip(footprints);
    let meant = all.filter(|(resource, _)| touched.contains(&resource.address));
    meant.map(|(resource, footprint)| (resource.address.to_string(), footprint.writes.clone())).collect()
}

/// Only who adds to the backups shortens them; that they are too long is no failure of a run.
fn shorten_backups(state: &State, options: &Options<'_>, report: &Report) -> Option<String> {
    report.has_changes().then(|| retention::shorten(&options.root, &state.backups(&options.name), report.started_ms).err())?
}

/// The name of a run that begins now: unique for its host, and in the order of time.
pub fn new_name() -> String {
    format!("{:013}-{}", since_1970(), std::process::id())
}

/// After the walk: brings the host back where its guards had it leave service, and gathers what is to be said of the run.
fn wind_up(removals: Vec<String>, catalog: &Catalog, options: &Options<'_>) -> Vec<String> {
    let turns = options.turns.filter(|_| options.mode == Mode::Apply);
    let kept = turns.map(|turns| turns.wind_up(options.stop)).unwrap_or_default();
    let stopped = (options.stop)().then(|| STOPPED.to_owned());
    let unmatched = options.choice.filter.unmatched(catalog);
    let unmatched = unmatched.into_iter().map(|word| nothing_is_meant(word, catalog));
    removals.into_iter().chain(unmatched).chain(stopped).chain(kept).collect()
}

/// Says that a word of `--only` or `--skip` means nothing here, with the nearest ones that do.
fn nothing_is_meant(word: &str, catalog: &Catalog) -> String {
    let addresses: Vec<String> = catalog.resources.iter().map(|resource| resource.address.to_string()).collect();
    let mut known: BTreeSet<&str> = addresses.iter().map(String::as_str).collect();
    for resource in &catalog.resources {
        known.insert(&resource.address.type_name);
        known.extend(catalog.modules_of(resource));
        known.extend(resource.tags.iter().map(String::as_str));
    }
    let advice = did_you_mean(word, known).map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("no tag, type, module or address of this host is {word:?}{advice}")
}

fn prepare(state: &State, options: &Options<'_>) -> Result<(Lock, Unfinished)> {
    // What nobody gave a mode must not depend on who starts the run.
    umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    state.make_folders().map_err(|message| {
        let hint = if options.root == Path::new("/") { "run as root, or name a folder with --root" } else { "check who owns the folder" };
        Error::host(message).hint(hint)
    })?;
    let lock = Lock::take(&state.running, "keel apply")?;
    // Under the lock: nobody is brought back while another run takes it out of service.
    options.turns.iter().for_each(|turns| turns.settle());
    Ok((lock, Unfinished::begin(state).map_err(Error::host)?))
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

/// The time, in milliseconds since 1970.
pub(crate) fn since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, milliseconds)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn open_ledger(state: &State, mode: Mode, catalog: &Catalog) -> Result<Box<dyn Ledger>> {
    let mut ledger = LedgerFile::open(state).map_err(Error::host)?;
    if mode == Mode::Plan {
        return Ok(Box::new(MemoryLedger::new(ledger.owed())));
    }
    let is_known = |address: &Address| catalog.resources.iter().any(|resource| resource.address == *address);
    ledger.release(is_known).map_err(Error::host)?;
    Ok(Box::new(ledger))
}

fn group_error(catalog: &Catalog, error: GroupError) -> Error {
    let place = catalog.resources.iter().find(|resource| resource.address == error.address).map(|resource| catalog.place(resource.origin));
    let messages: Vec<String> = error.errors.iter().map(AttributeError::sentence).collect();
    Error::site(format!("{} ({}): {}", error.address, place.unwrap_or_default(), messages.join("; ")))
}

fn cycle_error(catalog: &Catalog, cycle: &keel_engine::graph::Cycle) -> Error {
    let steps: Vec<String> = cycle.steps.iter().map(|step| step.address.to_string()).collect();
    Error::site(format!("the relations of {} form a cycle: {}", catalog.host, steps.join(" -> ")))
}
