//! The programs under test, and the packages that hold them.

use std::path::{Path, PathBuf};

/// The program `keel` that the tests run: what `KEEL_BIN` names.
///
/// # Panics
/// When the variable is not set or names no file.
pub fn keel() -> PathBuf {
    named("KEEL_BIN", "keel")
}

/// The program `keel-server` that the tests run: what `KEEL_SERVER_BIN` names.
///
/// # Panics
/// When the variable is not set or names no file.
pub fn keel_server() -> PathBuf {
    named("KEEL_SERVER_BIN", "keel-server")
}

/// Cargo tells a test only the programs of its own package, and guessing one would test a stale build.
fn named(variable: &str, package: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else {
        panic!(
            "{variable} is not set: build the program with `cargo build --release -p {package}` and set {variable} to it, or run tests/run"
        );
    };
    assert!(path.is_absolute() && path.is_file(), "{variable} has to be the absolute path of the program, not {}", path.display());
    path
}

/// The Debian package of that name that `packaging/build` made: the newest in the folder that `KEEL_PACKAGES` names.
///
/// # Panics
/// When the variable is not set, or there is no such package.
pub fn package(name: &str) -> PathBuf {
    let Some(folder) = std::env::var_os("KEEL_PACKAGES").map(PathBuf::from) else {
        panic!("KEEL_PACKAGES is not set: make them with `packaging/build` and set it to the folder that it prints, or run tests/run");
    };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let fits = |path: &Path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}_")));
    let newest = files.filter(|path| fits(path)).max_by_key(|path| path.metadata().and_then(|about| about.modified()).ok());
    newest.unwrap_or_else(|| panic!("{} has no package {name}", folder.display()))
}
