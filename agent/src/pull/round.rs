//! A round: fetch the catalog, run, report. What the server does not give comes from the cache, and what
//! it does not take waits in the spool.

use std::time::{Duration, SystemTime};

use keel_engine::catalog::Catalog;
use keel_engine::digest::Digest;
use keel_engine::protocol::certificate::Renewal;
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::reports::Trigger;
use keel_engine::report::{FORMAT_VERSION, Mode, Report, Totals};
use keel_engine::walk::{Gates, Groups, Progress};

use super::catalogs::{Catalogs, Delivered};
use super::contents::ContentStore;
use super::delivery::deliver;
use super::gates::ServerGates;
use super::home::Home;
use super::node::{NewKey, Node};
use super::server::{CatalogAnswer, NewCatalog, Server, client};
use super::settings::AgentSettings;
use super::spool::{Spool, Told};
use super::watch::WatchList;
use crate::client::Fault;
use crate::error::{Error, Kind, Result};
use crate::facts::{Collected, collect};
use crate::run::{self, Choice, Desired, Options};
use crate::secrets::identity;
use crate::secrets::open::Opener;
use crate::state::lock::Lock;

/// After so long without a word from the server every report says so.
const STALE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a round is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// What started it.
    pub trigger: Trigger,
    /// What takes part.
    pub choice: Choice,
}

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
    let server = Server::of(home, settings, &node);
    let mut means = Means { contents: ContentStore::of(home), home, settings, server, node, catalogs, spool };
    let mut troubles: Vec<String> = means.renew().err().into_iter().collect();
    let (delivered, warnings) = means.fetch();
    troubles.extend(warnings.iter().cloned());
    let catalog = delivered.as_ref().and_then(|delivered| Catalog::from_bytes(&delivered.bytes).ok());
    let converged = means.converge(delivered.as_ref(), catalog.as_ref(), order, stop, progress);
    let report = converged.map(|mut report| {
        report.warnings.extend(warnings);
        report
    });
    if is_worth_telling(order, &report) {
        troubles.extend(means.tell(delivered.as_ref(), order, &report).err());
    }
    let delivered_all = means.server.as_ref().map_err(Clone::clone).and_then(|server| deliver(&means.spool, server));
    troubles.extend(delivered_all.err().filter(|why| !troubles.contains(why)));
    troubles.extend(means.leave_watch_list(delivered.as_ref(), catalog.as_ref()).err());
    Ok(Done { report, troubles })
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
    /// Asks for the next certificate, if it is time.
    fn renew(&mut self) -> std::result::Result<(), String> {
        let now = now();
        if !self.node.is_due(now) {
            return Ok(());
        }
        let failed = |why: String| format!("the host's certificate could not be renewed: {why}");
        let server = self.server.as_ref().map_err(|why| failed(why.clone()))?;
        let key = if self.node.has_run_out(now) { self.node.key() } else { NewKey::make() }.map_err(|error| failed(error.message))?;
        let csr = key.request(&self.node.host).map_err(|error| failed(error.message))?;
        let recipient = recipient(self.home).map_err(|error| failed(error.message))?;
        let certificate = server.renew(&Renewal { csr, recipient }).map_err(|fault| failed(fault.to_string()))?;
        self.node = key.keep(self.home, &certificate).map_err(|error| failed(error.message))?;
        self.server = Server::of(self.home, self.settings, &self.node);
        Ok(())
    }

    /// The catalog to converge to: the server's, else the newest good one in the cache.
    fn fetch(&self) -> (Option<Delivered>, Vec<String>) {
        let found = self.catalogs.load();
        let mut warnings = found.warnings;
        let asked = self.ask(found.catalog.as_ref(), &mut warnings);
        let catalog = match asked {
            Ok(Some(newer)) => Some(newer),
            Ok(None) => {
                self.catalogs.confirm();
                found.catalog
            }
            Err(why) => {
                let commit = found.catalog.as_ref().and_then(|catalog| catalog.commit.as_deref()).map(short);
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

    /// Asks the server; none if the catalog at hand is the current one. A new one is in the cache on return.
    fn ask(&self, at_hand: Option<&Delivered>, warnings: &mut Vec<String>) -> std::result::Result<Option<Delivered>, String> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let (facts, left_out) = facts(self.home)?;
        warnings.extend(left_out);
        match server.catalog(&facts, at_hand.map(|catalog| &catalog.id)).map_err(|fault| in_words(&fault))? {
            CatalogAnswer::Unchanged => {
                self.fetch_missing(server, at_hand)?;
                Ok(None)
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
        let NewCatalog { bytes, id, commit, environment } = new;
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
        let gates = self.gates(&name, catalog, delivered.id);
        let mode = if self.settings.noop { Mode::Plan } else { Mode::Apply };
        let gates = gates.as_ref().map(|gates| (gates as &dyn Gates, self.settings.gate_wait));
        let options = Options { root: self.home.root.clone(), name, mode, choice: order.choice.clone(), stop, gates };
        let contents = std::sync::Arc::new(self.contents.clone());
        let desired = Desired { catalog: catalog.clone(), bytes: delivered.bytes.clone(), contents };
        let opener = || Ok(Opener { identities: identity::load(&self.home.identity())?, closed: delivered.secrets.clone() });
        run::make(desired, &options, opener, progress)
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
        let failure = report.as_ref().err().map(|error| error.to_string());
        let report = match report {
            Ok(report) => report.without_unchanged(),
            Err(_) => self.nothing(delivered),
        };
        let (environment, commit) = delivered.map(|one| (one.environment.clone(), one.commit.clone())).unwrap_or_default();
        let (trigger, interval_s) = (order.trigger.clone(), self.settings.interval.as_secs());
        self.spool.add(Told { environment, commit, trigger, interval_s, failure, report })
    }

    /// The report of a run that did not happen.
    fn nothing(&self, delivered: Option<&Delivered>) -> Report {
        Report {
            format_version: FORMAT_VERSION.to_owned(),
            run: run::new_name(),
            host: self.node.host.to_string(),
            site: String::new(),
            catalog: delivered.map_or_else(|| Digest::of(b""), |delivered| delivered.id),
            mode: if self.settings.noop { Mode::Plan } else { Mode::Apply },
            started_ms: u64::try_from(now().as_millis()).unwrap_or(u64::MAX),
            duration_ms: 0,
            resources: Vec::new(),
            totals: Totals::default(),
            owed: Vec::new(),
            released: Vec::new(),
            warnings: Vec::new(),
        }
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

/// The recipient that secrets are sealed for, from the host's own key.
///
/// # Errors
/// The key cannot be read.
pub fn recipient(home: &Home) -> Result<String> {
    let identities = identity::load(&home.identity())?;
    let first = identities.first().ok_or_else(|| Error::host("the host has no key for secrets"))?;
    Ok(first.to_public().to_string())
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

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
