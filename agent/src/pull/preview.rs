//! A plan from the server: what the next round would change. It writes nothing, not even into the
//! agent's own cache; what the cache lacks is held in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keel_engine::catalog::Catalog;
use keel_engine::contents::{Blob, Contents};
use keel_engine::digest::Digest;
use keel_engine::report::{Mode, Report};
use keel_engine::walk::{Answer, Gates, LeaseSource, Progress, Question};

use super::catalogs::{Catalogs, Delivered};
use super::contents::ContentStore;
use super::gates::ServerGates;
use super::home::Home;
use super::node::Node;
use super::round::facts;
use super::server::{CatalogAnswer, NewCatalog, Server, Source, client};
use super::settings::AgentSettings;
use crate::error::{Error, Result};
use crate::run::{self, Choice, Desired, Options};
use crate::secrets::identity;
use crate::secrets::open::{Opener, has_sealed};

/// What is planned.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The next round; while the server is away, by the cached catalog.
    NextRound,
    /// The commit that an inquiry is about.
    Inquiry {
        /// What the server calls it.
        id: &'a str,
        /// How long a server that is away is asked again.
        until: Instant,
    },
}

/// Plans.
///
/// # Errors
/// The host has not joined a site, or there is no catalog to plan by.
pub fn make(
    home: &Home,
    settings: &AgentSettings,
    subject: Subject<'_>,
    choice: &Choice,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report> {
    let node = Node::load(home)?;
    let server = Server::of(home, settings, &node).map_err(Error::host)?;
    let server = match subject {
        Subject::NextRound => server,
        Subject::Inquiry { id, .. } => server.about(id),
    };
    let (delivered, warnings) = to_plan(home, &server, &node, subject)?;
    let catalog =
        Catalog::from_bytes(&delivered.bytes).map_err(|_| Error::host("the catalog is of another version: update this program"))?;
    let name = run::new_name();
    let asks = catalog.gates.iter().any(|gate| gate.waits());
    let gates = if asks { client(home, settings, &node).ok() } else { None };
    let gates = gates.and_then(|client| ServerGates::begin(home, client, &name, &catalog, delivered.id).ok());
    let gates = gates.map(Listening);
    let gates = gates.as_ref().map(|gates| (gates as &dyn Gates, Duration::ZERO));
    let leases = LeaseSource::Nobody("a plan asks for none");
    let options = Options { root: home.root.clone(), name, mode: Mode::Plan, choice: choice.clone(), stop, gates, leases, turns: None };
    let contents = Arc::new(Fetched { store: ContentStore::of(home), server });
    let desired = Desired { catalog, bytes: delivered.bytes, contents };
    let opener = || Ok(Opener { identities: identity::load(&home.identity())?, closed: delivered.secrets });
    let mut report = run::make(desired, &options, opener, progress)?;
    report.warnings.extend(warnings);
    Ok(report)
}

/// The catalog that is planned.
fn to_plan(home: &Home, server: &Server, node: &Node, subject: Subject<'_>) -> Result<(Delivered, Vec<String>)> {
    let newest = Catalogs::of(home, node.host.as_str()).both().into_iter().next();
    let (facts, mut warnings) = facts(home).map_err(Error::host)?;
    let id: Option<Digest> = newest.as_ref().map(|newest| newest.id);
    let mut asked = server.catalog(&facts, id.as_ref());
    while let (Subject::Inquiry { until, .. }, Err(fault)) = (subject, &asked) {
        if !fault.may_pass() || Instant::now() >= until {
            break;
        }
        std::thread::sleep(fault.pause());
        asked = server.catalog(&facts, id.as_ref());
    }
    match (asked, newest) {
        (Ok(CatalogAnswer::New(new)), _) => Ok((delivered(server, node, new)?, warnings)),
        (Ok(CatalogAnswer::Unchanged(_)), Some(newest)) => Ok((newest, warnings)),
        (Err(fault), Some(newest)) if matches!(subject, Subject::NextRound) => {
            warnings.push(format!("{fault}; this is the plan of the cached catalog"));
            Ok((newest, warnings))
        }
        (Err(fault), _) => Err(fault.into()),
        (Ok(CatalogAnswer::Unchanged(_)), None) => Err(Error::host("the server sent no catalog")),
    }
}

fn delivered(server: &Server, node: &Node, new: NewCatalog) -> Result<Delivered> {
    let NewCatalog { bytes, id, source: Source { commit, environment } } = new;
    let catalog =
        Catalog::from_bytes(&bytes).map_err(|_| Error::host("the server's catalog is of another version: update this program"))?;
    let secrets = if has_sealed(&catalog.resources) { server.secrets()?.secrets } else { BTreeMap::new() };
    Ok(Delivered { host: node.host.to_string(), id, bytes, commit, environment, secrets })
}

/// Gates that are asked about and told nothing: what a plan finds unchanged is not what the host was converged to.
struct Listening(ServerGates);

impl Gates for Listening {
    fn ask(&self, question: Question) {
        self.0.ask(Question { settled: Vec::new(), ..question });
    }

    fn wait(&self, at_most: Duration) -> Vec<Answer> {
        self.0.wait(at_most)
    }

    fn last_token(&self, gate: usize) -> Option<String> {
        self.0.last_token(gate)
    }

    fn keep_token(&self, _: usize, _: &str) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// Contents from the cache, else from the server.
struct Fetched {
    store: ContentStore,
    server: Server,
}

impl Contents for Fetched {
    fn read(&self, blob: &Blob) -> std::result::Result<Arc<[u8]>, String> {
        self.store.look(blob).map_or_else(|| self.server.content_bytes(blob), Ok)
    }
}
