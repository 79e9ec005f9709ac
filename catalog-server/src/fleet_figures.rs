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
    page.gauge("keel_inquiries_open", "Inquiries in which hosts are waited for.", store.open_inquiry_count().await?);
    write_leases(store, page).await?;
    page.gauge("keel_requests_held", "Long polls that wait for something.", store.watching());
    Ok(())
}

/// How many leases are held and waited for, and how old the oldest of each is.
async fn write_leases(store: &Store, page: &mut Page) -> Result<()> {
    let (leases, now) = (store.all_leases().await?, now_ms());
    let of = |held: bool| leases.iter().filter(move |lease| lease.held == held);
    page.head("keel_leases", "gauge", "Leases of guards, by whether they are held or waited for.");
    page.line("keel_leases", &[("state", "held")], of(true).count());
    page.line("keel_leases", &[("state", "waiting")], of(false).count());
    page.head("keel_oldest_lease_seconds", "gauge", "Since when the oldest of them is held or waited for.");
    for (state, held) in [("held", true), ("waiting", false)] {
        let age_ms = of(held).map(|lease| now.saturating_sub(lease.since_ms).max(0)).max().unwrap_or(0);
        page.line("keel_oldest_lease_seconds", &[("state", state)], age_ms / 1000);
    }
    Ok(())
}
