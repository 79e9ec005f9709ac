//! The house rules that a compiler cannot hold: who depends on whom, names, sizes, and what every file
//! opens with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may depend on which sibling; the page is `ARCHITECTURE.md`.
const EDGES: [(&str, &[&str]); 6] = [
    ("keel-engine", &[]),
    ("keel-manifests", &["keel-engine"]),
    ("keel-resources", &["keel-engine"]),
    ("keel-server", &["keel-engine", "keel-manifests", "keel-resources"]),
    ("keel", &["keel-engine", "keel-manifests", "keel-resources"]),
    ("keel-tests", &["keel-engine", "keel-manifests", "keel-resources"]),
];

/// The doors that the pure crates keep shut, as their clippy.toml has to name them.
const PURE_BANS: [&str; 6] =
    ["std::fs::read", "std::fs::write", "std::process::Command", "std::net::TcpStream", "std::env::var", "std::time::SystemTime::now"];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 9] = ["core", "common", "util", "utils", "helper", "helpers", "misc", "shared", "stuff"];

/// Lines of production code that no file may have more of.
const FILE_LINES_MAX: usize = 700;

/// Lines that no function may have more of.
const FUNCTION_LINES_MAX: usize = 70;

/// The functions that do, by name; the list only ever gets shorter.
const LONG_FUNCTIONS: [&str; 0] = [];

const FILE_BYTES_MAX: u64 = 1024 * 1024;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file that git knows, by its path in the repository.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git").arg("-C").arg(top()).args(["ls-files", "-z"]).output().unwrap();
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.split_terminator('\0').map(PathBuf::from).filter(|path| top().join(path).is_file()).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = tracked().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| (path.clone(), std::fs::read_to_string(top().join(path)).unwrap())).collect()
}

/// A file's lines before its tests.
fn production(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").collect()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO")).current_dir(top()).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<&str, &[&str]> = EDGES.into_iter().collect();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = allowed.get(name) else {
            wrong.push(format!("{name} has no row in EDGES"));
            continue;
        };
        let siblings = package["dependencies"].as_array().unwrap().iter().map(|dependency| dependency["name"].as_str().unwrap());
        let forbidden = siblings.filter(|sibling| names.contains(sibling) && !allowed.contains(sibling));
        wrong.extend(forbidden.map(|sibling| format!("{name} depends on {sibling}")));
    }
    assert_none("edges that the house does not have", &wrong);
}

#[test]
fn pure_crates_ban_the_outside() {
    let mut missing = Vec::new();
    for folder in ["engine", "manifests"] {
        let text = std::fs::read_to_string(top().join(folder).join("clippy.toml")).unwrap_or_default();
        missing.extend(PURE_BANS.iter().filter(|ban| !text.contains(&format!("\"{ban}\""))).map(|ban| format!("{folder}: {ban}")));
        let unreasoned = text.lines().filter(|line| line.contains("path = ") && !line.contains("reason = "));
        missing.extend(unreasoned.map(|line| format!("{folder}: no reason given: {line}")));
    }
    assert_none("bans that a clippy.toml lacks", &missing);
}

#[test]
fn names_say_what_is_inside() {
    let empty = |path: &PathBuf| {
        let stems = path.iter().map(|part| Path::new(part).file_stem().unwrap_or_default().to_string_lossy().into_owned());
        stems.into_iter().any(|stem| EMPTY_NAMES.contains(&stem.as_str()))
    };
    let found: Vec<String> = tracked().iter().filter(|path| empty(path)).map(|path| path.display().to_string()).collect();
    assert_none("names that say nothing", &found);
}

