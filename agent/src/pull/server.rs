//! What an agent asks its server for, one method a route. Calls block; whatever goes wrong on the way is
//! a [`Fault`], and no fault ever stops the agent.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::JSON;
use keel_engine::protocol::catalog::{CATALOG_BYTES_MAX, CATALOG_PATH, COMMIT_HEADER, CONTENT_PATH, ENVIRONMENT_HEADER, FACTS_HEADER};
use keel_engine::protocol::certificate::{Certificate, Renewal};
use keel_engine::protocol::facts::{FACTS_PATH, FactsAnswer};
use keel_engine::protocol::inquiries::{INQUIRIES_PATH, OpenInquiries};
use keel_engine::protocol::leases::{LEASES_PATH, LeaseAnswer, LeaseProof, LeaseRequest, PROOF_PATH, ProofReceipt};
use keel_engine::protocol::problem::Code;
use keel_engine::protocol::reports::{Delivery, REPORTS_PATH, Receipt};
use keel_engine::protocol::secrets::{SECRETS_PATH, SealedSecrets};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, RANGE};
use reqwest::{Method, StatusCode};
use tokio::runtime::{Builder, Runtime};

use super::contents::{ContentStore, write_part};
use super::home::Home;
use super::machine::machine;
use super::node::Node;
use super::settings::AgentSettings;
use crate::client::address::AGENT_PORT;
use crate::client::{Client, Fault, Limits, tls};

/// A catalog, compiled on demand.
const CATALOG_LIMITS: Limits = Limits { deadline: Duration::from_secs(60), body_max: CATALOG_BYTES_MAX };
/// Sealed secrets of one host.
const SECRETS_LIMITS: Limits = Limits { deadline: Duration::from_secs(60), body_max: 16 << 20 };
/// The slowest that a content may come, in bytes a second.
const CONTENT_RATE_MIN: u64 = 10 << 10;

/// The server of a host.
pub struct Server {
    runtime: Runtime,
    client: Client,
    /// The inquiry about whose commit it is asked; none for the one that the host follows.
    inquiry: Option<String>,
}

/// The answer to the question for a catalog.
#[derive(Debug)]
pub enum CatalogAnswer {
    /// It is the one that the agent has, perhaps of a newer commit.
    Unchanged(Source),
    /// Another one.
    New(NewCatalog),
}

/// A catalog as it came.
#[derive(Debug)]
pub struct NewCatalog {
    /// Its binary form, which is what its name says.
    pub bytes: Vec<u8>,
    /// Its name.
    pub id: Digest,
    /// Where it comes from.
    pub source: Source,
}

/// Where a catalog comes from, as the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The commit that it was compiled from, or is good for.
    pub commit: Option<String>,
    /// The environment that the host follows.
    pub environment: Option<String>,
}

impl Source {
    fn of(headers: &HeaderMap) -> Self {
        Self { commit: text(headers, COMMIT_HEADER), environment: text(headers, ENVIRONMENT_HEADER) }
    }
}

/// The client of a host's server; it can be used in any runtime.
///
/// # Errors
/// The authority or the certificate cannot be used.
pub fn client(home: &Home, settings: &AgentSettings, node: &Node) -> Result<Client, String> {
    let tls = tls::config(tls::roots_in(&home.authority())?, Some(&node.credentials))?;
    Ok(Client::new(settings.server.clone().or_port(AGENT_PORT), tls)?.on_machine(machine()))
}

