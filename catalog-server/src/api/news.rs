//! `/v1/news`: what a host should hear of between its runs.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::news::{NewsAnswer, NewsRequest};

use super::Here;
use crate::body::Asked;
use crate::caller::Caller;
use crate::refusal::Refusal;

/// Tells, at once or when something happens.
pub async fn listen(State(server): Here, caller: Caller, Asked(request): Asked<NewsRequest>) -> Result<Json<NewsAnswer>, Refusal> {
    Ok(Json(server.gatekeeper.news(caller.host.as_str(), request).await?))
}
