//! The last two good catalogs on disk, each checked by a hash over everything that is kept of it. One
//! that is damaged is put aside, and the one before it is used.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keel_engine::digest::Digest;
use serde::{Deserialize, Serialize};

use super::home::Home;
use super::server::Source;
use crate::state::{read_if_there, replace};

/// What a file starts with; a program of another form does not read it.
const FORM: &[u8; 8] = b"keelcat1";
const FORM_BYTES: usize = FORM.len();
const HASH_BYTES: usize = 32;

/// A catalog as the server delivered it, with everything that converging to it needs besides contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The host that it is for.
    pub host: String,
    /// The blake3 of the binary form.
    pub id: Digest,
    /// The binary form.
    pub bytes: Vec<u8>,
    /// The commit that it was compiled from.
    pub commit: Option<String>,
    /// The environment that the host followed.
    pub environment: Option<String>,
    /// The secrets that it names, sealed for this host.
    pub secrets: BTreeMap<String, String>,
}

/// The catalogs that are kept.
#[derive(Debug)]
pub struct Catalogs {
    folder: PathBuf,
    host: String,
}

/// What is to be converged to, and what was wrong with what was not taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest good catalog.
    pub catalog: Option<Delivered>,
    /// What was put aside.
    pub warnings: Vec<String>,
}

impl Catalogs {
    /// The catalogs of a host of this name.
    pub fn of(home: &Home, host: &str) -> Self {
        Self { folder: home.kept.join("catalogs"), host: host.to_owned() }
    }

    /// The newest good catalog.
    pub fn load(&self) -> Found {
        let mut found = Found::default();
        for path in [self.current(), self.previous()] {
            match self.read(&path) {
                Ok(None) => {}
                Ok(Some(catalog)) => {
                    found.catalog = Some(catalog);
                    break;
                }
                Err(why) => {
                    let aside = path.with_extension("damaged");
                    // Whether or not it can be kept for a look, it is not used.
                    let kept = std::fs::rename(&path, &aside).is_ok();
                    let place = if kept { format!(", see {}", aside.display()) } else { String::new() };
                    found.warnings.push(format!("the cached catalog {} {why}; it was put aside{place}", path.display()));
                }
            }
        }
        found
    }

    /// Keeps a catalog as the newest one; the newest so far becomes the previous one.
    ///
    /// # Errors
    /// Says what cannot be written. Whatever fails, one good catalog stays.
    pub fn keep(&self, catalog: &Delivered) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot keep the catalog in {}: {error}", self.folder.display());
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let next = self.folder.join("next");
        replace(&next, &encoded(catalog)?)?;
        if self.current().exists() {
            std::fs::rename(self.current(), self.previous()).map_err(failed)?;
        }
        std::fs::rename(&next, self.current()).and_then(|()| File::open(&self.folder)?.sync_all()).map_err(failed)
    }

    /// Keeps the newest catalog once more, with another commit that it is good for.
    ///
    /// # Errors
    /// Says what cannot be written.
    pub fn keep_in_place(&self, catalog: &Delivered) -> Result<(), String> {
        replace(&self.current(), &encoded(catalog)?)
    }

    /// Both catalogs, as far as they are good, for what is needed of their contents.
    pub fn both(&self) -> Vec<Delivered> {
        [self.current(), self.previous()].iter().filter_map(|path| self.read(path).ok()?).collect()
    }

    /// Notes that the server holds the newest catalog for current.
    pub fn confirm(&self) {
        // The time only feeds a warning that comes after days.
        let _ = File::options().append(true).open(self.current()).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// How long ago the server last delivered or confirmed the newest catalog, by the calendar.
    pub fn age(&self) -> Option<Duration> {
        let file = [self.current(), self.previous()].into_iter().find_map(|path| std::fs::metadata(path).ok())?;
        SystemTime::now().duration_since(file.modified().ok()?).ok()
    }

    fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("previous")
    }

    /// A catalog from its file; none if there is none.
    fn read(&self, path: &Path) -> Result<Option<Delivered>, String> {
        let Some(bytes) = read_if_there(path)? else { return Ok(None) };
        let catalog = parse(&bytes)?;
        if catalog.host != self.host {
            return Err(format!("is for the host {:?}, and this one is {}", catalog.host, self.host));
        }
        Ok(Some(catalog))
    }
}

