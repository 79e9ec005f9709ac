//! The catalog server under test: the real program on loopback, with a site in a bare git repository.
//!
//! - [`CatalogServer`]: the program, its folders, its commands.
//! - [`Site`]: what operators push.
//! - [`Identity`]: a host's certificate and key, enrolled or forged.
//! - [`Client`]: HTTP by hand, so that a test may also send what no library would.

mod client;
mod identity;
mod running;
mod site;

pub use client::{Answer, Client, read_answer};
pub use identity::{Identity, Lie};
pub use running::CatalogServer;
pub use site::Site;
