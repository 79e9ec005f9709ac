//! A round: fetch the catalog, run, report. What the server does not give comes from the cache, and what
//! it does not take waits in the spool.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::protocol::environment::short_commit;
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::reports::Trigger;
use keel_engine::report::{Mode, Report};
use keel_engine::walk::{Gates, Groups, LeaseSource, Progress};

use super::catalogs::{Catalogs, Delivered};
use super::contents::ContentStore;
use super::delivery::deliver;
use super::gates::{ServerGates, forget_all_but};
use super::home::Home;
use super::leases::ServerLeases;
use super::leases::promises::Promises;
use super::node::Node;
use super::openings;
use super::order::Order;
use super::refused::nothing;
use super::renewal::Connection;
use super::server::{CatalogAnswer, NewCatalog, Server, Source, client};
use super::settings::AgentSettings;
use super::spool::{Spool, Told};
use super::watch::WatchList;
use crate::client::Fault;
use crate::error::{Error, Kind, Result};
use crate::facts::{Collected, collect};
use crate::run::{self, Desired, Options};
use crate::secrets::identity;
use crate::secrets::open::Opener;
use crate::state::lock::Lock;

/// After so long without a word from the server every report says so.
const STALE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What came of a round.
#[derive(Debug)]
pub struct Done {
    /// The report, or why the run did not happen.
    pub report: std::result::Result<Report, Error>,
    /// What went wrong besides.
    pub troubles: Vec<String>,
}

/// The means of a round.
struct Means<'a> {
    home: &'a Home,
    settings: &'a AgentSettings,
    node: Node,
    server: std::result::Result<Server, String>,
    catalogs: Catalogs,
    contents: ContentStore,
    spool: Spool,
}

