//! The program under test.

use std::path::PathBuf;

/// The program `keel` that the tests run: what `KEEL_BIN` names.
///
/// Cargo tells a test only the programs of its own package, and guessing one would test a stale build.
///
/// # Panics
/// When the variable is not set or names no file.
pub fn keel() -> PathBuf {
    let Some(path) = std::env::var_os("KEEL_BIN").map(PathBuf::from) else {
        panic!("KEEL_BIN is not set: build the program with `cargo build --release -p keel` and set KEEL_BIN to it, or run tests/run");
    };
    assert!(path.is_absolute() && path.is_file(), "KEEL_BIN has to be the absolute path of the program, not {}", path.display());
    path
}
