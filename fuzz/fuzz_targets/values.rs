//! The editors of values by path: `json_file`, `toml_file`, `yaml_file`, `xml_value`. A second run has nothing to do,
//! what is written can be read, and values elsewhere stay as other readers see them.
#![no_main]

use keel_engine::value::Value;
use keel_fuzz::{Input, converge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(input) = Input::read(bytes) else { return };
    let [kind, ensure] = input.words.as_slice() else { return };
    if !["json_file", "toml_file", "yaml_file", "xml_value"].contains(kind) {
        return;
    }
    let attributes = [("ensure", Value::String((*ensure).to_owned())), ("values", input.table())];
    let Some(after) = converge(kind, &attributes, input.text) else { return };
    if after == input.text || input.text.trim().is_empty() {
        return;
    }
    match *kind {
        "json_file" => {
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text);
            let (before, after) = (read(input.text), read(&after));
            let (Ok(before), Ok(after)) = (&before, &after) else { panic!("{before:?} became {after:?}") };
            assert_eq!(others(before, &input), others(after, &input));
        }
        "toml_file" => {
            let read = |text: &str| text.parse::<toml::Table>().map(|table| serde_json::to_value(table).unwrap_or_default());
            let (before, after) = (read(input.text), read(&after));
            let (Ok(before), Ok(after)) = (&before, &after) else { panic!("{before:?} became {after:?}") };
            assert_eq!(others(before, &input), others(after, &input));
        }
        _ => {}
    }
});

/// The entries at the top that no path begins with.
fn others(value: &serde_json::Value, input: &Input<'_>) -> Vec<(String, serde_json::Value)> {
    let touched = |key: &String| input.values.iter().any(|(path, _)| path.contains(key.as_str()) || path.contains(['"', '\'', '\\']));
    let entries = value.as_object().into_iter().flatten().filter(|(key, _)| !touched(key));
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}
