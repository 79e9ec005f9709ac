//! `keel agent enroll`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use keel_engine::host_name::HostName;
use keel_engine::protocol::certificate::Certificate;
use keel_engine::protocol::enrolment::{Enrolment, EnrolmentRequest, EnrolmentState, JoinToken, shown_id};
use keel_engine::protocol::problem::Code;
use keel_engine::value::Value;
use reqwest::Method;
use rustls::pki_types::CertificateDer;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{print, print_error, print_json};
use crate::client::address::AGENT_PORT;
use crate::client::pin::{Fingerprint, Pin};
use crate::client::{Client, Fault, Limits, ServerAddress};
use crate::error::{Error, Result};
use crate::pull::home::Home;
use crate::pull::node::{NewKey, Node};
use crate::pull::renewal::recipient;
use crate::pull::settings::AgentSettings;
use crate::pull::{self_check, service};
use crate::secrets::identity;
use crate::state::{read_if_there, replace};

const ENROLMENT_PATH: &str = "/v1/enrolment";
/// The longest pause between two looks at whether an operator has approved.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Let this host join a site.
///
/// The key is made here and never leaves the host. The server is recognised by its authority's
/// fingerprint, which the join command on the server shows together with a token that lets one host in.
/// Without a token the host waits until an operator approves it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keel agent enroll --server keel.example.org --token TOKEN --fingerprint FINGERPRINT\n  keel agent enroll --server keel.example.org --fingerprint FINGERPRINT    (and wait for approval)"
)]
pub(super) struct Arguments {
    /// The catalog server, perhaps with a port.
    #[arg(long, value_name = "NAME")]
    server: ServerAddress,
    /// The SHA-256 of the server's root certificate.
    #[arg(long, value_name = "HEX")]
    fingerprint: Fingerprint,
    /// The one-time token; `-` reads it from standard input, where other users cannot see it.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The host's name; this machine's full name, if not given.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Join anew, with another key, though the host has joined before.
    #[arg(long)]
    again: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, home: Home) -> Result<u8> {
    home.make_folders()?;
    self_check::check(&home)?;
    if let Ok(node) = Node::load(&home)
        && !arguments.again
    {
        return Err(Error::usage(format!("this host has joined already, as {}", node.host)).hint("to join anew: --again"));
    }
    let host = host_name(arguments, &home)?;
    let mut joining = Joining::begin(arguments, home, host)?;
    let (certificate, root) = joining.certificate(token(arguments)?)?;
    let node = joining.keep(&certificate, &root)?;
    // An agent that is there already uses the new certificate at once.
    service::hang_up(&joining.home);
    if arguments.json {
        print_json(&serde_json::json!({ "host": node.host, "server": arguments.server.to_string() }))?;
        return Ok(0);
    }
    print(&format!(
        "{} has joined {}; its runs begin with `systemctl enable --now keel-agent`, a single one with `keel agent --once`\n",
        node.host, arguments.server
    ))?;
    Ok(0)
}

/// A host about to join.
struct Joining {
    home: Home,
    server: ServerAddress,
    host: HostName,
    key: NewKey,
    /// The file that the key is in, until there is a certificate.
    pending: PathBuf,
    /// Whether an earlier try left the key.
    is_begun: bool,
    pin: std::sync::Arc<Pin>,
    client: Client,
    runtime: Runtime,
}

