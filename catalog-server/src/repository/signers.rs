//! Who may sign commits: an `allowed_signers` file as ssh-keygen knows it, and SSH signatures on commits.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git2::Oid;
use ring::digest::{SHA256, SHA512, digest};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::{Repository, RepositoryError};

/// What SSH signatures on commits are made for.
const NAMESPACE: &[u8] = b"git";
/// How a signature begins, inside its armor and in what is signed.
const MAGIC: &[u8] = b"SSHSIG";

/// Keys that may sign commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSigners {
    signers: Vec<Signer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signer {
    principals: String,
    /// The public key as SSH writes it.
    key: Vec<u8>,
}

impl AllowedSigners {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line is wrong.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// Reads the text of such a file: principals, options, type and key on each line.
    ///
    /// # Errors
    /// Says which line is wrong. An option that is not understood is an error, since it may forbid something.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut signers = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            signers.extend(parse_line(line).map_err(|why| format!("line {}: {why}", number + 1))?);
        }
        match signers.is_empty() {
            true => Err("no key in it may sign commits".to_owned()),
            false => Ok(Self { signers }),
        }
    }

    /// Checks the signature of a commit.
    ///
    /// # Errors
    /// Says why it does not count ([`RepositoryError::Refused`]): there is none, it is of another kind, of an unknown
    /// key, or wrong. Or the repository cannot be read.
    pub fn check(&self, repository: &Repository, commit: Oid) -> Result<(), RepositoryError> {
        let (armored, content) = repository.signature(commit)?;
        self.verify(&armored, &content).map_err(RepositoryError::Refused)
    }

    fn verify(&self, armored: &str, content: &[u8]) -> Result<(), String> {
        let signed = parse_signature(armored)?;
        let signer = self.signers.iter().find(|signer| signer.key == signed.key);
        let signer = signer.ok_or_else(|| "the commit is signed with a key that is not among the allowed signers".to_owned())?;
        if signed.namespace != NAMESPACE {
            return Err("the signature was not made for git".to_owned());
        }
        let hashed = match signed.hash.as_slice() {
            b"sha512" => digest(&SHA512, content),
            b"sha256" => digest(&SHA256, content),
            _ => return Err("the signature uses a hash that is not known".to_owned()),
        };
        let mut message = MAGIC.to_vec();
        for part in [NAMESPACE, &[], &signed.hash, hashed.as_ref()] {
            put(&mut message, part);
        }
        verify_with(&signed.key, &signed.signature, &message)
            .ok_or_else(|| format!("the signature of {} is wrong: the commit was altered", signer.principals.escape_debug()))
    }
}

impl Repository {
    /// The signature of a commit, and what it was made over.
    ///
    /// # Errors
    /// There is none, or the commit cannot be read.
    fn signature(&self, commit: Oid) -> Result<(String, Vec<u8>), RepositoryError> {
        let repository = self.open()?;
        repository.find_commit(commit).map_err(|error| self.unreadable(&error))?;
        let parts = repository.extract_signature(&commit, None);
        let (signature, content) = parts.map_err(|_| RepositoryError::Refused("the commit is not signed".to_owned()))?;
        Ok((String::from_utf8_lossy(&signature).into_owned(), content.to_vec()))
    }
}

/// One line; none if its key is for other things than git.
fn parse_line(line: &str) -> Result<Option<Signer>, String> {
    let words = words(line);
    let at = words.iter().position(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-"));
    let at = at.filter(|at| *at > 0).ok_or("there is no key after the principals")?;
    let principals = words.first().cloned().unwrap_or_default();
    let mut for_git = true;
    for option in words.get(1..at).unwrap_or_default().iter().flat_map(|options| options.split(";")) {
        match option.split_once('=') {
            Some(("namespaces", names)) => for_git = names.trim_matches('"').split(',').any(|name| name.as_bytes() == NAMESPACE),
            _ => return Err(format!("the option `{}` is not supported", option.escape_debug())),
        }
    }
    let key = words.get(at + 1).and_then(|text| STANDARD.decode(text).ok()).ok_or("the key is no base64")?;
    let kind = Reader(&key).string().map(<[u8]>::to_vec).unwrap_or_default();
    if words.get(at).map(String::as_bytes) != Some(&kind) {
        return Err("the key is not of the type that stands before it".to_owned());
    }
    if !matches!(kind.as_slice(), b"ssh-ed25519" | b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ssh-rsa") {
        return Err(format!("keys of type {} are not supported", String::from_utf8_lossy(&kind).escape_debug()));
    }
    Ok(for_git.then_some(Signer { principals, key }))
}

/// The words of a line; blanks inside quotes do not divide.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            ' ' | '\t' if !quoted => words.push(String::new()),
            _ => {
                quoted ^= character == '"';
                if let Some(last) = words.last_mut() {
                    last.push(character);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A signature, taken apart.
struct Signed {
    key: Vec<u8>,
    namespace: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

fn parse_signature(armored: &str) -> Result<Signed, String> {
    let armored = armored.trim();
    let inside = armored.strip_prefix("-----BEGIN SSH SIGNATURE-----").and_then(|rest| rest.strip_suffix("-----END SSH SIGNATURE-----"));
    let inside = inside.ok_or("the commit is signed, but not with an SSH key")?;
    let bytes: Vec<u8> = inside.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(bytes).map_err(|_| "the signature is no base64")?;
    let take = || {
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?.strip_prefix(&[0, 0, 0, 1])?);
        let mut next = || reader.string().map(<[u8]>::to_vec);
        let (key, namespace, _reserved, hash, signature) = (next()?, next()?, next()?, next()?, next()?);
        Some(Signed { key, namespace, hash, signature })
    };
    take().ok_or_else(|| "the signature is damaged".to_owned())
}

/// Verifies a signature in SSH's form with a key in SSH's form.
fn verify_with(key: &[u8], signature: &[u8], message: &[u8]) -> Option<()> {
    let (mut key, mut signature) = (Reader(key), Reader(signature));
    let (kind, algorithm, made) = (key.string()?, signature.string()?, signature.string()?);
    match (kind, algorithm) {
        (b"ssh-ed25519", b"ssh-ed25519") => UnparsedPublicKey::new(&signature::ED25519, key.string()?).verify(message, made).ok(),
        (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256") => {
            key.string()?;
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key.string()?).verify(message, &fixed(made, 32)?).ok()
        }
        (b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp384") => {
            key.string()?;
            UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, key.string()?).verify(message, &fixed(made, 48)?).ok()
        }
        (b"ssh-rsa", b"rsa-sha2-512" | b"rsa-sha2-256") => {
            let (e, n) = (positive(key.string()?), positive(key.string()?));
            let parameters = match algorithm {
                b"rsa-sha2-512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                _ => &signature::RSA_PKCS1_2048_8192_SHA256,
            };
            RsaPublicKeyComponents { n, e }.verify(parameters, message, made).ok()
        }
        _ => None,
    }
}

/// The two numbers of an ECDSA signature at fixed widths, one after the other.
fn fixed(made: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut reader = Reader(made);
    let mut out = Vec::with_capacity(2 * width);
    for number in [reader.string()?, reader.string()?] {
        let number = positive(number);
        out.resize(out.len() + width.checked_sub(number.len())?, 0);
        out.extend_from_slice(number);
    }
    Some(out)
}

/// A number without its leading zeros.
fn positive(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Reads SSH's strings: four bytes of length, the highest first, and the bytes.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn string(&mut self) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        let (string, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*head)).ok()?)?;
        self.0 = rest;
        Some(string)
    }
}

