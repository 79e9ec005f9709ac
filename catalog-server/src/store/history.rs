//! What happened to one resource lately.

use keel_engine::address::Address;
use keel_engine::protocol::fleet::{ResourceHistory, ResourceRun};
use sqlx::Row;

use super::{Result, Store, reports};

/// An address as a key.
pub(super) fn key(address: &Address) -> String {
    format!("({}){}", address.type_name, address.title)
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
        Ok(ResourceHistory { host: host.to_owned(), address: address.clone(), last, runs })
    }
}
