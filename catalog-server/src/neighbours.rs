//! Neighbours: what other servers of the same database found out is taken over as it happens, so that a
//! host may ask any of them.

use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;
use crate::store::{Topic, now_ms};

/// How long changes are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(200);
/// How far the servers' clocks may be apart.
const SKEW_MS: i64 = 120_000;

/// Hears what the others do, for ever. A server that is alone hears itself, which costs a look.
pub async fn hear(server: Arc<Server>) {
    tokio::join!(commits(&server), facts(&server));
}

/// Another server found a commit: it may be there for this one, too.
async fn commits(server: &Server) {
    let watch = server.store.watch(vec![Topic::Environments]);
    loop {
        watch.changed().await;
        server.environments.notify();
        tokio::time::sleep(GATHER).await;
    }
}

/// Facts came to another server: catalogs that depend on them are looked at again.
async fn facts(server: &Server) {
    let watch = server.store.watch(vec![Topic::Facts]);
    let mut heard_ms = now_ms();
    loop {
        watch.changed().await;
        tokio::time::sleep(GATHER).await;
        let now_ms = now_ms();
        match server.store.facts_since(heard_ms.saturating_sub(SKEW_MS)).await {
            Ok(changed) => {
                changed.iter().for_each(|(host, digest)| server.compiler.facts_are(host, *digest));
                heard_ms = now_ms;
            }
            // The connection of the wake-ups is lost as well, and when it is back everybody is woken.
            Err(error) => crate::log::warning("facts that other servers took are not known here yet", &[("why", &error)]),
        }
    }
}
