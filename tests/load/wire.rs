//! One connection of a simulated agent: HTTP/1.1 over TLS, by hand, so that thousands of agents cost little.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Result;

/// An open connection.
pub(super) struct Wire {
    stream: TlsStream<TcpStream>,
    /// What has come and is not read yet.
    buffer: Vec<u8>,
}

/// What the server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Wire {
    pub(super) async fn open(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(config).connect(ServerName::try_from("localhost")?, stream).await?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}").into_bytes();
        if method != "GET" {
            request.extend_from_slice(format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()).as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// One request with its answer; the connection stays open.
    pub(super) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Answer> {
        self.send(method, path, headers, body).await?;
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect())?;
        let mut answer = Answer { status: 0, head, body: Vec::new() };
        answer.status = answer.head.split(' ').nth(1).ok_or("no status")?.parse()?;
        let length: usize = answer.header("content-length").unwrap_or("0").parse()?;
        if answer.header("transfer-encoding").is_some() {
            return Err("the server answers in chunks, which nothing here needs".into());
        }
        let length = if answer.status == 304 { 0 } else { length };
        while self.buffer.len() < length {
            self.more().await?;
        }
        answer.body = self.buffer.drain(..length).collect();
        Ok(answer)
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}
