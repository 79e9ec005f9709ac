//! A file of keys and values as a list of lines: what is not changed stays as it was, byte for byte.

use super::shell_word::{self, Quote};
use crate::ini::Separator;
use crate::text_file::line_ending;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As a shell reads it: `NAME="value"`.
    Shell,
    /// The key, a sign, and the value up to the line's end.
    Plain(Separator),
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A comment, an empty line, or something that is no business of ours.
    Other,
    /// A comment that shows a key with some value: `#NAME=value`.
    Shown(String),
    /// Something is done to this key that cannot be told in a value.
    Opaque(String),
    /// A key with a value.
    Entry(Entry),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    is_exported: bool,
    value: Found,
    /// Where the key ends, and where the value starts and ends in the line.
    key_end: usize,
    start: usize,
    end: usize,
}

/// A value that stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What it says.
    pub(super) text: String,
    /// How it is written.
    pub(super) raw: String,
    /// Whether the shell puts something in.
    pub(super) expands: bool,
}

/// A line with its end, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    raw: String,
    kind: Kind,
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) text: String,
    /// Whether the shell shall put something in.
    pub(super) expands: bool,
}

impl Wanted {
    /// Whether a value in a file is this one.
    pub(super) fn is(&self, found: &Found) -> bool {
        match self.expands && self.text.contains(['$', '`', '\\']) {
            true => shell_word::write_expanding(&self.text).is_some_and(|raw| raw == found.raw),
            false => self.text == found.text && !found.expands,
        }
    }
}

/// How new lines are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'s> {
    pub(super) quote: Quote,
    /// What stands between key and value; none as the file has it.
    pub(super) separator: Option<&'s str>,
    /// Whether the key is exported; none as it was.
    pub(super) export: Option<bool>,
    /// Whether a comment that shows the key becomes the key's line.
    pub(super) uncomment: bool,
}

/// A file of keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    lines: Vec<Line>,
    ending: &'static str,
    dialect: Dialect,
}

