//! Option files of MariaDB: values read from and written into their sections, everything else left as it is.

use std::collections::BTreeMap;

/// The value of an option in any of these sections; the last one counts, as it does for the server. An option
/// without a value is on, which is the empty text.
pub(crate) fn value(text: &str, sections: &[&str], name: &str) -> Option<String> {
    let mut section = "";
    let mut found = None;
    for line in text.lines() {
        match Line::of(line) {
            Line::Section(name) => section = name,
            Line::Option(option, value) if sections.contains(&section) && same_name(option, name) => found = Some(plain(value)),
            _ => {}
        }
    }
    found
}

/// All options of a text, whatever sections they are in, under one spelling of their names; the last of each counts.
pub(crate) fn options(text: &str) -> BTreeMap<String, String> {
    let of_line = |line| match Line::of(line) {
        Line::Option(name, value) => Some((canonical(name), plain(value))),
        Line::Section(_) | Line::Other => None,
    };
    text.lines().filter_map(of_line).collect()
}

/// The text with an option of a section set, in its place if it has one; a second place goes.
pub(crate) fn set(text: &str, section: &str, name: &str, value: &str) -> String {
    edit(text, section, name, Some(&format!("{name} = {}", written(value))))
}

/// The text without an option of a section.
pub(crate) fn remove(text: &str, section: &str, name: &str) -> String {
    edit(text, section, name, None)
}

fn edit(text: &str, section: &str, name: &str, line: Option<&str>) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut inside = false;
    let mut written = line.is_none();
    // Behind the last line of the section that is not blank.
    let mut end = None;
    for existing in text.lines() {
        match Line::of(existing) {
            Line::Section(found) => inside = found == section,
            Line::Option(option, _) if inside && same_name(option, name) => {
                if let Some(line) = line.filter(|_| !written) {
                    lines.push(line);
                    end = Some(lines.len());
                    written = true;
                }
                continue;
            }
            _ => {}
        }
        lines.push(existing);
        if inside && !existing.trim().is_empty() {
            end = Some(lines.len());
        }
    }
    let header = format!("[{section}]");
    if let Some(line) = line.filter(|_| !written) {
        match end {
            Some(end) => lines.insert(end, line),
            None => lines.extend([header.as_str(), line]),
        }
    }
    lines.into_iter().fold(String::new(), |text, line| text + line + "\n")
}

enum Line<'l> {
    Section(&'l str),
    Option(&'l str, &'l str),
    Other,
}

impl<'l> Line<'l> {
    fn of(line: &'l str) -> Self {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim()) {
            return Line::Section(name);
        }
        if line.is_empty() || line.starts_with(['#', ';', '!']) {
            return Line::Other;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        Line::Option(name.trim(), value.trim())
    }
}

fn same_name(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// The name of an option: dashes and underscores mean the same in it.
pub(crate) fn canonical(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

/// A value without its quotes, its escapes and the comment behind it.
fn plain(value: &str) -> String {
    let quote = value.chars().next().filter(|char| matches!(char, '"' | '\''));
    let inside = quote.and_then(|quote| value.get(1..)?.rsplit_once(quote).map(|(inside, _)| inside));
    let value = inside.unwrap_or_else(|| value.split_once('#').map_or(value, |(value, _)| value).trim_end());
    let mut text = String::new();
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('s') => text.push(' '),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            (char, false) => text.push(char),
        }
    }
    text
}

/// A value as the file has it.
fn written(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    let needs_quotes = value.contains('#') || value.trim() != value || value.starts_with(['"', '\'']);
    match (needs_quotes, value.contains('"')) {
        (false, _) => value,
        (true, false) => format!("\"{value}\""),
        (true, true) => format!("'{value}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# all servers\n[client]\nuser = ada\npassword=\"x#y\"\n\n[mysqld]\nmax-connections = 100 # many\nskip_name_resolve\n\n[galera]\nwsrep_on = ON\n";

    #[test]
    fn values_are_read_by_any_spelling() {
        assert_eq!(value(FILE, &["mysqld"], "max_connections").as_deref(), Some("100"));
        assert_eq!(value(FILE, &["mysqld"], "skip-name-resolve").as_deref(), Some(""));
        assert_eq!(value(FILE, &["client", "mysql"], "password").as_deref(), Some("x#y"));
        assert_eq!(value(FILE, &["mysqld"], "user"), None);
        assert_eq!(value("[mysqld]\na=1\n[other]\na=2\n[mysqld]\na=3\n", &["mysqld"], "a").as_deref(), Some("3"));
    }

    #[test]
    fn all_options_are_read_under_one_spelling() {
        let found = options(FILE);
        let of = |name: &str| found.get(name).map(String::as_str);
        assert_eq!((of("max_connections"), of("skip_name_resolve"), of("password")), (Some("100"), Some(""), Some("x#y")));
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn a_value_is_set_in_its_place_and_everything_else_stays() {
        let text = set(FILE, "mysqld", "max_connections", "200");
        assert_eq!(text, FILE.replace("max-connections = 100 # many", "max_connections = 200"));
        let text = set(FILE, "mysqld", "port", "3307");
        assert_eq!(text, FILE.replace("skip_name_resolve\n", "skip_name_resolve\nport = 3307\n"));
        assert_eq!(set("", "mysqld", "port", "1"), "[mysqld]\nport = 1\n");
        assert_eq!(set("[mysqld]\na = 1\na = 2\n", "mysqld", "a", "3"), "[mysqld]\na = 3\n");
        assert_eq!(remove(FILE, "mysqld", "max_connections"), FILE.replace("max-connections = 100 # many\n", ""));
        assert_eq!(remove(FILE, "mysqld", "absent"), FILE);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["", "a b", "a#b", " a ", "C:\\x", "\"", "it's # here", "say \"hi\" # now", "\\s"] {
            let file = set("", "mysqld", "x", text);
            assert_eq!(value(&file, &["mysqld"], "x").as_deref(), Some(text), "{file}");
        }
    }
}
