//! Certificates that come, are renewed and go.

use std::os::unix::fs::PermissionsExt;

use keel_engine::attributes::Attributes;
use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use super::*;
use crate::trial::{Trial, list};

const PATH: &str = "/etc/ssl/certs/web.example.org.pem";
const KEY: &str = "/etc/ssl/private/web.example.org.key";

fn trial() -> Trial {
    let trial = Trial::new();
    for path in ["/etc/ssl/certs/x", "/etc/ssl/private/x"] {
        trial.write(path, "");
    }
    trial
}

fn desired(attributes: &[(&str, Value)]) -> Certificate {
    let map: Map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Certificate::from_attributes("web.example.org", &map).unwrap()
}

fn converge(trial: &Trial, attributes: &[(&str, Value)]) -> Vec<String> {
    trial.converge(&CertificateType, "web.example.org", attributes).unwrap()
}

#[test]
fn a_certificate_is_made_with_a_key_that_nobody_sees() {
    let trial = trial();
    let made = converge(&trial, &[]);
    assert_eq!(made, ["+ key: absent -> (secret)", "+ certificate: absent -> web.example.org for 365 days"]);
    assert_eq!(trial.path(KEY).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(converge(&trial, &[]), [""; 0]);
    std::fs::set_permissions(trial.path(KEY), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(converge(&trial, &[]), ["~ key mode: 0644 -> 0600"]);
    converge(&trial, &[("ensure", Value::from("absent"))]);
    assert!(!trial.exists(PATH) && !trial.exists(KEY));
}

#[test]
fn other_names_and_uses_are_another_certificate_for_the_same_key() {
    let trial = trial();
    converge(&trial, &[]);
    let key = trial.read(KEY);
    let names = ("names", list(&["b.example.org", "10.0.0.7", "*.a.example.org", "::1"]));
    let changed = converge(&trial, std::slice::from_ref(&names));
    assert_eq!(changed, ["~ certificate: for web.example.org -> *.a.example.org, 10.0.0.7, ::1, b.example.org for 365 days"]);
    assert_eq!(
        converge(&trial, &[names.clone(), ("usage", Value::from("client"))])[0].split(" -> ").next(),
        Some("~ certificate: for another usage")
    );
    assert_eq!(trial.read(KEY), key);
    std::fs::remove_file(trial.path(KEY)).unwrap();
    assert_eq!(converge(&trial, &[names]).len(), 2, "a lost key takes a new certificate");
}

#[test]
fn an_authority_signs_and_another_one_signs_anew() {
    let trial = trial();
    let authority = |name: &str| {
        let path = |end: &str| Value::from(format!("/etc/ssl/{name}.{end}"));
        let attributes = [("authority", Value::Bool(true)), ("certificate", path("pem")), ("key", path("key"))];
        trial.converge(&CertificateType, name, &attributes).unwrap();
    };
    authority("One CA");
    authority("Two CA");
    let by = |name: &str| {
        [
            ("ca_certificate", Value::from(format!("/etc/ssl/{name}.pem"))),
            ("ca_key", Value::Secret(Secret::new(trial.read(&format!("/etc/ssl/{name}.key"))))),
        ]
    };
    converge(&trial, &by("One CA"));
    assert!(trial.read(PATH).ends_with(&trial.read("/etc/ssl/One CA.pem")));
    assert_eq!(converge(&trial, &by("One CA")), [""; 0]);
    assert!(converge(&trial, &by("Two CA"))[0].starts_with("~ certificate: signed by somebody else"));
    assert!(converge(&trial, &[])[0].starts_with("~ certificate: signed by somebody else"));
    let mixed = [by("One CA")[0].clone(), by("Two CA")[1].clone()];
    assert!(trial.plan(&CertificateType, "web.example.org", &mixed).unwrap_err().contains("not the one of its certificate"));
    let leaf = [("ca_certificate", Value::from(PATH)), ("ca_key", Value::from(KEY))];
    assert!(trial.plan(&CertificateType, "x", &leaf).unwrap_err().contains("not made to sign"));
}

#[test]
fn it_is_made_anew_before_it_ends() {
    let (desired, key) = (desired(&[]), issue::new_key(&Host::new("/"), Algorithm::Ed25519).unwrap());
    let now = 1_800_000_000;
    let pem = issue::issue(&desired, &key, None, now).unwrap();
    let at = |days: i64| verdict(&pem, &key, &desired, None, now + days * 86_400);
    assert_eq!([at(0), at(334)], [None, None]);
    assert_eq!(at(335), Some("ends 2028-01-15".to_owned()));
    assert_eq!(at(400), at(335));
    let other = issue::new_key(&Host::new("/"), Algorithm::P384).unwrap();
    assert_eq!(verdict(&pem, &other, &desired, None, now), Some("for another key".to_owned()));
    assert_eq!(verdict("x", &key, &desired, None, now), Some("none that can be read".to_owned()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |attributes: &[(&str, Value)]| Trial::refuses::<CertificateType>("a b", attributes);
    assert!(refused(&[]).contains("can be no file's name"));
    let refused = |attributes: &[(&str, Value)]| Trial::refuses::<CertificateType>("a", attributes);
    assert!(refused(&[("names", Value::from("a b"))]).contains("names and addresses"));
    assert!(refused(&[("ca_certificate", Value::from("/x"))]).contains("belong together"));
    assert!(refused(&[("ca_certificate", Value::from("/x")), ("ca_key", Value::from("-----BEGIN"))]).contains("stands open"));
    assert!(refused(&[("renew_before", Value::from("365d"))]).contains("shorter"));
    assert!(refused(&[("key_mode", Value::from("0644"))]).contains("everybody"));
    let trial = trial();
    trial.write(KEY, "x");
    assert!(trial.plan(&CertificateType, "web.example.org", &[]).unwrap_err().contains("holds no key"));
}

#[test]
fn keys_of_rsa_sign_like_all_others() {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: there is no openssl here\n");
        return;
    }
    let key = issue::new_key(&Host::new("/"), Algorithm::Rsa2048).unwrap();
    assert_eq!(key.algorithm(), &rcgen::PKCS_RSA_SHA256);
    let pem = issue::issue(&desired(&[]), &key, None, 1_700_000_000).unwrap();
    assert_eq!(verdict(&pem, &key, &desired(&[]), None, 1_700_000_000), None);
}

/// Plans what is described, which must come to nothing.
fn expect_kept(trial: &Trial, found: &[Described]) {
    for thing in found {
        let attributes: Vec<(&str, Value)> = thing.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&CertificateType, &thing.title, &attributes).unwrap(), [""; 0], "{thing:?}");
    }
}

#[test]
fn certificates_with_their_keys_are_described_and_never_what_the_keys_are() {
    let trial = trial();
    let authority = [
        ("authority", Value::Bool(true)),
        ("certificate", Value::from("/etc/ssl/certs/site-ca.pem")),
        ("key", Value::from("/etc/ssl/private/site-ca.key")),
        ("valid_for", Value::from("3650d")),
        ("algorithm", Value::from("p384")),
    ];
    trial.converge(&CertificateType, "Site CA", &authority).unwrap();
    let signed = [
        ("names", list(&["b.example.org", "10.0.0.7"])),
        ("usage", Value::from("server")),
        ("ca_certificate", authority[1].1.clone()),
        ("ca_key", authority[2].1.clone()),
        ("chain", Value::Bool(false)),
        ("valid_for", Value::from("7d")),
        ("renew_before", Value::from("1d")),
        ("key_mode", Value::from("0640")),
    ];
    converge(&trial, &signed);
    let elsewhere =
        [("certificate", Value::from("/etc/web.crt")), ("key", Value::from("/etc/web.key")), ("algorithm", Value::from("ed25519"))];
    trial.converge(&CertificateType, "far.example.org", &elsewhere).unwrap();
    trial.write("/etc/ssl/private/lone.key", &trial.read("/etc/web.key"));
    let all = CertificateType.describe(&trial.host, None).unwrap().unwrap();
    let titles: Vec<&str> = all.iter().map(|thing| thing.title.as_str()).collect();
    assert_eq!(titles, ["Site CA", "web.example.org"]);
    expect_kept(&trial, &all);
    assert_eq!(all[1].attributes.get("names"), Some(&list(&["10.0.0.7", "b.example.org"])));
    let far = CertificateType.describe(&trial.host, Some("/etc/web.crt")).unwrap().unwrap();
    expect_kept(&trial, &far);
    assert_eq!(far[0].attributes.get("algorithm"), Some(&Value::from("ed25519")));
    assert_eq!(CertificateType.describe(&trial.host, Some("web.example.org")).unwrap().unwrap(), all[1..]);
    let left = CertificateType.unsaid(&trial.host, &all).unwrap();
    assert_eq!(left.iter().map(|left| left.what.as_str()).collect::<Vec<_>>(), ["/etc/ssl/private/lone.key"]);
    assert!(!format!("{all:?}{far:?}").contains("PRIVATE"));
    std::fs::remove_file(trial.path("/etc/ssl/private/site-ca.key")).unwrap();
    assert_eq!(CertificateType.describe(&trial.host, None).unwrap().unwrap(), [], "nobody here could make it anew");
}
