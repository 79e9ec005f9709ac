//! The operator's side of the catalog server: who the user is, and the requests to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use keel_engine::protocol::problem::Code;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cli::Context;
use crate::client::{Client, Fault, Limits, ServerAddress, tls};
use crate::error::{Error, Result};

/// The port of operators, where none is named.
const OPERATOR_PORT: u16 = 7441;
/// A page of a thousand hosts is longer than the answers that agents get, and a commit's site takes its time to load.
const LIMITS: Limits = Limits { body_max: 64 << 20, deadline: Duration::from_secs(240) };
/// What a new operator is told.
const HOW: &str = "write server = \"HOST\", ca = \"FILE\" and token = \"...\" into it; on the server, `keel-server operator add NAME --role ROLE` \
                   makes a token, and the authority's root.pem is the ca";

/// Which server to talk to.
#[derive(Debug, Clone, Args)]
pub struct ServerArguments {
    /// The server's address, instead of the one in the user's settings.
    #[arg(long, value_name = "HOST[:PORT]", global = true)]
    server: Option<ServerAddress>,
    /// The user's settings: the server's address, the file with its root certificate, the token.
    #[arg(long, value_name = "FILE", global = true)]
    operator_settings: Option<PathBuf>,
}

/// `operator.toml` among the user's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: Option<ServerAddress>,
    /// The root certificate; a relative path counts from the settings' folder.
    ca: PathBuf,
    token: String,
}

/// An operator's connection to a server.
pub struct Operator {
    client: Client,
    token: HeaderValue,
    runtime: tokio::runtime::Runtime,
}

impl Operator {
    /// The user's connection. Nothing is sent yet.
    ///
    /// # Errors
    /// The settings are not there, wrong, or readable by others.
    pub fn connect(arguments: &ServerArguments, context: &Context) -> Result<Self> {
        let default = || context.environment.user_config.as_ref().map(|folder| folder.join("keel/operator.toml"));
        let path = arguments.operator_settings.clone().or_else(default);
        let path = path.ok_or_else(|| Error::usage("there is no place for this user's settings").hint("--operator-settings FILE"))?;
        let settings = load(&path)?;
        let address = arguments.server.clone().or(settings.server);
        let address = address.ok_or_else(|| Error::usage(format!("{} names no server", path.display())).hint("--server HOST"))?;
        let ca = path.parent().unwrap_or(Path::new("/")).join(&settings.ca);
        let config = tls::roots_in(&ca).and_then(|roots| tls::config(roots, None)).map_err(Error::host)?;
        let client = Client::new(address.or_port(OPERATOR_PORT), config).map_err(Error::host)?;
        let wrong = |_| Error::host(format!("the token in {} has characters that no token has", path.display()));
        let mut token = HeaderValue::from_str(&format!("Bearer {}", settings.token)).map_err(wrong)?;
        token.set_sensitive(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::host(format!("cannot prepare connections: {error}")))?;
        Ok(Self { client, token, runtime })
    }

    /// Reads something. The query's values may be anything.
    ///
    /// # Errors
    /// The server is away or refuses.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        self.ask(self.request(Method::GET, &with_query(path, query)))
    }

    /// Reads something, again and again while the server is away, until an instant.
    ///
    /// # Errors
    /// As [`Operator::get`].
    pub fn get_patiently<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)], until: Instant) -> Result<T> {
        loop {
            let request = self.request(Method::GET, &with_query(path, query));
            match self.runtime.block_on(self.client.send_for_json(request, LIMITS)) {
                Err(fault) if fault.may_pass() && Instant::now() < until => std::thread::sleep(fault.pause()),
                answer => return answer.map_err(|fault| self.error(fault)),
            }
        }
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// As [`Operator::get`].
    pub fn get_bytes(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.runtime.block_on(self.client.send(self.request(Method::GET, path), LIMITS));
        answer.map(|answer| answer.body).map_err(|fault| self.error(fault))
    }

    /// Sends something.
    ///
    /// # Errors
    /// As [`Operator::get`].
    pub fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(self.request(method, path).json(body))
    }

    /// Removes something.
    ///
    /// # Errors
    /// As [`Operator::get`].
    pub fn delete(&self, path: &str) -> Result<()> {
        let request = self.request(Method::DELETE, path);
        self.runtime.block_on(self.client.send(request, LIMITS)).map(|_| ()).map_err(|fault| self.error(fault))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).header(AUTHORIZATION, self.token.clone())
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        self.runtime.block_on(self.client.send_for_json(request, LIMITS)).map_err(|fault| self.error(fault))
    }

    fn error(&self, fault: Fault) -> Error {
        let address = self.client.address();
        match fault {
            Fault::Away(why) => Error::host(format!("{address} cannot be reached: {why}")).hint(advice(&why)),
            Fault::Refused { problem, .. } => {
                let advice = match problem.code {
                    Code::Unauthenticated => {
                        Some("a new token comes from `keel-server operator add NAME --role ROLE` on the server".to_owned())
                    }
                    _ => None,
                };
                Error::host(problem.detail).hint_if(problem.hint.or(advice))
            }
        }
    }
}

/// What to look at, where there was no answer.
fn advice(why: &str) -> String {
    if why.contains("certificate") || why.contains("Unknown") {
        return "is `ca` a copy of that server's root.pem, and is the address one of its names?".to_owned();
    }
    format!(
        "look at the name and the port ({OPERATOR_PORT} is the operators', another one is the hosts'), and whether keel-server runs there"
    )
}

fn load(path: &Path) -> Result<Settings> {
    let failed = |why: String| Error::host(format!("cannot read {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()).hint(HOW))?;
    let mode = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::host(format!("{} holds a token, and other users may read it", path.display()))
            .hint(format!("chmod 600 {}", path.display())));
    }
    // The parser's own message would show the line, and with it the token.
    toml::from_str(&text).map_err(|error| failed(error.message().to_owned()).hint(HOW))
}

/// A path with a query whose values may be anything.
fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A text as one value of a query or one part of a path.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_token_that_others_may_read_is_not_used() {
        let text = "server = 'keel.example'\nca = 'ca.pem'\ntoken = 'canary'\n";
        let (_folder, path) = written(text, 0o640);
        assert!(load(&path).err().unwrap().to_string().contains("chmod 600"));
        let (_folder, path) = written(text, 0o600);
        assert_eq!(load(&path).unwrap().token, "canary");
    }

    #[test]
    fn what_is_wrong_in_the_settings_is_said_without_the_token() {
        for text in ["token = 'canary'\nca = 'x'\nport = 7\n", "ca = 'x'\ntoken = canary'\n", "token = 'canary'\n"] {
            let (_folder, path) = written(text, 0o600);
            let error = load(&path).err().unwrap().to_string();
            assert!(error.contains("operator.toml") && !error.contains("canary"), "{error}");
        }
        assert!(load(Path::new("/nowhere/operator.toml")).err().unwrap().to_string().contains("operator add"));
    }

    #[test]
    fn a_query_holds_any_title() {
        assert_eq!(with_query("/x", &[("resource", "(file)/a b&c"), ("limit", "3")]), "/x?resource=%28file%29%2Fa%20b%26c&limit=3");
        assert_eq!(with_query("/x", &[]), "/x");
    }
}
