//! Reads dpkg's status file: only the paragraphs of the packages that were asked for.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

/// Where dpkg keeps what is installed.
pub(super) const STATUS_FILE: &str = "/var/lib/dpkg/status";

/// What dpkg knows of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// How far it is installed.
    pub(super) state: State,
    /// Whether it is on hold.
    pub(super) held: bool,
}

/// How far a package is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing.
    Absent,
    /// It was removed, its configuration is still there.
    ConfigFiles,
    /// Something stopped half way; the word is dpkg's.
    Broken(String),
    /// It is there, at this version.
    Installed(String),
    /// It is no package of its own; this installed one provides it.
    ProvidedBy(String),
}

impl Known {
    fn absent() -> Self {
        Known { state: State::Absent, held: false }
    }
}

/// A paragraph of the status file.
struct Paragraph<'a> {
    architecture: &'a str,
    known: Known,
}

/// Looks these packages up, each `name` or `name:architecture`.
pub(super) fn look_up(status: &[u8], names: &[&str]) -> Vec<Known> {
    let wanted: BTreeSet<&str> = names.iter().map(|name| split_name(name).0).chain(["dpkg"]).collect();
    let mut found: BTreeMap<&str, Vec<Paragraph<'_>>> = BTreeMap::new();
    for (name, paragraph) in paragraphs(status) {
        if let Some(name) = wanted.get(name) {
            found.entry(name).or_default().push(parse_paragraph(paragraph));
        }
    }
    // dpkg itself is always of the host's own architecture.
    let native = found.get("dpkg").and_then(|of| of.first()).map_or("", |dpkg| dpkg.architecture);
    let mut known: Vec<Known> = names.iter().map(|name| choose(&found, name, native)).collect();
    provide(status, names, &mut known);
    known
}

/// The names of all installed packages of the host's own architecture, and whether each is on hold.
pub(super) fn installed(status: &[u8]) -> Vec<(String, bool)> {
    let parsed: Vec<(&str, Paragraph<'_>)> = paragraphs(status).map(|(name, paragraph)| (name, parse_paragraph(paragraph))).collect();
    let native = parsed.iter().find(|(name, _)| *name == "dpkg").map_or("", |(_, dpkg)| dpkg.architecture);
    let is_meant = |paragraph: &Paragraph<'_>| {
        matches!(paragraph.known.state, State::Installed(_)) && (paragraph.architecture == native || paragraph.architecture == "all")
    };
    parsed.iter().filter(|(_, paragraph)| is_meant(paragraph)).map(|(name, paragraph)| ((*name).to_owned(), paragraph.known.held)).collect()
}

/// The packages that apt's own file says came along with others.
pub(super) fn automatic_names(text: &str) -> BTreeSet<&str> {
    let automatic = text.split("\n\n").filter(|paragraph| paragraph.lines().any(|line| line == "Auto-Installed: 1"));
    automatic.filter_map(|paragraph| paragraph.lines().find_map(|line| line.strip_prefix("Package: "))).collect()
}

/// The packages of these paragraphs: names with architectures.
pub(super) fn addresses(status: &[u8]) -> BTreeSet<(&str, &str)> {
    paragraphs(status).map(|(name, paragraph)| (name, parse_paragraph(paragraph).architecture)).collect()
}

/// The status without the paragraphs of these packages.
pub(super) fn paragraphs_without(status: &[u8], left_out: &BTreeSet<(&str, &str)>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(status.len());
    for text in split_paragraphs(status) {
        if addresses(text).is_disjoint(left_out) {
            kept.extend_from_slice(text);
        }
    }
    kept
}

/// The status cut behind each of its empty lines.
fn split_paragraphs(status: &[u8]) -> impl Iterator<Item = &[u8]> {
    const END: &[u8] = b"\n\n";
    let cuts = memmem::find_iter(status, END).map(|place| place + END.len()).chain([status.len()]);
    let mut start = 0;
    cuts.filter_map(move |end| status.get(std::mem::replace(&mut start, end)..end))
}

fn split_name(name: &str) -> (&str, Option<&str>) {
    name.split_once(':').map_or((name, None), |(name, architecture)| (name, Some(architecture)))
}

/// The paragraphs with their names. A field starts a line, and no continuation does.
fn paragraphs(status: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    const FIELD: &[u8] = b"\nPackage: ";
    let first = status.strip_prefix(&FIELD[1..]);
    let rest = memmem::find_iter(status, FIELD).filter_map(|start| status.get(start + FIELD.len()..));
    first.into_iter().chain(rest).filter_map(|from_name| {
        let end = memchr::memchr(b'\n', from_name)?;
        Some((std::str::from_utf8(from_name.get(..end)?).ok()?, from_name.get(end + 1..)?))
    })
}

/// The lines of a paragraph, which an empty line ends.
fn lines(paragraph: &[u8]) -> impl Iterator<Item = &str> {
    let end = memmem::find(paragraph, b"\n\n").unwrap_or(paragraph.len());
    let text = paragraph.get(..end).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

fn parse_paragraph(paragraph: &[u8]) -> Paragraph<'_> {
    let (mut status, mut version, mut architecture) = ("", "", "");
    for line in lines(paragraph) {
        match line.split_once(": ") {
            Some(("Status", value)) => status = value,
            Some(("Version", value)) => version = value,
            Some(("Architecture", value)) => architecture = value,
            _ => {}
        }
    }
    let mut words = status.split(' ');
    let held = words.next() == Some("hold");
    let damaged = words.next() == Some("reinstreq");
    let state = match words.next().unwrap_or_default() {
        "installed" | "triggers-awaited" | "triggers-pending" if !damaged => State::Installed(version.to_owned()),
        "not-installed" => State::Absent,
        "config-files" => State::ConfigFiles,
        word => State::Broken(word.to_owned()),
    };
    Paragraph { architecture, known: Known { state, held } }
}

