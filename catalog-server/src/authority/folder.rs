//! The authority's folder: certificates as PEM, keys that only the server's user may read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use x509_parser::pem::parse_x509_pem;

use crate::error::{Error, Result};

/// A certificate and its key.
pub(super) struct Pair<Key> {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: Key,
}

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, which must not be there.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        if let Some(above) = path.parent() {
            let above_made = DirBuilder::new().recursive(true).mode(0o700).create(above);
            above_made.map_err(|error| Error::trouble(format!("cannot make the folder {}: {error}", above.display())))?;
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::trouble(format!("there is an authority in {} already", path.display()))
                .hint("keep it: a new one would shut out every host; to begin anew, move that folder away first"),
            _ => Error::trouble(format!("cannot make the folder {}: {error}", path.display())),
        })?;
        Ok(Self { path })
    }

    pub(super) fn open(path: PathBuf) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self { path });
        }
        Err(Error::trouble(format!("there is no authority in {}", path.display())).hint("make one with `keel-server init --name NAME`"))
    }

    pub(super) fn pair(&self, name: &str) -> Result<Pair<KeyPair>> {
        let key = self.optional_key(&format!("{name}.key"))?;
        let missing = || Error::trouble(format!("{} is missing", self.path.join(name).with_extension("key").display()));
        Ok(Pair { certificate: self.certificate(&format!("{name}.pem"))?, key: key.ok_or_else(missing)? })
    }

    pub(super) fn certificate(&self, name: &str) -> Result<CertificateDer<'static>> {
        let path = self.path.join(name);
        let bytes = std::fs::read(&path).map_err(|error| Error::trouble(format!("cannot read {}: {error}", path.display())))?;
        let (_, pem) = parse_x509_pem(&bytes).map_err(|error| Error::trouble(format!("{} is no certificate: {error}", path.display())))?;
        Ok(CertificateDer::from(pem.contents))
    }

    /// A key, if its file is there. One that others may read is refused: it may be known already.
    pub(super) fn optional_key(&self, name: &str) -> Result<Option<KeyPair>> {
        let path = self.path.join(name);
        let wrong = |why: String| Error::trouble(format!("{}: {why}", path.display()));
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| wrong(error.to_string()))?,
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(wrong(format!("others than its owner may read or write this key (mode {mode:04o})")).hint("chmod 0600 it"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        KeyPair::from_pem(&text).map(Some).map_err(|_| wrong("this is no private key".to_owned()))
    }

    pub(super) fn write_key(&self, name: &str, key: &KeyPair) -> Result<()> {
        self.replace(name, &key.serialize_pem(), 0o600)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        self.replace(name, text, 0o644)
    }

    /// Writes a neighbour and renames it, so that a crash leaves the earlier file or the new one.
    fn replace(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.path.join(name);
        let neighbour = self.path.join(format!(".{name}.new"));
        let write = || -> std::io::Result<()> {
            match std::fs::remove_file(&neighbour) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&neighbour)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&neighbour, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| Error::trouble(format!("cannot write {}: {error}", path.display())))
    }
}

/// A certificate as PEM.
pub(super) fn pem(der: &[u8]) -> String {
    pem_labelled("CERTIFICATE", der)
}

/// Bytes as PEM under a label.
pub(super) fn pem_labelled(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out + &format!("-----END {label}-----\n")
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
