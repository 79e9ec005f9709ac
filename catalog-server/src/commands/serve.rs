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
use crate::store::now_ms;
use crate::tls::{Listener, ServerCertificateInUse, Stop, bind, for_agents, for_operators, stop_channel};
use crate::{log, neighbours, nudge, routes, systemd, verdict};

/// How often what is old is swept away, and how often the server looks whether its own certificate is to be made anew.
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
    // Of two servers over one state the second one ends here, before it touches what the first one is writing.
    let (agents, operators) = (bind(settings.listen).await?, bind(settings.operator_listen).await?);
    let server = Server::open(settings, stop.clone()).await?;
    let certificate = Arc::new(ServerCertificateInUse::begin(&server.authority, &server.settings.names, now_s())?);

    let room = Arc::new(Semaphore::new(server.settings.limits.connections));
    let config = for_agents(Arc::clone(&certificate), server.authority.agents_anchor())?;
    let router = routes::router(routes::agents(), &server);
    let agents = Listener::new(agents, config, router, Arc::clone(&room));
    let config = for_operators(Arc::clone(&certificate))?;
    let router = routes::router(routes::operators(), &server);
    let operators = Listener::new(operators, config, router, room);
    let socket = nudge::listen(&server.settings.socket())?;

    log::info("ready", &[("agents", &agents.address()?), ("operators", &operators.address()?)]);
    systemd::ready(&format!("agents at {}, operators at {}", agents.address()?, operators.address()?));
    tokio::spawn(systemd::watchdog());
    let environments = Arc::clone(&server.environments);
    tokio::spawn(async move { environments.watch().await });
    tokio::spawn(neighbours::hear(Arc::clone(&server)));
    tokio::spawn(sweep(Arc::clone(&server)));
    tokio::spawn(keep_certificate(Arc::clone(&server), certificate));
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

/// Removes what no catalog needs any more, and reports that are old, again and again.
async fn sweep(server: Arc<Server>) {
    loop {
        server.compiler.sweep().await;
        if let Err(error) = server.store.forget_reports(server.settings.reports).await {
            log::warning("old reports cannot be forgotten now", &[("why", &error)]);
        }
        if let Err(error) = server.store.forget_acts(now_ms()).await {
            log::warning("old acts cannot be forgotten now", &[("why", &error)]);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Hears who pushed, and says what became of it.
async fn hear(server: &Arc<Server>, socket: tokio::net::UnixListener, stop: Stop) {
    let environments = Arc::clone(&server.environments);
    let look: nudge::Look = Arc::new(move || {
        let environments = Arc::clone(&environments);
        Box::pin(async move { verdict::of_a_look(&environments).await })
    });
    nudge::hear(socket, look, stop).await;
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
async fn keep_certificate(server: Arc<Server>, in_use: Arc<ServerCertificateInUse>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = in_use.renew(&server.authority, &server.settings.names, now_s()) {
            log::warning("the server's certificate cannot be made anew", &[("why", &error)]);
        }
    }
}