fn choose(found: &BTreeMap<&str, Vec<Paragraph<'_>>>, asked: &str, native: &str) -> Known {
    let (name, architecture) = split_name(asked);
    let Some(paragraphs) = found.get(name) else { return Known::absent() };
    let fits = |paragraph: &&Paragraph<'_>| match architecture {
        Some(architecture) => paragraph.architecture == architecture,
        None => paragraph.architecture == native || paragraph.architecture == "all",
    };
    let mut fitting = paragraphs.iter().filter(fits).map(|paragraph| &paragraph.known);
    let first = fitting.next();
    let known = first.filter(|known| known.state != State::Absent).or_else(|| fitting.next()).or(first);
    known.cloned().unwrap_or_else(Known::absent)
}

/// Finds out whether absent ones are names that installed packages provide.
fn provide(status: &[u8], names: &[&str], known: &mut [Known]) {
    let mut missing: BTreeMap<&str, usize> = names
        .iter()
        .zip(&*known)
        .enumerate()
        .filter(|(_, (_, known))| known.state == State::Absent)
        .map(|(i, (name, _))| (*name, i))
        .collect();
    if missing.is_empty() {
        return;
    }
    for start in memmem::find_iter(status, b"\nProvides: ") {
        let line = status.get(start + 1..).unwrap_or_default();
        let line = line.get(..memchr::memchr(b'\n', line).unwrap_or(line.len())).unwrap_or_default();
        let provided = std::str::from_utf8(line).unwrap_or_default().trim_start_matches("Provides: ");
        for name in provided.split(", ").filter_map(|entry| entry.split_whitespace().next()) {
            let Some(position) = missing.get(name).copied() else { continue };
            if let Some(provider) = provider_at(status, start) {
                known[position].state = State::ProvidedBy(provider);
                missing.remove(name);
            }
        }
    }
}

/// The name of the installed package in whose paragraph this place is.
fn provider_at(status: &[u8], place: usize) -> Option<String> {
    let before = status.get(..place)?;
    let start = memmem::rfind(before, b"\n\n").map_or(0, |end| end + 2);
    let (name, paragraph) = paragraphs(status.get(start..)?).next()?;
    matches!(parse_paragraph(paragraph).known.state, State::Installed(_)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: exim4-daemon-light
Status: install ok installed
Architecture: amd64
Version: 4.96-15
Provides: default-mta, mail-transport-agent (= 1)
Description: mail
 Package: nginx

Package: libc6
Status: hold ok installed
Architecture: i386
Version: 2.36-8

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: nginx
Status: deinstall ok config-files
Architecture: amd64
Version: 1.22.1-9

Package: postfix
Status: install ok half-configured
Architecture: amd64
Version: 3.7
Provides: smtpd

Package: odd
Status: install reinstreq installed
Architecture: all
Version: 1
";

    fn states(names: &[&str]) -> Vec<State> {
        look_up(STATUS.as_bytes(), names).into_iter().map(|known| known.state).collect()
    }

    #[test]
    fn every_state_is_told() {
        let expected = vec![
            State::ConfigFiles,
            State::Broken("half-configured".to_owned()),
            State::Broken("installed".to_owned()),
            State::Absent,
            State::Installed("1.21.22".to_owned()),
        ];
        assert_eq!(states(&["nginx", "postfix", "odd", "light", "dpkg"]), expected);
    }

    #[test]
    fn architectures_are_told_apart() {
        let known = look_up(STATUS.as_bytes(), &["libc6", "libc6:i386", "libc6:arm64"]);
        assert_eq!(known[0], Known { state: State::Installed("2.36-9".to_owned()), held: false });
        assert_eq!(known[1], Known { state: State::Installed("2.36-8".to_owned()), held: true });
        assert_eq!(known[2].state, State::Absent);
    }

    #[test]
    fn what_is_installed_is_listed_by_who_wanted_it() {
        let expected = [("dpkg".to_owned(), false), ("exim4-daemon-light".to_owned(), false), ("libc6".to_owned(), false)];
        assert_eq!(installed(STATUS.as_bytes()), expected);
        let automatic = automatic_names("Package: a\nAuto-Installed: 1\n\nPackage: b\nAuto-Installed: 0\n");
        assert_eq!(automatic, BTreeSet::from(["a"]));
    }

    #[test]
    fn installed_packages_provide_names() {
        let provider = State::ProvidedBy("exim4-daemon-light".to_owned());
        assert_eq!(states(&["mail-transport-agent", "default-mta", "smtpd"]), vec![provider.clone(), provider, State::Absent]);
    }

    #[test]
    fn an_empty_or_cut_file_holds_nothing() {
        assert_eq!(look_up(b"", &["a"])[0].state, State::Absent);
        assert_eq!(look_up(b"Package: a", &["a"])[0].state, State::Absent);
        assert_eq!(look_up(b"Package: a\n", &["a"])[0].state, State::Broken(String::new()));
    }
}
