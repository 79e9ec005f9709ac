//! HTTP/1.1 over TLS by hand: a test may send what no library would, and stop in the middle.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::Identity;

/// Longer than anything that is right takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A peer of the server.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    token: Option<String>,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{}", self.text());
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// A client that trusts one root, with a certificate or a bearer token or neither.
    ///
    /// # Panics
    /// The certificates are none.
    pub fn new(address: SocketAddr, root: &str, identity: Option<&Identity>, token: Option<&str>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match identity {
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.chain().as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_slice(identity.key().as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Self { address, config: Arc::new(config), token: token.map(str::to_owned) }
    }

    /// The same peer, who offers one protocol by ALPN.
    pub fn speaking(&self, protocol: &[u8]) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// Opens a connection and finishes its handshake, as far as the client can tell.
    ///
    /// # Errors
    /// Nobody is there, or the handshake fails.
    ///
    /// # Panics
    /// `localhost` is no name.
    pub fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let stream = TcpStream::connect(self.address).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
        }
        Ok(stream)
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// The connection fails.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
        let token = self.token.iter().map(|token| ("Authorization", format!("Bearer {token}")));
        for (name, value) in headers.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(token) {
            request.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        if !body.is_empty() {
            request.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        request.extend(b"\r\n");
        request.extend(body);
        self.raw(&request)
    }

    /// Sends bytes as they are on a connection of their own, and reads one answer.
    ///
    /// # Errors
    /// The connection fails before there is an answer.
    pub fn raw(&self, request: &[u8]) -> Result<Answer, String> {
        let mut stream = self.connect()?;
        // A server that refuses early may close before it has read everything; its answer counts all the same.
        let _ = stream.write_all(request).and_then(|()| stream.flush());
        read_answer(&mut Received(&mut stream))
    }

    /// A GET.
    ///
    /// # Errors
    /// The connection fails.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.send("GET", path, &[], b"")
    }

    /// A POST with JSON.
    ///
    /// # Errors
    /// The connection fails.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// A PUT with JSON.
    ///
    /// # Errors
    /// The connection fails.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.send("PUT", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }
}

/// Reads one answer from an open connection.
///
/// # Errors
/// It ends before the answer does.
pub fn read_answer(stream: &mut impl Read) -> Result<Answer, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read_byte(stream)?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(|| format!("no answer: {head}"))?;
    let headers: BTreeMap<String, String> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let body = if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        read_chunks(stream)?
    } else {
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap_or(0));
        read_exactly(stream, length)?
    };
    Ok(Answer { status, headers, body })
}

/// What came over a connection. The stream itself would first write what is left, and fail where nobody listens any more.
struct Received<'s>(&'s mut StreamOwned<ClientConnection, TcpStream>);

impl Read for Received<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let StreamOwned { conn, sock } = &mut *self.0;
        loop {
            match conn.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if conn.read_tls(sock)? == 0 {
                return Ok(0);
            }
            conn.process_new_packets().map_err(std::io::Error::other)?;
        }
    }
}

fn read_chunks(stream: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(read_byte(stream)?);
        }
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).map_err(|error| error.to_string())?;
        body.extend(read_exactly(stream, size)?);
        read_exactly(stream, 2)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_byte(stream: &mut impl Read) -> Result<u8, String> {
    read_exactly(stream, 1).map(|bytes| bytes[0])
}

fn read_exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
