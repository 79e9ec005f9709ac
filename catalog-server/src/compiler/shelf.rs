//! Catalogs, contents and what is known of hosts, on disk. All of it can be made again from the
//! repository and the facts: nothing is synced, whatever is damaged is as good as absent.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use keel_engine::contents::Blob;
use keel_engine::digest::Digest;
use keel_engine::protocol::catalog::CATALOG_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::messages::{Bytes, ClosedSecret, FactsRead};

/// Written in front of every record, so that another version never reads this one's.
const RECORD_FORM: &str = concat!("keel host record 1, ", env!("CARGO_PKG_VERSION"));

/// A catalog that a host has or had, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The blake3 of its binary form.
    pub id: Digest,
    /// The bytes of its binary form.
    pub size: u64,
    /// The commit that it was compiled from.
    pub commit: String,
    /// The environment that it was compiled for.
    pub environment: String,
    /// The facts that it depends on.
    pub reads: Vec<FactsRead>,
    /// What facts decided for all catalogs together.
    pub fleet_state: Option<Digest>,
    /// The contents that it names.
    pub contents: Vec<Blob>,
    /// The secrets that it names, as the site keeps them.
    pub secrets: Vec<ClosedSecret>,
    /// The other hosts that its gates point at.
    pub gates: Vec<String>,
    /// What it declares, as the store remembers it.
    pub fingerprints: Bytes,
}

/// What is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub host: String,
    /// The newest catalog that it was or will be given.
    pub current: Option<Entry>,
    /// The one before.
    pub previous: Option<Entry>,
    /// Compiled ahead from a commit that is still examined.
    pub ahead: Option<Entry>,
}

impl Record {
    /// Whether any of its catalogs names a content, and how large that is.
    pub fn names(&self, content: &Digest) -> Option<Blob> {
        let entries = [&self.current, &self.previous].into_iter().flatten();
        entries.flat_map(|entry| &entry.contents).find(|blob| blob.digest == *content).copied()
    }

    /// The record with a new current catalog: the one before becomes the previous one, if it is another.
    pub fn with_current(&self, entry: Entry) -> Self {
        let same = self.current.as_ref().is_some_and(|current| current.id == entry.id);
        let previous = if same { self.previous.clone() } else { self.current.clone() };
        let ahead = self.ahead.clone().filter(|ahead| ahead.id != entry.id);
        Self { host: self.host.clone(), current: Some(entry), previous, ahead }
    }

    fn holds(&self, catalog: &Digest) -> bool {
        [&self.current, &self.previous, &self.ahead].into_iter().flatten().any(|entry| entry.id == *catalog)
    }

    /// The catalogs that this record has and another one no longer has.
    pub fn gone<'r>(&'r self, newer: &'r Self) -> impl Iterator<Item = Digest> + 'r {
        let entries = [&self.current, &self.previous, &self.ahead].into_iter().flatten();
        entries.map(|entry| entry.id).filter(|id| !newer.holds(id))
    }
}

/// The folder of it all.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    next: AtomicU64,
}

