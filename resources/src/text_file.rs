//! Text files that several resources each own a part of: read once for all of them, edited one by one.

use std::collections::HashMap;
use std::path::Path;

use keel_engine::attributes::AbsolutePath;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, ObserveError};

use crate::host::{Backup, Host, NewFile, Ownership};

/// The mode of a new file with a secret in it.
const SECRET_MODE: u32 = 0o600;

/// The texts of some files at one moment.
pub(crate) struct Texts<'d>(HashMap<&'d Path, Result<Option<String>, Failure>>);

impl<'d> Texts<'d> {
    /// Reads each of these files once.
    pub(crate) fn read(host: &Host, paths: impl IntoIterator<Item = &'d AbsolutePath>) -> Self {
        let mut texts = HashMap::new();
        for path in paths {
            texts.entry(path.as_path()).or_insert_with(|| host.read_text(path));
        }
        Self(texts)
    }

    /// The text of a file; none if there is no file.
    pub(crate) fn get(&self, path: &AbsolutePath) -> Result<Option<&str>, ObserveError> {
        match self.0.get(path.as_path()) {
            Some(Ok(text)) => Ok(text.as_deref()),
            Some(Err(failure)) => Err(failure.clone().into()),
            None => Ok(None),
        }
    }
}

/// Says that a file has to come from somewhere else.
pub(crate) fn missing(path: &AbsolutePath) -> Failure {
    Failure::new(format!("the file {path} does not exist")).help("if it shall be made here, add create=#true")
}

/// What a resource needs that owns a part of a text. Who makes the file comes after whoever declares
/// it whole, and before those who wait for it.
pub(crate) fn part_footprint(path: &AbsolutePath, makes_file: bool) -> Footprint {
    let footprint = Footprint::default().need(format!("path:{path}"));
    let text = format!("text:{path}");
    if makes_file { footprint.provide(text) } else { footprint.need(text) }
}

/// What else there is to know about an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Anybody may see the old bytes again.
    Open,
    /// They may hold a secret: nothing keeps them, and a new file is readable by its owner alone.
    Secret,
}

/// Lets `edit` change a text under the file's lock; a missing file is an empty text.
/// `edit` returns none where there is nothing to do.
pub(crate) fn edit_text(
    host: &Host,
    path: &Path,
    content: Content,
    edit: impl Fn(&str) -> Result<Option<String>, Failure>,
) -> Result<(), Failure> {
    let exists = host.stat_followed(path)?.is_some();
    let (backup, mode) = match content {
        Content::Open => (Backup::Store, None),
        Content::Secret => (Backup::None, (!exists).then_some(SECRET_MODE)),
    };
    let how = NewFile { backup, ownership: Ownership { mode, ..Ownership::default() }, ..NewFile::of(&[]) };
    let edited = host.edit(path, &how, |old| {
        let text = std::str::from_utf8(old.unwrap_or_default()).map_err(|_| Failure::new(format!("{} is not UTF-8", path.display())))?;
        Ok(edit(text)?.map(String::into_bytes))
    });
    edited.map(drop)
}

/// How the lines of a text end: as its first one does.
pub(crate) fn line_ending(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Puts lines together; every one of them ends.
pub(crate) fn join_lines(lines: &[impl AsRef<str>], ending: &str) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push_str(ending);
    }
    text
}
