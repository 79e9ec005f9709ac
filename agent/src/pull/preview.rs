//! A plan from the server: what the next round would change. It writes nothing, not even into the
//! agent's own cache; what the cache lacks is held in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use keel_engine::catalog::Catalog;
use keel_engine::contents::{Blob, Contents};
use keel_engine::digest::Digest;
use keel_engine::report::{Mode, Report};
use keel_engine::walk::{Gates, Progress};

use super::catalogs::{Catalogs, Delivered};
use super::contents::ContentStore;
use super::gates::ServerGates;
use super::home::Home;
use super::node::Node;
use super::round::facts;
use super::server::{CatalogAnswer, NewCatalog, Server, client};
use super::settings::AgentSettings;
use crate::error::{Error, Result};
use crate::run::{self, Choice, Desired, Options};
use crate::secrets::identity;
use crate::secrets::open::{Opener, has_sealed};

/// Plans.
///
/// # Errors
/// The host has not joined a site, or there is no catalog to plan by.
pub fn make(
    home: &Home,
    settings: &AgentSettings,
    choice: &Choice,
    stop: &(dyn Fn() -> bool + Sync),
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report> {
    let node = Node::load(home)?;
    let server = Server::of(home, settings, &node).map_err(Error::host)?;
    let (delivered, warnings) = current(home, &server, &node)?;
    let catalog =
        Catalog::from_bytes(&delivered.bytes).map_err(|_| Error::host("the catalog is of another version: update this program"))?;
    let name = run::new_name();
    let asks = catalog.gates.iter().any(|gate| gate.waits());
    let gates = if asks { client(home, settings, &node).ok() } else { None };
    let gates = gates.and_then(|client| ServerGates::begin(home, client, &name, &catalog, delivered.id).ok());
    let gates = gates.as_ref().map(|gates| (gates as &dyn Gates, std::time::Duration::ZERO));
    let options = Options { root: home.root.clone(), name, mode: Mode::Plan, choice: choice.clone(), stop, gates };
    let contents = Arc::new(Fetched { store: ContentStore::of(home), server });
    let desired = Desired { catalog, bytes: delivered.bytes, contents };
    let opener = || Ok(Opener { identities: identity::load(&home.identity())?, closed: delivered.secrets });
    let mut report = run::make(desired, &options, opener, progress)?;
    report.warnings.extend(warnings);
    Ok(report)
}

/// The catalog that the next round would converge to.
fn current(home: &Home, server: &Server, node: &Node) -> Result<(Delivered, Vec<String>)> {
    let newest = Catalogs::of(home, node.host.as_str()).both().into_iter().next();
    let (facts, mut warnings) = facts(home).map_err(Error::host)?;
    let id: Option<Digest> = newest.as_ref().map(|newest| newest.id);
    match (server.catalog(&facts, id.as_ref()), newest) {
        (Ok(CatalogAnswer::New(new)), _) => Ok((delivered(server, node, new)?, warnings)),
        (Ok(CatalogAnswer::Unchanged), Some(newest)) => Ok((newest, warnings)),
        (Err(fault), Some(newest)) => {
            warnings.push(format!("{fault}; this is the plan of the cached catalog"));
            Ok((newest, warnings))
        }
        (Err(fault), None) => Err(Error::host(fault.to_string())),
        (Ok(CatalogAnswer::Unchanged), None) => Err(Error::host("the server sent no catalog")),
    }
}

fn delivered(server: &Server, node: &Node, new: NewCatalog) -> Result<Delivered> {
    let NewCatalog { bytes, id, commit, environment } = new;
    let catalog =
        Catalog::from_bytes(&bytes).map_err(|_| Error::host("the server's catalog is of another version: update this program"))?;
    let secrets = if has_sealed(&catalog.resources) {
        server.secrets().map_err(|fault| Error::host(fault.to_string()))?.secrets
    } else {
        BTreeMap::new()
    };
    Ok(Delivered { host: node.host.to_string(), id, bytes, commit, environment, secrets })
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
