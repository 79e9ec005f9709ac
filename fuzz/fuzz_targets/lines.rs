//! The editors of text by lines: `line`, `block`, `ini`, `key_value`. A second run has nothing to do, and lines that
//! have nothing to do with what is declared stay, in their order.
#![no_main]

use keel_engine::value::{Map, Value};
use keel_fuzz::{FILE, Input, assert_kept, converge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(input) = Input::read(bytes) else { return };
    let before = input.text;
    let text = |text: &str| Value::String(text.to_owned());
    let first = input.values.first().map_or("", |(_, value)| value);
    match input.words.as_slice() {
        ["line", ensure] => {
            let attributes = [("path", text(FILE)), ("line", text(first)), ("ensure", text(ensure))];
            let Some(after) = converge("line", &attributes, before) else { return };
            assert_kept(before.lines().filter(|line| line.trim() != first.trim()), &after);
        }
        ["block", ensure] => {
            let content: Vec<&str> = input.values.iter().map(|(_, value)| *value).collect();
            let attributes = [("path", text(FILE)), ("content", text(&content.join("\n"))), ("ensure", text(ensure))];
            let Some(after) = converge("block", &attributes, before) else { return };
            if !before.contains("# BEGIN") && !before.contains("# END") {
                assert_kept(before.lines(), &after);
            }
        }
        ["ini", ensure, section] => {
            let sections: Map = [((*section).to_owned(), input.table())].into_iter().collect();
            let Some(after) = converge("ini", &[("ensure", text(ensure)), ("section", Value::Map(sections))], before) else { return };
            // A section without keys is meant whole.
            if *ensure != "absent" || !input.values.is_empty() {
                keep_others(&input, &after);
            }
        }
        ["key_value", ensure, format] => {
            let attributes = [("ensure", text(ensure)), ("format", text(format)), ("values", input.table())];
            let Some(after) = converge("key_value", &attributes, before) else { return };
            keep_others(&input, &after);
        }
        _ => {}
    }
});

/// Lines in which no key stands, and that do not go on a line before, stay.
fn keep_others(input: &Input<'_>, after: &str) {
    let is_concerned = |line: &str| input.values.iter().any(|(key, _)| line.contains(*key)) || line.starts_with([' ', '\t']);
    if !input.text.contains(['\\', '"', '\'', '`', '$', '(']) {
        assert_kept(input.text.lines().filter(|line| !line.trim().is_empty() && !is_concerned(line)), after);
    }
}
