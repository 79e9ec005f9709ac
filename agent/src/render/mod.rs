//! How things look: reports, diagnostics, reference pages and graphs as text.

pub mod diagnostics;
pub mod diff;
mod excerpt;
pub mod graph;
pub mod paint;
pub mod reference;
pub mod report;
