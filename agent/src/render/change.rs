//! One change as people read it: an attribute with what was and what shall be, texts as unified diffs.

use keel_engine::change::{Action, Change, Shown};

use super::diff;
use super::paint::printable;
use super::report::Style;

/// The lines of a change, without indentation.
pub fn lines(change: &Change, style: Style) -> Vec<String> {
    let Change { attribute, action, before, after } = change;
    let attribute = printable(attribute);
    match (before, after) {
        (Shown::Text(_), _) | (_, Shown::Text(_)) => text_lines(&attribute, before, after, style),
        (Shown::Hidden, _) | (_, Shown::Hidden) => vec![format!("{attribute:<12} {}", hidden(before, after))],
        (Shown::Absent, after) => vec![format!("{attribute:<12} {}", printable(&after.summary()))],
        (before, after) => {
            let (before, after) = (printable(&before.summary()), printable(&after.summary()));
            if *action == Action::Run {
                // What it is for is said behind it: nothing goes from one value to another.
                return vec![format!("{attribute:<12} {after}, {before}")];
            }
            vec![format!("{attribute:<12} {} -> {}", style.paint.red(&before), style.paint.green(&after))]
        }
    }
}

/// What is said of a change whose values nobody may see.
pub fn hidden(before: &Shown, after: &Shown) -> &'static str {
    match (before, after) {
        (Shown::Absent, _) => "(secret) is set",
        (_, Shown::Absent) => "(secret) is removed",
        _ => "(secret) differs",
    }
}

fn text_lines(attribute: &str, before: &Shown, after: &Shown, style: Style) -> Vec<String> {
    let mut lines = vec![attribute.to_owned()];
    match (text_of(before), text_of(after)) {
        (Some(before), Some(after)) => {
            lines.extend(diff::lines(&before, &after, style.paint, style.full).into_iter().map(|text| format!("  {text}")));
        }
        _ => lines.push(format!("  {} -> {}", before.summary(), after.summary())),
    }
    lines
}

/// The text to compare line by line, where there is one: also a text of one line that becomes several.
pub fn text_of(shown: &Shown) -> Option<String> {
    match shown {
        Shown::Value(keel_engine::value::Value::String(text)) => Some(text.clone()),
        other => other.as_text().map(str::to_owned),
    }
}
