//! What whole-system tests of Evenkeel share.
//!
//! - [`agent`]: the agent on a host of its own, and the network between it and the server.
//! - [`lab`]: real Debian hosts, booted with systemd on this machine.
//! - [`load`]: many simulated agents against a real catalog server.
//! - [`postgres`]: scratch clusters of PostgreSQL.
//! - [`program`]: the programs that the tests run.
//! - [`small_disk`]: disks that are soon full.
//! - [`server`]: the catalog server on loopback, with a site and enrolled hosts.
//!
//! The tests themselves are the modules of `main.rs`. Nothing depends on this package.

#[expect(clippy::unwrap_used, clippy::print_stdout, reason = "a harness that cannot go on ends its test there and then")]
pub mod agent;
pub mod lab;
pub mod load;
// The store's own tests need it too, and nothing depends on this package.
#[path = "../catalog-server/tests/store/postgres.rs"]
#[expect(clippy::unwrap_used, clippy::print_stderr, reason = "a harness that cannot go on ends its test there and then")]
pub mod postgres;
pub mod program;
#[expect(clippy::unwrap_used, clippy::print_stdout, reason = "a harness that cannot go on ends its test there and then")]
pub mod server;
#[path = "../catalog-server/tests/store/small_disk.rs"]
#[expect(clippy::unwrap_used, clippy::print_stderr, reason = "a harness that cannot go on ends its test there and then")]
pub mod small_disk;
