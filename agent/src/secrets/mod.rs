//! The secrets of a site: age-encrypted texts in `secrets/*.toml`, opened in memory only.

pub mod identity;
pub mod open;
pub mod store;
