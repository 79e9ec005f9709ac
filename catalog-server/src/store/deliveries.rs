//! Catalogs that hosts were given, the last ones of each. They say what a host may read, and what was declared.

use std::collections::BTreeMap;

use keel_engine::digest::Digest;
use sqlx::Row;

use super::{Result, Store, Write, now_ms};
use crate::gates::Fingerprints;

/// How many catalogs of a host are remembered; its agent keeps two, and a report may be older than both.
const KEPT: i64 = 4;
/// Of how many of them the contents may be read.
const READABLE: i64 = 2;

/// A catalog that a host was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCatalog {
    /// The catalog.
    pub catalog: Digest,
    /// The environment that it came from.
    pub environment: String,
    /// The commit that it came from.
    pub commit: String,
    /// What it declares.
    pub definitions: Fingerprints,
    /// The contents that it names.
    pub contents: Vec<Digest>,
}

impl Store {
    /// Remembers what a host is being given. To be called before the catalog goes out; the same one again costs a look.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn deliver(&self, host: &str, given: &GivenCatalog) -> Result<()> {
        let catalog = given.catalog.to_string();
        let sql = "SELECT catalog, revision FROM deliveries WHERE host = $1 ORDER BY number DESC LIMIT 1";
        if let Some(row) = sqlx::query(sql).bind(host).fetch_optional(self.reader()).await?
            && row.try_get::<String, _>(0)? == catalog
            && row.try_get::<String, _>(1)? == given.commit
        {
            return Ok(());
        }
        let mut write = self.begin().await?;
        let sql = "DELETE FROM deliveries WHERE host = $1 AND (catalog = $2 OR number NOT IN \
                   (SELECT number FROM deliveries WHERE host = $1 AND catalog <> $2 ORDER BY number DESC LIMIT $3))";
        sqlx::query(sql).bind(host).bind(&catalog).bind(KEPT - 1).execute(write.on()).await?;
        let sql = "INSERT INTO deliveries (host, catalog, environment, revision, delivered_ms, definitions, contents) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let contents: Vec<u8> = given.contents.iter().flat_map(|content| *content.as_bytes()).collect();
        sqlx::query(sql)
            .bind(host)
            .bind(catalog)
            .bind(&given.environment)
            .bind(&given.commit)
            .bind(now_ms())
            .bind(given.definitions.to_bytes())
            .bind(contents)
            .execute(write.on())
            .await?;
        write.commit().await
    }

    /// Whether a host's current catalog or the one before names a content.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn may_read(&self, host: &str, content: &Digest) -> Result<bool> {
        let sql = "SELECT contents FROM deliveries WHERE host = $1 ORDER BY number DESC LIMIT $2";
        let rows = sqlx::query(sql).bind(host).bind(READABLE).fetch_all(self.reader()).await?;
        let named = |bytes: Vec<u8>| bytes.chunks_exact(content.as_bytes().len()).any(|one| one == content.as_bytes());
        rows.iter().try_fold(false, |found, row| Ok(found || named(row.try_get(0)?)))
    }

    /// The catalog that a host was given last, and its commit.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delivered(&self, host: &str) -> Result<Option<(Digest, String)>> {
        let sql = "SELECT catalog, revision FROM deliveries WHERE host = $1 ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(sql).bind(host).fetch_optional(self.reader()).await?;
        row.map(|row| Ok((super::digest(row.try_get(0)?)?, row.try_get(1)?))).transpose()
    }

    /// What a host's last catalogs declared.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn declared(&self, host: &str) -> Result<BTreeMap<Digest, Fingerprints>> {
        let sql = "SELECT catalog, definitions FROM deliveries WHERE host = $1";
        let rows = sqlx::query(sql).bind(host).fetch_all(self.reader()).await?;
        let entry = |row: &sqlx::any::AnyRow| {
            let definitions: Vec<u8> = row.try_get(1)?;
            Ok((super::digest(row.try_get(0)?)?, Fingerprints::from_bytes(&definitions)))
        };
        rows.iter().map(entry).collect()
    }
}

impl Write {
    /// What one of a host's last catalogs declared.
    pub(super) async fn declared_in(&mut self, host: &str, catalog: Digest) -> Result<Option<Fingerprints>> {
        let sql = "SELECT definitions FROM deliveries WHERE host = $1 AND catalog = $2";
        let row = sqlx::query(sql).bind(host).bind(catalog.to_string()).fetch_optional(self.on()).await?;
        row.map(|row| Ok(Fingerprints::from_bytes(&row.try_get::<Vec<u8>, _>(0)?))).transpose()
    }
}