#[test]
fn files_stay_small() {
    let files = rust_files();
    let mut sizes: Vec<(usize, &Path)> = files.iter().map(|(path, text)| (production(text).len(), path.as_path())).collect();
    sizes.sort();
    let long = sizes.iter().filter(|(lines, _)| *lines > FILE_LINES_MAX);
    assert_none("files over the limit", &long.map(|(lines, path)| format!("{}: {lines} lines", path.display())).collect::<Vec<_>>());
    let nine_of_ten = sizes[sizes.len() * 9 / 10];
    assert!(nine_of_ten.0 <= 350, "one file in ten has over 350 lines, from {} ({}) on", nine_of_ten.1.display(), nine_of_ten.0);
}

#[test]
fn functions_stay_small() {
    let mut long = BTreeMap::new();
    for (path, text) in rust_files() {
        for (name, lines) in functions(&production(&text)) {
            if lines > FUNCTION_LINES_MAX {
                long.insert(format!("{}::{name}", path.display()), lines);
            }
        }
    }
    let known: BTreeSet<&str> = LONG_FUNCTIONS.into_iter().collect();
    let new = long.iter().filter(|(name, _)| !known.contains(name.as_str()));
    assert_none("functions over the limit", &new.map(|(name, lines)| format!("{name}: {lines} lines")).collect::<Vec<_>>());
    let gone = known.iter().filter(|name| !long.contains_key(**name));
    assert_none("no longer too long, so take them off LONG_FUNCTIONS", &gone.map(|name| (*name).to_owned()).collect::<Vec<_>>());
}

/// The functions of a formatted file with how many lines each has: rustfmt closes a function at the
/// depth at which it opened it.
fn functions(lines: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words: Vec<&str> = code.split(['(', '<', ' ']).collect();
        let Some(position) = words.iter().position(|word| *word == "fn") else { continue };
        let before = ["pub", "const", "async", "extern", "unsafe"];
        let is_item = words[..position].iter().all(|word| before.contains(word) || word.ends_with(')') || *word == "crate)");
        if !is_item || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - code.len()]);
        let length = lines[start..].iter().position(|line| **line == *close).unwrap_or(0) + 1;
        found.push((words.get(position + 1).unwrap_or(&"").to_string(), length));
    }
    found
}

#[test]
fn every_file_says_what_it_is() {
    let silent = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    assert_none("files that do not open with `//!`", &silent.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_undone_or_ignored() {
    // Put together here, so that this file does not find itself.
    let marks = [["#[ign", "ore"], ["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let marked = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark.as_str())));
        found.extend(marked.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim())));
    }
    assert_none("unfinished or ignored", &found);
}

#[test]
fn tracked_files_are_small() {
    let size = |path: &PathBuf| std::fs::metadata(top().join(path)).unwrap().len();
    let large: Vec<String> = tracked().iter().filter(|path| size(path) > FILE_BYTES_MAX).map(|path| path.display().to_string()).collect();
    assert_none("files over 1 MiB", &large);
}

#[test]
fn no_machine_and_no_registry_is_named() {
    // Put together here, so that this file does not find itself.
    let parts = [
        ["/work/", "main"],
        ["/work/", "wt"],
        ["/work/", "shared"],
        ["/far", "m/"],
        ["deb.debian", ".org"],
        ["security.debian", ".org"],
        ["crates", ".io/"],
        ["pypi", ".org"],
    ];
    let names = parts.map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in tracked().into_iter().filter(|path| path.file_name().is_some_and(|name| name != "Cargo.lock")) {
        // What is not text names nobody.
        let Ok(text) = std::fs::read_to_string(top().join(&path)) else { continue };
        let named = text.lines().enumerate().filter(|(_, line)| names.iter().any(|name| line.contains(name.as_str())));
        found.extend(named.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim())));
    }
    assert_none("paths of a machine or hosts of a registry", &found);
}

