//! The language of Evenkeel and its compiler: KDL and TOML text in, catalogs and diagnostics out.
//!
//! Pure: it reads a site through [`files::SiteFiles`] and never touches the machine it runs on.

pub mod diagnostic;
pub mod files;
