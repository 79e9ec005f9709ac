//! A simulated agent: a certificate of its own, facts, and the catalog that it has.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::wire::Wire;
use super::{Result, site};
use crate::server::{CatalogServer, Identity, delivery};

/// One agent.
pub(super) struct Agent {
    pub(super) host: String,
    pub(super) config: Arc<ClientConfig>,
    facts: String,
    /// The blake3 of the facts, in hexadecimal.
    digest: String,
    /// The entity tag of the catalog that it has.
    etag: Mutex<Option<String>>,
}

impl Agent {
    fn new(number: usize, identity: &Identity, roots: &Arc<RootCertStore>) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(identity.chain().as_bytes()).collect::<std::result::Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(identity.key().as_bytes())?;
        let mut config = builder()?.with_root_certificates(Arc::clone(roots)).with_client_auth_cert(chain, key)?;
        // Each connection is the first one: an agent that was restarted has nothing to resume.
        config.resumption = Resumption::disabled();
        let facts = site::facts(number);
        let digest = blake3::hash(facts.as_bytes()).to_hex().to_string();
        Ok(Self { host: identity.host.clone(), config: Arc::new(config), facts, digest, etag: Mutex::default() })
    }

    pub(super) async fn send_facts(&self, wire: &mut Wire) -> Result<()> {
        let answer = wire.ask("PUT", "/v1/facts", "", self.facts.as_bytes()).await?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("facts: {status} {}", String::from_utf8_lossy(&answer.body)).into()),
        }
    }

    /// Delivers the report of a run in which nothing changed.
    pub(super) async fn report(&self, wire: &mut Wire) -> Result<()> {
        let body = delivery(&self.host, 1).to_string();
        let answer = wire.ask("POST", "/v1/reports", "", body.as_bytes()).await?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("report: {status} {}", String::from_utf8_lossy(&answer.body)).into()),
        }
    }

    /// Asks for the catalog, naming the one that it has.
    pub(super) async fn ask(&self, wire: &mut Wire, expected: u16) -> Result<()> {
        let etag = || self.etag.lock().unwrap_or_else(PoisonError::into_inner);
        let known = etag().as_ref().map(|tag| format!("if-none-match: {tag}\r\n")).unwrap_or_default();
        let headers = format!("keel-facts: {}\r\naccept-encoding: zstd\r\n{known}", self.digest);
        let answer = wire.ask("GET", "/v1/catalog", &headers, b"").await?;
        if answer.status != expected {
            return Err(format!("catalog: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
        }
        if let Some(tag) = answer.header("etag") {
            *etag() = Some(tag.to_owned());
        }
        Ok(())
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?)
}

/// Enrols every host with a one-time token of its own.
pub(super) async fn enrol_all(server: &CatalogServer, operator: &str, hosts: &[String], at_once: usize) -> Result<Vec<Agent>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.root().as_bytes())?)?;
    let roots = Arc::new(roots);
    let anonymous = Arc::new(builder()?.with_root_certificates(Arc::clone(&roots)).with_no_client_auth());
    let (hosts, next) = (Arc::<[String]>::from(hosts), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (hosts, next, roots, anonymous) = (Arc::clone(&hosts), Arc::clone(&next), Arc::clone(&roots), Arc::clone(&anonymous));
        let (agents_at, operators_at) = (server.agents_address(), server.operators_address());
        let bearer = format!("authorization: Bearer {operator}\r\n");
        tasks.spawn(async move {
            let mut operators = Wire::open(operators_at, Arc::clone(&anonymous)).await?;
            let mut door = Wire::open(agents_at, anonymous).await?;
            let mut agents = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(host) = hosts.get(number) else { return Result::Ok(agents) };
                let body = json!({ "host": host }).to_string();
                let answer = operators.ask("POST", "/operator/v1/tokens", &bearer, body.as_bytes()).await?;
                let token: Value = serde_json::from_slice(&answer.body)?;
                let token = token["token"].as_str().ok_or_else(|| format!("no token: {token}"))?;
                let candidate = Identity::candidate(host);
                let answer = door.ask("POST", "/v1/enrolment", "", candidate.request(Some(token)).to_string().as_bytes()).await?;
                let answer: Value = serde_json::from_slice(&answer.body)?;
                let chain = answer["certificate"]["chain"].as_str().ok_or_else(|| format!("{host} is not let in: {answer}"))?;
                agents.push(Agent::new(number, &candidate.with_chain(chain), &roots)?);
            }
        });
    }
    let mut agents = Vec::new();
    while let Some(done) = tasks.join_next().await {
        agents.extend(done??);
    }
    Ok(agents)
}
