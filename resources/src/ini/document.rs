//! A file of sections and keys as a list of lines: what is not changed stays as it was, byte for byte.

/// What stands between a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// This character, with any space around it.
    Sign(char),
    /// Space.
    Space,
}

impl Separator {
    /// The kind of a separator as a manifest writes it, such as `" = "`.
    pub(crate) fn of(text: &str) -> Self {
        text.trim().chars().next().map_or(Separator::Space, Separator::Sign)
    }

    /// Where a line is cut: the end of the key and the start of what may be the value.
    pub(crate) fn cut(self, line: &str) -> Option<(usize, usize)> {
        match self {
            Separator::Sign(sign) => line.find(sign).map(|at| (at, at + sign.len_utf8())),
            Separator::Space => {
                let start = line.len() - line.trim_start().len();
                line.get(start..)?.find(char::is_whitespace).map(|at| (start + at, start + at))
            }
        }
    }
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A comment, an empty line, or something that is no business of ours.
    Other,
    /// `[name]`
    Section(String),
    /// `name = value`; the name ends and the value starts at these bytes.
    Key { name: String, name_end: usize, value_at: usize },
    /// More of the value above.
    Continuation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    raw: String,
    kind: Kind,
}

/// A file of sections and keys. The section `""` is what comes before the first header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    lines: Vec<Line>,
    ending: &'static str,
    separator: Separator,
}

