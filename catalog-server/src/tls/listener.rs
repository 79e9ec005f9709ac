//! Listeners: accept connections, up to a number, until the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection;
use crate::error::{Error, Result};

/// How long open connections may go on after the server was asked to stop.
const DRAIN: Duration = Duration::from_secs(15);
/// How long to wait when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// Tells everybody who holds it when the server is to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A way to ask the server to stop, and the thing that hears of it.
pub fn stop_channel() -> (watch::Sender<bool>, Stop) {
    let (sender, receiver) = watch::channel(false);
    (sender, Stop(receiver))
}

impl Stop {
    /// Returns when the server is to stop.
    pub async fn requested(&mut self) {
        // The sender is gone only when the server is.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Binds an address. Nobody is answered there yet.
///
/// # Errors
/// It is taken, or not ours.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::trouble(format!("cannot listen on {address}: {error}")).hint("set `listen` and `operator_listen` in server.toml")
    })
}

/// A bound address with what answers there.
pub struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    room: Arc<Semaphore>,
}

impl Listener {
    /// What answers at a bound address.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>, router: Router, room: Arc<Semaphore>) -> Self {
        Self { listener, acceptor: TlsAcceptor::from(config), router, room }
    }

    /// Where it listens: the port was chosen by the system if the setting said 0.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|error| Error::trouble(format!("the listener has no address: {error}")))
    }

    /// Serves until the server is to stop, and then what goes on for a little longer.
    pub async fn serve(self, mut stop: Stop) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.requested() => break,
                accepted = self.listener.accept() => accepted,
            };
            while open.try_join_next().is_some() {}
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    crate::log::warning("cannot accept a connection", &[("why", &error)]);
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            // Over the limit a connection is closed at once; the agent comes again after a while.
            let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { continue };
            let connection = connection::serve(stream, address, self.acceptor.clone(), self.router.clone(), stop.clone());
            open.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        drop(self.listener);
        let drained = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            crate::log::warning("connections were cut off", &[("number", &open.len())]);
        }
    }
}
