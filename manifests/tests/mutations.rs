//! Manifests, inventories and facts with chance faults in them: whatever the text, there is an answer, soon, and
//! every place in it lies in the text.
//!
//! `KEEL_SEED=N` repeats the chances of a run, `KEEL_MUTATIONS=N` sets how many texts there are.
#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use keel_manifests::files::MemoryFiles;

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use support::chance::Chance;

/// How many texts there are in the short form.
const MUTATIONS: u64 = 400;
/// The most processor time that one text may take, in hundredths of a second. Generous: it is to find what never ends.
const TICKS_MAX: u64 = 2_000;

/// What a text is likely to choke on.
const TOKENS: [&str; 36] = [
    "{",
    "}",
    "(",
    ")",
    "\"",
    "#\"",
    "\"#",
    "\"\"\"",
    "/-",
    "/*",
    "*/",
    "//",
    "\\",
    "\n",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "{{",
    "}}",
    "{%",
    "%}",
    "{{ x }}",
    "#true",
    "#null",
    "0x",
    "1e400",
    "-",
    "=",
    ";",
    "for x in=\"range(99999)\" {",
    "if \"true\" {",
    "use m",
    "(secret)",
    "require (file)\"/a\"",
    "99999999999999999999",
    "file \"/a\"",
];

impl Chance {
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }

    /// A text with some faults in it.
    fn mutate(&mut self, text: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => drop(bytes.drain(self.range(bytes.len()))),
                1 => {
                    let copied = bytes[self.range(bytes.len())].repeat(1 + self.below(40));
                    bytes.splice(at..at, copied);
                }
                2 => drop(bytes.splice(at..at, other[self.range(other.len())].iter().copied())),
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                4 => bytes.truncate(at),
                _ => drop(bytes.splice(at..at, TOKENS[self.below(TOKENS.len())].bytes())),
            }
        }
        bytes
    }
}

/// Every manifest, inventory and facts file of the golden folders.
fn corpus() -> Vec<(String, Vec<u8>)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { collect(&path, found) } else { found.push(path) }
        }
    }
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), &mut files);
    files.sort();
    let texts = files.into_iter().filter_map(|path| {
        let place = match path.extension()?.to_str()? {
            "kdl" => "manifests/site.kdl",
            "toml" if path.parent()?.ends_with("groups") => "inventory/groups/all.toml",
            "json" => "facts/web-1.json",
            _ => return None,
        };
        Some((place.to_owned(), std::fs::read(path).ok()?))
    });
    texts.collect()
}

/// The processor time of this process so far.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is the program's name, in parentheses, and may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn whatever_the_text_there_is_an_answer() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("KEEL_SEED").unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("KEEL_SEED={seed}");
    let (corpus, mut chance) = (corpus(), Chance(seed));
    assert!(corpus.len() > 50);
    for _ in 0..number("KEEL_MUTATIONS").unwrap_or(MUTATIONS) {
        let (place, text) = &corpus[chance.below(corpus.len())];
        let (_, other) = &corpus[chance.below(corpus.len())];
        let bytes = chance.mutate(text, other);
        let mut files =
            MemoryFiles::new([("inventory/hosts.toml", "[hosts.web-1]\n"), ("manifests/site.kdl", "host web-1 {\n    package a\n}\n")]);
        files.insert(place, &bytes);
        let before = ticks();
        let (diagnostics, _) = support::check(Arc::new(files));
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let took = ticks() - before;
        assert!(took < TICKS_MAX, "{took} ticks for {place}:\n{shown}");
        for diagnostic in &diagnostics {
            let outside = diagnostic.labels.iter().find(|label| &*label.file == place.as_str() && label.span.end > bytes.len());
            assert!(outside.is_none(), "{outside:?} lies outside {place}:\n{shown}");
        }
    }
}
