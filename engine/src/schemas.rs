//! The published schemas of what programs print as data: they stand in `schemas/`, so that a change of a form is
//! seen in review.

#![cfg(feature = "schema")]
#![allow(clippy::disallowed_methods, reason = "a test compares with the files that are published")]

use std::path::Path;

use crate::checked::{CheckedSite, TestedSite};
use crate::preview::Preview;
use crate::report::Report;

fn check(name: &str, schema: &schemars::Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("KEEL_REFRESH").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == reviewed, "{name} is another one: look at it, and run the test with KEEL_REFRESH=1 and --features schema");
}

#[test]
fn what_is_published_is_what_is_printed() {
    check("preview.json", &schemars::schema_for!(Preview));
    check("check.json", &schemars::schema_for!(CheckedSite));
    check("test.json", &schemars::schema_for!(TestedSite));
    check("report.json", &schemars::schema_for!(Report));
}
