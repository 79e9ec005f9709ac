//! A scratch host for the tests of resource types, and one resource converged on it.

use std::fs;
use std::path::PathBuf;

use keel_engine::attributes::Attributes;
use keel_engine::change::Change;
use keel_engine::resource::{ResourceType, Work};
use keel_engine::value::{Map, Value};

use crate::haproxy::scratch_balancer::Balancer;
use crate::host::Host;
use crate::mysql::scratch_server;

/// A host below a folder that goes when the test ends.
pub(crate) struct Trial {
    pub(crate) host: Host,
    folder: tempfile::TempDir,
    /// The database server, for as long as this is its host.
    _server: Option<scratch_server::Turn>,
    /// The load balancer of this host.
    _balancer: Option<Balancer>,
}

/// A list of texts as a manifest has it.
pub(crate) fn list(items: &[&str]) -> Value {
    Value::from(items.to_vec())
}

fn map(attributes: &[(&str, Value)]) -> Map {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn shown(change: &Change) -> String {
    format!("{} {}: {} -> {}", change.action.glyph(), change.attribute, change.before.summary(), change.after.summary())
}

impl Trial {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { host: Host::new(folder.path()), folder, _server: None, _balancer: None }
    }

    /// One for tools that only root can use; none, with a word on it, for everybody else.
    pub(crate) fn as_root() -> Option<Self> {
        let root = nix::unistd::Uid::effective().is_root();
        if !root {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: only root can run this test\n");
        }
        root.then(Self::new)
    }

    /// One for the tools of Pacemaker; none, with a word on it, where they are not installed.
    pub(crate) fn with_pacemaker() -> Option<Self> {
        let is_there = std::path::Path::new("/usr/sbin/crm_simulate").exists();
        if !is_there {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: pacemaker-cli-utils is not installed\n");
        }
        is_there.then(Self::new)
    }

    /// One with a MariaDB that holds what [`scratch_server`] says; none, with a word on it, where it is not installed.
    pub(crate) fn with_mariadb() -> Option<Self> {
        if !scratch_server::is_possible() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: not root, or mariadb-server-core is not installed\n");
            return None;
        }
        let mut trial = Self::new();
        trial._server = Some(scratch_server::lend_to(&trial.host));
        Some(trial)
    }

    /// One with a stand-in for HAProxy.
    pub(crate) fn with_balancer() -> Self {
        let mut trial = Self::new();
        trial._balancer = Some(Balancer::lend_to(&trial.host));
        trial
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// What is wrong with these attributes.
    pub(crate) fn refuses<T: ResourceType>(title: &str, attributes: &[(&str, Value)]) -> String {
        let errors = T::Desired::from_attributes(title, &map(attributes)).err().expect("the attributes are refused");
        errors.into_iter().map(|error| format!("{} {}", error.attribute, error.message)).collect::<Vec<_>>().join("; ")
    }

    /// What a run would change.
    pub(crate) fn plan<T: ResourceType<Host = Host>>(
        &self,
        kind: &T,
        title: &str,
        attributes: &[(&str, Value)],
    ) -> Result<Vec<String>, String> {
        let desired = T::Desired::from_attributes(title, &map(attributes)).map_err(|errors| format!("{errors:?}"))?;
        let observed = kind.observe(&self.host, &[&desired]).remove(0).map_err(|error| error.failure().message.clone())?;
        Ok(kind.diff(&desired, &observed).iter().map(shown).collect())
    }

    /// Makes it so, checks that nothing is left to change, and tells what was changed.
    pub(crate) fn converge<T: ResourceType<Host = Host>>(
        &self,
        kind: &T,
        title: &str,
        attributes: &[(&str, Value)],
    ) -> Result<Vec<String>, String> {
        let desired = T::Desired::from_attributes(title, &map(attributes)).map_err(|errors| format!("{errors:?}"))?;
        let observed = kind.observe(&self.host, &[&desired]).remove(0).map_err(|error| error.failure().message.clone())?;
        let changes = kind.diff(&desired, &observed);
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let work = Work { desired: &desired, observed: &observed, changes: &changes };
        kind.apply(&self.host, &work).map_err(|failure| failure.message)?;
        let left = self.plan(kind, title, attributes)?;
        assert!(left.is_empty(), "a second run would change {left:?}");
        Ok(changes.iter().map(shown).collect())
    }
}
