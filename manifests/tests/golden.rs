//! Golden diagnostics: every folder of `golden/` is a small site, and its `expected.txt` is all that a
//! check says of it, followed by the catalogs if there are any. A folder `m21_...` is named after its row
//! in the catalogue of bad input.
//!
//! `KEEL_GOLDEN=write` writes the expectations anew; read the difference before you commit it.
//! `KEEL_GOLDEN_ONLY=TEXT` looks only at folders with the text in their name.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keel_manifests::files::MemoryFiles;
use keel_manifests::library;

#[path = "support/mod.rs"]
#[allow(dead_code)]
mod support;

use support::{check, print_catalog, print_diagnostics};

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

#[test]
fn every_site_says_what_is_expected() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let write = std::env::var("KEEL_GOLDEN").is_ok_and(|word| word == "write");
    let mut folders: Vec<PathBuf> = fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    if let Ok(only) = std::env::var("KEEL_GOLDEN_ONLY") {
        folders.retain(|folder| folder.file_name().unwrap().to_str().unwrap().contains(&only));
    }
    let mut wrong = Vec::new();
    for folder in folders {
        let mut files = MemoryFiles::default();
        collect(&folder, "", &mut files);
        let (diagnostics, catalogs) = check(Arc::new(files.clone()));
        let mut found = print_diagnostics(&files, &diagnostics);
        catalogs.iter().for_each(|catalog| found.push_str(&print_catalog(catalog)));
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
fn the_library_embeds_all_of_its_folder() {
    let mut files = MemoryFiles::default();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("library"), "", &mut files);
    let listed = keel_manifests::files::SiteFiles::list(&files, "").unwrap();
    let on_disk: Vec<String> = listed.into_iter().map(|file| file.path).collect();
    assert_eq!(library::paths().collect::<Vec<_>>(), on_disk);
}
