//! What another server of the same database gave a host: this one compiles it for itself when it is asked for it.

use keel_engine::digest::Digest;

use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::server::Server;

/// Compiles the host's catalog here, as far as its facts are known.
///
/// # Errors
/// The host has no catalog now, or the database does not answer.
async fn compile_too(server: &Server, caller: &Caller) -> Result<(), Refusal> {
    if let Some(facts) = server.store.facts_digest(caller.host.as_str()).await? {
        server.compiler.current(&caller.environment, caller.host.as_str(), facts).await?;
    }
    Ok(())
}

/// Has this server know a content, if a catalog of the host names it. Says whether one does.
///
/// # Errors
/// As [`compile_too`].
pub(super) async fn find_content(server: &Server, caller: &Caller, content: &Digest) -> Result<bool, Refusal> {
    let named = server.store.may_read(caller.host.as_str(), content).await?;
    if named {
        compile_too(server, caller).await?;
    }
    Ok(named)
}

/// Has this server know the host's catalog, if another one gave it a newer one than `known`.
///
/// # Errors
/// As [`compile_too`].
pub(super) async fn find_catalog(server: &Server, caller: &Caller, known: Option<Digest>) -> Result<(), Refusal> {
    match server.store.delivered(caller.host.as_str()).await? {
        Some((catalog, _)) if Some(catalog) != known => compile_too(server, caller).await,
        _ => Ok(()),
    }
}
