//! Inquiries: operators ask at `/operator/v1/inquiries` what a commit would change, agents plan it below
//! `/v1/inquiries`. A host gets the commit's catalog for itself alone, while it is waited for.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use keel_engine::digest::Digest;
use keel_engine::protocol::catalog::{COMMIT_HEADER, ENVIRONMENT_HEADER};
use keel_engine::protocol::inquiries::{AskedHosts, DEADLINE_S_MAX, Inquiry, InquiryRequest, OpenInquiries, Reply, WAIT_S_MAX};
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::secrets::SealedSecrets;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::Here;
use super::catalog::{facts, given};
use super::conditional::is_unchanged;
use super::content::sent;
use super::secrets::seal;
use crate::audit::{Act, Outcome, record};
use crate::body::{Asked, Named, Sent};
use crate::caller::{Caller, Operator};
use crate::compiler::{Meant, NoCatalog};
use crate::random;
use crate::refusal::Refusal;
use crate::route::{Header, Http};
use crate::store::{About, NewInquiry, Topic, now_ms};

/// How an operator gets a host's catalog.
pub const CATALOG_HTTP: Http = Http {
    reads: &[Header { name: "accept-encoding", about: "With `zstd` the catalog comes compressed by it.", required: false }],
    sets: &[
        Header { name: "etag", about: "The id of the catalog: the blake3 of its bytes before compression, in quotes.", required: true },
        Header { name: COMMIT_HEADER, about: "The commit that it was compiled from.", required: true },
        Header { name: ENVIRONMENT_HEADER, about: "The commit as it was named.", required: true },
        Header { name: "content-encoding", about: "`zstd`, if the catalog comes compressed.", required: false },
    ],
    also: &[],
};

/// How to wait for more.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wait {
    /// How many answers are known; more of them are worth an answer at once.
    answered: u64,
    /// How long the answer may be held, in seconds; at most 60.
    wait_s: u64,
}

/// Which page.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Hosts after this place, as the last page gave it.
    after: Option<u64>,
}

/// Asks hosts. Where the commit's site does not load nobody is asked, and the findings say why.
pub async fn ask(State(server): Here, operator: Operator, Sent(request): Sent<InquiryRequest>) -> Result<Json<Inquiry>, Refusal> {
    let InquiryRequest { reference, hosts: selector, deadline_s } = request;
    if !(1..=DEADLINE_S_MAX).contains(&deadline_s) {
        return Err(Refusal::new(Code::Malformed, format!("`deadline_s` is 1 to {DEADLINE_S_MAX}")));
    }
    let commit = server.environments.candidate(&reference).await?;
    let id = random::bytes::<16>().map(|bytes| random::hex(&bytes)).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let by = operator.name.clone();
    let mut inquiry = Inquiry {
        id: id.clone(),
        reference: reference.clone(),
        commit: commit.id.clone(),
        site: String::new(),
        by: by.clone(),
        deadline_s,
        findings: Vec::new(),
        hosts: 0,
        answered: 0,
        over: true,
    };
    let (selected, findings) = match server.compiler.meant(&commit, selector.as_deref()).await? {
        Meant::BadSite(findings) => return Ok(Json(Inquiry { findings, ..inquiry })),
        Meant::BadSelector(why) => return Err(Refusal::new(Code::Unprocessable, format!("`hosts` selects nobody: {why}"))),
        Meant::Hosts(selected, findings) => (selected, findings),
    };
    if selected.hosts.is_empty() {
        return Err(Refusal::new(Code::Unprocessable, "`hosts` selects no host of the commit"));
    }
    (inquiry.site, inquiry.findings, inquiry.over) = (selected.site.clone(), findings, false);
    inquiry.hosts = u64::try_from(selected.hosts.len()).unwrap_or(u64::MAX);
    let about = About { reference, commit: commit.id.clone(), site: selected.site, by, deadline_s };
    server.store.inquire(&NewInquiry { id, about, hosts: selected.hosts }).await?;
    let detail = format!("{} hosts", inquiry.hosts);
    let actor = format!("operator {}", operator.name);
    record(now_ms(), &Act { act: "ask", actor, object: &inquiry.commit, outcome: Outcome::Done, detail: &detail });
    Ok(Json(inquiry))
}

