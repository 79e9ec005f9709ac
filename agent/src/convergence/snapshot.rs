//! What stands in a root, without what runs keep there for themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Folders of the program's own.
const OWN: [&str; 4] = ["/var/lib/keel", "/var/cache/keel", "/run/keel", "/etc/keel"];

/// Something that stands in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    /// A folder, with its mode.
    Folder(u32),
    /// A file, with its mode.
    File(u32, Vec<u8>),
    /// A link, and where it leads.
    Link(String),
}

/// Everything in a root by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    things: BTreeMap<String, Thing>,
}

impl Snapshot {
    /// Looks at a root.
    ///
    /// # Errors
    /// Something cannot be read.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut things = BTreeMap::new();
        walk(root, "", &mut things).map_err(|error| Error::host(format!("cannot look at {}: {error}", root.display())))?;
        Ok(Self { things })
    }

    /// What is there.
    pub(super) fn things(&self) -> &BTreeMap<String, Thing> {
        &self.things
    }

    /// What another one has otherwise, by path, in words. `tables` say the same whatever order their lines have.
    pub(super) fn differences(&self, other: &Self, tables: &BTreeSet<String>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (path, thing) in &self.things {
            match other.things.get(path) {
                Some(same) if thing == same || tables.contains(path) && thing.has_the_lines_of(same) => {}
                Some(another) => found.push((path.clone(), thing.against(another))),
                None => found.push((path.clone(), "is missing".to_owned())),
            }
        }
        let more = other.things.keys().filter(|path| !self.things.contains_key(*path));
        found.extend(more.map(|path| (path.clone(), "should not be there".to_owned())));
        found
    }
}

impl Thing {
    fn has_the_lines_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Thing::File(mode, one), Thing::File(other_mode, other)) => mode == other_mode && sorted_lines(one) == sorted_lines(other),
            _ => false,
        }
    }

    /// How another thing in its place differs.
    fn against(&self, other: &Self) -> String {
        match (self, other) {
            (Thing::File(_, one), Thing::File(_, other)) if one != other => first_difference(one, other),
            (Thing::File(one, _), Thing::File(other, _)) | (Thing::Folder(one), Thing::Folder(other)) => {
                format!("has the mode {other:04o}, and {one:04o} from an empty root")
            }
            (Thing::Link(one), Thing::Link(other)) => format!("leads to {other}, and to {one} from an empty root"),
            (one, other) => format!("is a {}, and a {} from an empty root", other.noun(), one.noun()),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Thing::Folder(_) => "folder",
            Thing::File(..) => "file",
            Thing::Link(_) => "link",
        }
    }
}

fn sorted_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

fn first_difference(one: &[u8], other: &[u8]) -> String {
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (lines(one), lines(other));
    let line = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let shown = |lines: &[String]| lines.get(line).map_or("nothing".to_owned(), |line| format!("`{line}`"));
    format!("line {} is {}, and {} from an empty root", line + 1, shown(&other), shown(&one))
}

fn walk(folder: &Path, prefix: &str, things: &mut BTreeMap<String, Thing>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if OWN.contains(&path.as_str()) {
            continue;
        }
        let metadata = entry.metadata()?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_symlink() {
            things.insert(path, Thing::Link(fs::read_link(entry.path())?.to_string_lossy().into_owned()));
        } else if metadata.is_dir() {
            walk(&entry.path(), &path, things)?;
            // A run makes the folders around its own.
            if !OWN.iter().any(|own| own.starts_with(&format!("{path}/"))) {
                things.insert(path, Thing::Folder(mode));
            }
        } else if metadata.is_file() {
            things.insert(path, Thing::File(mode, fs::read(entry.path())?));
        }
    }
    Ok(())
}
