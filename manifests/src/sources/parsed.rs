//! Manifests, parsed: several at a time, and from the cache where their text was seen before.

use std::ops::Range;
use std::sync::Arc;

use keel_engine::digest::Digest;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::files::SiteFiles;
use crate::parse::parse;
use crate::syntax::{Manifest, Span};
use crate::workers::for_each;

/// Keeps lowered manifests between runs, under the hash of their text. Anything may be forgotten.
pub trait LoweredCache: Sync {
    /// What was put under a hash.
    fn get(&self, key: Digest) -> Option<Vec<u8>>;
    /// Keeps some bytes.
    fn put(&self, key: Digest, bytes: &[u8]);
}

/// Part of every key, so that another version of the syntax tree never reads this one's bytes.
const LOWERED_FORM: &str = concat!("keel lowered manifest 2, ", env!("CARGO_PKG_VERSION"));

/// A parsed manifest.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path in the site.
    pub(crate) path: Arc<str>,
    /// Its text.
    pub(crate) text: Arc<[u8]>,
    /// What it says.
    pub(crate) manifest: Manifest,
    /// Where its lines begin.
    lines: Vec<u32>,
}

impl Source {
    /// Line and column of an offset, both from 1; columns count characters.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|start| *start as usize <= offset).max(1);
        let start = self.lines.get(line - 1).map_or(0, |start| *start as usize);
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        let characters = if before.is_ascii() { before.len() } else { String::from_utf8_lossy(before).chars().count() };
        let column = characters + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The offset of a line and column.
    pub(crate) fn offset(&self, line: u32, column: u32) -> usize {
        let start = self.lines.get((line as usize).saturating_sub(1)).map_or(0, |start| *start as usize);
        let rest = self.slice(start..self.text.len());
        let before: usize = rest.chars().take((column as usize).saturating_sub(1)).map(char::len_utf8).sum();
        start + before
    }

    /// Where the word or string that begins at an offset ends.
    pub(crate) fn word_end(&self, offset: usize) -> usize {
        let rest = self.slice(offset..self.text.len());
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find(['"', '\n']).map(|end| end + 2),
            None => rest.find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}')),
        };
        offset + length.unwrap_or(rest.len()).min(rest.len())
    }

    /// The bytes of a part of a text, where the text is written at a place without escapes.
    pub(crate) fn narrowed(&self, span: Span, text: &str, part: Option<Range<usize>>) -> Range<usize> {
        let whole: Range<usize> = span.into();
        let offset = self.slice(whole.clone()).find(text).filter(|_| !text.is_empty());
        match (part, offset) {
            (Some(part), Some(offset)) if part.end <= text.len() => whole.start + offset + part.start..whole.start + offset + part.end,
            _ => whole,
        }
    }

    /// The text at a place.
    pub(crate) fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// Parses files, several at a time, and returns the results in their order.
pub(super) fn parse_all(
    files: &dyn SiteFiles,
    cache: Option<&dyn LoweredCache>,
    paths: &[String],
) -> Vec<(Option<Source>, Vec<Diagnostic>)> {
    for_each(paths, |path| parse_one(files, cache, path))
}

fn parse_one(files: &dyn SiteFiles, cache: Option<&dyn LoweredCache>, path: &str) -> (Option<Source>, Vec<Diagnostic>) {
    let path: Arc<str> = Arc::from(path);
    let text = match files.read(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return (None, Vec::new()),
        Err(why) => return (None, vec![Diagnostic::error(codes::UNREADABLE, format!("cannot read {path}: {why}"))]),
    };
    let source = |manifest, text: Arc<[u8]>| {
        let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).filter_map(|start| u32::try_from(start).ok()).collect();
        Source { path: Arc::clone(&path), text, manifest, lines }
    };
    let key = Digest::of(&[LOWERED_FORM.as_bytes(), &text].concat());
    let cached = cache.and_then(|cache| cache.get(key)).and_then(|bytes| postcard::from_bytes(&bytes).ok());
    if let Some(manifest) = cached {
        return (Some(source(manifest, text)), Vec::new());
    }
    let (manifest, diagnostics) = parse(&path, &text);
    let fit = manifest.as_ref().filter(|_| diagnostics.is_empty()).and_then(|manifest| postcard::to_stdvec(manifest).ok());
    if let (Some(cache), Some(bytes)) = (cache, fit) {
        cache.put(key, &bytes);
    }
    (manifest.map(|manifest| source(manifest, text)), diagnostics)
}
