//! `keel-server serve`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::cli::Context;
use crate::error::{Error, Result};
use crate::owner::become_owner_of;
use crate::server::{Server, now_s};
use crate::settings::Settings;
use crate::tls::{Listener, ServerCertificateInUse, Stop, for_agents, for_operators, stop_channel};
use crate::{log, neighbours, nudge, routes, systemd};

/// How often the server looks whether its own certificate is to be made anew.
const LOOK: Duration = Duration::from_secs(3600);

/// Serve agents and operators until asked to stop.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keel-server serve --config /etc/keel/server.toml")]
pub struct Arguments {}

/// Runs it.
///
/// # Errors
/// Keys, database or addresses cannot be had.
pub fn run(_: &Arguments, context: &Context) -> Result<()> {
    let settings = context.settings()?;
    become_owner_of(&settings.state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Error::trouble(format!("cannot start: {error}")))?.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<()> {
    let asked = asked_to_stop()?;
    let (stop_now, stop) = stop_channel();
    let server = Server::open(settings, stop.clone()).await?;
    let certificate = server.authority.certify_server(&server.settings.names, now_s())?;
    let renew_at = certificate.renew_at;
    let certificate = Arc::new(ServerCertificateInUse::new(certificate)?);

    let room = Arc::new(Semaphore::new(server.settings.limits.connections));
    let config = for_agents(Arc::clone(&certificate), server.authority.agents_anchor())?;
    let router = routes::router(routes::agents(), &server);
    let agents = Listener::bind(server.settings.listen, config, router, Arc::clone(&room)).await?;
    let config = for_operators(Arc::clone(&certificate))?;
    let router = routes::router(routes::operators(), &server);
    let operators = Listener::bind(server.settings.operator_listen, config, router, room).await?;
    let socket = nudge::listen(&server.settings.socket())?;

    log::info("ready", &[("agents", &agents.address()?), ("operators", &operators.address()?)]);
    systemd::ready(&format!("agents at {}, operators at {}", agents.address()?, operators.address()?));
    tokio::spawn(systemd::watchdog());
    tokio::spawn(follow(Arc::clone(&server)));
    tokio::spawn(neighbours::hear(Arc::clone(&server)));
    tokio::spawn(sweep(Arc::clone(&server)));
    tokio::spawn(keep_certificate(Arc::clone(&server), certificate, renew_at));
    let serving = async {
        tokio::join!(agents.serve(stop.clone()), operators.serve(stop.clone()), hear(&server, socket, stop.clone()));
    };
    let stopping = async {
        let why = asked.await;
        log::info("stopping", &[("because", &why)]);
        systemd::stopping();
        // Those who are to hear it are running beside this.
        let _ = stop_now.send(true);
    };
    tokio::join!(serving, stopping);
    Ok(())
}

/// Follows the branches; a call through the socket is a reason to look at once.
async fn follow(server: Arc<Server>) {
    let called = async {
        loop {
            server.nudged.notified().await;
            server.environments.notify();
        }
    };
    tokio::join!(server.environments.watch(), called);
}

/// Removes what no catalog needs any more, and reports that are old, again and again.
async fn sweep(server: Arc<Server>) {
    loop {
        tokio::time::sleep(LOOK).await;
        server.compiler.sweep().await;
        if let Err(error) = server.store.forget_reports(server.settings.reports).await {
            log::warning("old reports cannot be forgotten now", &[("why", &error)]);
        }
    }
}

async fn hear(server: &Arc<Server>, socket: tokio::net::UnixListener, stop: Stop) {
    nudge::hear(socket, Arc::clone(&server.nudged), stop).await;
}

/// Returns, with its name, when a signal asks the program to stop.
fn asked_to_stop() -> Result<impl Future<Output = &'static str>> {
    let listen = |kind| signal(kind).map_err(|error| Error::trouble(format!("cannot listen to signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// Has the next certificate before the current one is half over.
async fn keep_certificate(server: Arc<Server>, in_use: Arc<ServerCertificateInUse>, mut renew_at: u64) {
    loop {
        tokio::time::sleep(LOOK).await;
        if now_s() < renew_at {
            continue;
        }
        let next = server.authority.certify_server(&server.settings.names, now_s());
        match next.and_then(|next| Ok((next.renew_at, in_use.replace(next)?))) {
            Ok((at, ())) => renew_at = at,
            Err(error) => log::warning("the server's certificate cannot be made anew", &[("why", &error)]),
        }
    }
}
