//! The programs under test.

use std::path::PathBuf;

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
