//! `/health`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::protocol::live::Health;

use super::Here;

/// Whether everything is well: 200 or 503, for whoever watches the server.
pub async fn show(State(server): Here) -> (StatusCode, Json<Health>) {
    let mut troubles = Vec::new();
    if server.store.damage().is_some() {
        troubles.push("the database is damaged and only read".to_owned());
    } else if let Err(error) = server.store.operators().await {
        troubles.push(error.problem().detail);
    }
    troubles.extend(server.environments.trouble());
    let healthy = troubles.is_empty();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { healthy, version: env!("CARGO_PKG_VERSION").to_owned(), troubles }))
}
