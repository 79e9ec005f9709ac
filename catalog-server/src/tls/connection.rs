//! One connection: the handshake, then HTTP/2 or HTTP/1.1 as the client chose, with an end to everything.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, Verdict};
use super::{Presented, Stop};

const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER: Duration = Duration::from_secs(10);
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long a connection that is to close may still finish what goes on.
const FINISH: Duration = Duration::from_secs(10);

/// Who is at the other end of a connection, as far as the handshake tells.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address, which may be a balancer's.
    pub address: SocketAddr,
    /// The certificate, if there is one of ours.
    pub presented: Option<Arc<Presented>>,
    /// The requests of this connection.
    pub activity: Arc<Activity>,
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, address: SocketAddr, acceptor: TlsAcceptor, router: Router, stop: Stop) {
    // A small answer goes out at once instead of waiting for more.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let (_, session) = tls.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let presented = match certificate.map(|der| Presented::read(der)) {
        // Ours by signature and yet not one that we make: nobody we would talk to.
        Some(None) => return,
        Some(Some(presented)) => Some(Arc::new(presented)),
        None => None,
    };
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let peer = Peer { address, presented, activity: Activity::new(Instant::now()) };
    // Boxed: there are thousands of connections, and none needs room for the other protocol's state.
    if is_http2 { Box::pin(serve_http2(tls, peer, router, stop)).await } else { Box::pin(serve_http1(tls, peer, router, stop)).await }
}

/// Hands a request to the routes, with who sent it.
fn service(
    peer: Peer,
    router: Router,
) -> impl hyper::service::Service<Request<Incoming>, Response = axum::response::Response, Error = std::convert::Infallible, Future: Send> {
    let router = TowerToHyperService::new(router);
    hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.call(request)
    })
}

async fn serve_http1(tls: TlsStream<TcpStream>, peer: Peer, router: Router, stop: Stop) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(tls), service(peer.clone(), router));
    watch(pin!(connection), |connection| connection.graceful_shutdown(), &peer.activity, stop).await;
}

async fn serve_http2(tls: TlsStream<TcpStream>, peer: Peer, router: Router, stop: Stop) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(32)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .serve_connection(TokioIo::new(tls), service(peer.clone(), router));
    watch(pin!(connection), |connection| connection.graceful_shutdown(), &peer.activity, stop).await;
}

/// Drives a connection, and ends it when it is idle, when something in it takes too long, or when the server stops.
async fn watch<C: Future>(mut connection: Pin<&mut C>, finish: impl Fn(Pin<&mut C>), activity: &Activity, mut stop: Stop) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = stop.requested() => break,
            _ = look.tick() => match activity.verdict(Instant::now()) {
                Verdict::Keep => {}
                Verdict::Finish => break,
                Verdict::Drop => return,
            },
        }
    }
    finish(connection.as_mut());
    // Whether it ended in time or not, it ends here.
    let _ = tokio::time::timeout(FINISH, connection).await;
}
