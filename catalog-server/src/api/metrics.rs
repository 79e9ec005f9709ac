//! `/metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Here;
use crate::fleet_figures;
use crate::metrics::Page;
use crate::refusal::Refusal;
use crate::server::Server;

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
    write_compiler(&server, &mut page);
    Ok(([(header::CONTENT_TYPE, MEDIA)], page.text()))
}

/// How the compiler fares.
fn write_compiler(server: &Server, page: &mut Page) {
    page.head("keel_compile_workers_stopped_total", "counter", "Compile workers that took too much or broke.");
    page.line("keel_compile_workers_stopped_total", &[], server.compiler.workers_stopped());
    page.gauge("keel_hosts_not_compiling", "Hosts that do not compile with the facts they sent.", server.compiler.failed_hosts().len());
    page.head("keel_environment_refused", "gauge", "Whether hosts do not get the newest commit of an environment.");
    for environment in server.environments.list() {
        page.line("keel_environment_refused", &[("environment", &environment.name)], u8::from(environment.refused.is_some()));
    }
}