impl Document {
    /// Reads any text; no text is wrong.
    pub(super) fn parse(text: &str, dialect: Dialect) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (length, kind) = match dialect {
                Dialect::Shell => classify_shell(rest),
                Dialect::Plain(separator) => classify_plain(rest, separator),
            };
            let (raw, after) = rest.split_at(length);
            lines.push(Line { raw: raw.to_owned(), kind });
            rest = after;
        }
        Self { lines, ending: line_ending(text), dialect }
    }

    /// The text again.
    pub(super) fn to_text(&self) -> String {
        self.lines.iter().map(|line| line.raw.as_str()).collect()
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.lines.iter().enumerate().filter_map(|(at, line)| if let Kind::Entry(entry) = &line.kind { Some((at, entry)) } else { None })
    }

    /// All values of a key, in order.
    pub(super) fn values(&self, key: &str) -> Vec<&Found> {
        self.entries().filter(|(_, entry)| entry.key == key).map(|(_, entry)| &entry.value).collect()
    }

    /// Whether a key is exported by each of its lines.
    pub(super) fn is_exported(&self, key: &str) -> bool {
        self.entries().filter(|(_, entry)| entry.key == key).all(|(_, entry)| entry.is_exported)
    }

    /// The keys, each once, in order.
    pub(super) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for (_, entry) in self.entries() {
            if !keys.contains(&entry.key.as_str()) {
                keys.push(&entry.key);
            }
        }
        keys
    }

    /// The number of the line that does something to a key which is no plain value.
    pub(super) fn opaque(&self, key: &str) -> Option<usize> {
        let at = self.lines.iter().position(|line| matches!(&line.kind, Kind::Opaque(name) if name == key))?;
        Some(self.lines.iter().take(at).map(|line| line.raw.matches('\n').count()).sum::<usize>() + 1)
    }

    /// Gives a key these values: in the places of the last ones that it has, further ones below; what is left
    /// over goes. No values remove the key.
    pub(super) fn set(&mut self, key: &str, values: &[Wanted], style: &Style<'_>) {
        let mut places: Vec<usize> = self.entries().filter(|(_, entry)| entry.key == key).map(|(at, _)| at).collect();
        let surplus = places.len().saturating_sub(values.len());
        for (removed, at) in places.drain(..surplus).enumerate().collect::<Vec<_>>() {
            self.lines.remove(at - removed);
        }
        let places: Vec<usize> = places.into_iter().map(|at| at - surplus).collect();
        for (at, wanted) in places.iter().zip(values) {
            self.rewrite(*at, wanted, style);
        }
        let further = values.get(places.len()..).unwrap_or_default();
        let mut next = places.last().map(|at| at + 1);
        for wanted in further {
            let line = self.new_line(key, wanted, style);
            let at = match next {
                Some(at) => at,
                None => self.place_for(key, style),
            };
            self.insert(at, line);
            next = Some(at + 1);
        }
    }

    fn insert(&mut self, at: usize, line: Line) {
        // A file's last line need not end; whatever follows it is a line of its own.
        if let Some(before) = at.checked_sub(1).and_then(|before| self.lines.get_mut(before))
            && !before.raw.ends_with('\n')
        {
            before.raw.push_str(self.ending);
        }
        self.lines.insert(at.min(self.lines.len()), line);
    }

    /// Where a new key goes: in the place of a comment that shows it or below that, else at the end.
    fn place_for(&mut self, key: &str, style: &Style<'_>) -> usize {
        match self.lines.iter().position(|line| matches!(&line.kind, Kind::Shown(name) if name == key)) {
            Some(at) if style.uncomment => {
                self.lines.remove(at);
                at
            }
            Some(at) => at + 1,
            None => self.lines.len(),
        }
    }

    fn new_line(&self, key: &str, wanted: &Wanted, style: &Style<'_>) -> Line {
        let head = match (self.dialect, style.export) {
            (Dialect::Shell, Some(true)) => format!("export {key}="),
            (Dialect::Shell, _) => format!("{key}="),
            (Dialect::Plain(separator), _) => {
                format!("{key}{}", style.separator.map_or_else(|| self.usual_separator(separator), str::to_owned))
            }
        };
        self.line(&format!("{head}{}{}", self.written(wanted, style, ""), self.ending))
    }

    /// A line that was put together here, as it reads.
    fn line(&self, raw: &str) -> Line {
        let kind = match self.dialect {
            Dialect::Shell => classify_shell(raw).1,
            Dialect::Plain(separator) => classify_plain(raw, separator).1,
        };
        Line { raw: raw.to_owned(), kind }
    }

    fn written(&self, wanted: &Wanted, style: &Style<'_>, old: &str) -> String {
        match self.dialect {
            Dialect::Plain(_) => wanted.text.clone(),
            Dialect::Shell => {
                let expanding = wanted.expands.then(|| shell_word::write_expanding(&wanted.text)).flatten();
                let needs = expanding.filter(|_| wanted.text.contains(['$', '`', '\\']));
                needs.unwrap_or_else(|| shell_word::write(&wanted.text, style.quote, old))
            }
        }
    }

    /// Puts a value into a line; one that says it already keeps how it is written.
    fn rewrite(&mut self, at: usize, wanted: &Wanted, style: &Style<'_>) {
        let Some(Line { raw, kind: Kind::Entry(entry) }) = self.lines.get(at) else { return };
        let part = |from: usize, to: usize| raw.get(from..to).unwrap_or_default();
        let mut between = part(entry.key_end, entry.start).to_owned();
        if let Dialect::Plain(separator) = self.dialect {
            let usual = || style.separator.map_or_else(|| self.usual_separator(separator), str::to_owned);
            // A key without a sign gets one; an empty value leaves no space behind it and gets it back.
            if between.is_empty() {
                between = usual();
            } else if entry.start == entry.end && !between.ends_with(' ') && usual().ends_with(' ') {
                between.push(' ');
            }
        }
        let head = part(0, entry.key_end);
        let head = match style.export {
            Some(true) if !entry.is_exported => format!("export {head}"),
            Some(false) if entry.is_exported => entry.key.clone(),
            _ => head.to_owned(),
        };
        let value = if wanted.is(&entry.value) { entry.value.raw.clone() } else { self.written(wanted, style, &entry.value.raw) };
        let line = self.line(&format!("{head}{between}{value}{}", part(entry.end, raw.len())));
        if let Some(place) = self.lines.get_mut(at) {
            *place = line;
        }
    }

    /// What the file's first key has between itself and its value.
    fn usual_separator(&self, separator: Separator) -> String {
        let seen = self.entries().filter(|(_, entry)| entry.start < entry.end).find_map(|(at, entry)| {
            self.lines.get(at)?.raw.get(entry.key_end..entry.start).filter(|between| !between.is_empty()).map(str::to_owned)
        });
        seen.unwrap_or_else(|| match separator {
            Separator::Sign('=') => " = ".to_owned(),
            Separator::Sign(sign) => format!("{sign} "),
            Separator::Space => " ".to_owned(),
        })
    }
}

