//! `/v1/leases` and `/operator/v1/leases`: the permission to interrupt a host as a member of a cluster.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::leases::{Lease, LeaseAnswer, LeaseList, LeaseProof, LeaseRelease, LeaseRequest, ProofReceipt};
use keel_engine::protocol::problem::Code;

use super::Here;
use crate::audit::{Act, Outcome, record};
use crate::body::Sent;
use crate::caller::{Caller, Operator};
use crate::refusal::Refusal;
use crate::store::now_ms;

/// Gives a lease, at once or when it can be had.
pub async fn ask(State(server): Here, caller: Caller, Sent(request): Sent<LeaseRequest>) -> Result<Json<LeaseAnswer>, Refusal> {
    let mut stop = server.stop.clone();
    tokio::select! {
        answer = server.leases.ask(caller.host.as_str(), &request) => Ok(Json(answer?)),
        () = stop.requested() => Err(Refusal::new(Code::Unavailable, "the server stops")),
    }
}

/// Takes in how a host is as a member.
pub async fn prove(State(server): Here, caller: Caller, Sent(proof): Sent<LeaseProof>) -> Result<Json<ProofReceipt>, Refusal> {
    Ok(Json(server.leases.prove(caller.host.as_str(), &proof).await?))
}

/// Shows who holds leases, and who waits.
pub async fn list(State(server): Here) -> Result<Json<LeaseList>, Refusal> {
    Ok(Json(LeaseList { now_ms: now_ms(), leases: server.store.all_leases().await? }))
}

/// Takes a lease from a host.
pub async fn release(State(server): Here, operator: Operator, Sent(release): Sent<LeaseRelease>) -> Result<Json<Lease>, Refusal> {
    let LeaseRelease { guard, host, why } = release;
    let taken = server.store.take_lease(&guard, &host, &why, &operator.name).await.map_err(Refusal::from);
    let taken = taken.map_err(|refusal| if refusal.0.code == Code::NotFound { refusal.hint("keel lease list") } else { refusal })?;
    let detail = format!("{guard}: {why}");
    let actor = format!("operator {}", operator.name);
    record(now_ms(), &Act { act: "release", actor, object: &host, outcome: Outcome::Done, detail: &detail });
    Ok(Json(taken))
}
