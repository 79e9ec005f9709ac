//! The fleet's figures for Prometheus, from the store: every server of several gives the same ones.

use crate::metrics::Page;
use crate::store::{Result, StatusFilter, Store, now_ms};

/// Writes them down.
///
/// # Errors
/// The database does not answer.
pub async fn write(store: &Store, page: &mut Page) -> Result<()> {
    let fleet = store.fleet(&StatusFilter::default()).await?;
    page.head("keel_hosts", "gauge", "Hosts by condition.");
    for (condition, count) in &fleet.counts {
        page.line("keel_hosts", &[("condition", condition.word())], count);
    }
    let (oldest_ms, owing) = store.oldest_owed().await?;
    page.gauge("keel_hosts_owing_refreshes", "Hosts that owe a refresh.", owing);
    let age_ms = oldest_ms.map_or(0, |oldest| now_ms().saturating_sub(oldest).max(0));
    page.gauge("keel_oldest_owed_refresh_seconds", "For how long the oldest owed refresh is owed.", age_ms / 1000);
    let missing = store.missing_reports().await?;
    page.gauge("keel_reports_missing", "Reports that hosts wrote and that have not come.", missing);
    page.gauge("keel_requests_held", "Long polls that wait for something.", store.watching());
    Ok(())
}
