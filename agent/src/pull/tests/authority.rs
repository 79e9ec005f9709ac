//! An authority for tests, and a host that has joined it.

use keel_engine::host_name::HostName;
use keel_engine::protocol::certificate::{Certificate, HOST_URI};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::pull::home::Home;
use crate::pull::node::NewKey;

/// A root that signs.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a server presents.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root");
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for 127.0.0.1, changed in some way.
    pub(super) fn server(&self, change: fn(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone(), self.issuer.der().clone()], key: der(&key) }
    }

    /// A certificate that nobody signed but itself.
    pub(super) fn self_signed() -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: der(&key) }
    }

    /// Lets a host join: everything on its disk is as after `keel agent enroll`.
    pub(super) fn admit(&self, home: &Home, host: &str, server: &str) {
        home.make_folders().unwrap();
        std::fs::create_dir_all(home.settings.parent().unwrap()).unwrap();
        std::fs::write(&home.settings, format!("server = \"{server}\"\n")).unwrap();
        std::fs::write(home.authority(), self.pem()).unwrap();
        crate::secrets::identity::create(&home.identity()).unwrap();
        let key = NewKey::make().unwrap();
        let pair = KeyPair::from_pem(&key.to_pem()).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(format!("{HOST_URI}{host}").try_into().unwrap())];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2999, 1, 1);
        let chain = params.signed_by(&pair, &self.issuer).unwrap().pem();
        let host = HostName::new(host).unwrap();
        key.keep(home, &host, &Certificate { chain, serial: "1".to_owned(), not_before: 0, not_after: 0 }).unwrap();
    }
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}
