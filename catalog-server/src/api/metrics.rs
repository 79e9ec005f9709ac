//! `/metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Here;
use crate::fleet_figures;
use crate::metrics::Page;
use crate::refusal::Refusal;

/// The media type of Prometheus's text form.
pub const MEDIA: &str = "text/plain; version=0.0.4";

/// All figures.
pub async fn show(State(server): Here) -> Result<impl IntoResponse, Refusal> {
    let mut page = Page::default();
    page.head("keel_server_info", "gauge", "The server's version.");
    page.line("keel_server_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauge("keel_requests_room", "How many more requests would be taken at once.", server.room.available_permits());
    server.metrics.write(&mut page);
    fleet_figures::write(&server.store, &mut page).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA)], page.text()))
}