#[test]
fn every_example_has_a_page() {
    let examples = std::fs::read_dir(top().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut wrong = Vec::new();
    for example in examples.filter(|path| path.is_dir()) {
        let lines = std::fs::read_to_string(example.join("README.md")).unwrap_or_default().lines().count();
        if lines == 0 || lines > 70 {
            wrong.push(format!("{}: README.md has {lines} lines", example.display()));
        }
    }
    assert_none("examples without a README of a page", &wrong);
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let Ok(page) = std::fs::read_to_string(top().join("ARCHITECTURE.md")) else { panic!("there is no ARCHITECTURE.md") };
    assert!(page.lines().count() <= 200, "ARCHITECTURE.md is a map, and this one has {} lines", page.lines().count());
    let section = page.split("\n## ").find(|section| section.to_lowercase().starts_with("invariants")).unwrap_or_default();
    let items: Vec<&str> = section.split("\n- ").skip(1).collect();
    assert!(!items.is_empty(), "ARCHITECTURE.md has no section of invariants");
    let tests: BTreeSet<String> = rust_files().iter().flat_map(|(_, text)| names_of_tests(text)).collect();
    let guarded = |item: &&str| item.split('`').skip(1).step_by(2).any(|word| tests.contains(word.rsplit("::").next().unwrap_or(word)));
    let unguarded: Vec<String> = items.iter().filter(|item| !guarded(item)).map(|item| item.lines().next().unwrap().to_owned()).collect();
    assert_none("invariants that name no existing test", &unguarded);
}

/// How many rows of each letter the catalogue of bad input has.
const BAD_INPUT: [(&str, usize); 3] = [("M", 71), ("I", 14), ("G", 11)];

#[test]
fn every_row_of_bad_input_names_what_holds_it() {
    let folder = top().join("manifests/tests/golden");
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let tests: BTreeSet<String> = rust_files().iter().flat_map(|(_, text)| names_of_tests(text)).collect();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for line in page.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [ids, what, held] = cells[..] else { panic!("a row of three cells: {line}") };
        rows.extend(ids.split(", ").flat_map(rows_of));
        let words: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        let exists = |word: &&str| tests.contains(*word) || folder.join(word).is_dir();
        wrong.extend(words.iter().filter(|word| !exists(word) && word.contains('_')).map(|word| format!("{ids}: there is no {word}")));
        if !words.iter().any(exists) || what.is_empty() {
            wrong.push(format!("{ids}: names neither a test nor a folder"));
        }
    }
    let all = BAD_INPUT.into_iter().flat_map(|(letter, count)| (1..=count).map(move |number| format!("{letter}{number:02}")));
    let all: Vec<String> = all.collect();
    let sorted = |mut rows: Vec<String>| {
        rows.sort();
        rows
    };
    assert_none("rows of bad input that nothing holds", &wrong);
    assert_eq!(sorted(rows), sorted(all), "each row once");
}

/// `M04-M06` and `M57` as the rows that they are.
fn rows_of(ids: &str) -> Vec<String> {
    let (first, last) = ids.split_once('-').unwrap_or((ids, ids));
    let number = |id: &str| id[1..].parse::<usize>().unwrap();
    (number(first)..=number(last)).map(|number| format!("{}{number:02}", &first[..1])).collect()
}

fn names_of_tests(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let after = lines.iter().enumerate().filter(|(_, line)| **line == "#[test]").filter_map(|(at, _)| lines.get(at + 1..));
    let name = |rest: &[&str]| rest.iter().find_map(|line| line.strip_prefix("fn ")?.split('(').next().map(str::to_owned));
    after.filter_map(name).collect()
}

#[test]
fn the_rules_find_what_breaks_them() {
    let lines = ["impl X {", "    pub(crate) fn long<T>(x: T)", "    where", "        T: Y,", "    {", "    }", "}", "fn short() {}"];
    assert_eq!(functions(&lines), [("long".to_owned(), 5)]);
    assert_eq!(names_of_tests("    #[test]\n    fn it_holds() {\n"), ["it_holds"]);
    assert_eq!(production("a\n#[cfg(test)]\nmod tests {\n"), ["a"]);
}
