//! The authority: the server's own small CA.
//!
//! A root that is made once (`keel-server init`) and may then be kept elsewhere signs two issuing
//! certificates, one for servers and one for agents, so that neither can be taken for the other.

mod folder;
mod issue;
mod signing_request;

use std::path::PathBuf;
use std::time::Duration;

use keel_engine::host_name::HostName;
use keel_engine::protocol::certificate::{Authority as Published, Certificate};
use rcgen::{Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

use folder::{Folder, Pair};
pub(crate) use issue::HOST_URI;
pub use signing_request::SigningRequest;

use crate::error::{Error, Result};
use crate::random::hex;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a root is valid.
pub const ROOT_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How long an issuing certificate is valid; it is made anew half-way, while the root's key is there.
pub const ISSUER_LIFE: Duration = Duration::from_secs(730 * 24 * 3600);
/// How long a server's certificate is valid.
pub const SERVER_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long an agent's certificate is valid.
pub const AGENT_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long after its end an agent's certificate may still be renewed with.
pub const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The root and the two that issue.
pub struct Authority {
    folder: Folder,
    root: Pair<Option<KeyPair>>,
    servers: Pair<KeyPair>,
    agents: Pair<KeyPair>,
}

/// A certificate with its key and those above it, as a server presents it.
pub struct ServerCertificate {
    /// The certificate, its issuer, and the root: who enrols knows nothing but the root's fingerprint.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When to have the next one, in seconds since 1970.
    pub renew_at: u64,
}

impl Authority {
    /// Makes a root and the two that issue, and writes them into a folder that must not have any yet.
    ///
    /// # Errors
    /// There is one already, or the folder cannot be written.
    pub fn create(path: PathBuf, now: u64) -> Result<Self> {
        let folder = Folder::create(path)?;
        let root_key = new_key()?;
        let root_params = issue::root(now)?;
        let root = root_params.self_signed(&root_key).map_err(trouble)?;
        folder.write_key("root.key", &root_key)?;
        folder.write("root.pem", &root.pem())?;
        for kind in [issue::Kind::Servers, issue::Kind::Agents] {
            let key = new_key()?;
            folder.write_key(&format!("{}.key", kind.word()), &key)?;
            let certificate = issue::issuing(kind, now)?.signed_by(&key, &Issuer::from_params(&root_params, &root_key));
            folder.write(&format!("{}.pem", kind.word()), &certificate.map_err(trouble)?.pem())?;
        }
        Self::read(folder)
    }

    /// Reads the authority of a folder. Issuing certificates past half their life are made anew, with the
    /// same keys, as long as the root's key is there.
    ///
    /// # Errors
    /// There is none, a key can be read by others, or a file is not what it should be.
    pub fn open(path: PathBuf, now: u64) -> Result<Self> {
        let authority = Self::read(Folder::open(path)?)?;
        authority.keep_issuers(now)?;
        Self::read(authority.folder)
    }

    fn read(folder: Folder) -> Result<Self> {
        let root = Pair { certificate: folder.certificate("root.pem")?, key: folder.optional_key("root.key")? };
        let servers = folder.pair("servers")?;
        let agents = folder.pair("agents")?;
        Ok(Self { folder, root, servers, agents })
    }

    fn keep_issuers(&self, now: u64) -> Result<()> {
        for (kind, pair) in [(issue::Kind::Servers, &self.servers), (issue::Kind::Agents, &self.agents)] {
            let life = signing_request::life(&pair.certificate)?;
            if now < life.half() {
                continue;
            }
            let Some(root_key) = &self.root.key else {
                let left = life.not_after.saturating_sub(now) / DAY.as_secs();
                crate::log::warning("an issuing certificate runs out and root.key is away", &[("which", &kind.word()), ("days", &left)]);
                continue;
            };
            let issuer = Issuer::from_ca_cert_der(&self.root.certificate, root_key).map_err(trouble)?;
            let certificate = issue::issuing(kind, now)?.signed_by(&pair.key, &issuer).map_err(trouble)?;
            self.folder.write(&format!("{}.pem", kind.word()), &certificate.pem())?;
        }
        Ok(())
    }

    /// What agents and operators trust.
    pub fn published(&self) -> Published {
        let digest = Sha256::digest(&self.root.certificate);
        Published { root: folder::pem(&self.root.certificate), fingerprint: hex(&digest) }
    }

    /// The only certificate under which agents' certificates are good.
    pub fn agents_anchor(&self) -> &CertificateDer<'static> {
        &self.agents.certificate
    }

    /// A host's certificate for a public key.
    ///
    /// # Errors
    /// The system gives no random numbers, or the key cannot be certified.
    pub fn certify(&self, host: &HostName, request: &SigningRequest, now: u64) -> Result<Certificate> {
        let issued = issue::agent(host, now)?;
        let issuer = Issuer::from_ca_cert_der(&self.agents.certificate, &self.agents.key).map_err(trouble)?;
        let certificate = issued.params.signed_by(&request.key, &issuer).map_err(trouble)?;
        Ok(Certificate {
            chain: format!("{}{}", certificate.pem(), folder::pem(&self.agents.certificate)),
            serial: issued.serial,
            not_before: issued.not_before,
            not_after: issued.not_after,
        })
    }

    /// A certificate for this server, with a key of its own that never leaves this process.
    ///
    /// # Errors
    /// One of the names is none.
    pub fn certify_server(&self, names: &[String], now: u64) -> Result<ServerCertificate> {
        let key = new_key()?;
        let issuer = Issuer::from_ca_cert_der(&self.servers.certificate, &self.servers.key).map_err(trouble)?;
        let issued = issue::server(names, now)?;
        let certificate = issued.params.signed_by(&key, &issuer).map_err(trouble)?;
        Ok(ServerCertificate {
            chain: vec![certificate.der().clone(), self.servers.certificate.clone(), self.root.certificate.clone()],
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            renew_at: now + SERVER_LIFE.as_secs() / 2,
        })
    }
}

