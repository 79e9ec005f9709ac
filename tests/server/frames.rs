//! HTTP/2 by hand: frames in an order that no library would send.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};

use super::Client;

/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET https://localhost/v1/live`, as HPACK writes it without a table.
pub const GET: &[u8] = b"\x82\x87\x04\x08/v1/live\x01\x09localhost";
/// `POST https://localhost/v1/enrolment` with JSON to come.
pub const POST: &[u8] = b"\x83\x87\x04\x0d/v1/enrolment\x01\x09localhost\x0f\x10\x10application/json";

/// The kinds of frames.
pub mod kind {
    /// A part of a body.
    pub const DATA: u8 = 0;
    /// A head.
    pub const HEADERS: u8 = 1;
    /// The end of a stream before its time.
    pub const RST_STREAM: u8 = 3;
    /// What a side can take.
    pub const SETTINGS: u8 = 4;
    /// The end of a connection, with its reason.
    pub const GOAWAY: u8 = 7;
    /// More of a head.
    pub const CONTINUATION: u8 = 9;
}

/// The head is complete.
pub const END_HEADERS: u8 = 4;
/// Nothing follows on this stream.
pub const END_STREAM: u8 = 1;
/// The reason of an end: the peer asks for too much.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection that speaks HTTP/2.
pub struct Frames {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What has yet to go out: floods go in large pieces.
    waiting: Vec<u8>,
}

impl Frames {
    /// A connection with its first words said.
    ///
    /// # Errors
    /// Nobody is there, or the server does not choose HTTP/2.
    pub fn open(client: &Client) -> Result<Self, String> {
        let stream = client.speaking(b"h2").connect()?;
        if stream.conn.alpn_protocol() != Some(b"h2") {
            return Err("the server does not speak HTTP/2".to_owned());
        }
        let mut frames = Self { stream, waiting: PREFACE.to_vec() };
        frames.add(kind::SETTINGS, 0, 0, b"");
        Ok(frames)
    }

    /// Adds a frame to what goes out.
    ///
    /// # Panics
    /// It is longer than a frame can be.
    pub fn add(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.waiting.extend_from_slice(&length[1..]);
        self.waiting.extend_from_slice(&[kind, flags]);
        self.waiting.extend_from_slice(&stream.to_be_bytes());
        self.waiting.extend_from_slice(payload);
    }

    /// Sends what was added.
    ///
    /// # Errors
    /// The server has ended the connection.
    pub fn send(&mut self) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.waiting);
        self.stream.write_all(&bytes).and_then(|()| self.stream.flush()).map_err(|error| error.to_string())
    }

    /// The next frame: its kind, its stream and what is in it; none when the connection has ended.
    pub fn read(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Reads to the end of the connection, and returns the reason that the server gave for it.
    pub fn end(mut self) -> Option<u32> {
        let mut reason = None;
        while let Some((kind, _, payload)) = self.read() {
            if let (kind::GOAWAY, Some(bytes)) = (kind, payload.get(4..8)) {
                reason = bytes.try_into().ok().map(u32::from_be_bytes);
            }
        }
        reason
    }
}
