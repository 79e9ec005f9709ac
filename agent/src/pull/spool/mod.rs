//! The spool: reports on disk until the server has acknowledged them, delivered in order, exactly once.
//!
//! A report is on disk, under an id that this host made, before it is first sent; the server stores an
//! id once. What has to give way when the space runs out is the bodies of old reports, then old reports,
//! and never the newest one of a failure.

mod name;
mod shorten;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use keel_engine::digest::Digest;
use keel_engine::protocol::reports::{Delivery, REPORT_BYTES_MAX, Trigger};
use keel_engine::report::Report;

use super::home::Home;
use crate::state::{read_if_there, replace};
use name::Name;
pub use shorten::shortened_report;

/// The most bytes of all reports together.
const BYTES_MAX: u64 = 64 << 20;
/// Kept free for a report on a disk that is full otherwise.
const RESERVE_BYTES: usize = 1 << 20;
/// The hash in front of a report, in hexadecimal, and the newline behind it.
const HASH_BYTES: usize = 64 + 1;

/// What is to be told about a run.
#[derive(Debug, Clone)]
pub struct Told {
    /// The environment that the catalog came from.
    pub environment: Option<String>,
    /// The commit that the catalog came from.
    pub commit: Option<String>,
    /// What started the run.
    pub trigger: Trigger,
    /// The agent's interval in seconds.
    pub interval_s: u64,
    /// Why the run did not happen, if it did not.
    pub failure: Option<String>,
    /// The report, without what was simply unchanged.
    pub report: Report,
}

/// The reports that are not delivered yet.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    series: String,
    bytes_max: u64,
}

/// How full a spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Reports that wait.
    pub reports: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A delivery that takes little room.
fn shortened(delivery: Delivery) -> Delivery {
    Delivery { report: shortened_report(delivery.report), ..delivery }
}

impl Spool {
    /// Opens the spool of a host. Only one program at a time may, which the lock of rounds sees to.
    ///
    /// # Errors
    /// Says what cannot be read or made.
    pub fn open(home: &Home) -> Result<Self, String> {
        let folder = home.kept.join("spool");
        std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let path = folder.join("series");
        let known = read_if_there(&path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let series = match known.filter(|text| is_id(text)) {
            Some(series) => series,
            None => {
                let series = new_id()?;
                replace(&path, series.as_bytes())?;
                series
            }
        };
        let spool = Self { folder, series, bytes_max: BYTES_MAX };
        spool.reserve();
        Ok(spool)
    }

    /// Keeps a report. On return it is on disk.
    ///
    /// # Errors
    /// Says why it is not.
    pub fn add(&self, told: Told) -> Result<(), String> {
        let sequence = self.names()?.iter().map(|name| name.sequence).max().unwrap_or_default() + 1;
        let failed = told.failure.is_some() || told.report.has_failures();
        let Told { environment, commit, trigger, interval_s, failure, report } = told;
        let (id, series) = (new_id()?, self.series.clone());
        let delivery = Delivery { id: id.clone(), series, sequence, environment, commit, trigger, interval_s, failure, report };
        let mut bytes = encoded(&delivery)?;
        let mut name = Name { sequence, id, failed, short: false, delivered: false };
        if bytes.len() - HASH_BYTES > REPORT_BYTES_MAX {
            bytes = encoded(&shortened(delivery))?;
            name.short = true;
        }
        self.make_room(bytes.len() as u64)?;
        self.write(&name, &bytes)
    }

    /// The oldest report that is not delivered; damaged ones are put aside, which the server sees by the gap.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn oldest(&self) -> Result<Option<Delivery>, String> {
        for name in self.waiting()? {
            match read_if_there(&self.path(&name))?.as_deref().and_then(decoded) {
                Some(delivery) => return Ok(Some(delivery)),
                None => self.put_aside(&name)?,
            }
        }
        Ok(None)
    }

    /// Strikes out a report that the server has. The newest one keeps its name, for the count goes on from there.
    ///
    /// # Errors
    /// Says why it could not be struck out; it is then sent once more, and not stored again.
    pub fn acknowledge(&self, sequence: u64) -> Result<(), String> {
        let names = self.names()?;
        let Some(name) = names.iter().find(|name| name.sequence == sequence && !name.delivered) else { return Ok(()) };
        let delivered = Name { delivered: true, ..name.clone() };
        // The name alone is needed from now on.
        self.rename(name, &delivered)?;
        let _ = File::create(self.path(&delivered));
        for older in names.iter().filter(|name| name.delivered && name.sequence < sequence) {
            let _ = std::fs::remove_file(self.path(older));
        }
        self.sync()
    }

    /// Puts a report aside that will never be delivered.
    ///
    /// # Errors
    /// Says why it could not be moved.
    pub fn refuse(&self, sequence: u64) -> Result<(), String> {
        match self.waiting()?.iter().find(|name| name.sequence == sequence) {
            Some(name) => self.put_aside(name),
            None => Ok(()),
        }
    }

    /// How much waits on a host, looked at from outside.
    pub fn backlog_of(home: &Home) -> Backlog {
        Self { folder: home.kept.join("spool"), series: String::new(), bytes_max: 0 }.backlog()
    }