fn put(to: &mut Vec<u8>, string: &[u8]) {
    to.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(string);
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    /// Keys and signatures as ssh-keygen made them over [`CONTENT`].
    const MADE: [(&str, &str); 3] = [
        (include_str!("../../tests/signers/ed25519.pub"), include_str!("../../tests/signers/ed25519.sig")),
        (include_str!("../../tests/signers/ecdsa.pub"), include_str!("../../tests/signers/ecdsa.sig")),
        (include_str!("../../tests/signers/rsa.pub"), include_str!("../../tests/signers/rsa.sig")),
    ];
    const CONTENT: &[u8] = b"tree of commits\n";

    fn allowed(key: &str) -> AllowedSigners {
        AllowedSigners::parse(&format!("# people\nt@example.com namespaces=\"git,file\" {key}\n")).unwrap()
    }

    #[test]
    fn signatures_of_each_kind_are_verified_and_alterations_are_seen() {
        for (key, signature) in MADE {
            let signers = allowed(key);
            assert_eq!(signers.verify(signature, CONTENT), Ok(()), "{key}");
            assert!(signers.verify(signature, b"tree of commitz\n").unwrap_err().contains("altered"), "{key}");
            let flipped = signature.replacen('Q', "R", 1);
            assert!(signers.verify(&flipped, CONTENT).is_err(), "{key}");
        }
        let [(key, _), (_, of_another), _] = MADE;
        assert!(allowed(key).verify(of_another, CONTENT).unwrap_err().contains("not among"));
    }

    #[test]
    fn only_ssh_signatures_count() {
        let signers = allowed(MADE[0].0);
        for text in ["", "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----"] {
            assert!(signers.verify(text, CONTENT).unwrap_err().contains("not with an SSH key"));
        }
        let damaged = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAP8=\n-----END SSH SIGNATURE-----";
        assert!(signers.verify(damaged, CONTENT).unwrap_err().contains("damaged"));
    }

    #[test]
    fn commits_carry_their_signatures() {
        let scratch = Scratch::new();
        let plain = scratch.commit("main", scratch.tree(&[("keel.toml", "name = 's'\n")]));
        let signers = allowed(MADE[0].0);
        let refused = |why: &str| Err(RepositoryError::Refused(why.to_owned()));
        assert_eq!(signers.check(&scratch.repository(), plain), refused("the commit is not signed"));
        let content =
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor t <t@example.com> 1 +0000\ncommitter t <t@example.com> 1 +0000\n\nc\n";
        let signed = scratch.git.commit_signed(content, MADE[0].1, None).unwrap();
        let altered = signers.check(&scratch.repository(), signed).unwrap_err();
        assert!(altered.to_string().contains("altered"), "it was made over something else: {altered}");
        let absent = signers.check(&scratch.repository(), Oid::ZERO_SHA1);
        assert!(matches!(absent, Err(RepositoryError::Unreadable { .. })), "what cannot be read is not the signer's fault");
    }

    #[test]
    fn lines_that_might_forbid_something_are_errors() {
        let key = MADE[0].0.trim();
        for (line, why) in [
            ("", "no key in it"),
            ("t@example.com", "no key after"),
            (key, "no key after"),
            (&format!("t cert-authority {key}"), "not supported"),
            (&format!("t valid-before=\"20200101\" {key}"), "not supported"),
            (&format!("t namespaces=\"file\" {key}"), "no key in it"),
            ("t ssh-ed25519 !!", "no base64"),
            ("t ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIE0SARNtDyk/hwMnf2XJrBaW9bYFhUklQ8xJqyG/E4/E", "not of the type"),
        ] {
            let error = AllowedSigners::parse(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
        let two = format!("\"a b\" {key}\n\nc {}", MADE[1].0.trim());
        assert_eq!(AllowedSigners::parse(&two).unwrap().signers.len(), 2);
    }
}
