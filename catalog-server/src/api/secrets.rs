//! `/v1/secrets`: the secrets that the asker's catalog names, closed for it alone.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::secrets::SealedSecrets;

use super::Here;
use super::conditional::{etag, is_unchanged};
use super::elsewhere::find_catalog;
use crate::caller::Caller;
use crate::compiler::messages::ClosedSecret;
use crate::refusal::Refusal;
use crate::secrets::state;
use crate::server::Server;

/// Gives them, or says that those that the host has are still the right ones.
pub async fn show(State(server): Here, caller: Caller, headers: HeaderMap) -> Result<Response, Refusal> {
    let host = caller.host.as_str();
    let known = server.compiler.record(host).await.and_then(|record| record.current).map(|entry| entry.id);
    find_catalog(&server, &caller, known).await?;
    let entry = server.compiler.record(host).await.and_then(|record| record.current);
    let entry = entry.ok_or_else(|| Refusal::new(Code::NotFound, "this host has no catalog yet").hint("ask for the catalog first"))?;
    let tag = state(&entry.secrets, &caller.recipient);
    if is_unchanged(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag(&tag))]).into_response());
    }
    let secrets = seal(&server, entry.secrets, &caller).await?;
    Ok(([(header::ETAG, etag(&tag))], Json(SealedSecrets { catalog: entry.id, secrets })).into_response())
}

/// Secrets, closed for who asks.
///
/// # Errors
/// The server cannot open them itself.
pub(super) async fn seal(server: &Server, secrets: Vec<ClosedSecret>, caller: &Caller) -> Result<BTreeMap<String, String>, Refusal> {
    let (sealer, recipient) = (server.sealer.clone(), caller.recipient.clone());
    // Curve arithmetic for each secret: too long for a thread that serves others meanwhile.
    let sealing = tokio::task::spawn_blocking(move || sealer.seal(&secrets, &recipient));
    let sealed = sealing.await.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    sealed.map_err(|error| {
        crate::log::warning("secrets cannot be given", &[("why", &error)]);
        Refusal::new(Code::Unavailable, "the server cannot open the site's secrets").hint("its log says why")
    })
}