impl Server {
    /// The server of a host. No connection is opened yet.
    ///
    /// # Errors
    /// As [`client`].
    pub fn of(home: &Home, settings: &AgentSettings, node: &Node) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot prepare connections: {error}"))?;
        Ok(Self { runtime, client: client(home, settings, node)?, inquiry: None })
    }

    /// The same, for the catalog of the commit that an inquiry is about, with its secrets and contents.
    pub fn about(self, inquiry: &str) -> Self {
        Self { inquiry: Some(inquiry.to_owned()), ..self }
    }

    /// Where something of the catalog is.
    fn path(&self, path: &str) -> String {
        match (&self.inquiry, path.strip_prefix("/v1")) {
            (Some(id), Some(rest)) => format!("{INQUIRIES_PATH}/{id}{rest}"),
            _ => path.to_owned(),
        }
    }

    /// What the host is asked about commits.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn inquiries(&self) -> Result<OpenInquiries, Fault> {
        let request = self.client.request(Method::GET, INQUIRIES_PATH);
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL))
    }

    /// Answers an inquiry.
    ///
    /// # Errors
    /// The server is away, or does not wait for the answer any more.
    pub fn answer(&self, inquiry: &str, body: Vec<u8>) -> Result<(), Fault> {
        let request = self.client.request(Method::POST, &format!("{INQUIRIES_PATH}/{inquiry}/answer"));
        let request = request.header(CONTENT_TYPE, JSON).body(body);
        self.runtime.block_on(self.client.send(request, Limits::SMALL)).map(drop)
    }

    /// Asks for the catalog, with these facts, unless it is the one at hand.
    ///
    /// # Errors
    /// The server is away, or has no catalog.
    pub fn catalog(&self, facts: &[u8], at_hand: Option<&Digest>) -> Result<CatalogAnswer, Fault> {
        match self.ask_catalog(facts, at_hand) {
            Err(fault) if fault.code() == Some(Code::FactsNeeded) => {
                self.send_facts(facts)?;
                self.ask_catalog(facts, at_hand)
            }
            answer => answer,
        }
    }

    fn ask_catalog(&self, facts: &[u8], at_hand: Option<&Digest>) -> Result<CatalogAnswer, Fault> {
        let mut request = self.client.request(Method::GET, &self.path(CATALOG_PATH));
        request = request.header(FACTS_HEADER, Digest::of(facts).to_string()).header(ACCEPT_ENCODING, "zstd");
        if let Some(id) = at_hand {
            request = request.header(IF_NONE_MATCH, format!("\"{id}\""));
        }
        let answer = self.runtime.block_on(self.client.send(request, CATALOG_LIMITS))?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(CatalogAnswer::Unchanged(Source::of(&answer.headers)));
        }
        let bytes = match text(&answer.headers, CONTENT_ENCODING.as_str()).as_deref() {
            Some("zstd") => inflated(&answer.body)?,
            _ => answer.body,
        };
        let id = Digest::of(&bytes);
        let named = text(&answer.headers, ETAG.as_str()).unwrap_or_default();
        if named.trim_matches('"') != id.to_string() {
            return Err(Fault::Away("the catalog is not what its name says".to_owned()));
        }
        Ok(CatalogAnswer::New(NewCatalog { bytes, id, source: Source::of(&answer.headers) }))
    }

    fn send_facts(&self, facts: &[u8]) -> Result<FactsAnswer, Fault> {
        let request = self.client.request(Method::PUT, FACTS_PATH).header(CONTENT_TYPE, JSON).body(facts.to_vec());
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL))
    }

    /// The secrets that the host's catalog names.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn secrets(&self) -> Result<SealedSecrets, Fault> {
        let request = self.client.request(Method::GET, &self.path(SECRETS_PATH));
        self.runtime.block_on(self.client.send_for_json(request, SECRETS_LIMITS))
    }

    /// Fetches a content into the store, from where an earlier fetch was cut.
    ///
    /// # Errors
    /// The server is away or refuses, or the disk takes no more.
    pub fn content(&self, store: &ContentStore, blob: &Blob) -> Result<(), String> {
        let begun = store.begun(blob);
        match self.runtime.block_on(self.fetch(store, blob, begun)) {
            // A server that cannot go on in the middle may still send the whole.
            Err(_) if begun > 0 => self.runtime.block_on(self.fetch(store, blob, 0))?,
            fetched => fetched?,
        }
        store.take_in(blob)
    }

    async fn fetch(&self, store: &ContentStore, blob: &Blob, begun: u64) -> Result<(), String> {
        let mut request = self.client.request(Method::GET, &self.path(&format!("{CONTENT_PATH}/{}", blob.digest)));
        if begun > 0 {
            request = request.header(RANGE, format!("bytes={begun}-"));
        }
        let mut file = None;
        let mut written = begun;
        let mut take = |status: StatusCode, part: &[u8]| -> Result<(), String> {
            if begun > 0 && status != StatusCode::PARTIAL_CONTENT {
                return Err("the server does not go on in the middle".to_owned());
            }
            written += part.len() as u64;
            if written > blob.size {
                return Err(format!("what came as content {} is too long", blob.digest.short()));
            }
            let file: &mut File = match &mut file {
                Some(file) => file,
                none => none.insert(store.fetch_into(blob, begun)?),
            };
            write_part(file, part)
        };
        self.client.stream(request, deadline_for(blob), &mut take).await
    }

    /// A content in memory, checked against its address.
    ///
    /// # Errors
    /// As [`Server::content`].
    pub fn content_bytes(&self, blob: &Blob) -> Result<Arc<[u8]>, String> {
        let request = self.client.request(Method::GET, &self.path(&format!("{CONTENT_PATH}/{}", blob.digest)));
        let body_max = usize::try_from(blob.size).unwrap_or(usize::MAX);
        let limits = Limits { deadline: deadline_for(blob), body_max };
        let answer = self.runtime.block_on(self.client.send(request, limits)).map_err(|fault| fault.to_string())?;
        let short = blob.digest.short();
        if Digest::of(&answer.body) == blob.digest {
            Ok(Arc::from(answer.body))
        } else {
            Err(format!("what came as content {short} is something else"))
        }
    }

    /// Delivers a report. On return it is on the server's disk.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn report(&self, delivery: &Delivery) -> Result<Receipt, Fault> {
        let request = self.client.request(Method::POST, REPORTS_PATH).json(delivery);
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL))
    }

    /// Asks for the lease of a guard.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, Fault> {
        let limits = Limits { deadline: Duration::from_secs(request.wait_s) + Limits::SMALL.deadline, ..Limits::SMALL };
        self.runtime.block_on(self.client.send_for_json(self.client.request(Method::POST, LEASES_PATH).json(request), limits))
    }

    /// Says how the host is as a member of a cluster.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn prove(&self, proof: &LeaseProof) -> Result<ProofReceipt, Fault> {
        let request = self.client.request(Method::POST, PROOF_PATH).json(proof);
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL))
    }

    /// Asks for the host's next certificate.
    ///
    /// # Errors
    /// The server is away, or refuses.
    pub fn renew(&self, renewal: &Renewal) -> Result<Certificate, Fault> {
        let request = self.client.request(Method::POST, "/v1/certificate").json(renewal);
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL))
    }
}

/// How long a content may take.
fn deadline_for(blob: &Blob) -> Duration {
    Duration::from_secs(60 + blob.size / CONTENT_RATE_MIN)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Inflates a body, up to what a catalog may have.
fn inflated(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    zstd::bulk::decompress(bytes, CATALOG_BYTES_MAX).map_err(|error| Fault::Away(format!("the catalog cannot be inflated: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_cut_off() {
        let bomb = zstd::bulk::compress(&vec![0; CATALOG_BYTES_MAX + 1], 3).unwrap();
        assert!(bomb.len() < 10_000 && inflated(&bomb).is_err());
        assert_eq!(inflated(&zstd::bulk::compress(b"fine", 3).unwrap()).unwrap(), b"fine");
        assert!(inflated(b"no zstd").is_err());
    }
}
