//! What happened to one resource lately.

use keel_engine::address::Address;
use keel_engine::protocol::fleet::{ResourceHistory, ResourceRun};
use keel_manifests::diagnostic::nearest;
use sqlx::Row;

use super::{Result, Store, reports};
use crate::gates::Fingerprints;

/// Among how many resources a near name is looked for.
const LOOKED_AT: i64 = 10_000;

/// An address as a key.
pub(super) fn key(address: &Address) -> String {
    address.reference()
}

impl Store {
    /// The runs in which a resource was not simply unchanged, the newest first, at most `limit`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn resource_history(&self, host: &str, address: &Address, limit: u32) -> Result<ResourceHistory> {
        let sql = "SELECT r.summary, r.body FROM history h JOIN reports r ON r.number = h.report \
                   WHERE h.host = $1 AND h.address = $2 ORDER BY h.report DESC LIMIT $3";
        let rows = sqlx::query(sql).bind(host).bind(key(address)).bind(i64::from(limit)).fetch_all(self.reader()).await?;
        let mut runs = Vec::new();
        for row in rows {
            let stored = reports::stored(row.try_get(0)?, row.try_get(1)?)?;
            let resource = stored.report.resources.into_iter().find(|resource| resource.address == *address);
            runs.extend(resource.map(|resource| ResourceRun { run: stored.summary, resource }));
        }
        let last = self.reports(Some(host), None, 1).await?.reports.into_iter().next();
        let declared = self.newest_declares(host, address).await?;
        let near = if declared == Some(true) { Vec::new() } else { self.near(host, address).await? };
        Ok(ResourceHistory { host: host.to_owned(), address: address.clone(), declared, near, last, runs })
    }

    /// Whether a host's newest catalog has a resource.
    async fn newest_declares(&self, host: &str, address: &Address) -> Result<Option<bool>> {
        let sql = "SELECT definitions FROM deliveries WHERE host = $1 ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(sql).bind(host).fetch_optional(self.reader()).await?;
        row.map(|row| Ok(Fingerprints::from_bytes(&row.try_get::<Vec<u8>, _>(0)?).has(address))).transpose()
    }

    /// Other resources of the host with such a name, of which something is known.
    async fn near(&self, host: &str, address: &Address) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT address FROM history WHERE host = $1 LIMIT $2";
        let rows = sqlx::query(sql).bind(host).bind(LOOKED_AT).fetch_all(self.reader()).await?;
        let known = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>>>()?;
        let wrong = key(address);
        let others = known.iter().map(String::as_str).filter(|known| *known != wrong);
        Ok(nearest(&wrong, others).into_iter().map(str::to_owned).collect())
    }
}
