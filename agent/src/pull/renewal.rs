//! The next certificate, asked for once half of the life of the one at hand is over.

use keel_engine::protocol::certificate::Renewal;

use super::home::Home;
use super::node::{NewKey, Node};
use super::round::now;
use super::server::Server;
use super::settings::AgentSettings;
use crate::error::{Error, Result};
use crate::secrets::identity;

/// Who this host is to its server, and the way there.
pub(super) struct Connection<'a> {
    pub(super) home: &'a Home,
    pub(super) settings: &'a AgentSettings,
    pub(super) node: Node,
    pub(super) server: std::result::Result<Server, String>,
}

impl<'a> Connection<'a> {
    /// With the certificate at hand.
    pub(super) fn new(home: &'a Home, settings: &'a AgentSettings, node: Node) -> Self {
        let server = Server::of(home, settings, &node);
        Self { home, settings, node, server }
    }

    /// Asks for the next certificate, if it is time, and goes on with that one.
    pub(super) fn renew(&mut self) -> std::result::Result<(), String> {
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
        self.node = key.keep(self.home, &self.node.host, &certificate).map_err(|error| failed(error.message))?;
        self.server = Server::of(self.home, self.settings, &self.node);
        Ok(())
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
