//! The client of the catalog server: HTTPS to one server that is known by its authority's root, with a
//! deadline and a limit on the answer for every request. Agents and operators share it; what differs is
//! how they prove who they are (a certificate, or a token in a header).

pub mod address;
pub mod fault;
pub mod pin;
pub mod tls;

use std::time::Duration;

use keel_engine::protocol::machine::MACHINE_HEADER;
use keel_engine::protocol::problem::Problem;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;

pub use address::ServerAddress;
pub use fault::Fault;

/// How long a connection may take, handshake included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: less than the ten seconds after which the server ends one.
const IDLE_MAX: Duration = Duration::from_secs(8);

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: ServerAddress,
    /// The machine that it says it runs on.
    machine: Option<String>,
}

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of the request to the last one of the answer.
    pub deadline: Duration,
    /// The most bytes of the answer's body.
    pub body_max: usize,
}

impl Limits {
    /// For small answers: 30 seconds, 1 MiB.
    pub const SMALL: Limits = Limits { deadline: Duration::from_secs(30), body_max: 1 << 20 };
}

/// Takes in a part of an answer's body, or says why no more is wanted.
pub type Taker<'a> = dyn FnMut(StatusCode, &[u8]) -> Result<(), String> + 'a;

/// An answer that is no refusal, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// 200, 304, ...
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of this server, with [`tls::config`]. It opens no connection yet.
    ///
    /// # Errors
    /// The system's name resolution or the settings do not allow one.
    pub fn new(address: ServerAddress, tls: ClientConfig) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE_MAX)
            .user_agent(concat!("keel/", env!("CARGO_PKG_VERSION")))
            .build();
        http.map(|http| Self { http, address, machine: None })
            .map_err(|error| format!("cannot prepare connections: {}", fault::chain(&error)))
    }

    /// The same, which says in every request on which machine it runs.
    pub fn on_machine(self, machine: Option<String>) -> Self {
        Self { machine, ..self }
    }

    /// The server.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Begins a request; the path starts with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.address.url(path));
        self.machine.iter().fold(request, |request, machine| request.header(MACHINE_HEADER, machine))
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// There was no answer within the limits, or the server refused.
    pub async fn send(&self, request: RequestBuilder, limits: Limits) -> Result<Answer, Fault> {
        let response = request.timeout(limits.deadline).send().await.map_err(|error| Fault::away(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read(response, limits.body_max).await?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, headers, body });
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Fault::Refused { problem, retry: retry_after(&headers) }),
            Err(_) => Err(Fault::Away(format!("{} answered {status} and not as a catalog server does", self.address))),
        }
    }

    /// Sends a request and hands its answer's body on in parts, an empty one first.
    ///
    /// # Errors
    /// As [`Client::send`], or the parts are not wanted any more.
    pub async fn stream(&self, request: RequestBuilder, deadline: Duration, take: &mut Taker<'_>) -> Result<(), String> {
        let mut response = request.timeout(deadline).send().await.map_err(|error| Fault::away(&error).to_string())?;
        let status = response.status();
        if !status.is_success() {
            let body = read(response, Limits::SMALL.body_max).await.map_err(|fault| fault.to_string())?;
            let problem = serde_json::from_slice::<Problem>(&body);
            return Err(problem.map_or_else(|_| format!("the server answered {status}"), |problem| problem.to_string()));
        }
        take(status, &[])?;
        while let Some(part) = response.chunk().await.map_err(|error| Fault::away(&error).to_string())? {
            take(status, &part)?;
        }
        Ok(())
    }

    /// Sends a request whose answer is JSON.
    ///
    /// # Errors
    /// As [`Client::send`], or the answer is not of that form.
    pub async fn send_for_json<T: DeserializeOwned>(&self, request: RequestBuilder, limits: Limits) -> Result<T, Fault> {
        let answer = self.send(request, limits).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Fault::Away(format!("{} answered something that cannot be understood: {error}", self.address)))
    }
}

/// Reads a body as far as it may go; the length that the server announces is not trusted.
async fn read(mut response: Response, body_max: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| Fault::away(&error))? {
        if body.len().saturating_add(part.len()) > body_max {
            return Err(Fault::Away(format!("the answer is longer than {body_max} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The pause that a server asks for, in whole seconds; anything else is no pause.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seconds_are_a_pause() {
        let pause = |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        for odd in ["-7", "soon", "", "99999999999999999999999"] {
            assert_eq!(pause(odd), None, "{odd}");
        }
    }
}
