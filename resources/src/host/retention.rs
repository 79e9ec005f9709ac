//! How long the store of backups keeps what runs replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use keel_engine::digest::Digest;

use super::backups::{Backups, Replaced};

/// What is kept: the last runs in any case, of older ones what is neither too old nor too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long ago a run may be.
    pub age: Duration,
    /// How many bytes all contents may have together.
    pub bytes: u64,
    /// How many of the last runs that changed files can always be undone.
    pub runs: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(90 * 86_400), bytes: 1 << 30, runs: 20 }
    }
}

impl Backups {
    /// Forgets what need not be kept at this time in milliseconds since 1970. No run may be under way but the one that
    /// calls this. What was cut short is finished the next time: contents go after the index has forgotten them.
    ///
    /// # Errors
    /// The store cannot be read or written; nothing that the index names is lost then.
    pub fn shorten(&self, retention: &Retention, now_ms: u64) -> io::Result<()> {
        let path = self.folder().join("index");
        let index = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let entries: Vec<Replaced> = index.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        // Few runs stay in any case: their contents need not be looked at.
        if entries.iter().map(|entry| entry.run.as_str()).collect::<BTreeSet<_>>().len() <= retention.runs {
            return Ok(());
        }
        let size = |entry: &Replaced| entry.before.map(|before| (before, fs::metadata(self.locate(before)).map_or(0, |found| found.len())));
        let sizes: BTreeMap<Digest, u64> = entries.iter().filter_map(size).collect();
        let kept = runs_to_keep(&entries, &sizes, retention, now_ms);
        if entries.iter().all(|entry| kept.contains(&entry.run)) {
            return Ok(());
        }
        let (stays, goes): (Vec<&Replaced>, Vec<&Replaced>) = entries.iter().partition(|entry| kept.contains(&entry.run));
        self.write_index(&path, &stays)?;
        let still: BTreeSet<Digest> = stays.iter().filter_map(|entry| entry.before).collect();
        let gone: BTreeSet<Digest> = goes.iter().filter_map(|entry| entry.before).filter(|digest| !still.contains(digest)).collect();
        for digest in gone {
            match fs::remove_file(self.locate(digest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn write_index(&self, path: &Path, entries: &[&Replaced]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        let candidate = path.with_extension(format!("new-{}", std::process::id()));
        let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&candidate)?;
        let written = copy.write_all(&text).and_then(|()| copy.sync_all()).and_then(|()| fs::rename(&candidate, path));
        if written.is_err() {
            let _ = fs::remove_file(&candidate);
        }
        written?;
        File::open(self.folder())?.sync_all()
    }
}

/// The runs that stay: the newest ones, up to the first that is too old or too much.
fn runs_to_keep(entries: &[Replaced], sizes: &BTreeMap<Digest, u64>, retention: &Retention, now_ms: u64) -> BTreeSet<String> {
    let mut by_run: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
    for entry in entries {
        by_run.entry(&entry.run).or_default().extend(entry.before);
    }
    let oldest_ms = now_ms.saturating_sub(u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX));
    let (mut kept, mut contents, mut bytes) = (BTreeSet::new(), BTreeSet::new(), 0u64);
    // The names of runs begin with their time, in a fixed number of digits.
    for (run, digests) in by_run.into_iter().rev() {
        let new: Vec<Digest> = digests.into_iter().filter(|digest| !contents.contains(digest)).collect();
        bytes = new.iter().filter_map(|digest| sizes.get(digest)).fold(bytes, |sum, size| sum.saturating_add(*size));
        let began_ms = run.split('-').next().and_then(|time| time.parse::<u64>().ok());
        let is_old = began_ms.is_some_and(|began| began < oldest_ms);
        if kept.len() >= retention.runs && (is_old || bytes > retention.bytes) {
            break;
        }
        contents.extend(new);
        kept.insert(run.to_owned());
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn entry(day: u64, content: &str) -> Replaced {
        let (run, path, before) = (format!("{:013}-1", day * DAY_MS), PathBuf::from("/f"), Some(Digest::of(content.as_bytes())));
        Replaced { run, path, before, uid: 0, gid: 0, mode: 0o600, after: None }
    }

    fn days(retention: &Retention) -> Vec<u64> {
        let entries: Vec<Replaced> = (1..=9).map(|day| entry(day, &day.to_string())).collect();
        let sizes = entries.iter().filter_map(|entry| Some((entry.before?, 10))).collect();
        let kept = runs_to_keep(&entries, &sizes, retention, 10 * DAY_MS);
        kept.iter().map(|run| run[..13].parse::<u64>().unwrap() / DAY_MS).collect()
    }

    #[test]
    fn what_is_old_or_too_much_goes_but_never_the_last_runs() {
        let day = Duration::from_secs(86_400);
        assert_eq!(days(&Retention { age: 3 * day, bytes: 1000, runs: 1 }), [7, 8, 9]);
        assert_eq!(days(&Retention { age: 90 * day, bytes: 25, runs: 1 }), [8, 9]);
        assert_eq!(days(&Retention { age: day / 2, bytes: 0, runs: 4 }), [6, 7, 8, 9]);
        assert_eq!(days(&Retention::default()).len(), 9);
    }

    #[test]
    fn a_content_goes_with_the_last_run_that_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::new(folder.path(), "r");
        let entries = [entry(1, "shared"), entry(1, "old"), entry(9, "shared")];
        let lines: String = entries.iter().map(|entry| format!("{}\n", serde_json::to_string(entry).unwrap())).collect();
        fs::write(folder.path().join("index"), format!("{lines}{{\"run\":\"cut")).unwrap();
        for entry in &entries {
            let place = backups.locate(entry.before.unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "x").unwrap();
        }
        let retention = Retention { age: Duration::from_secs(5 * 86_400), bytes: 1 << 20, runs: 1 };
        backups.shorten(&retention, 10 * DAY_MS).unwrap();
        let there = |content: &str| backups.locate(Digest::of(content.as_bytes())).exists();
        assert!(there("shared") && !there("old"));
        assert_eq!(backups.replaced_in(&entries[2].run).unwrap(), [entries[2].clone()]);
        assert_eq!(backups.replaced_in(&entries[0].run).unwrap(), []);
        backups.shorten(&retention, 10 * DAY_MS).unwrap();
        assert!(there("shared"));
    }
}