/// How long the first line of a text is, with its end.
fn line_length(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

/// The length and kind of what stands at the start of a shell's text. What is indented stands in some `if` or
/// function, and is no value that always holds.
fn classify_shell(text: &str) -> (usize, Kind) {
    let length = line_length(text);
    let line = text.get(..length).unwrap_or_default();
    if let Some(comment) = line.strip_prefix('#') {
        let comment = comment.trim_start_matches(['#', ' ', '\t']);
        let shown = assignment(comment).filter(|(entry, end)| comment.get(*end..).is_some_and(is_idle) && !entry.key.is_empty());
        return (length, shown.map_or(Kind::Other, |(entry, _)| Kind::Shown(entry.key)));
    }
    let Some(key) = assigned_key(line) else { return (length, Kind::Other) };
    let Some((entry, end)) = assignment(text) else { return (length, Kind::Opaque(key)) };
    let after = text.get(end..).unwrap_or_default();
    let tail = line_length(after);
    match after.get(..tail).is_some_and(is_idle) {
        true => (end + tail, Kind::Entry(entry)),
        false => (end + tail, Kind::Opaque(key)),
    }
}

/// Whether nothing happens in the rest of a line: it is empty, or a comment behind a space.
fn is_idle(rest: &str) -> bool {
    let trimmed = rest.trim_start().trim_start_matches(';').trim_start();
    trimmed.is_empty() || trimmed.starts_with('#') && rest.starts_with([' ', '\t', ';'])
}

/// The key that a line of shell gives a value: `NAME=`, `NAME+=`, `export NAME=`.
fn assigned_key(line: &str) -> Option<String> {
    let (_, start, end) = key_of(line)?;
    let after = line.get(end..)?;
    after.strip_prefix('+').unwrap_or(after).starts_with('=').then(|| line.get(start..end).map(str::to_owned))?
}

/// Whether a line exports, and where the name in it starts and ends.
fn key_of(line: &str) -> Option<(bool, usize, usize)> {
    let rest = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim_start);
    let start = rest.map_or(0, |rest| line.len() - rest.len());
    let name = line.get(start..)?;
    let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let is_name = length > 0 && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some((rest.is_some(), start, start + length))
}

/// The assignment at the start of a text, and where it ends.
fn assignment(text: &str) -> Option<(Entry, usize)> {
    let (is_exported, start, key_end) = key_of(text)?;
    let value = text.get(key_end..)?.strip_prefix('=')?;
    let word = shell_word::parse(value)?;
    let at = key_end + 1;
    let end = at + word.length;
    let value = Found { text: word.text, raw: text.get(at..end)?.to_owned(), expands: word.expands };
    let key = text.get(start..key_end)?.to_owned();
    Some((Entry { key, is_exported, value, key_end, start: at, end }, end))
}

/// The length and kind of what stands at the start of a text of plain keys and values.
fn classify_plain(text: &str, separator: Separator) -> (usize, Kind) {
    let mut length = line_length(text);
    let line = text.get(..length).unwrap_or_default();
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return (length, Kind::Other);
    }
    if let Some(comment) = trimmed.strip_prefix(['#', ';', '!']) {
        let shown = separator.cut(comment).and_then(|(end, _)| comment.get(..end)).map(str::trim).filter(|name| is_name(name));
        return (length, shown.map_or(Kind::Other, |name| Kind::Shown(name.to_owned())));
    }
    // A backslash at the end goes on with the next line.
    while text.get(..length).is_some_and(goes_on) && length < text.len() {
        length += line_length(text.get(length..).unwrap_or_default());
    }
    let raw = text.get(..length).unwrap_or_default();
    let end = raw.trim_end().len();
    let bare = (end, end, end);
    let (key_end, start, end) = match separator.cut(line.trim_end()) {
        Some((at, after)) => {
            let value = raw.get(after..end).unwrap_or_default();
            (line.get(..at).unwrap_or_default().trim_end().len(), end - value.trim_start().len(), end)
        }
        None => bare,
    };
    let key = raw.get(..key_end).unwrap_or_default().trim_start().to_owned();
    if key.is_empty() {
        return (length, Kind::Other);
    }
    let value = raw.get(start..end).unwrap_or_default().to_owned();
    let value = Found { text: value.clone(), raw: value, expands: false };
    (length, Kind::Entry(Entry { key, is_exported: false, value, key_end, start, end }))
}

fn goes_on(raw: &str) -> bool {
    let text = raw.trim_end_matches(['\n', '\r']);
    raw.ends_with('\n') && (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

/// Whether a text looks like the name of a setting.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests;