impl Joining {
    fn begin(arguments: &Arguments, home: Home, host: HostName) -> Result<Self> {
        let pending = home.kept.join("enrolment.key");
        let (key, is_begun) = match read_if_there(&pending).map_err(Error::host)? {
            Some(pem) => (NewKey::from_pem(&String::from_utf8_lossy(&pem))?, true),
            None => (new_key(&pending)?, false),
        };
        if !home.identity().exists() {
            identity::create(&home.identity())?;
        }
        let pin = Pin::new(arguments.fingerprint);
        let tls = pin.config().map_err(Error::host)?;
        let server = arguments.server.clone();
        let client = Client::new(server.clone().or_port(AGENT_PORT), tls).map_err(Error::host)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { home, server, host, key, pending, is_begun, pin, client, runtime })
    }

    /// Asks for a certificate until there is one or it is refused.
    fn certificate(&mut self, token: Option<JoinToken>) -> Result<(Certificate, CertificateDer<'static>)> {
        // The answer to an earlier try may have been lost on the way, and its token with it.
        let earlier = if self.is_begun { self.look().ok() } else { None };
        let mut enrolment = match earlier {
            Some(earlier) if earlier.host == self.host => earlier,
            // A key stands for one name; who was asked under the other one may still be let in there.
            Some(_) => {
                self.key = new_key(&self.pending)?;
                self.ask(token)?
            }
            None => self.ask(token)?,
        };
        let mut said = false;
        loop {
            match enrolment.state {
                EnrolmentState::Issued { certificate } => {
                    let root = self.pin.root().ok_or_else(|| Error::host("the server showed no root certificate"))?;
                    return Ok((certificate, root));
                }
                EnrolmentState::Waiting { retry_s } => {
                    if !std::mem::replace(&mut said, true) {
                        print_error(&waiting(&self.host, &self.key.enrolment()));
                    }
                    std::thread::sleep(Duration::from_secs(retry_s.max(1)).min(LOOK_MAX));
                    enrolment = match self.look() {
                        Err(fault) if fault.may_pass() => Enrolment { state: EnrolmentState::Waiting { retry_s: 5 }, ..enrolment },
                        looked => looked.map_err(|fault| self.refused(&fault))?,
                    };
                }
            }
        }
    }

    fn ask(&self, token: Option<JoinToken>) -> Result<Enrolment> {
        let csr = self.key.request(&self.host)?;
        let request = EnrolmentRequest { host: self.host.clone(), csr, recipient: recipient(&self.home)?, token };
        let request = self.client.request(Method::POST, ENROLMENT_PATH).json(&request);
        self.runtime.block_on(self.client.send_for_json(request, Limits::SMALL)).map_err(|fault| self.refused(&fault))
    }

    fn look(&self) -> std::result::Result<Enrolment, Fault> {
        let path = format!("{ENROLMENT_PATH}/{}", self.key.enrolment());
        self.runtime.block_on(self.client.send_for_json(self.client.request(Method::GET, &path), Limits::SMALL))
    }

    fn refused(&self, fault: &Fault) -> Error {
        let mut error = Error::from(fault.clone());
        if matches!(fault, Fault::Refused { .. }) {
            error.message = format!("{} (this host asked as {})", error.message, self.host);
        }
        if let Some(other) = self.pin.other().filter(|_| matches!(fault, Fault::Away(_))) {
            error.message =
                format!("{} is not the server that --fingerprint names: the fingerprint of its authority is {other}", self.server);
            return error.hint("compare the fingerprint and the server with the command that `keel-server token create` prints there");
        }
        match fault {
            Fault::Away(why) if why.contains("certificate") => error.hint(format!(
                "compare the fingerprint with the one that the server shows, and check that {} is one of its names",
                self.server
            )),
            Fault::Away(_) => error.hint("check the name and the port; the same command goes on where this one ended"),
            Fault::Refused { problem, .. } if problem.code == Code::TokenRefused && problem.hint.is_none() => {
                error.hint("tokens hold for some minutes and for one host: make another one on the server")
            }
            Fault::Refused { .. } => error,
        }
    }

    /// Keeps everything; what says that the host has joined comes last.
    fn keep(&self, certificate: &Certificate, root: &CertificateDer<'_>) -> Result<Node> {
        replace(&self.home.authority(), pem(root).as_bytes()).map_err(Error::host)?;
        keep_settings(&self.home.settings, &self.server)?;
        let node = self.key.keep(&self.home, &self.host, certificate)?;
        std::fs::remove_file(&self.pending).map_err(|error| Error::host(format!("cannot remove {}: {error}", self.pending.display())))?;
        Ok(node)
    }
}

/// Makes a key, and keeps it until there is a certificate for it.
fn new_key(pending: &Path) -> Result<NewKey> {
    let key = NewKey::make()?;
    replace(pending, key.to_pem().as_bytes()).map_err(Error::host)?;
    Ok(key)
}

/// What the host shows while it waits. Nobody else has its key, so the id tells it from who only takes its name.
fn waiting(host: &HostName, id: &str) -> String {
    let id = shown_id(id);
    format!("waiting until an operator approves this host by its id {id}:\n\n  keel node approve {host} --id {id}\n\n")
}

/// Writes settings that name the server, or names it in those that are there.
fn keep_settings(path: &Path, server: &ServerAddress) -> Result<()> {
    let text = match read_if_there(path).map_err(Error::host)? {
        None => AgentSettings::template(server),
        Some(bytes) => {
            let failed = |error: toml_edit::TomlError| Error::host(format!("{}: {}", path.display(), error.message()));
            let mut document: toml_edit::DocumentMut = String::from_utf8_lossy(&bytes).parse().map_err(failed)?;
            document["server"] = toml_edit::value(server.to_string());
            document.to_string()
        }
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::host(format!("cannot make {}: {error}", folder.display())))?;
    }
    replace(path, text.as_bytes()).map_err(Error::host)
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn token(arguments: &Arguments) -> Result<Option<JoinToken>> {
    match arguments.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .take(4096)
                .read_to_string(&mut text)
                .map_err(|error| Error::usage(format!("cannot read the token: {error}")))?;
            Ok(Some(JoinToken::new(text.trim())))
        }
        token => Ok(token.map(JoinToken::new)),
    }
}

/// The name to join by: the one that was given, else the machine's own.
fn host_name(arguments: &Arguments, home: &Home) -> Result<HostName> {
    let facts = crate::facts::names_below(&home.root);
    let own = || facts.get("fqdn").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let name = arguments.host.clone().unwrap_or_else(own);
    HostName::new(name.as_str())
        .map_err(|why| Error::usage(format!("{name:?} cannot be the name of a host: {why}")).hint("name it with --host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_what_somebody_wrote_into_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/keel/agent.toml");
        keep_settings(&path, &"one.example".parse().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("server = \"one.example\""), "{text}");
        std::fs::write(&path, "# ours\nserver = \"one.example\"\ninterval = \"5m\"\n").unwrap();
        keep_settings(&path, &"two.example:9".parse().unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# ours\nserver = \"two.example:9\"\ninterval = \"5m\"\n");
    }

    #[test]
    fn a_host_that_waits_shows_the_id_by_which_it_is_approved() {
        let key = NewKey::make().unwrap();
        let text = waiting(&HostName::new("db-1").unwrap(), &key.enrolment());
        let command = text.lines().find(|line| line.contains("keel node approve")).unwrap().trim();
        assert_eq!(command, format!("keel node approve db-1 --id {}", &key.enrolment()[..16]));
    }

    #[test]
    fn a_certificate_becomes_pem_that_is_read_again() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&key).unwrap();
        assert!(crate::client::tls::roots(pem(certificate.der()).as_bytes()).is_ok());
    }
}