impl Delivered {
    /// The same catalog, where the server names another commit or environment for it.
    pub fn moved_to(&self, source: Source) -> Option<Self> {
        let Source { commit, environment } = source;
        let is_named = commit.is_some() && (commit != self.commit || environment != self.environment);
        is_named.then(|| Self { commit, environment, ..self.clone() })
    }
}

/// A file's bytes.
fn encoded(catalog: &Delivered) -> Result<Vec<u8>, String> {
    let body = postcard::to_stdvec(catalog).map_err(|error| error.to_string())?;
    let mut bytes = FORM.to_vec();
    bytes.extend_from_slice(Digest::of(&body).as_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads a file's bytes, every one of which is covered by a hash.
fn parse(bytes: &[u8]) -> Result<Delivered, String> {
    let (form, rest) = bytes.split_at_checked(FORM_BYTES).ok_or("is cut off")?;
    if form != FORM {
        return Err("is damaged, or another version's".to_owned());
    }
    let (hash, body) = rest.split_at_checked(HASH_BYTES).ok_or("is cut off")?;
    if hash != Digest::of(body).as_bytes() {
        return Err("is damaged".to_owned());
    }
    let catalog: Delivered = postcard::from_bytes(body).map_err(|_| "is another version's".to_owned())?;
    if Digest::of(&catalog.bytes) == catalog.id { Ok(catalog) } else { Err("is not what its name says".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(text: &str) -> Delivered {
        Delivered {
            host: "db-1".to_owned(),
            id: Digest::of(text.as_bytes()),
            bytes: text.as_bytes().to_vec(),
            commit: Some("c0ffee".to_owned()),
            environment: None,
            secrets: BTreeMap::from([("a/b".to_owned(), "age:x".to_owned())]),
        }
    }

    fn catalogs(root: &tempfile::TempDir) -> Catalogs {
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        Catalogs::of(&home, "db-1")
    }

    #[test]
    fn the_last_two_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let catalogs = catalogs(&root);
        assert_eq!(catalogs.load(), Found::default());
        for text in ["one", "two", "three"] {
            catalogs.keep(&delivered(text)).unwrap();
        }
        assert_eq!(catalogs.load().catalog, Some(delivered("three")));
        assert_eq!(catalogs.both(), [delivered("three"), delivered("two")]);
    }

    #[test]
    fn the_same_catalog_of_another_commit_takes_its_own_place() {
        let root = tempfile::tempdir().unwrap();
        let catalogs = catalogs(&root);
        catalogs.keep(&delivered("one")).unwrap();
        catalogs.keep(&delivered("two")).unwrap();
        let source = |commit: &str| Source { commit: Some(commit.to_owned()), environment: None };
        assert_eq!(delivered("two").moved_to(source("c0ffee")), None, "nothing new");
        assert_eq!(delivered("two").moved_to(Source::default()), None, "the server says nothing of it");
        let moved = delivered("two").moved_to(source("beef")).unwrap();
        catalogs.keep_in_place(&moved).unwrap();
        assert_eq!(catalogs.both(), [Delivered { commit: Some("beef".to_owned()), ..delivered("two") }, delivered("one")]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found_and_the_previous_one_is_used() {
        let root = tempfile::tempdir().unwrap();
        let catalogs = catalogs(&root);
        catalogs.keep(&delivered("one")).unwrap();
        catalogs.keep(&delivered("two")).unwrap();
        let good = std::fs::read(catalogs.current()).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_err(), "cut to {length}");
        }
        let mut bad = good;
        bad[50] ^= 1;
        std::fs::write(catalogs.current(), bad).unwrap();
        let found = catalogs.load();
        assert_eq!(found.catalog, Some(delivered("one")));
        assert!(found.warnings[0].contains("current is damaged; it was put aside, see"), "{:?}", found.warnings);
        catalogs.keep(&delivered("three")).unwrap();
        assert_eq!(catalogs.both(), [delivered("three"), delivered("one")], "the good one is not pushed out by the damaged one");
    }

    #[test]
    fn a_catalog_of_another_host_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let catalogs = catalogs(&root);
        catalogs.keep(&delivered("one")).unwrap();
        let clone = Catalogs { host: "db-2".to_owned(), folder: catalogs.folder };
        let found = clone.load();
        assert!(found.catalog.is_none() && found.warnings[0].contains("is for the host \"db-1\""), "{found:?}");
    }
}
