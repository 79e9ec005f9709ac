//! Facts: the newest of each host.

use keel_engine::digest::Digest;
use keel_engine::value::Map;
use sqlx::Row;

use super::{Result, Store, StoreError, Topic, now_ms};

/// A host's facts as they are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptFacts {
    /// The blake3 of the body with which the host sent them.
    pub digest: Digest,
    /// What of them was taken.
    pub facts: Map,
    /// When they came, in milliseconds since 1970.
    pub received_ms: i64,
}

impl Store {
    /// Keeps a host's facts in place of its earlier ones.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_facts(&self, host: &str, digest: Digest, facts: &Map) -> Result<()> {
        let text = serde_json::to_string(facts).map_err(|error| StoreError::Unprocessable(format!("the facts cannot be kept: {error}")))?;
        let mut write = self.begin().await?;
        let sql = "INSERT INTO facts (host, digest, facts, received_ms) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (host) DO UPDATE SET digest = excluded.digest, facts = excluded.facts, received_ms = excluded.received_ms";
        sqlx::query(sql).bind(host).bind(digest.to_string()).bind(text).bind(now_ms()).execute(write.on()).await?;
        write.tell(Topic::Facts);
        write.commit().await
    }

    /// A host's facts.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn facts(&self, host: &str) -> Result<Option<KeptFacts>> {
        let sql = "SELECT digest, facts, received_ms FROM facts WHERE host = $1";
        let Some(row) = sqlx::query(sql).bind(host).fetch_optional(self.reader()).await? else { return Ok(None) };
        let (digest, facts): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Some(KeptFacts { digest: super::digest(&digest)?, facts: super::json(&facts)?, received_ms: row.try_get(2)? }))
    }

    /// The hosts whose facts came at this time or later, in milliseconds since 1970, with the blake3 of those.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn facts_since(&self, at_ms: i64) -> Result<Vec<(String, Digest)>> {
        let rows = sqlx::query("SELECT host, digest FROM facts WHERE received_ms >= $1").bind(at_ms).fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, super::digest(row.try_get(1)?)?))).collect()
    }

    /// The blake3 of a host's facts, without reading them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn facts_digest(&self, host: &str) -> Result<Option<Digest>> {
        let row = sqlx::query("SELECT digest FROM facts WHERE host = $1").bind(host).fetch_optional(self.reader()).await?;
        row.map(|row| super::digest(row.try_get(0)?)).transpose()
    }
}
