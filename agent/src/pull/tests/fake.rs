//! A server that says what a test wants, over real TLS on a loopback port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::Identity;
use crate::client::tls;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// `GET /v1/catalog`
    pub(super) line: String,
    pub(super) body: Vec<u8>,
}

/// What becomes of it.
pub(super) enum Reply {
    /// A status line's rest, headers each with its newline, and a body.
    Answer(&'static str, String, Vec<u8>),
    /// The connection is closed in the middle of such an answer.
    Cut(Vec<u8>),
    /// One byte, and then another one, for ever.
    Drip,
}

/// The server; it ends with the test's process.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    /// Everything that came after a handshake.
    pub(super) requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(super) fn start(identity: Identity, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let config = ServerConfig::builder_with_provider(tls::provider()).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(identity.chain, identity.key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, seen, answer) = (Arc::clone(&config), Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || drop(serve(stream, config, &seen, &*answer)));
            }
        });
        Self { address, requests }
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request) -> Reply,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        let mut header = String::new();
        while stream.read_line(&mut header)? > 2 {
            let lower = header.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            header.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let request = Request { line, body };
        seen.lock().unwrap().push(request.clone());
        match answer(&request) {
            Reply::Answer(status, headers, body) => {
                let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
                stream.get_mut().write_all(&[head.as_bytes(), &body].concat())?;
            }
            Reply::Cut(part) => {
                stream.get_mut().write_all(&part)?;
                return Ok(());
            }
            Reply::Drip => {
                stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
                loop {
                    stream.get_mut().write_all(b"x")?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}
