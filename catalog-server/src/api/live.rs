//! `/v1/live`.

use axum::Json;
use keel_engine::protocol::live::Live;

/// That the server answers.
pub async fn show() -> Json<Live> {
    Json(Live { version: env!("CARGO_PKG_VERSION").to_owned() })
}