/// Whether a server can have these names, before anything is made for them.
///
/// # Errors
/// One of the names is none.
pub fn check_names(names: &[String]) -> Result<()> {
    issue::server(names, 0).map(drop)
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate().map_err(trouble)
}

fn trouble(error: rcgen::Error) -> Error {
    Error::trouble(format!("the authority cannot make a certificate: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn request(host: &str) -> (KeyPair, SigningRequest) {
        let key = KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        (key, SigningRequest::read(&pem, &HostName::new(host).unwrap()).unwrap())
    }

    #[test]
    fn keys_are_the_owners_and_an_authority_is_made_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("authority");
        let made = Authority::create(path.clone(), NOW).unwrap().published();
        for name in ["root.key", "servers.key", "agents.key"] {
            assert_eq!(std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert!(Authority::create(path.clone(), NOW).is_err());
        assert_eq!(Authority::open(path.clone(), NOW).unwrap().published(), made);
        std::fs::set_permissions(path.join("agents.key"), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Authority::open(path, NOW).err().unwrap().to_string().contains("agents.key"));
    }

    #[test]
    fn what_agents_get_is_bounded_in_time_and_names_the_host() {
        let scratch = tempfile::tempdir().unwrap();
        let authority = Authority::create(scratch.path().join("a"), NOW).unwrap();
        let host = HostName::new("db-1").unwrap();
        let certificate = authority.certify(&host, &request("db-1").1, NOW).unwrap();
        assert!(certificate.not_before < NOW && certificate.not_after == NOW + AGENT_LIFE.as_secs());
        assert_ne!(certificate.serial, authority.certify(&host, &request("db-1").1, NOW).unwrap().serial);
    }

    #[test]
    fn issuers_are_made_anew_half_way_and_earlier_certificates_stay_good() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        let before = Authority::create(path.clone(), NOW).unwrap().agents_anchor().clone();
        let later = NOW + ISSUER_LIFE.as_secs() / 2 + 1;
        assert_eq!(*Authority::open(path.clone(), later - 2 * DAY.as_secs()).unwrap().agents_anchor(), before);
        let renewed = Authority::open(path.clone(), later).unwrap();
        assert_ne!(*renewed.agents_anchor(), before);
        assert_eq!(signing_request::public_key(renewed.agents_anchor()), signing_request::public_key(&before));
        std::fs::remove_file(path.join("root.key")).unwrap();
        assert!(Authority::open(path, later + ISSUER_LIFE.as_secs()).is_ok());
    }
}
