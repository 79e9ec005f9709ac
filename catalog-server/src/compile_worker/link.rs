//! The worker's pipes, and what comes through them while a compile is going on: files of the commit and
//! facts of hosts.

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use keel_engine::digest::Digest;
use keel_engine::value::Map;
use keel_manifests::facts::{LiveFacts, parse_facts};
use keel_manifests::files::{SiteFile, SiteFiles};
use keel_manifests::sources::LoweredCache;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compiler::messages::{Answer, Bytes, Order, Supply, body, body_length, frame};
use crate::repository::{EntryKind, FILE_BYTES_MAX, TreeEntry};

/// Both pipes. Several threads may need files at once: each question is asked and answered under a lock.
pub(super) struct Link {
    pipes: Mutex<Pipes>,
}

struct Pipes {
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
}

impl Pipes {
    /// The next message's body; none at the end of the input.
    fn receive(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut head = [0; 4];
        match self.input.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
        let mut bytes = vec![0; body_length(head)?];
        self.input.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Some(bytes))
    }

    fn send(&mut self, message: &impl Serialize) -> Result<(), String> {
        let bytes = frame(message)?;
        self.output.write_all(&bytes).and_then(|()| self.output.flush()).map_err(|error| error.to_string())
    }

    fn expect<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let bytes = self.receive()?.ok_or_else(|| "the server is gone".to_owned())?;
        body(&bytes)
    }
}

impl Link {
    pub(super) fn new(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>) -> Self {
        Self { pipes: Mutex::new(Pipes { input, output }) }
    }

    fn pipes(&self) -> std::sync::MutexGuard<'_, Pipes> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next order; none when there will be no more.
    pub(super) fn order(&self) -> Result<Option<Order>, String> {
        self.pipes().receive()?.map(|bytes| body(&bytes)).transpose()
    }

    /// Says something to the server.
    pub(super) fn answer(&self, answer: &Answer) -> Result<(), String> {
        self.pipes().send(answer)
    }

    /// Bytes that follow an order.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        self.pipes().expect::<Bytes>().map(|bytes| bytes.0)
    }

    fn ask(&self, question: &Answer) -> Result<Supply, String> {
        let mut pipes = self.pipes();
        pipes.send(question)?;
        pipes.expect()
    }
}

/// The files of a commit, fetched when they are needed and kept while they are small.
pub(super) struct CommitFiles {
    entries: BTreeMap<String, TreeEntry>,
    kept: Mutex<HashMap<String, Arc<[u8]>>>,
    lowered: Mutex<HashMap<Digest, Vec<u8>>>,
    link: Arc<Link>,
}

/// Files up to this size are kept: templates and small sources are read for every host.
const KEPT_BYTES_MAX: u64 = 256 << 10;

impl CommitFiles {
    pub(super) fn new(entries: &[TreeEntry], link: Arc<Link>) -> Self {
        let entries = entries.iter().map(|entry| (entry.path.clone(), entry.clone())).collect();
        Self { entries, kept: Mutex::default(), lowered: Mutex::default(), link }
    }
}

impl SiteFiles for CommitFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        let Some(entry) = self.entries.get(path) else { return Ok(None) };
        match entry.kind {
            EntryKind::Link => return Err("it is a symbolic link, and the server follows none: commit the file itself".to_owned()),
            EntryKind::Submodule => return Err("it is a submodule, and the server fetches none: commit the files themselves".to_owned()),
            EntryKind::File | EntryKind::Executable => {}
        }
        if entry.size > FILE_BYTES_MAX {
            return Err(format!("it has {} bytes; the server takes files up to {} MiB", entry.size, FILE_BYTES_MAX >> 20));
        }
        if let Some(known) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Supply::File(bytes) = self.link.ask(&Answer::NeedFile { id: entry.id.clone() })? else {
            return Err("the server answered with something else".to_owned());
        };
        let bytes: Arc<[u8]> = Arc::from(bytes?.0);
        if entry.size <= KEPT_BYTES_MAX {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.id.clone(), Arc::clone(&bytes));
        }
        Ok(Some(bytes))
    }

    fn list(&self, folder: &str) -> Result<Vec<SiteFile>, String> {
        let from = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.entries.range(from.clone()..).take_while(|(path, _)| path.starts_with(&from));
        let file =
            |entry: &TreeEntry| SiteFile { path: entry.path.clone(), executable: entry.kind == EntryKind::Executable, size: entry.size };
        // A submodule is a folder without files here.
        Ok(below.filter(|(_, entry)| entry.kind != EntryKind::Submodule).map(|(_, entry)| file(entry)).collect())
    }
}

