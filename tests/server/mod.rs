//! The catalog server under test: the real program on loopback, with a site in a bare git repository.
//!
//! - [`CatalogServer`]: the program, its folders, its commands.
//! - [`Site`]: what operators push.
//! - [`Identity`]: a host's certificate and key, enrolled or forged.
//! - [`Client`]: HTTP by hand, so that a test may also send what no library would; [`frames`] for HTTP/2.
//! - [`delivery()`] and its neighbours: reports on their way, and what of them an operator finds.

mod client;
mod delivery;
pub mod frames;
mod identity;
mod running;
mod site;
mod usage;

pub use client::{Answer, Client, read_answer};
pub use delivery::{assert_all_kept_once, deliver_until, delivery, reports_of};
pub use identity::{Identity, Lie};
pub use running::CatalogServer;
pub use site::Site;
pub use usage::Usage;
