//! `/health`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use keel_engine::protocol::live::Health;

use super::Here;
use crate::troubles;

/// Whether the server can do what it is for: 200 or 503, for whoever watches it. Anybody may ask, so that
/// troubles are named and not described.
pub async fn show(State(server): Here) -> (StatusCode, Json<Health>) {
    let troubles = troubles::all(&server).await;
    let healthy = !troubles.iter().any(troubles::Trouble::is_the_servers);
    let named: BTreeSet<&str> = troubles.iter().map(troubles::Trouble::in_short).collect();
    let troubles = named.into_iter().map(str::to_owned).collect();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { healthy, version: env!("CARGO_PKG_VERSION").to_owned(), troubles }))
}