/// Makes a round.
///
/// # Errors
/// The round could not begin: another one is under way, or the host has not joined a site.
pub fn make(
    home: &Home,
    settings: &AgentSettings,
    order: &Order,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Done> {
    let _lock = Lock::take_file(&home.round_lock(), "keel agent")?;
    let node = Node::load(home)?;
    let spool = Spool::open(home).map_err(Error::host)?;
    let catalogs = Catalogs::of(home, node.host.as_str());
    let mut connection = Connection::new(home, settings, node);
    let mut troubles: Vec<String> = connection.renew().err().into_iter().collect();
    let Connection { node, server, .. } = connection;
    let means = Means { contents: ContentStore::of(home), home, settings, server, node, catalogs, spool };
    let (delivered, warnings) = means.fetch();
    troubles.extend(warnings.iter().cloned());
    let catalog = delivered.as_ref().and_then(|delivered| Catalog::from_bytes(&delivered.bytes).ok());
    let order = &order.widened(catalog.as_ref());
    let converged = means.converge(delivered.as_ref(), catalog.as_ref(), order, stop, progress);
    let report = converged.map(|mut report| {
        report.warnings.extend(warnings);
        report
    });
    // A look at a part of the host knows nothing of what else waits.
    if let (Some(catalog), Ok(report), true) = (&catalog, &report, order.choice.filter.only.is_empty()) {
        troubles.extend(openings::keep(home, openings::first(catalog, report, Timestamp::now())).err());
    }
    if is_worth_telling(order, &report) {
        troubles.extend(means.tell(delivered.as_ref(), order, &report).err());
    }
    let delivered_all = means.server.as_ref().map_err(Clone::clone).and_then(|server| deliver(&means.spool, &means.node.host, server));
    troubles.extend(delivered_all.err().filter(|why| !troubles.contains(why)));
    troubles.extend(means.leave_watch_list(delivered.as_ref(), catalog.as_ref()).err());
    Ok(Done { report, troubles })
}

/// Delivers the reports that wait, and nothing else: the server was away when they were written.
///
/// # Errors
/// A round is under way, which delivers them itself, or the server is away again.
pub fn deliver_what_waits(home: &Home, settings: &AgentSettings) -> Result<()> {
    let _lock = Lock::take_file(&home.round_lock(), "keel agent")?;
    let node = Node::load(home)?;
    let spool = Spool::open(home).map_err(Error::host)?;
    let delivered = Server::of(home, settings, &node).and_then(|server| deliver(&spool, &node.host, &server));
    delivered.map_err(Error::host)
}

/// Whether the server is to hear of a run. Nobody asks about one that another run kept from happening, nor
/// about a look at something that was touched and is still as it should be.
fn is_worth_telling(order: &Order, report: &Result<Report>) -> bool {
    match report {
        Err(error) => error.kind != Kind::Locked,
        Ok(report) => {
            let is_look = matches!(order.trigger, Trigger::Watch { .. });
            !is_look || report.has_changes() || report.has_failures() || report.totals.waiting > 0
        }
    }
}

impl Means<'_> {
    /// The catalog to converge to: the server's, else the newest good one in the cache.
    fn fetch(&self) -> (Option<Delivered>, Vec<String>) {
        let found = self.catalogs.load();
        let mut warnings = found.warnings;
        let asked = self.ask(found.catalog.as_ref(), &mut warnings);
        let catalog = match asked {
            Ok(Some(newer)) => Some(newer),
            Ok(None) => found.catalog,
            Err(why) => {
                let commit = found.catalog.as_ref().and_then(|catalog| catalog.commit.as_deref()).map(short_commit);
                let from = commit.map_or_else(String::new, |commit| format!(", of commit {commit}"));
                warnings.push(match &found.catalog {
                    Some(_) => format!("{why}; the run converges to the cached catalog{from}"),
                    None => why,
                });
                found.catalog
            }
        };
        if let (Some(_), Some(age)) = (&catalog, self.catalogs.age().filter(|age| *age >= STALE)) {
            warnings.push(format!("the catalog is old: the server last confirmed it {} days ago", age.as_secs() / 86_400));
        }
        (catalog, warnings)
    }

    /// Asks the server; none if the catalog at hand is the current one as it is. A new one, or the same of another
    /// commit, is in the cache on return.
    fn ask(&self, at_hand: Option<&Delivered>, warnings: &mut Vec<String>) -> std::result::Result<Option<Delivered>, String> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let (facts, left_out) = facts(self.home)?;
        warnings.extend(left_out);
        match server.catalog(&facts, at_hand.map(|catalog| &catalog.id)).map_err(|fault| in_words(&fault))? {
            CatalogAnswer::Unchanged(source) => {
                self.fetch_missing(server, at_hand)?;
                let moved = at_hand.and_then(|catalog| catalog.moved_to(source));
                // Where that cannot be written, the next run hears it again.
                let noted = moved.as_ref().is_some_and(|moved| self.catalogs.keep_in_place(moved).is_ok());
                if !noted {
                    self.catalogs.confirm();
                }
                Ok(moved)
            }
            CatalogAnswer::New(new) => self.take_in(server, new).map(Some),
        }
    }

    /// A content may have been lost since the catalog came.
    fn fetch_missing(&self, server: &Server, at_hand: Option<&Delivered>) -> std::result::Result<(), String> {
        let Some(catalog) = at_hand.and_then(|cached| Catalog::from_bytes(&cached.bytes).ok()) else { return Ok(()) };
        self.contents.missing(&catalog).iter().try_for_each(|blob| server.content(&self.contents, blob))
    }

    /// Takes in a new catalog with all that it needs; without one of them it does not count.
    fn take_in(&self, server: &Server, new: NewCatalog) -> std::result::Result<Delivered, String> {
        let catalog =
            Catalog::from_bytes(&new.bytes).map_err(|_| "the server's catalog is of another version: update this program".to_owned())?;
        if catalog.host != self.node.host.as_str() {
            return Err(format!("the server's catalog is for {}, and this is {}", catalog.host, self.node.host));
        }
        for blob in self.contents.missing(&catalog) {
            server.content(&self.contents, &blob).map_err(|why| format!("a content of the new catalog is missing: {why}"))?;
        }
        let secrets = if crate::secrets::open::has_sealed(&catalog.resources) {
            let sealed = server.secrets().map_err(|fault| format!("the secrets of the new catalog are missing: {fault}"))?;
            if sealed.catalog != new.id {
                return Err("the secrets that came are another catalog's; the next run asks again".to_owned());
            }
            sealed.secrets
        } else {
            Default::default()
        };
        let NewCatalog { bytes, id, source: Source { commit, environment } } = new;
        let delivered = Delivered { host: catalog.host.clone(), id, bytes, commit, environment, secrets };
        self.catalogs.keep(&delivered)?;
        let both: Vec<Catalog> = self.catalogs.both().iter().filter_map(|kept| Catalog::from_bytes(&kept.bytes).ok()).collect();
        self.contents.keep_only(&both);
        Ok(delivered)
    }

    /// Runs.
    fn converge(
        &self,
        delivered: Option<&Delivered>,
        catalog: Option<&Catalog>,
        order: &Order,
        stop: &(dyn Fn() -> bool + Sync),
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Report> {
        let (Some(delivered), Some(catalog)) = (delivered, catalog) else {
            return Err(Error::host("there is no catalog yet, neither from the server nor in the cache"));
        };
        let name = run::new_name();
        let mode = self.mode();
        if mode == Mode::Apply {
            // If they cannot be forgotten, a refresh too many is the price.
            let _ = forget_all_but(self.home, catalog);
        }
        let gates = self.gates(&name, catalog, delivered.id);
        let gates = gates.as_ref().map(|gates| (gates as &dyn Gates, self.settings.gate_wait));
        let leases = self.leases(&name, catalog);
        let source = match &leases {
            Ok(Some(leases)) => LeaseSource::Asked(leases),
            Ok(None) => LeaseSource::Nobody("this run asks for none"),
            Err(why) => LeaseSource::Nobody(why),
        };
        let choice = order.choice.clone();
        let options = Options { root: self.home.root.clone(), name, mode, choice, stop, gates, leases: source, turns: None };
        let contents = std::sync::Arc::new(self.contents.clone());
        let desired = Desired { catalog: catalog.clone(), bytes: delivered.bytes.clone(), contents };
        let opener = || Ok(Opener { identities: identity::load(&self.home.identity())?, closed: delivered.secrets.clone() });
        let report = run::make(desired, &options, opener, progress);
        let all = order.choice.filter.only.is_empty() && order.choice.filter.skip.is_empty();
        let kept = leases.ok().flatten().map(|leases| leases.finish(all && report.is_ok(), stop)).unwrap_or_default();
        report.map(|mut report| {
            report.warnings.extend(kept);
            report
        })
    }

    /// Somebody to ask for leases, if any may be needed or is still held from before; what is held is given back first.
    fn leases(&self, run: &str, catalog: &Catalog) -> std::result::Result<Option<ServerLeases>, String> {
        if self.settings.noop || (catalog.guards.is_empty() && Promises::load(self.home)?.all().is_empty()) {
            return Ok(None);
        }
        let leases = ServerLeases::begin(self.home, self.settings, run, catalog)?;
        leases.settle();
        Ok(Some(leases))
    }

    /// Somebody to ask about gates, if there are any.
    fn gates(&self, run: &str, catalog: &Catalog, id: Digest) -> Option<ServerGates> {
        if !catalog.gates.iter().any(|gate| gate.waits()) {
            return None;
        }
        // Without anybody to ask, gates are shut, and the report says for whom it waits.
        let client = client(self.home, self.settings, &self.node).ok()?;
        ServerGates::begin(self.home, client, run, catalog, id).ok()
    }

    /// Writes down what came of the run, for the server.
    fn tell(&self, delivered: Option<&Delivered>, order: &Order, report: &Result<Report>) -> std::result::Result<(), String> {
        let failure = report.as_ref().err().map(|error| error.message.clone());
        let report = match report {
            Ok(report) => report.without_unchanged(),
            Err(_) => nothing(&self.node.host, delivered.map_or_else(|| Digest::of(b""), |one| one.id), self.mode()),
        };
        let (environment, commit) = delivered.map(|one| (one.environment.clone(), one.commit.clone())).unwrap_or_default();
        let (trigger, interval_s) = (order.trigger.clone(), self.settings.interval.as_secs());
        self.spool.add(Told { environment, commit, trigger, interval_s, failure, report })
    }

    fn mode(&self) -> Mode {
        if self.settings.noop { Mode::Plan } else { Mode::Apply }
    }

    /// Leaves word for the agent what it is to watch, if it is to.
    fn leave_watch_list(&self, delivered: Option<&Delivered>, catalog: Option<&Catalog>) -> std::result::Result<(), String> {
        let (Some(delivered), Some(catalog), true) = (delivered, catalog, self.settings.watch) else { return Ok(()) };
        if WatchList::load(self.home).is_some_and(|list| list.catalog == Some(delivered.id)) {
            return Ok(());
        }
        let types = keel_resources::all();
        let groups = Groups::build(&types, &catalog.resources).map_err(|error| format!("{} cannot be watched", error.address))?;
        WatchList::of(catalog, delivered.id, &groups.footprints()).keep(self.home)
    }
}

/// The facts of the host as they are sent, the same bytes as long as they are the same facts, and what of the
/// custom ones is left out.
///
/// # Errors
/// They cannot be encoded, which would be a defect.
pub fn facts(home: &Home) -> std::result::Result<(Vec<u8>, Vec<String>), String> {
    let Collected { facts, warnings } = collect(&home.root);
    let bytes = serde_json::to_vec(&facts).map_err(|error| error.to_string())?;
    Ok((bytes, warnings))
}

/// The time since 1970, by the calendar.
pub fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn in_words(fault: &Fault) -> String {
    match fault.code() {
        Some(Code::DoesNotCompile) => format!("the server has no catalog for this host: {fault}"),
        _ => fault.to_string(),
    }
}
