//! Contents: bytes of files and rendered templates, kept beside a catalog under their address.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Names some bytes without holding them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The blake3 of the bytes.
    pub digest: Digest,
    /// How many bytes there are.
    pub size: u64,
}

impl Blob {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), size: bytes.len() as u64 }
    }
}

/// Where a run gets the bytes behind a [`Blob`].
pub trait Contents: Send + Sync {
    /// The bytes, or why they cannot be had.
    fn read(&self, blob: &Blob) -> Result<Arc<[u8]>, String>;
}

/// Contents held in memory, as a compile leaves them.
#[derive(Debug, Clone, Default)]
pub struct MemoryContents {
    bytes: HashMap<Digest, Arc<[u8]>>,
}

impl MemoryContents {
    /// Keeps the bytes and returns their name.
    pub fn insert(&mut self, bytes: impl Into<Arc<[u8]>>) -> Blob {
        let bytes = bytes.into();
        let blob = Blob::of(&bytes);
        self.bytes.entry(blob.digest).or_insert(bytes);
        blob
    }

    /// Keeps bytes whose name is known.
    pub fn insert_named(&mut self, blob: Blob, bytes: &Arc<[u8]>) {
        self.bytes.entry(blob.digest).or_insert_with(|| Arc::clone(bytes));
    }

    /// All contents with their addresses, in the order of the addresses.
    pub fn iter(&self) -> impl Iterator<Item = (Digest, &Arc<[u8]>)> {
        let mut all: Vec<_> = self.bytes.iter().map(|(digest, bytes)| (*digest, bytes)).collect();
        all.sort_by_key(|(digest, _)| *digest);
        all.into_iter()
    }
}

impl Contents for MemoryContents {
    fn read(&self, blob: &Blob) -> Result<Arc<[u8]>, String> {
        self.bytes.get(&blob.digest).cloned().ok_or_else(|| format!("content {} is not in this catalog", blob.digest.short()))
    }
}
