//! The guard in front of the parser, the parser, and what puts manifests in order.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file: Arc<str> = Arc::from("manifests/site.kdl");
    let (manifest, diagnostics) = keel_manifests::parse::parse(&file, bytes);
    assert!(manifest.is_some() || !diagnostics.is_empty(), "refused without a word");
    for diagnostic in &diagnostics {
        for label in &diagnostic.labels {
            assert!(label.span.end <= bytes.len() + 1, "{:?} lies outside", label.span);
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = keel_manifests::selector::Selector::parse(text);
    if let Ok(ordered) = keel_manifests::fmt::format(&file, text) {
        let again = keel_manifests::fmt::format(&file, &ordered);
        assert_eq!(again.ok().as_deref(), Some(ordered.as_str()), "order is brought once");
    }
});
