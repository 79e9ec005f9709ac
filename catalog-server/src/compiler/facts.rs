//! Where the compiler gets the facts that hosts sent.

use std::pin::Pin;

use keel_engine::digest::Digest;

use crate::store::Store;

/// What a host last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts {
    /// The blake3 of the text.
    pub digest: Digest,
    /// The text, in JSON.
    pub json: Vec<u8>,
}

/// An answer that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// The facts that hosts sent, wherever they are kept.
pub trait FactStore: Send + Sync {
    /// What a host last said of itself; none if it said nothing yet.
    fn facts<'a>(&'a self, host: &'a str) -> Later<'a, Option<StoredFacts>>;
}

impl FactStore for Store {
    fn facts<'a>(&'a self, host: &'a str) -> Later<'a, Option<StoredFacts>> {
        Box::pin(async move {
            let Some(kept) = Store::facts(self, host).await.map_err(|error| error.to_string())? else { return Ok(None) };
            let json = serde_json::to_vec(&kept.facts).map_err(|error| error.to_string())?;
            Ok(Some(StoredFacts { digest: kept.digest, json }))
        })
    }
}
