//! Where the lab keeps its things on this machine.

use std::path::PathBuf;

use super::{LabError, Result};

/// The lab's folder, outside every repository: `KEEL_LAB_DIR`, or `/var/cache/keel-lab`.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The folder that the environment names.
    pub fn of_this_machine() -> Self {
        Self(std::env::var_os("KEEL_LAB_DIR").map_or_else(|| PathBuf::from("/var/cache/keel-lab"), PathBuf::from))
    }

    /// Makes the folders.
    pub(super) fn make(&self) -> Result<()> {
        for folder in [self.images(), self.packages(), self.nodes()] {
            std::fs::create_dir_all(&folder).map_err(LabError::doing(folder.display()))?;
        }
        Ok(())
    }

    /// Layers with packages, one folder an image; kept between labs.
    pub(super) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// What the proxy fetched; kept between labs.
    pub(super) fn packages(&self) -> PathBuf {
        self.0.join("packages")
    }

    /// The disks of the running lab.
    pub fn nodes(&self) -> PathBuf {
        self.0.join("nodes")
    }

    /// The file whose presence asks who holds the lab by hand to take it down.
    pub(super) fn wish(&self) -> PathBuf {
        self.0.join("down")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}
