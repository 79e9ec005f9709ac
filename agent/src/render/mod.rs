//! How things look: reports, diagnostics, reference pages and graphs as text.

pub mod change;
pub mod diagnostics;
pub mod diff;
mod excerpt;
pub mod fleet;
pub mod graph;
pub mod manifest;
pub mod module_page;
pub mod moment;
pub mod paint;
mod plain_secrets;
pub mod preview;
pub mod reference;
pub mod report;
pub mod site_tests;
pub mod table;
pub mod trouble;

/// `1 host`, `2 hosts`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
