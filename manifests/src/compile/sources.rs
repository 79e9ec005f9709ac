//! `source`: files and folders of a module that hosts get.

use std::sync::Arc;

use keel_engine::value::{Map, Value};

use super::frame::Frame;
use super::{Compiler, Place};
use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::files::SiteFiles;
use crate::site::in_folder;
use crate::syntax::Attribute;

/// The first lines of a file that git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

impl<'s> Compiler<'s> {
    /// Turns relative paths into contents; absolute paths are the host's and stay. Of several sources
    /// those that do not exist are left out, as long as one is left.
    pub(super) fn source(&mut self, value: Value, attribute: &'s Attribute, frame: &Frame<'s>) -> Option<Value> {
        let place = frame.place(attribute.value.span());
        let items = match value {
            Value::List(items) => items,
            single => return self.one_source(&single, place, frame)?.or_else(|| self.missing(&single, place, frame)),
        };
        let mut found = Vec::new();
        for item in &items {
            found.extend(self.one_source(item, place, frame)?);
        }
        match items.first() {
            Some(first) if found.is_empty() => self.missing(first, place, frame),
            _ => Some(Value::List(found)),
        }
    }

    /// One source; the inner none is a path without a file.
    fn one_source(&mut self, value: &Value, place: Place, frame: &Frame<'s>) -> Option<Option<Value>> {
        let Value::String(path) = value else { return Some(Some(value.clone())) };
        if path.starts_with('/') {
            return Some(Some(value.clone()));
        }
        if let Some((why, help)) = refuse_path(path) {
            self.error(codes::SOURCE_PATH, format!("the source {path:?} {why}"), place, help);
            return None;
        }
        let whole = format!("{}/{path}", in_folder(frame.folder, "files"));
        match self.site.files.read(&whole) {
            Ok(Some(bytes)) => self.file(&whole, bytes, place).map(Some),
            Ok(None) => self.folder(&whole, place),
            Err(why) => {
                self.error(
                    codes::SOURCE_PATH,
                    format!("cannot read {whole}: {why}"),
                    place,
                    "sources lie in the site, and no link leads out of it",
                );
                None
            }
        }
    }

    fn file(&mut self, path: &str, bytes: Arc<[u8]>, place: Place) -> Option<Value> {
        if bytes.starts_with(LFS_POINTER) {
            let help = "fetch the file itself, `git lfs pull`, or keep it elsewhere";
            self.error(codes::SOURCE_MISSING, format!("{path} is only a pointer of git LFS"), place, help);
            return None;
        }
        Some(Value::Blob(self.keep(bytes)))
    }

    fn folder(&mut self, path: &str, place: Place) -> Option<Option<Value>> {
        let listed = match self.site.files.list(path) {
            Ok(listed) => listed,
            Err(why) => {
                self.error(
                    codes::SOURCE_PATH,
                    format!("cannot read {path}: {why}"),
                    place,
                    "sources lie in the site, and no link leads out of it",
                );
                return None;
            }
        };
        let mut tree = Map::new();
        for file in listed {
            let Some(name) = file.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) else { continue };
            match self.site.files.read(&file.path) {
                Ok(Some(bytes)) => {
                    let value = self.file(&file.path, bytes, place)?;
                    tree.insert(name.to_owned(), value);
                }
                Ok(None) => {}
                Err(why) => {
                    self.error(codes::SOURCE_PATH, format!("cannot read {}: {why}", file.path), place, "make it readable, or remove it");
                    return None;
                }
            }
        }
        Some((!tree.is_empty()).then_some(Value::Map(tree)))
    }

    fn missing(&mut self, value: &Value, place: Place, frame: &Frame<'s>) -> Option<Value> {
        let folder = in_folder(frame.folder, "files");
        let listed = self.site.files.list(&folder).unwrap_or_default();
        let prefix = format!("{folder}/");
        let known = listed.iter().filter_map(|file| file.path.strip_prefix(&prefix));
        let near = value.as_str().and_then(|path| did_you_mean(path, known));
        let help = near.unwrap_or_else(|| format!("put it into {folder}/; a path on the host begins with `/`"));
        self.error(codes::SOURCE_MISSING, format!("there is no source {value} in {folder}/"), place, help);
        None
    }
}

/// Why a source is none that a module can have, and what to write instead.
fn refuse_path(path: &str) -> Option<(&'static str, &'static str)> {
    let inside = "sources are paths below the module's `files` folder";
    if path.contains(':') && path.split('/').next().is_some_and(|first| first.ends_with(':')) {
        return Some(("is a URL", "put the file into the module's `files` folder; the type `archive` fetches from elsewhere"));
    }
    if path.chars().any(|character| character == '\\' || character.is_control()) {
        return Some(("holds a backslash or a control character", inside));
    }
    let is_git = |part: &str| part.eq_ignore_ascii_case(".git") || part.to_ascii_lowercase().starts_with("git~");
    if path.split('/').any(is_git) {
        return Some(("leads into git's own folder", inside));
    }
    path.split('/').any(|part| matches!(part, "" | "." | "..")).then_some(("leaves its folder", inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_folder() {
        for path in [
            "../x",
            "a/../../x",
            "./x",
            "a//b",
            "",
            "file:/etc/passwd",
            "https://x/y",
            "a\\b",
            "a\0",
            "a\r",
            ".git/config",
            "a/.GIT/x",
            "git~1/x",
        ] {
            assert!(refuse_path(path).is_some(), "{path:?}");
        }
        for path in ["x", "a/b.conf", "a:b", "..x", ".gitignore"] {
            assert_eq!(refuse_path(path), None, "{path}");
        }
    }
}
