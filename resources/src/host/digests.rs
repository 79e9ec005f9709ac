//! Digests of files, remembered between runs: who has not been touched need not be read again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use keel_engine::digest::Digest;

use super::Stat;

/// The first bytes of the saved form; another version is another text.
const HEADER: &[u8] = b"keel digests 1\n";
/// Device, inode, size, two times, age and digest.
const RECORD_LEN: usize = 8 * 5 + 1 + 32;
const DIGEST_LEN: usize = 32;
/// How many runs a record outlives its last use: runs with a filter do not look at every file.
const AGE_MAX: u8 = 50;
/// A file that was touched this shortly before the run may be touched again within the same tick of
/// its file system's clock, and then look the same.
const SETTLED_NS: i64 = 2_000_000_000;

/// What identifies a state of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
    age: u8,
    digest: Digest,
}

impl Record {
    fn is_of(&self, stat: &Stat) -> bool {
        (self.size, self.modified_ns, self.changed_ns) == (stat.size, stat.modified_ns, stat.changed_ns)
    }
}

/// The digests known from earlier runs and those that this run adds.
#[derive(Debug, Default)]
pub struct Digests {
    now_ns: i64,
    known: HashMap<(u64, u64), usize>,
    records: Vec<(Record, AtomicBool)>,
    added: Mutex<Vec<Record>>,
}

impl Digests {
    /// Nothing known yet, at a run that starts now (nanoseconds since 1970).
    pub fn new(now_ns: i64) -> Self {
        Self { now_ns, ..Self::default() }
    }

    /// Reads what [`Digests::to_bytes`] made. Bytes that are damaged or of another version are
    /// taken for nothing known: the files are read again.
    pub fn from_bytes(bytes: &[u8], now_ns: i64) -> Self {
        let mut digests = Self::new(now_ns);
        let Some(body) = intact_body(bytes) else { return digests };
        for record in body.chunks_exact(RECORD_LEN).filter_map(parse_record) {
            digests.known.insert((record.device, record.inode), digests.records.len());
            digests.records.push((record, AtomicBool::new(false)));
        }
        digests
    }

    /// The form in which the agent keeps it, in order and with a checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut records: Vec<Record> = self.added.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (record, used) in &self.records {
            let age = if used.load(Ordering::Relaxed) { 0 } else { record.age.saturating_add(1) };
            if age <= AGE_MAX {
                records.push(Record { age, ..*record });
            }
        }
        // An added record stands before an old one of the same file, and the sort keeps that order.
        records.sort_by_key(|record| (record.device, record.inode));
        records.dedup_by_key(|record| (record.device, record.inode));
        let mut bytes = Vec::with_capacity(HEADER.len() + records.len() * RECORD_LEN + DIGEST_LEN);
        bytes.extend_from_slice(HEADER);
        for record in &records {
            for number in [record.device, record.inode, record.size] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&record.modified_ns.to_le_bytes());
            bytes.extend_from_slice(&record.changed_ns.to_le_bytes());
            bytes.push(record.age);
            bytes.extend_from_slice(record.digest.as_bytes());
        }
        let checksum = Digest::of(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    /// The digest of the file in this state, if it is known.
    pub(super) fn get(&self, stat: &Stat) -> Option<Digest> {
        let position = self.known.get(&(stat.device, stat.inode))?;
        let (record, used) = self.records.get(*position)?;
        if !record.is_of(stat) {
            return None;
        }
        used.store(true, Ordering::Relaxed);
        Some(record.digest)
    }

    /// Remembers a digest, unless the file is too young to be recognised again.
    pub(super) fn add(&self, stat: &Stat, digest: Digest) {
        if stat.modified_ns.max(stat.changed_ns).saturating_add(SETTLED_NS) > self.now_ns {
            return;
        }
        let Stat { device, inode, size, modified_ns, changed_ns, .. } = *stat;
        let record = Record { device, inode, size, modified_ns, changed_ns, age: 0, digest };
        self.added.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

fn intact_body(bytes: &[u8]) -> Option<&[u8]> {
    let (signed, checksum) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_LEN)?)?;
    let body = signed.strip_prefix(HEADER)?;
    (Digest::of(signed).as_bytes() == checksum && body.len().is_multiple_of(RECORD_LEN)).then_some(body)
}

fn parse_record(bytes: &[u8]) -> Option<Record> {
    let (numbers, rest) = bytes.split_at_checked(40)?;
    let mut numbers = numbers.as_chunks::<8>().0.iter();
    let mut next = || numbers.next().copied();
    Some(Record {
        device: u64::from_le_bytes(next()?),
        inode: u64::from_le_bytes(next()?),
        size: u64::from_le_bytes(next()?),
        modified_ns: i64::from_le_bytes(next()?),
        changed_ns: i64::from_le_bytes(next()?),
        age: *rest.first()?,
        digest: Digest::from_bytes(rest.get(1..)?.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
    use super::*;

    fn stat(inode: u64, changed_ns: i64) -> Stat {
        let (mode, uid, gid, size, device, links) = (0o644, 0, 0, 3, 1, 1);
        Stat { kind: FileKind::File, mode, uid, gid, size, device, inode, links, modified_ns: 0, changed_ns }
    }

    const NOW: i64 = 100_000_000_000;

    #[test]
    fn a_known_file_is_found_until_it_is_touched() {
        let first = Digests::new(NOW);
        first.add(&stat(7, 5), Digest::of(b"abc"));
        let second = Digests::from_bytes(&first.to_bytes(), NOW);
        assert_eq!(second.get(&stat(7, 5)), Some(Digest::of(b"abc")));
        assert_eq!(second.get(&stat(7, 6)), None);
        assert_eq!(second.get(&stat(8, 5)), None);
        second.add(&stat(7, 6), Digest::of(b"abd"));
        let third = Digests::from_bytes(&second.to_bytes(), NOW);
        assert_eq!(third.get(&stat(7, 6)), Some(Digest::of(b"abd")), "the newer record wins");
    }

    #[test]
    fn a_file_touched_just_before_the_run_is_not_remembered() {
        let digests = Digests::new(NOW);
        digests.add(&stat(7, NOW - 1_000_000_000), Digest::of(b"abc"));
        assert_eq!(digests.to_bytes().len(), HEADER.len() + DIGEST_LEN);
    }

    #[test]
    fn damage_is_noticed_at_every_byte() {
        let digests = Digests::new(NOW);
        digests.add(&stat(7, 5), Digest::of(b"abc"));
        let bytes = digests.to_bytes();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert_eq!(Digests::from_bytes(&damaged, NOW).get(&stat(7, 5)), None, "byte {position}");
            assert_eq!(Digests::from_bytes(&bytes[..position], NOW).get(&stat(7, 5)), None, "cut at {position}");
        }
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_in_the_end() {
        let first = Digests::new(NOW);
        first.add(&stat(7, 5), Digest::of(b"abc"));
        let mut bytes = first.to_bytes();
        for _ in 0..AGE_MAX {
            bytes = Digests::from_bytes(&bytes, NOW).to_bytes();
        }
        assert!(bytes.len() > HEADER.len() + DIGEST_LEN);
        assert_eq!(Digests::from_bytes(&bytes, NOW).to_bytes().len(), HEADER.len() + DIGEST_LEN);
    }
}
