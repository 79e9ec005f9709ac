//! The program `keel-server`: reads sites from git, compiles a catalog per host, serves it, and takes
//! the reports.

pub mod gates;
pub mod reports;
pub mod store;
