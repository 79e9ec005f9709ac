//! Where a file's bytes come from, and the trees that directories mirror.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_engine::change::{SHOWN_TEXT_BYTES_MAX, Shown};
use keel_engine::digest::Digest;
use keel_engine::resource::{Failure, ObserveError};
use keel_engine::text::Text;

use super::attributes::{File, Source};
use crate::host::{FileKind, Host};

/// The bytes that a file shall have.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    /// From the catalog.
    Given(Text),
    /// From this file of the host.
    Local(PathBuf),
}

impl Bytes {
    /// The bytes themselves.
    pub(super) fn read(&self, host: &Host) -> Result<Arc<[u8]>, Failure> {
        match self {
            Bytes::Given(text) => text.bytes(host.contents()).map_err(Failure::new),
            Bytes::Local(path) => match host.read(path)? {
                Some(bytes) => Ok(Arc::from(bytes)),
                None => Err(Failure::new(format!("the source {} has vanished", path.display()))),
            },
        }
    }

    /// Whether these are the bytes of a file of this size and digest; reads no more than it must.
    pub(super) fn is(&self, host: &Host, size: u64, digest: impl FnOnce() -> Result<Option<Digest>, Failure>) -> Result<bool, Failure> {
        match self {
            Bytes::Given(text) => Ok(text.size() == size && digest()? == Some(text.digest())),
            Bytes::Local(_) => {
                let bytes = self.read(host)?;
                Ok(bytes.len() as u64 == size && digest()? == Some(Digest::of(&bytes)))
            }
        }
    }

    /// How people see them.
    pub(super) fn show(&self, host: &Host, with_text: bool) -> Result<Shown, Failure> {
        match self {
            Bytes::Given(Text::Secret(_)) => Ok(Shown::Hidden),
            Bytes::Given(Text::Plain(text)) if with_text && text.len() <= SHOWN_TEXT_BYTES_MAX && !text.contains('\0') => {
                Ok(Shown::Text(Arc::clone(text)))
            }
            bytes => Ok(show(&bytes.read(host)?, with_text)),
        }
    }
}

/// Shows bytes as a text, or as size and digest only.
pub(super) fn show(bytes: &[u8], with_text: bool) -> Shown {
    if with_text { Shown::bytes(bytes) } else { Shown::Binary { digest: Digest::of(bytes), size: bytes.len() as u64 } }
}

/// What a directory shall hold at a path below it.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Folder,
    File(Bytes),
    Link(PathBuf),
}

/// The bytes that `content` or the first existing source gives; none where neither is asked for.
pub(super) fn wanted_bytes(host: &Host, desired: &File) -> Result<Option<Bytes>, ObserveError> {
    if let Some(content) = &desired.content {
        return Ok(Some(Bytes::Given(content.clone())));
    }
    for source in &desired.source {
        match source {
            Source::Blob(blob) => return Ok(Some(Bytes::Given(Text::Blob(*blob)))),
            Source::Tree(_) => return Err(Failure::new("the source is a directory; give ensure=directory recurse=#true").into()),
            Source::Path(path) => {
                if host.stat_followed(path)?.is_some() {
                    return Ok(Some(Bytes::Local(path.as_path().to_owned())));
                }
            }
        }
    }
    if desired.source.is_empty() { Ok(None) } else { Err(no_source(desired)) }
}

/// The tree that the first existing source gives; empty where there is no source.
pub(super) fn wanted_tree(host: &Host, desired: &File) -> Result<BTreeMap<PathBuf, Entry>, ObserveError> {
    for source in &desired.source {
        match source {
            Source::Tree(files) => {
                let files = files.iter().map(|(path, blob)| (PathBuf::from(path), Entry::File(Bytes::Given(Text::Blob(*blob)))));
                return Ok(with_folders(files.collect()));
            }
            Source::Blob(_) => return Err(Failure::new("the source is a file and not a directory").into()),
            Source::Path(path) => match host.stat_followed(path)? {
                None => {}
                Some(stat) if stat.kind == FileKind::Folder => return local_tree(host, path.as_path(), depth_max(desired)),
                Some(_) => return Err(Failure::new(format!("the source {path} is a file and not a directory")).into()),
            },
        }
    }
    if desired.source.is_empty() { Ok(BTreeMap::new()) } else { Err(no_source(desired)) }
}

/// How many levels below the directory are managed.
pub(super) fn depth_max(desired: &File) -> usize {
    desired.recurselimit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn no_source(desired: &File) -> ObserveError {
    let paths = desired.source.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path.to_string()),
        _ => None,
    });
    let paths: Vec<_> = paths.collect();
    ObserveError::NotYet(Failure::new(format!("the source {} does not exist", paths.join(", nor "))))
}

/// Adds the folders that the files of a tree stand in.
fn with_folders(mut entries: BTreeMap<PathBuf, Entry>) -> BTreeMap<PathBuf, Entry> {
    let folders: Vec<PathBuf> = entries.keys().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
    for folder in folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
        entries.entry(folder).or_insert(Entry::Folder);
    }
    entries
}

fn local_tree(host: &Host, top: &Path, depth: usize) -> Result<BTreeMap<PathBuf, Entry>, ObserveError> {
    let mut entries = BTreeMap::new();
    for (path, stat) in host.list_tree(top, depth)? {
        let whole = top.join(&path);
        let entry = match stat.kind {
            FileKind::Folder => Entry::Folder,
            FileKind::File => Entry::File(Bytes::Local(whole)),
            FileKind::Link => Entry::Link(host.read_link(&whole)?.unwrap_or_default()),
            // Pipes, sockets and devices belong to who made them.
            FileKind::Fifo | FileKind::Socket | FileKind::Device => continue,
        };
        entries.insert(path, entry);
    }
    Ok(entries)
}
