//! Environments that only follow commits signed by allowed keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::Oid;
use keel_engine::protocol::environment::Verdict;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::stage::{SITE, Stage};

/// Somebody with an SSH key.
struct Signer(Ed25519KeyPair);

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat()).collect()
}

impl Signer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn key(&self) -> Vec<u8> {
        strings(&[b"ssh-ed25519", self.0.public_key().as_ref()])
    }

    fn line(&self) -> String {
        format!("ops@example.com ssh-ed25519 {}\n", STANDARD.encode(self.key()))
    }

    /// As `git commit -S` signs with an SSH key.
    fn sign(&self, content: &str) -> String {
        let hashed = ring::digest::digest(&ring::digest::SHA512, content.as_bytes());
        let message = [b"SSHSIG".as_slice(), &strings(&[b"git", b"", b"sha512", hashed.as_ref()])].concat();
        let made = strings(&[b"ssh-ed25519", self.0.sign(&message).as_ref()]);
        let blob = [b"SSHSIG\0\0\0\x01".as_slice(), &strings(&[&self.key(), b"git", b"", b"sha512", &made])].concat();
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----", STANDARD.encode(blob))
    }

    /// A signed commit of a tree.
    fn commit(&self, stage: &Stage, tree: Oid, parent: Option<&str>) -> Oid {
        let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
        let who = "ops <ops@example.com> 1700000000 +0000";
        let content = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nchange\n");
        stage.git().commit_signed(&content, &self.sign(&content), None).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_commits_that_are_signed_by_an_allowed_key_are_followed() {
    let (allowed, stranger) = (Signer::new(), Signer::new());
    let mut stage = Stage::signed(&allowed.line()).await;
    SITE.iter().for_each(|(path, text)| stage.write(path, text));
    let reason = |stage: &Stage| stage.state().refused.unwrap().reason;

    stage.push().await;
    assert_eq!(reason(&stage), "the commit is not signed");
    let tree = stage.tree();
    stage.point("main", stranger.commit(&stage, tree, None)).await;
    assert!(reason(&stage).contains("not among the allowed signers"));
    let first = allowed.commit(&stage, tree, None);
    stage.point("main", first).await;
    assert_eq!((stage.state().commit, stage.state().refused), (Some(first.to_string()), None));

    stage.write("manifests/site.kdl", "group web {\n    file \"/etc/web\" content=new\n}\n");
    let second = allowed.commit(&stage, stage.tree(), Some(&first.to_string()));
    stage.point("main", second).await;
    assert_eq!(stage.state().commit, Some(second.to_string()));
    stage.point("main", first).await;
    assert!(reason(&stage).contains("rewritten"), "what was signed once is not good for ever");
    assert_eq!(stage.state().commit, Some(second.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_lasts_as_long_as_the_list_of_signers_does() {
    let (old, new) = (Signer::new(), Signer::new());
    let mut stage = Stage::signed(&old.line()).await;
    SITE.iter().for_each(|(path, text)| stage.write(path, text));
    let commit = new.commit(&stage, stage.tree(), None);
    stage.point("main", commit).await;
    let refused = stage.state().refused.unwrap();
    assert_eq!(refused.verdict, Verdict::Bad);
    stage.look().await;
    assert_eq!(stage.state().refused, Some(refused), "the same list says the same");

    stage.let_sign("rubbish");
    stage.look().await;
    assert_eq!(stage.state().refused.unwrap().verdict, Verdict::CannotTell, "without a list nobody can tell");
    stage.let_sign(&format!("{}{}", old.line(), new.line()));
    stage.look_until_it_follows(&commit.to_string()).await;
}
