//! Identities of hosts: enrolled ones, and ones that somebody forged.

use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType, SerialNumber, date_time_ymd};
use serde_json::{Value, json};

use super::CatalogServer;

/// A host's key, and its certificate if it has one.
pub struct Identity {
    /// The name.
    pub host: String,
    key: KeyPair,
    chain: String,
}

/// What is wrong with a forged certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Another authority signed it.
    Foreign,
    /// It ran out an hour ago.
    Expired,
    /// It ran out two months ago.
    LongExpired,
    /// It is good from tomorrow.
    NotYet,
    /// It is a server's.
    ForServers,
    /// It is for nothing at all.
    ForNothing,
    /// It names another host than the list does.
    OtherName,
    /// Nobody ever listed its serial number.
    OtherSerial,
}

impl Identity {
    /// A host that has a key and no certificate yet.
    ///
    /// # Panics
    /// No key can be made.
    pub fn candidate(host: &str) -> Self {
        Self { host: host.to_owned(), key: KeyPair::generate().unwrap(), chain: String::new() }
    }

    /// The same host once more, with the same key and certificate.
    ///
    /// # Panics
    /// The key cannot be read back.
    pub fn same(&self) -> Self {
        Self { host: self.host.clone(), key: KeyPair::from_pem(&self.key()).unwrap(), chain: self.chain.clone() }
    }

    /// A host by the file that holds its key and its certificate.
    ///
    /// # Panics
    /// There is no key in it.
    pub fn of(host: &str, pem: &str) -> Self {
        let (key, chain) = pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap());
        Self { host: host.to_owned(), key: KeyPair::from_pem(key).unwrap(), chain: chain.to_owned() }
    }

    /// The same host with a certificate.
    pub fn with_chain(self, chain: &str) -> Self {
        Self { chain: chain.to_owned(), ..self }
    }

    /// The certificate and its issuer as PEM; empty before enrolment.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The private key as PEM.
    pub fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// A signing request as PEM.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn csr(&self) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serialize_request(&self.key).unwrap().pem().unwrap()
    }

    /// The body of an enrolment.
    pub fn request(&self, token: Option<&str>) -> Value {
        let mut request = json!({ "host": self.host, "csr": self.csr(), "recipient": recipient() });
        if let Some(token) = token {
            request["token"] = json!(token);
        }
        request
    }

    /// The body of a renewal.
    pub fn renewal(&self) -> Value {
        json!({ "csr": self.csr(), "recipient": recipient() })
    }

    /// The serial number of the certificate.
    ///
    /// # Panics
    /// There is none.
    pub fn serial(&self) -> Vec<u8> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.chain.as_bytes()).unwrap();
        pem.parse_x509().unwrap().raw_serial().to_vec()
    }

    /// This identity with a forged certificate: the server's own key signs it, with one lie, except for the
    /// one of a foreign authority.
    ///
    /// # Panics
    /// The server's authority cannot be read.
    pub fn forged(&self, server: &CatalogServer, lie: Lie) -> Self {
        let day = std::time::Duration::from_secs(24 * 3600);
        let now = date_time_ymd(1970, 1, 1) + std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        (params.not_before, params.not_after) = match lie {
            Lie::Expired => (now - 30 * day, now - day / 24),
            Lie::LongExpired => (now - 90 * day, now - 60 * day),
            Lie::NotYet => (now + day, now + 30 * day),
            _ => (now - day, now + 30 * day),
        };
        params.extended_key_usages = match lie {
            Lie::ForServers => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Lie::ForNothing => Vec::new(),
            _ => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let name = if lie == Lie::OtherName { "somebody-else" } else { &self.host };
        params.subject_alt_names = vec![SanType::URI(format!("keel://host/{name}").try_into().unwrap())];
        let serial = if lie == Lie::OtherSerial { vec![0x41; 16] } else { self.serial() };
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let ours = KeyPair::from_pem(&server.authority_file("agents.key")).unwrap();
        let key = if lie == Lie::Foreign { KeyPair::generate().unwrap() } else { ours };
        let above = server.authority_file("agents.pem");
        let certificate = params.signed_by(&self.key, &Issuer::from_ca_cert_pem(&above, key).unwrap()).unwrap();
        self.same().with_chain(&format!("{}{above}", certificate.pem()))
    }
}

/// Something that looks like the recipient of a host.
fn recipient() -> String {
    format!("age1{}", "q".repeat(58))
}
