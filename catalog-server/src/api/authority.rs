//! `/v1/authority`.

use axum::Json;
use axum::extract::State;
use keel_engine::protocol::certificate::Authority;

use super::Here;

/// The root certificate and its fingerprint.
pub async fn show(State(server): Here) -> Json<Authority> {
    Json(server.authority.published())
}
