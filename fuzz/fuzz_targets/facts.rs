//! Facts: what a host says of itself, recorded ones, and those that sites add in files of their own.
#![no_main]

use keel_engine::protocol::facts::read;
use keel_manifests::facts::{FactForm, custom_facts, parse_facts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((facts, _)) = read(bytes) {
        let json = serde_json::to_vec(&facts).expect("facts can be written");
        let (again, dropped) = read(&json).expect("what was read can be read");
        assert!(facts == again && dropped.is_empty(), "{facts:?} became {again:?} without {dropped:?}");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_facts(text);
    }
    for form in [FactForm::Json, FactForm::Toml, FactForm::Lines, FactForm::Printed] {
        let _ = custom_facts(bytes.to_vec(), form);
    }
});
