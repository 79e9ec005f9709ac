//! Reports: taken from hosts at `/v1/reports`, shown to operators at `/operator/v1/reports`.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::fleet::{ReportList, StoredReport};
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::reports::{Delivery, Receipt};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Here;
use crate::audit::{Act, Outcome, record};
use crate::body::{Asked, Named, Sent};
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::store::now_ms;

/// The most reports, or hosts, in one answer.
const LIMIT_MAX: u32 = 1000;

/// Which reports to list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Those of this host; those of all, if empty.
    host: String,
    /// Those before a number, as the last page gave it.
    before: Option<u64>,
    /// How many, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { host: String::new(), before: None, limit: 20 }
    }
}

/// Whose report it is, where several hosts used one id.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Whose {
    /// The host; any, if empty.
    host: String,
}

/// Keeps a report; the answer is on its way when it is on disk.
pub async fn keep(State(server): Here, caller: Caller, Sent(delivery): Sent<Delivery>) -> Result<Json<Receipt>, Refusal> {
    let host = caller.host.as_str();
    if delivery.report.host != host {
        let actor = format!("host {host}");
        record(now_ms(), &Act { act: "report", actor, object: &delivery.report.host, outcome: Outcome::Refused, detail: "another host's" });
        return Err(Refusal::new(Code::Forbidden, "the report is another host's"));
    }
    Ok(Json(server.store.keep_report(host, &delivery).await?))
}

/// Lists reports, the newest first.
pub async fn list(State(server): Here, Asked(page): Asked<Page>) -> Result<Json<ReportList>, Refusal> {
    check_limit(page.limit)?;
    let host = Some(page.host.as_str()).filter(|host| !host.is_empty());
    Ok(Json(server.store.reports(host, page.before, page.limit).await?))
}

/// Shows one report.
pub async fn show(State(server): Here, Named(id): Named<String>, Asked(whose): Asked<Whose>) -> Result<Json<StoredReport>, Refusal> {
    let host = Some(whose.host.as_str()).filter(|host| !host.is_empty());
    let unknown = || Refusal::new(Code::NotFound, "there is no such report (any more)").hint("keel report list");
    Ok(Json(server.store.report(&id, host).await?.ok_or_else(unknown)?))
}

/// Whether so many may be asked for at once.
///
/// # Errors
/// They may not.
pub fn check_limit(limit: u32) -> Result<(), Refusal> {
    if (1..=LIMIT_MAX).contains(&limit) { Ok(()) } else { Err(Refusal::new(Code::Malformed, format!("`limit` is 1 to {LIMIT_MAX}"))) }
}