    /// How much waits.
    pub fn backlog(&self) -> Backlog {
        let names = self.waiting().unwrap_or_default();
        let bytes = names.iter().map(|name| self.size(name)).sum();
        Backlog { reports: names.len(), bytes }
    }

    /// Shortens old reports, then drops old ones, until so many bytes more find room.
    fn make_room(&self, bytes: u64) -> Result<(), String> {
        let mut waiting = self.waiting()?;
        let newest_failure = waiting.iter().rev().find(|name| name.failed).map(|name| name.sequence);
        let mut total: u64 = bytes + waiting.iter().map(|name| self.size(name)).sum::<u64>();
        for name in waiting.iter_mut().filter(|name| !name.short) {
            if total <= self.bytes_max {
                return Ok(());
            }
            let before = self.size(name);
            let Some(delivery) = read_if_there(&self.path(name))?.as_deref().and_then(decoded) else { continue };
            let short = Name { short: true, ..name.clone() };
            self.write(&short, &encoded(&shortened(delivery))?)?;
            // In between both are there, and are delivered as one: they have the same id.
            let _ = std::fs::remove_file(self.path(name));
            *name = short;
            total = total - before.min(total) + self.size(name);
        }
        for name in waiting.iter().filter(|name| Some(name.sequence) != newest_failure) {
            if total <= self.bytes_max {
                return Ok(());
            }
            total -= self.size(name).min(total);
            std::fs::remove_file(self.path(name)).map_err(|error| format!("cannot drop an old report: {error}"))?;
        }
        Ok(())
    }

    /// Writes a report; where the disk is full, into the space that was kept for it.
    fn write(&self, name: &Name, bytes: &[u8]) -> Result<(), String> {
        let path = self.path(name);
        replace(&path, bytes).or_else(|why| match std::fs::remove_file(self.folder.join(RESERVE)) {
            Ok(()) => replace(&path, bytes),
            Err(_) => Err(why),
        })
    }

    /// Keeps some space for a report on a full disk, if there is any.
    fn reserve(&self) {
        let path = self.folder.join(RESERVE);
        if std::fs::metadata(&path).is_ok_and(|file| file.len() == RESERVE_BYTES as u64) {
            return;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        // Bytes and no hole: a hole takes no space.
        if file.and_then(|mut file| file.write_all(&vec![0x5a; RESERVE_BYTES])).is_err() {
            let _ = std::fs::remove_file(&path);
        }
    }

    fn put_aside(&self, name: &Name) -> Result<(), String> {
        let aside = self.folder.join("refused");
        let failed = |error: std::io::Error| format!("cannot put a report aside into {}: {error}", aside.display());
        std::fs::create_dir_all(&aside).map_err(failed)?;
        std::fs::rename(self.path(name), aside.join(name.to_string())).map_err(failed)?;
        // Its place in the count is taken for good.
        let gone = Name { delivered: true, ..name.clone() };
        File::create(self.path(&gone)).map_err(failed)?;
        self.sync()
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<(), String> {
        std::fs::rename(self.path(from), self.path(to)).map_err(|error| format!("cannot strike out a report: {error}"))
    }

    fn sync(&self) -> Result<(), String> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| format!("cannot sync {}: {error}", self.folder.display()))
    }

    fn size(&self, name: &Name) -> u64 {
        std::fs::metadata(self.path(name)).map_or(0, |file| file.len())
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    /// The reports that are not delivered, the oldest first, each once.
    fn waiting(&self) -> Result<Vec<Name>, String> {
        let mut names: Vec<Name> = self.names()?.into_iter().filter(|name| !name.delivered).collect();
        names.dedup_by_key(|name| name.sequence);
        Ok(names)
    }

    /// All names in the folder, in order.
    fn names(&self) -> Result<Vec<Name>, String> {
        let failed = |error: std::io::Error| format!("cannot read {}: {error}", self.folder.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names.extend(entry.file_name().to_str().and_then(Name::parse));
        }
        names.sort();
        Ok(names)
    }
}

const RESERVE: &str = "reserve";

/// A name that no other report of any host has.
fn new_id() -> Result<String, String> {
    let mut bytes = [0; 16];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(16) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Ok(_) => Err(format!("the system has no randomness: {}", ErrorKind::UnexpectedEof)),
        Err(error) => Err(format!("the system has no randomness: {error}")),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A report as it lies on disk: the hash of what follows, a newline, JSON.
fn encoded(delivery: &Delivery) -> Result<Vec<u8>, String> {
    let body = serde_json::to_vec(delivery).map_err(|error| error.to_string())?;
    let mut bytes = format!("{}\n", Digest::of(&body)).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn decoded(bytes: &[u8]) -> Option<Delivery> {
    let (hash, body) = bytes.split_at_checked(HASH_BYTES)?;
    let hash = std::str::from_utf8(hash).ok()?.trim_end();
    (Digest::of(body).to_string() == hash).then(|| serde_json::from_slice(body).ok())?
}

#[cfg(test)]
mod tests;
