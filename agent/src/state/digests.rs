//! The digests of files that earlier runs read, so that what was not touched since is not read again.

use std::path::PathBuf;

use keel_resources::host::Digests;

use super::{State, read_if_there, replace};

/// The digests on disk.
pub struct DigestsFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl DigestsFile {
    /// Reads them. A file that cannot be read counts as empty: then every file is read once more.
    pub fn load(state: &State) -> Self {
        let path = state.cache.join("digests.bin");
        let bytes = read_if_there(&path).ok().flatten().unwrap_or_default();
        Self { path, bytes }
    }

    /// The digests as a run that begins at this time, in milliseconds since 1970, may use them.
    pub fn of_run(&self, started_ms: u64) -> Digests {
        let now_ns = i64::try_from(started_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Digests::from_bytes(&self.bytes, now_ns)
    }

    /// Keeps what a run knows at its end, if that is anything new.
    ///
    /// # Errors
    /// Names the file and says why it cannot be written.
    pub fn store(&self, digests: Option<&Digests>) -> Result<(), String> {
        match digests.map(Digests::to_bytes) {
            Some(bytes) if bytes != self.bytes => replace(&self.path, &bytes),
            _ => Ok(()),
        }
    }
}
