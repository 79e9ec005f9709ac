//! `/v1/facts`: what a host says of itself.

use axum::Json;
use axum::extract::State;
use keel_engine::digest::Digest;
use keel_engine::protocol::facts::{FactsAnswer, read, within_range};
use keel_engine::protocol::problem::Code;

use super::Here;
use crate::body::SentBytes;
use crate::caller::Caller;
use crate::json;
use crate::log::printable;
use crate::refusal::Refusal;

/// Keeps them in place of the earlier ones. What cannot be taken is left out, and said.
pub async fn keep(State(server): Here, caller: Caller, SentBytes(bytes): SentBytes) -> Result<Json<FactsAnswer>, Refusal> {
    json::check(&within_range(&bytes)).map_err(|why| Refusal::new(Code::Malformed, printable(&why)))?;
    let (facts, dropped) = read(&bytes).map_err(|why| Refusal::new(Code::Unprocessable, printable(&why)))?;
    let digest = Digest::of(&bytes);
    server.store.keep_facts(caller.host.as_str(), digest, &facts).await?;
    server.compiler.facts_are(caller.host.as_str(), digest);
    Ok(Json(FactsAnswer { digest, dropped }))
}