impl Shelf {
    /// The shelf in a folder, which is made if need be, for its owner alone.
    ///
    /// # Errors
    /// The folders cannot be made.
    pub fn at(folder: &Path) -> io::Result<Self> {
        for part in ["catalogs", "contents", "hosts", "new"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(part))?;
        }
        let shelf = Self { folder: folder.to_owned(), next: AtomicU64::new(0) };
        // What a killed server was writing.
        for file in fs::read_dir(shelf.folder.join("new"))? {
            fs::remove_file(file?.path())?;
        }
        Ok(shelf)
    }

    fn place(&self, part: &str, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(part).join(name.get(..2).unwrap_or_default()).join(name)
    }

    fn host_place(&self, host: &str) -> PathBuf {
        self.place("hosts", &Digest::of(host.as_bytes()))
    }

    fn put(&self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = self.folder.join("new").join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        match fs::rename(&new, place) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = place.parent().unwrap_or(&self.folder);
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                fs::rename(&new, place)
            }
            done => done,
        }
    }

    /// Keeps a compressed catalog.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn put_catalog(&self, id: &Digest, compressed: &[u8]) -> io::Result<()> {
        self.put(&self.place("catalogs", id), compressed)
    }

    /// A compressed catalog, checked against its name; none if it is absent or damaged.
    pub fn catalog(&self, id: &Digest) -> Option<Vec<u8>> {
        let compressed = fs::read(self.place("catalogs", id)).ok()?;
        let bytes = zstd::bulk::decompress(&compressed, CATALOG_BYTES_MAX).ok()?;
        (Digest::of(&bytes) == *id).then_some(compressed)
    }

    /// Lets a catalog go.
    pub fn drop_catalog(&self, id: &Digest) {
        // That it is gone already is as well.
        let _ = fs::remove_file(self.place("catalogs", id));
    }

    /// Keeps a content, unless it is there.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn put_content(&self, bytes: &[u8]) -> io::Result<()> {
        let place = self.place("contents", &Digest::of(bytes));
        match fs::metadata(&place) {
            Ok(there) if there.len() == bytes.len() as u64 => Ok(()),
            _ => self.put(&place, bytes),
        }
    }

    /// Whether a content is there in its full size.
    pub fn has_content(&self, blob: &Blob) -> bool {
        fs::metadata(self.place("contents", &blob.digest)).is_ok_and(|there| there.len() == blob.size)
    }

    /// A content to read from; none if it is absent.
    pub fn content(&self, blob: &Blob) -> Option<fs::File> {
        let file = fs::File::open(self.place("contents", &blob.digest)).ok()?;
        (file.metadata().ok()?.len() == blob.size).then_some(file)
    }

    /// What is known of a host.
    pub fn record(&self, host: &str) -> Option<Record> {
        read_record(&self.host_place(host)).filter(|record| record.host == host)
    }

    /// Keeps what is known of a host.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn put_record(&self, record: &Record) -> io::Result<()> {
        let bytes = postcard::to_stdvec(&(RECORD_FORM, record)).map_err(io::Error::other)?;
        let sealed = [Digest::of(&bytes).as_bytes().as_slice(), &bytes].concat();
        self.put(&self.host_place(&record.host), &sealed)
    }

    /// What is known of all hosts.
    pub fn records(&self) -> Vec<Record> {
        files(&self.folder.join("hosts")).iter().filter_map(|path| read_record(path)).collect()
    }

    /// Removes contents and catalogs that no record names, if they are older than an hour: younger ones
    /// may belong to a record that is about to be written.
    pub fn sweep(&self) {
        let mut named: std::collections::HashSet<Digest> = std::collections::HashSet::new();
        for record in self.records() {
            for entry in [record.current, record.previous, record.ahead].into_iter().flatten() {
                named.insert(entry.id);
                named.extend(entry.contents.iter().map(|blob| blob.digest));
            }
        }
        for part in ["catalogs", "contents"] {
            for path in files(&self.folder.join(part)) {
                let digest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                let old = fs::metadata(&path).and_then(|file| file.modified()).ok().and_then(|time| time.elapsed().ok());
                if digest.is_none_or(|digest| !named.contains(&digest)) && old.is_some_and(|age| age.as_secs() > 3600) {
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries(folder).flat_map(|inner| entries(&inner).collect::<Vec<_>>()).collect()
}

fn read_record(path: &Path) -> Option<Record> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    let (digest, body) = bytes.split_at_checked(32)?;
    if Digest::of(body).as_bytes().as_slice() != digest {
        return None;
    }
    let (form, record): (String, Record) = postcard::from_bytes(body).ok()?;
    (form == RECORD_FORM).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: Digest, contents: Vec<Blob>) -> Entry {
        Entry {
            id,
            size: 1,
            commit: "c".to_owned(),
            environment: "main".to_owned(),
            reads: vec![],
            fleet_state: None,
            contents,
            secrets: vec![],
            gates: vec![],
            fingerprints: Bytes::default(),
        }
    }

    #[test]
    fn what_is_put_comes_back_and_damage_is_absence() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path()).unwrap();
        let bytes = b"a catalog".to_vec();
        let id = Digest::of(&bytes);
        let compressed = zstd::bulk::compress(&bytes, 1).unwrap();
        shelf.put_catalog(&id, &compressed).unwrap();
        assert_eq!(shelf.catalog(&id), Some(compressed));
        let place = shelf.place("catalogs", &id);
        fs::write(&place, b"rubbish").unwrap();
        assert_eq!(shelf.catalog(&id), None);

        let record = Record { host: "web-1".to_owned(), current: Some(entry(id, vec![Blob::of(b"x")])), ..Record::default() };
        shelf.put_record(&record).unwrap();
        assert_eq!(shelf.record("web-1"), Some(record.clone()));
        assert_eq!(shelf.records(), [record]);
        let place = shelf.host_place("web-1");
        let mut damaged = fs::read(&place).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&place, damaged).unwrap();
        assert_eq!(shelf.record("web-1"), None);
    }

    #[test]
    fn contents_are_kept_once_and_belong_to_who_names_them() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path()).unwrap();
        let blob = Blob::of(b"content");
        assert!(!shelf.has_content(&blob));
        shelf.put_content(b"content").unwrap();
        shelf.put_content(b"content").unwrap();
        assert!(shelf.has_content(&blob) && shelf.content(&blob).is_some());
        let record = Record { previous: Some(entry(Digest::of(b"c"), vec![blob])), ..Record::default() };
        assert_eq!(record.names(&blob.digest), Some(blob));
        let ahead = Record { ahead: record.previous.clone(), ..Record::default() };
        assert_eq!(ahead.names(&blob.digest), None, "it is nobody's yet");
        assert_eq!(record.gone(&ahead).count(), 0);
        assert_eq!(record.gone(&Record::default()).collect::<Vec<_>>(), [Digest::of(b"c")]);
    }

    #[test]
    fn only_what_is_old_and_unnamed_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path()).unwrap();
        let (named, unnamed, young) = (Blob::of(b"named"), Blob::of(b"unnamed"), Blob::of(b"young"));
        for bytes in [b"named".as_slice(), b"unnamed", b"young"] {
            shelf.put_content(bytes).unwrap();
        }
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
        for blob in [&named, &unnamed] {
            fs::File::options().write(true).open(shelf.place("contents", &blob.digest)).unwrap().set_modified(yesterday).unwrap();
        }
        let record = Record { host: "h".to_owned(), current: Some(entry(Digest::of(b"c"), vec![named])), ..Record::default() };
        shelf.put_record(&record).unwrap();
        shelf.sweep();
        assert!(shelf.has_content(&named) && shelf.has_content(&young) && !shelf.has_content(&unnamed));
    }
}