impl Document {
    /// Reads any text; no text is wrong.
    pub(super) fn parse(text: &str, separator: Separator) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        for raw in text.lines() {
            let follows_value = lines.last().is_some_and(|line| matches!(line.kind, Kind::Key { .. } | Kind::Continuation));
            lines.push(Line { raw: raw.to_owned(), kind: classify(raw, separator, follows_value) });
        }
        Self { lines, ending: crate::text_file::line_ending(text), separator }
    }

    /// The text again.
    pub(super) fn to_text(&self) -> String {
        let raw: Vec<&str> = self.lines.iter().map(|line| line.raw.as_str()).collect();
        crate::text_file::join_lines(&raw, self.ending)
    }

    /// All values of a key, in order; lines that continue one are joined to it with a line feed.
    pub(super) fn values(&self, section: &str, key: &str) -> Vec<String> {
        self.places(section, key).into_iter().map(|at| self.value_at(at)).collect()
    }

    /// The keys of a section, each once, in order.
    pub(super) fn keys(&self, section: &str) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if let Kind::Key { name, .. } = &line.kind
                && self.section_at(at) == section
                && !keys.contains(name)
            {
                keys.push(name.clone());
            }
        }
        keys
    }

    /// The sections that have a header, each once, in order.
    pub(super) fn sections(&self) -> Vec<String> {
        let mut sections: Vec<String> = Vec::new();
        for line in &self.lines {
            if let Kind::Section(name) = &line.kind
                && !sections.contains(name)
            {
                sections.push(name.clone());
            }
        }
        sections
    }

    /// Gives a key these values: in the places of the old ones as far as there are any, further ones
    /// below, and what is left over goes. No values remove the key.
    pub(super) fn set(&mut self, section: &str, key: &str, values: &[String], separator: Option<&str>) {
        let places = self.places(section, key);
        let style = separator.map_or_else(|| self.usual_separator(), str::to_owned);
        let mut next = match places.last() {
            Some(last) => self.end_of_value(*last),
            None if values.is_empty() => return,
            None => self.place_for(section, key),
        };
        // From the end, so that places above keep their numbers.
        for (order, at) in places.iter().enumerate().rev() {
            let length = self.end_of_value(*at) - at;
            self.lines.drain(at + 1..at + length);
            next -= length - 1;
            match values.get(order) {
                Some(value) => self.set_value(*at, value, &style),
                None => {
                    self.lines.remove(*at);
                    next -= 1;
                }
            }
        }
        for value in values.iter().skip(places.len()) {
            let kind = Kind::Key { name: key.to_owned(), name_end: key.len(), value_at: key.len() + style.len() };
            let line = Line { raw: format!("{key}{style}{value}"), kind };
            self.lines.insert(next.min(self.lines.len()), line);
            next += 1;
        }
    }

    /// Removes a section's header and everything below it, wherever it stands.
    pub(super) fn remove_section(&mut self, section: &str) {
        let mut current = String::new();
        self.lines.retain(|line| {
            if let Kind::Section(name) = &line.kind {
                current.clone_from(name);
            }
            current != section
        });
    }

    fn section_at(&self, at: usize) -> &str {
        let above = self.lines.get(..at).unwrap_or_default();
        above.iter().rev().find_map(|line| if let Kind::Section(name) = &line.kind { Some(name.as_str()) } else { None }).unwrap_or("")
    }

    fn places(&self, section: &str, key: &str) -> Vec<usize> {
        let mut current = "";
        let mut places = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            match &line.kind {
                Kind::Section(name) => current = name,
                Kind::Key { name, .. } if name == key && current == section => places.push(at),
                _ => {}
            }
        }
        places
    }

    fn value_at(&self, at: usize) -> String {
        let first = self.lines.get(at).and_then(|line| match line.kind {
            Kind::Key { value_at, .. } => line.raw.get(value_at..),
            _ => None,
        });
        let mut value = first.unwrap_or_default().trim().to_owned();
        for line in self.lines.get(at + 1..self.end_of_value(at)).unwrap_or_default() {
            value.push('\n');
            value.push_str(line.raw.trim());
        }
        value
    }

    /// The line after a key's last continuation.
    fn end_of_value(&self, at: usize) -> usize {
        let rest = self.lines.get(at + 1..).unwrap_or_default();
        at + 1 + rest.iter().take_while(|line| line.kind == Kind::Continuation).count()
    }

    fn set_value(&mut self, at: usize, value: &str, style: &str) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let Kind::Key { name, name_end, value_at } = line.kind.clone() else { return };
        let between = line.raw.get(name_end..value_at).unwrap_or_default();
        // An empty value leaves no space behind its sign; it gets back what the others have.
        let was_empty = value_at == line.raw.len();
        let between = match between {
            "" => style,
            _ if was_empty && !between.ends_with(' ') && style.ends_with(' ') => &format!("{between} "),
            between => between,
        };
        let before = line.raw.get(..name_end).unwrap_or_default();
        *line = Line { raw: format!("{before}{between}{value}"), kind: Kind::Key { name, name_end, value_at: name_end + between.len() } };
    }

    /// What the file's first key has between name and value.
    fn usual_separator(&self) -> String {
        let seen = self.lines.iter().find_map(|line| match &line.kind {
            Kind::Key { name_end, value_at, .. } => {
                line.raw.get(*name_end..*value_at).filter(|text| !text.is_empty() && line.raw.len() > *value_at)
            }
            _ => None,
        });
        match (seen, self.separator) {
            (Some(seen), _) => seen.to_owned(),
            (None, Separator::Sign('=')) => " = ".to_owned(),
            (None, Separator::Sign(sign)) => format!("{sign} "),
            (None, Separator::Space) => " ".to_owned(),
        }
    }

    /// Where a new key goes: below a comment that shows it, else below the section's last key, else
    /// below its header; a missing section is made at the end.
    fn place_for(&mut self, section: &str, key: &str) -> usize {
        let (mut last, mut shown, mut current) = (None, None, "");
        for (at, line) in self.lines.iter().enumerate() {
            match &line.kind {
                Kind::Section(name) => {
                    current = name;
                    if name == section {
                        last = Some(at + 1);
                    }
                }
                Kind::Key { .. } | Kind::Continuation if current == section => last = Some(at + 1),
                Kind::Other if current == section && shown.is_none() && self.shows(&line.raw, key) => shown = Some(at + 1),
                _ => {}
            }
        }
        if let Some(place) = shown.or(last) {
            return place;
        }
        if section.is_empty() {
            return self.lines.iter().position(|line| matches!(line.kind, Kind::Section(_))).unwrap_or(self.lines.len());
        }
        if self.lines.last().is_some_and(|line| !line.raw.trim().is_empty()) {
            self.lines.push(Line { raw: String::new(), kind: Kind::Other });
        }
        self.lines.push(Line { raw: format!("[{section}]"), kind: Kind::Section(section.to_owned()) });
        self.lines.len()
    }

    /// Whether a comment is this key with some value: `#key = value`.
    fn shows(&self, raw: &str, key: &str) -> bool {
        let Some(inner) = raw.trim_start().strip_prefix(['#', ';']) else { return false };
        self.separator.cut(inner).and_then(|(end, _)| inner.get(..end)).is_some_and(|name| name.trim() == key)
    }
}

