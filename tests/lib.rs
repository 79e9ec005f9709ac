//! What whole-system tests of Evenkeel share.
//!
//! - [`lab`]: real Debian hosts, booted with systemd on this machine.
//! - [`program`]: the program `keel` that the tests run.
//!
//! The tests themselves are the modules of `main.rs`. Nothing depends on this package.

pub mod lab;
pub mod program;
