//! Where the pull agent keeps its things, below the host's root folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The agent's folders and files.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder that is treated as the host's root.
    pub root: PathBuf,
    /// `/etc/keel/agent.toml`
    pub settings: PathBuf,
    /// `/var/lib/keel/agent`: what must not be lost.
    pub kept: PathBuf,
    /// `/run/keel`: what ends with the machine.
    pub running: PathBuf,
}

impl Home {
    /// The home of the host below a root folder.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn below(root: &Path) -> Result<Self> {
        let root = std::fs::canonicalize(root)
            .map_err(|error| Error::usage(format!("cannot use {} as the root: {error}", root.display())).hint("the folder has to exist"))?;
        let (settings, kept) = (root.join("etc/keel/agent.toml"), root.join("var/lib/keel/agent"));
        Ok(Self { running: root.join("run/keel"), settings, kept, root })
    }

    /// Makes the folders, for their owner alone.
    ///
    /// # Errors
    /// Says which could not be made, and why.
    pub fn make_folders(&self) -> Result<()> {
        for folder in [&self.kept, &self.running] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| {
                Error::host(format!("cannot make {}: {error}", folder.display())).hint("run as root, or name a folder with --root")
            })?;
        }
        Ok(())
    }

    /// The host's key and certificate.
    pub fn node(&self) -> PathBuf {
        self.kept.join("node.pem")
    }

    /// The roots of the servers that are trusted.
    pub fn authority(&self) -> PathBuf {
        self.kept.join("authority.pem")
    }

    /// The key that opens what is sealed for this host.
    pub fn identity(&self) -> PathBuf {
        self.kept.join("secrets.key")
    }

    /// Held by the agent as long as it runs.
    pub fn agent_lock(&self) -> PathBuf {
        self.running.join("agent.lock")
    }

    /// Held by a round: what fetches, runs and reports.
    pub fn round_lock(&self) -> PathBuf {
        self.running.join("round.lock")
    }
}
