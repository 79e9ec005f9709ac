//! `/v1/gates`: whether other hosts' things are ready.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::gates::{GatesAnswer, GatesRequest};

use super::Here;
use crate::body::Sent;
use crate::caller::Caller;
use crate::refusal::Refusal;

/// Tells, at once or when one of them opens.
pub async fn ask(State(server): Here, caller: Caller, Sent(request): Sent<GatesRequest>) -> Result<Json<GatesAnswer>, Refusal> {
    Ok(Json(server.gatekeeper.gates(caller.host.as_str(), &request).await?))
}
