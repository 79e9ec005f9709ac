//! Golden diagnostics: every folder of `golden/` is a small site, and its `expected.txt` is all that a
//! check says of it, followed by the catalogs if there are any. A folder `m21_...` is named after its row
//! in the catalogue of bad input.
//!
//! `KEEL_GOLDEN=write` writes the expectations anew; read the difference before you commit it.
//! `KEEL_GOLDEN_ONLY=TEXT` looks only at folders with the text in their name.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::site_tests::{self, Stage};
use keel_manifests::sources::Extent;
use keel_manifests::{codes, library};

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use support::{check, lint, print_catalog, print_diagnostics};

fn collect(folder: &Path, prefix: &str, files: &mut MemoryFiles) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if name != "expected.txt" {
            files.insert(&name, &fs::read(&path).unwrap());
        }
    }
}

/// The folders below one, in the order of their names.
fn folders_of(parent: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    if let Ok(only) = std::env::var("KEEL_GOLDEN_ONLY") {
        folders.retain(|folder| folder.file_name().unwrap().to_str().unwrap().contains(&only));
    }
    folders
}

/// Compares what is found in each folder with its `expected.txt`.
fn compare(parent: &str, find: impl Fn(MemoryFiles) -> String) {
    let write = std::env::var("KEEL_GOLDEN").is_ok_and(|word| word == "write");
    let mut wrong = Vec::new();
    for folder in folders_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(parent)) {
        let mut files = MemoryFiles::default();
        collect(&folder, "", &mut files);
        let found = find(files);
        let expected = folder.join("expected.txt");
        if write {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}: found\n{found}", folder.file_name().unwrap().to_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_site_says_what_is_expected() {
    compare("tests/golden", |files| {
        let (diagnostics, catalogs) = check(Arc::new(files.clone()));
        let mut found = print_diagnostics(&files, &diagnostics);
        catalogs.iter().for_each(|catalog| found.push_str(&print_catalog(catalog)));
        found
    });
}

#[test]
fn every_lint_says_what_is_expected() {
    compare("tests/lints", |files| print_diagnostics(&files, &lint(Arc::new(files.clone()))));
}

/// A site's tests are tried as they stand there; what fails is said, then how much of the site they reach.
#[test]
fn every_site_test_says_what_is_expected() {
    compare("tests/site_tests", |files| {
        let files = Arc::new(files);
        let (tests, found) = site_tests::load(&*files);
        if !found.is_empty() {
            return print_diagnostics(&*files, &found);
        }
        let options = LoadOptions { extent: Extent::All, ..LoadOptions::default() };
        let (site, found) = Site::load(Arc::clone(&files) as _, options, support::types());
        assert!(!found.iter().any(Diagnostic::is_error), "{found:?}");
        let site = site.unwrap();
        let stage = Stage { site: &site, files: Arc::clone(&files) as _, cache: None, types: support::types() };
        let (results, coverage) = site_tests::run(&tests, &stage);
        let mut said = String::new();
        for result in &results {
            for case in &result.cases {
                let host = case.host.as_deref().unwrap_or("nobody");
                let verdict = if case.failures.is_empty() { "holds" } else { "fails" };
                writeln!(said, "== {}, {host}: {verdict}", result.name).unwrap();
                said.push_str(&print_diagnostics(&*files, &case.failures));
            }
        }
        let missed: Vec<&str> = coverage.missed().map(|place| &*place.what).collect();
        let modules: Vec<&String> = coverage.modules_missed().collect();
        let counts = (coverage.declarations.len(), coverage.reached.len(), coverage.expected.len());
        writeln!(said, "== {counts:?} declarations, missed {missed:?} and modules {modules:?}").unwrap();
        said
    });
}

/// Every lint has a site in which it finds something, and one, `..._not`, that it leaves alone.
#[test]
fn every_lint_is_tried_both_ways() {
    let folders = folders_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints"));
    let expected = |folder: &PathBuf| fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
    let leaves_alone = |found: &PathBuf, code: &str| {
        let not = PathBuf::from(format!("{}_not", found.display()));
        not.is_dir() && !expected(&not).contains(code)
    };
    for code in codes::all().filter(|code| code.code.starts_with("KE08")) {
        let mut found = folders.iter().filter(|folder| expected(folder).contains(code.code));
        assert!(found.any(|folder| leaves_alone(folder, code.code)), "{} is not tried both ways", code.code);
    }
}

#[test]
fn the_library_embeds_all_of_its_folder() {
    let mut files = MemoryFiles::default();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("library"), "", &mut files);
    let listed = keel_manifests::files::SiteFiles::list(&files, "").unwrap();
    let on_disk: Vec<String> = listed.into_iter().map(|file| file.path).collect();
    assert_eq!(library::paths().collect::<Vec<_>>(), on_disk);
}
