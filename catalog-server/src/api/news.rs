//! `/v1/news`: what a host should hear of between its runs.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::news::{NewsAnswer, NewsRequest};
use keel_engine::protocol::problem::Code;

use super::Here;
use crate::body::Asked;
use crate::caller::Caller;
use crate::refusal::Refusal;

/// Tells, at once or when something happens.
pub async fn listen(State(server): Here, caller: Caller, Asked(request): Asked<NewsRequest>) -> Result<Json<NewsAnswer>, Refusal> {
    let mut stop = server.stop.clone();
    tokio::select! {
        answer = server.gatekeeper.news(caller.host.as_str(), request) => Ok(Json(answer?)),
        () = stop.requested() => Err(Refusal::new(Code::Unavailable, "the server stops")),
    }
}