fn classify(raw: &str, separator: Separator, follows_value: bool) -> Kind {
    let text = raw.trim();
    if text.is_empty() || text.starts_with(['#', ';', '!']) {
        return Kind::Other;
    }
    if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
        return Kind::Section(name.trim().to_owned());
    }
    let key = parse_key(raw, separator);
    // Some files indent all their keys, so an indented line goes on with a value only if it is no key.
    let is_key = matches!(&key, Some(Kind::Key { name, .. }) if is_plain(name));
    if follows_value && raw.starts_with([' ', '\t']) && !is_key {
        return Kind::Continuation;
    }
    key.unwrap_or_else(|| Kind::Key { name: text.to_owned(), name_end: raw.trim_end().len(), value_at: raw.trim_end().len() })
}

/// A line with a separator in it.
fn parse_key(raw: &str, separator: Separator) -> Option<Kind> {
    let (end, start) = separator.cut(raw)?;
    let name = raw.get(..end)?.trim_end();
    let rest = raw.get(start..)?;
    let value_at = start + (rest.len() - rest.trim_start().len());
    let key = Kind::Key { name: name.trim_start().to_owned(), name_end: name.len(), value_at };
    (!name.trim_start().is_empty()).then_some(key)
}

/// Whether a text looks like the name of a setting.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, section: &str, key: &str, values: &[&str]) -> String {
        let mut document = Document::parse(text, Separator::Sign('='));
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        document.set(section, key, &values, None);
        assert_eq!(document, Document::parse(&document.to_text(), Separator::Sign('=')), "what was written reads back the same");
        document.to_text()
    }

    fn values(text: &str, section: &str, key: &str) -> Vec<String> {
        Document::parse(text, Separator::Sign('=')).values(section, key)
    }

    const MIXED: &str = "; top\nglobal=1\n\n[a] \nx = 1\n  y=2\n# z = 3\n[b]\nx:4\n!include /x=y\n[a]\nx = 5\n  more\n\tlines\nbare\n";

    #[test]
    fn any_text_is_written_back_as_it_was() {
        for text in [MIXED, "", "\n", "[", "]=[", "=x\n", "[a\nb\n", "\u{feff}[a]\r\nx = 1\r\n"] {
            let expected = if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
            assert_eq!(Document::parse(text, Separator::Sign('=')).to_text(), expected);
        }
    }

    #[test]
    fn values_are_found_in_all_parts_of_a_section() {
        assert_eq!(values(MIXED, "", "global"), ["1"]);
        assert_eq!(values(MIXED, "a", "x"), ["1", "5\nmore\nlines"]);
        assert_eq!(values(MIXED, "a", "y"), ["2"]);
        assert_eq!(values(MIXED, "a", "z"), Vec::<String>::new());
        assert_eq!(values(MIXED, "a", "bare"), [""]);
        assert_eq!(Document::parse(MIXED, Separator::Sign('=')).sections(), ["a", "b"]);
        assert_eq!(Document::parse(MIXED, Separator::Sign('=')).keys("a"), ["x", "y", "bare"]);
    }

    #[test]
    fn a_value_is_changed_in_place_with_its_spacing() {
        assert_eq!(set("[a]\nx=1\n", "a", "x", &["2"]), "[a]\nx=2\n");
        assert_eq!(set("[a]\n  x  =  1\ny=1\n", "a", "x", &["2"]), "[a]\n  x  =  2\ny=1\n");
        assert_eq!(set("[a]\nx = 1\n  more\ny = 1\n", "a", "x", &["2"]), "[a]\nx = 2\ny = 1\n");
        assert_eq!(set("[a]\nx =\ny = 1\n", "a", "x", &["2"]), "[a]\nx = 2\ny = 1\n");
        assert_eq!(set("[a]\r\nx = 1\r\n", "a", "x", &["2"]), "[a]\r\nx = 2\r\n");
        assert_eq!(set("[a]\nbare\n", "a", "bare", &["2"]), "[a]\nbare = 2\n");
    }

    #[test]
    fn a_new_key_goes_where_a_person_would_put_it() {
        assert_eq!(set("[a]\nx = 1\n\n[b]\ny = 1\n", "a", "z", &["2"]), "[a]\nx = 1\nz = 2\n\n[b]\ny = 1\n");
        assert_eq!(
            set("[a]\n# About z.\n#z = 1\n# About x.\nx = 1\n", "a", "z", &["2"]),
            "[a]\n# About z.\n#z = 1\nz = 2\n# About x.\nx = 1\n"
        );
        assert_eq!(set("[a]\nx=1\n", "b", "z", &["2"]), "[a]\nx=1\n\n[b]\nz=2\n");
        assert_eq!(set("", "b", "z", &["2"]), "[b]\nz = 2\n");
        assert_eq!(set("# top\n[a]\nx = 1\n", "", "z", &["2"]), "# top\nz = 2\n[a]\nx = 1\n");
        assert_eq!(set("[a]\n", "a", "z", &["2"]), "[a]\nz = 2\n");
    }

    #[test]
    fn repeated_keys_become_exactly_the_wanted_ones() {
        let text = "[a]\nx = 1\nx = 2\ny = 0\nx = 3\n";
        assert_eq!(set(text, "a", "x", &["1", "2"]), "[a]\nx = 1\nx = 2\ny = 0\n");
        assert_eq!(set(text, "a", "x", &["9"]), "[a]\nx = 9\ny = 0\n");
        assert_eq!(set(text, "a", "x", &["1", "2", "3", "4", "5"]), "[a]\nx = 1\nx = 2\ny = 0\nx = 3\nx = 4\nx = 5\n");
        assert_eq!(set(text, "a", "x", &[]), "[a]\ny = 0\n");
        assert_eq!(set("[a]\nx = 1\n  more\nx = 2\n  even more\n", "a", "x", &["3"]), "[a]\nx = 3\n");
        assert_eq!(set(text, "b", "x", &[]), text);
    }

    #[test]
    fn a_section_goes_with_all_its_parts() {
        let mut document = Document::parse(MIXED, Separator::Sign('='));
        document.remove_section("a");
        assert_eq!(document.to_text(), "; top\nglobal=1\n\n[b]\nx:4\n!include /x=y\n");
    }

    #[test]
    fn other_separators_are_other_files() {
        let mut document = Document::parse("maxmemory 1gb\nsave 900 1\n", Separator::of(" "));
        assert_eq!(document.values("", "save"), ["900 1"]);
        document.set("", "maxmemory", &["2gb".to_owned()], None);
        document.set("", "port", &["1".to_owned()], None);
        assert_eq!(document.to_text(), "maxmemory 2gb\nsave 900 1\nport 1\n");
        let colon = Document::parse("a: b=c\n", Separator::of(": "));
        assert_eq!(colon.values("", "a"), ["b=c"]);
    }
}
