//! The attributes of `certificate`.

use std::net::IpAddr;
use std::time::Duration;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::choices;
use keel_engine::resource::Failure;
use keel_engine::text::Text;

use crate::ensure::Ensure;
use crate::file::{Account, ModeSpec, check_path};

const DAY: u64 = 86_400;

choices! {
    /// What kind of key is made.
    pub enum Algorithm {
        /// ECDSA on the curve P-256, which everybody can read.
        P256 = "p256",
        /// ECDSA on the curve P-384.
        P384 = "p384",
        /// Ed25519, which browsers cannot read.
        Ed25519 = "ed25519",
        /// RSA of 2048 bits, for programs that know nothing newer. `openssl` makes these.
        Rsa2048 = "rsa2048",
        /// RSA of 4096 bits.
        Rsa4096 = "rsa4096",
    }
}

choices! {
    /// What a certificate proves.
    pub enum Usage {
        /// That a server is who it says.
        Server = "server",
        /// That a client is.
        Client = "client",
    }
}

attributes! {
    /// A certificate with its key: signed by itself, or by an authority whose certificate and key are given. It is
    /// made anew before it ends, and when its names, its key or its authority are no longer the declared ones. The
    /// key stays the same, and never leaves the host nor shows in any output.
    ///
    ///     certificate "web.example.org" key_group=ssl-cert key_mode="0640" {
    ///         names "web.example.org" "10.0.0.7"
    ///         ca_certificate "/etc/ssl/site-ca.pem"
    ///         ca_key (secret)"pki/ca-key"
    ///     }
    ///     certificate "Site CA" authority=#true certificate="/etc/ssl/site-ca.pem" key="/etc/ssl/private/site-ca.key"
    pub struct Certificate: "certificate" {
        /// What it is called: its common name, and the only name of a host where `names` gives none.
        [title] pub name: String,
        /// Whether it is there. With `absent` certificate and key go.
        pub ensure: Ensure = Ensure::Present,
        /// The file of the certificate. Not given: `/etc/ssl/certs/NAME.pem`.
        pub certificate: Option<AbsolutePath>,
        /// The file of the key. Not given: `/etc/ssl/private/NAME.key`. A key that is there already is used.
        pub key: Option<AbsolutePath>,
        /// The hosts' names and addresses that it is good for; `*.example.org` is for all below.
        pub names: Vec<String>,
        /// What it proves: `server`, `client`. Not given: both.
        pub usage: Vec<Usage>,
        /// Whether it is an authority's, which signs others.
        pub authority: bool = false,
        /// How long it is good for; browsers take a server's for 398 days at most, an authority's may last ten years.
        pub valid_for: Span = Span(Duration::from_secs(31_536_000)),
        /// How long before its end it is made anew.
        pub renew_before: Span = Span(Duration::from_secs(2_592_000)),
        /// The certificate of the authority that signs it, as PEM, or the absolute path of its file on the host.
        /// Not given: it is signed by itself.
        pub ca_certificate: Option<Text>,
        /// The key of the authority: a secret with PEM, or the absolute path of its file on the host.
        pub ca_key: Option<Text>,
        /// Whether the authority's certificate stands behind it in the file, as most servers want it.
        pub chain: bool = true,
        /// The kind of a new key; those of RSA take the host's `openssl`.
        pub algorithm: Algorithm = Algorithm::P256,
        /// Who owns the key, a name or an id. Not given: as it is.
        pub key_owner: Option<Account>,
        /// The key's group. Not given: as it is.
        pub key_group: Option<Account>,
        /// The mode of the key. Not given: 0600.
        pub key_mode: Option<ModeSpec>,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Certificate) -> Vec<AttributeError> {
    let mut errors = Vec::new();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let in_path = desired.certificate.is_none() || desired.key.is_none();
    let is_file =
        |name: &str| !name.is_empty() && !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.*".contains(c));
    refuse(in_path && !is_file(&desired.name), "name", "can be no file's name, so `certificate` and `key` have to say where they are");
    refuse(
        desired.name.is_empty() || desired.name.chars().count() > 64 || desired.name.chars().any(char::is_control),
        "name",
        "must be a text of 1 to 64 characters",
    );
    refuse(
        !desired.authority && desired.names.is_empty() && !is_host(&desired.name),
        "names",
        "is required where the title is no host's name",
    );
    refuse(!desired.names.iter().all(|name| is_host(name)), "names", "are names and addresses of hosts");
    refuse(desired.ca_certificate.is_some() != desired.ca_key.is_some(), "ca_key", "and `ca_certificate` belong together");
    let open_key = desired.ca_key.as_ref().is_some_and(|key| !key.is_secret() && as_path(key).is_none());
    refuse(open_key, "ca_key", "stands open in the manifest; give a secret or the path of a file on the host");
    refuse(desired.valid_for.0 < Duration::from_secs(3600), "valid_for", "must be an hour or more");
    refuse(desired.renew_before.0 >= desired.valid_for.0, "renew_before", "must be shorter than `valid_for`");
    let readable = matches!(desired.key_mode, Some(ModeSpec::Octal(mode)) if mode & 0o007 != 0);
    refuse(readable, "key_mode", "lets everybody read the key");
    refuse(desired.path() == desired.key_path(), "key", "is the file of the certificate");
    let paths = [("certificate", &desired.certificate), ("key", &desired.key)];
    errors.extend(paths.into_iter().filter_map(|(attribute, path)| check_path(attribute, path.as_ref()?)));
    errors
}

/// Whether a text can be the name or address of a host.
fn is_host(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    name.parse::<IpAddr>().is_ok() || labels.split('.').all(is_label)
}

/// The path of a file on the host, where a text is one.
pub(super) fn as_path(text: &Text) -> Option<&str> {
    match text {
        Text::Plain(text) if text.starts_with('/') && !text.contains('\n') => Some(text),
        _ => None,
    }
}

pub(super) fn no_key(what: &str) -> Failure {
    Failure::new(format!("{what} is none that can be read")).help("a private key as PEM (PKCS#8), without a passphrase")
}

impl Certificate {
    pub(super) fn path(&self) -> String {
        self.certificate.as_ref().map_or_else(|| format!("/etc/ssl/certs/{}.pem", self.name), ToString::to_string)
    }

    pub(super) fn key_path(&self) -> String {
        self.key.as_ref().map_or_else(|| format!("/etc/ssl/private/{}.key", self.name), ToString::to_string)
    }

    /// The names that it is good for, in order, each once.
    pub(super) fn all_names(&self) -> Vec<String> {
        let own = if self.names.is_empty() && !self.authority { vec![self.name.clone()] } else { self.names.clone() };
        let mut names: Vec<String> = own.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What it proves, in order, each once.
    pub(super) fn all_usages(&self) -> Vec<Usage> {
        let mut usages = if self.usage.is_empty() { vec![Usage::Server, Usage::Client] } else { self.usage.clone() };
        usages.sort();
        usages.dedup();
        usages
    }

    /// What it is, for plans.
    pub(super) fn summary(&self) -> String {
        let names = self.all_names();
        let names = if names.is_empty() { self.name.clone() } else { names.join(", ") };
        let seconds = self.valid_for.0.as_secs();
        if seconds.is_multiple_of(DAY) { format!("{names} for {} days", seconds / DAY) } else { format!("{names} for {}", self.valid_for) }
    }

    /// The id of the key's owner; the name where nobody has it.
    pub(super) fn owner_id(&self, find: impl Fn(&str) -> Option<u32>) -> Result<Option<u32>, String> {
        id(self.key_owner.as_ref(), find)
    }

    /// The same for its group.
    pub(super) fn group_id(&self, find: impl Fn(&str) -> Option<u32>) -> Result<Option<u32>, String> {
        id(self.key_group.as_ref(), find)
    }
}

fn id(account: Option<&Account>, find: impl Fn(&str) -> Option<u32>) -> Result<Option<u32>, String> {
    match account {
        None => Ok(None),
        Some(Account::Id(id)) => Ok(Some(*id)),
        Some(Account::Name(name)) => find(name).map(Some).ok_or_else(|| name.clone()),
    }
}