/// A site is loaded again when facts change what they decide for all; its manifests are not parsed again.
impl LoweredCache for CommitFiles {
    fn get(&self, key: Digest) -> Option<Vec<u8>> {
        self.lowered.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn put(&self, key: Digest, bytes: &[u8]) {
        self.lowered.lock().unwrap_or_else(PoisonError::into_inner).insert(key, bytes.to_vec());
    }
}

/// Facts as the server has them: of the host that is being compiled they came with the order.
pub(super) struct SentFacts {
    /// Fetched in this compile, by host.
    known: Mutex<HashMap<String, Option<Arc<Map>>>>,
    link: Arc<Link>,
}

impl SentFacts {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { known: Mutex::default(), link }
    }

    /// Begins a compile: what other hosts said is asked for anew.
    pub(super) fn begin(&self, host: &str, facts: Option<Vec<u8>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
        known.insert(host.to_owned(), facts.and_then(parse));
    }
}

fn parse(json: Vec<u8>) -> Option<Arc<Map>> {
    // They were parsed when they were taken in; what cannot be read now is as good as none.
    parse_facts(std::str::from_utf8(&json).ok()?).ok().map(Arc::new)
}

impl LiveFacts for SentFacts {
    fn of(&self, host: &str) -> Option<Arc<Map>> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(host) {
            return known.clone();
        }
        let supply = self.link.ask(&Answer::NeedFacts { host: host.to_owned() });
        let facts = match supply {
            Ok(Supply::Facts(facts)) => facts.and_then(|facts| parse(facts.0)),
            _ => None,
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), facts.clone());
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: EntryKind, size: u64) -> TreeEntry {
        TreeEntry { path: path.to_owned(), kind, size, id: format!("{:040}", size) }
    }

    #[test]
    fn links_submodules_and_huge_files_are_refused_by_reading_and_lists_stay_in_their_folder() {
        let supply = frame(&Supply::File(Ok(Bytes(b"text".to_vec())))).unwrap();
        let link = Arc::new(Link::new(Box::new(std::io::Cursor::new(supply)), Box::new(std::io::sink())));
        let entries = [
            entry("a.d/x", EntryKind::File, 4),
            entry("a/link", EntryKind::Link, 0),
            entry("a/sub", EntryKind::Submodule, 0),
            entry("a/x", EntryKind::Executable, FILE_BYTES_MAX + 1),
            entry("ab", EntryKind::File, 1),
        ];
        let files = CommitFiles::new(&entries, link);
        assert!(files.read("a/link").unwrap_err().contains("symbolic link"));
        assert!(files.read("a/sub").unwrap_err().contains("submodule"));
        assert!(files.read("a/x").unwrap_err().contains("MiB"));
        assert_eq!(files.read("a"), Ok(None));
        assert_eq!(files.read("a.d/x").unwrap().as_deref(), Some(b"text".as_slice()));
        assert_eq!(files.read("a.d/x").unwrap().as_deref(), Some(b"text".as_slice()), "kept: nothing more comes through the pipe");
        let listed: Vec<String> = files.list("a").unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(listed, ["a/link", "a/x"]);
        assert_eq!(files.list("").unwrap().len(), 4);
    }
}