/// Says how an inquiry stands: at once if there is anything new, otherwise when there is, or the time is over.
pub async fn show(State(server): Here, Named(id): Named<String>, Asked(wait): Asked<Wait>) -> Result<Json<Inquiry>, Refusal> {
    let until = Instant::now() + Duration::from_secs(wait.wait_s.min(WAIT_S_MAX));
    let watch = server.store.watch(vec![Topic::Inquiry(id.clone())]);
    let mut stop = server.stop.clone();
    loop {
        let (inquiry, until_ms) = server.store.inquiry(&id).await?;
        if inquiry.over || inquiry.answered > wait.answered || Instant::now() >= until {
            return Ok(Json(inquiry));
        }
        let left = Duration::from_millis(u64::try_from(until_ms.saturating_sub(now_ms())).unwrap_or_default());
        let next = until.min(Instant::now() + left);
        tokio::select! {
            // Whichever it was, the store says how it stands.
            _ = timeout_at(next, watch.changed()) => {}
            () = stop.requested() => return Err(Refusal::new(Code::Unavailable, "the server stops")),
        }
    }
}

/// Lists the hosts of an inquiry, with what they answered.
pub async fn hosts(State(server): Here, Named(id): Named<String>, Asked(page): Asked<Page>) -> Result<Json<AskedHosts>, Refusal> {
    server.store.inquiry(&id).await?;
    Ok(Json(server.store.asked_hosts(&id, page.after).await?))
}

/// Gives the catalog that a host of an inquiry would have, to show what depends on what. Its secrets are closed.
pub async fn catalog_of(State(server): Here, Path((id, host)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, Refusal> {
    let (inquiry, _) = server.store.inquiry(&id).await?;
    if !server.store.is_asked(&id, &host).await? {
        return Err(Refusal::new(Code::NotFound, "the inquiry is not about such a host"));
    }
    let (entry, compressed) = server.compiler.candidate_catalog(&inquiry.commit, &host, None).await?;
    // What somebody typed may be more than a header takes.
    let named = inquiry.reference.escape_default().to_string();
    given(&headers, (entry.id, &inquiry.commit, &named), Some(compressed))
}

/// Says what a host is asked.
pub async fn open(State(server): Here, caller: Caller) -> Result<Json<OpenInquiries>, Refusal> {
    Ok(Json(server.store.open_inquiries(caller.host.as_str()).await?))
}

/// Gives the catalog that a host would have by the commit. One that does not compile is the host's answer.
pub async fn catalog(State(server): Here, caller: Caller, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    let facts = facts(&headers)?;
    let host = caller.host.as_str();
    let commit = server.store.commit_asked(&id, host).await?;
    let (entry, compressed) = match server.compiler.candidate_catalog(&commit, host, Some(facts)).await {
        Err(NoCatalog::DoesNotCompile { findings, reason }) => {
            server.store.reply(&id, host, &Reply::DoesNotCompile { findings: findings.clone() }).await?;
            return Err(NoCatalog::DoesNotCompile { findings, reason }.into());
        }
        other => other?,
    };
    let named = (entry.id, commit.as_str(), caller.environment.as_str());
    let body = if is_unchanged(&headers, &entry.id) { None } else { Some(compressed) };
    given(&headers, named, body)
}

/// Gives the secrets that this catalog names, closed for the host.
pub async fn secrets(State(server): Here, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    let host = caller.host.as_str();
    let commit = server.store.commit_asked(&id, host).await?;
    let (entry, _) = server.compiler.candidate_catalog(&commit, host, None).await?;
    let secrets = seal(&server, entry.secrets.clone(), &caller).await?;
    Ok((StatusCode::OK, Json(SealedSecrets { catalog: entry.id, secrets })).into_response())
}

/// Gives bytes that this catalog names.
pub async fn content(
    State(server): Here,
    caller: Caller,
    Named((id, digest)): Named<(String, Digest)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let host = caller.host.as_str();
    let commit = server.store.commit_asked(&id, host).await?;
    let found = server.compiler.candidate_content(&commit, host, digest).await?;
    let (blob, file) = found.ok_or_else(|| Refusal::new(Code::NotFound, "the catalog names no such content"))?;
    sent(blob, file, &headers).await
}

/// Takes a host's answer.
pub async fn answer(
    State(server): Here,
    caller: Caller,
    Named(id): Named<String>,
    Sent(reply): Sent<Reply>,
) -> Result<StatusCode, Refusal> {
    let host = caller.host.as_str();
    reply.check(host).map_err(|why| Refusal::new(Code::Unprocessable, why))?;
    let commit = server.store.commit_asked(&id, host).await?;
    server.store.reply(&id, host, &reply).await?;
    server.compiler.forget_candidate(&commit, host);
    Ok(StatusCode::NO_CONTENT)
}
