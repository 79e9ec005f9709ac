//! Expected values against those of a catalog.

use keel_engine::contents::{Contents, MemoryContents};
use keel_engine::secret::{PLACEHOLDER, SealedPart};
use keel_engine::value::Value;

use super::Expected;
use crate::syntax::{Scalar, Span};

/// How many characters of a value are shown.
const SHOWN_MAX: usize = 80;

/// A value that is not as expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Where the expectation stands.
    pub(super) span: Span,
    /// One sentence.
    pub(super) message: String,
}

/// Compares a value, and what is inside it, with what is expected.
pub(super) fn compare(path: &str, expected: &Expected, value: Option<&Value>, contents: &MemoryContents, out: &mut Vec<Mismatch>) {
    let mut say = |message: String| out.push(Mismatch { span: expected.span(), message });
    let value = match (expected, value) {
        (Expected::Scalar(Scalar::Null, _), None) => return,
        (Expected::Scalar(Scalar::Null, _), Some(value)) => {
            return say(format!("`{path}` is {}, and should not be given", shown(value, contents)));
        }
        (_, None) => return say(format!("`{path}` is not given")),
        (_, Some(value)) => value,
    };
    match (expected, value) {
        (Expected::Table(entries, _), Value::Map(map)) => {
            for entry in entries {
                compare(&format!("{path}.{}", entry.name.text), &entry.value, map.get(&*entry.name.text), contents, out);
            }
        }
        (Expected::List(wanted, _), Value::List(items)) if wanted.len() == items.len() => {
            for (position, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                compare(&format!("{path}[{position}]"), wanted, Some(item), contents, out);
            }
        }
        (Expected::List(wanted, _), Value::List(items)) => {
            say(format!("`{path}` has {} items, expected {}: {}", items.len(), wanted.len(), shown(value, contents)))
        }
        (Expected::List(..) | Expected::Table(..), other) => say(format!(
            "`{path}` is {} ({}), expected {}",
            shown(other, contents),
            other.type_name(),
            if matches!(expected, Expected::List(..)) { "a list" } else { "a table" }
        )),
        // One value where a type takes several is a list of one.
        (wanted, Value::List(items)) if items.len() == 1 => compare(path, wanted, items.first(), contents, out),
        (Expected::Scalar(wanted, _), value) => {
            if let Some(message) = other_than(path, wanted, value, contents) {
                say(message);
            }
        }
        (Expected::Secret(wanted, _), value) => {
            if !is_secret(value, wanted) {
                say(format!("`{path}` is not the secret `{wanted}` alone, it is {}", shown(value, contents)));
            }
        }
        (Expected::Part(wanted, _), value) => {
            if !text_of(value, contents).is_some_and(|text| text.contains(&**wanted)) {
                say(format!("`{path}` has no `{}` in it: {}", short(wanted), shown(value, contents)));
            }
        }
        (Expected::Pattern(pattern, _), value) => {
            let found =
                regex::Regex::new(pattern).is_ok_and(|pattern| text_of(value, contents).is_some_and(|text| pattern.is_match(&text)));
            if !found {
                say(format!("nothing in `{path}` matches `{}`: {}", short(pattern), shown(value, contents)));
            }
        }
    }
}

/// Says how a value is another one than expected, if it is.
fn other_than(path: &str, wanted: &Scalar, value: &Value, contents: &MemoryContents) -> Option<String> {
    let (same, expected) = match wanted {
        Scalar::Null => (false, "null".to_owned()),
        Scalar::Bool(flag) => (*value == Value::Bool(*flag), format!("#{flag}")),
        Scalar::Int(number) => (*value == Value::Int(*number), number.to_string()),
        // A mode is a text in the catalog, whichever way it was written.
        Scalar::Octal(number) => {
            (*value == Value::Int(*number) || value.as_str() == Some(&format!("{number:04o}")), format!("{number:04o}"))
        }
        Scalar::Float(number) => (*value == Value::Float(*number), number.to_string()),
        Scalar::Text(wanted) => {
            let text = text_of(value, contents);
            if let Some(found) = text.as_deref().filter(|found| found.contains('\n') && **found != **wanted) {
                return Some(format!("`{path}` {}", first_difference(found, wanted)));
            }
            (text.as_deref() == Some(&**wanted), format!("`{}`", short(wanted)))
        }
    };
    let kind = if value.as_str().is_some() == wanted.as_text().is_some() { String::new() } else { format!(" ({})", value.type_name()) };
    (!same).then(|| format!("`{path}` is {}{kind}, expected {expected}", shown(value, contents)))
}

/// Where two texts of several lines part.
fn first_difference(found: &str, wanted: &str) -> String {
    let (mut found, mut wanted) = (found.split('\n'), wanted.split('\n'));
    let mut line = 1;
    loop {
        match (found.next(), wanted.next()) {
            (Some(one), Some(other)) if one == other => line += 1,
            (Some(one), Some(other)) => return format!("differs in line {line}: it is `{}`, expected `{}`", short(one), short(other)),
            (Some(one), None) => return format!("goes on in line {line}, where nothing is expected: `{}`", short(one)),
            (None, Some(other)) => return format!("ends before line {line}, expected `{}`", short(other)),
            (None, None) => return "is as expected".to_owned(),
        }
    }
}

fn is_secret(value: &Value, path: &str) -> bool {
    let Value::Sealed(sealed) = value else { return false };
    matches!(sealed.parts.as_slice(), [SealedPart::Secret(secret)] if secret.path == path)
}

/// The text that a value is. Secrets in it are shown as everywhere.
fn text_of(value: &Value, contents: &MemoryContents) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Blob(blob) => contents.read(blob).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        Value::Sealed(sealed) => Some(
            sealed
                .parts
                .iter()
                .map(|part| match part {
                    SealedPart::Text(text) => text.as_str(),
                    SealedPart::Secret(_) => PLACEHOLDER,
                })
                .collect(),
        ),
        _ => None,
    }
}

fn shown(value: &Value, contents: &MemoryContents) -> String {
    match text_of(value, contents) {
        Some(text) => format!("`{}`", short(&text)),
        None => short(&value.to_string()),
    }
}

fn short(text: &str) -> String {
    let line = text.replace('\n', "\\n");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn text(text: &str) -> Expected {
        Expected::Scalar(Scalar::Text(Arc::from(text)), Span::default())
    }

    fn said(expected: &Expected, value: Option<Value>) -> Vec<String> {
        let mut out = Vec::new();
        compare("a", expected, value.as_ref(), &MemoryContents::default(), &mut out);
        out.into_iter().map(|mismatch| mismatch.message).collect()
    }

    #[test]
    fn values_are_compared_and_told_apart() {
        assert_eq!(said(&text("x"), Some(Value::from("x"))), [] as [&str; 0]);
        assert_eq!(said(&text("x"), None), ["`a` is not given"]);
        assert_eq!(said(&text("1"), Some(Value::Int(1))), ["`a` is 1 (int), expected `1`"]);
        assert_eq!(said(&text("a\nb"), Some(Value::from("a\nc\n"))), ["`a` differs in line 2: it is `c`, expected `b`"]);
        let null = Expected::Scalar(Scalar::Null, Span::default());
        assert_eq!(said(&null, None), [] as [&str; 0]);
        assert_eq!(said(&null, Some(Value::Int(1))), ["`a` is 1, and should not be given"]);
        let mode = Expected::Scalar(Scalar::Octal(0o644), Span::default());
        assert_eq!(said(&mode, Some(Value::from("0644"))), [] as [&str; 0]);
        let list = Expected::List(vec![text("x")], Span::default());
        assert_eq!(said(&list, Some(Value::from(vec!["x", "y"]))), ["`a` has 2 items, expected 1: [x, y]"]);
        assert_eq!(said(&text("x"), Some(Value::from(vec!["x"]))), [] as [&str; 0], "one value is a list of one");
    }

    #[test]
    fn a_secret_is_known_by_its_name_and_never_by_its_text() {
        let sealed = keel_engine::secret::Sealed {
            parts: vec![
                SealedPart::Text("password=".to_owned()),
                SealedPart::Secret(keel_engine::secret::SecretRef {
                    path: "db/app".to_owned(),
                    fingerprint: String::new(),
                    filters: Vec::new(),
                }),
            ],
        };
        let value = || Some(Value::Sealed(sealed.clone()));
        assert_eq!(said(&Expected::Part("password=".into(), Span::default()), value()), [] as [&str; 0]);
        assert_eq!(said(&Expected::Secret("db/app".into(), Span::default()), value()).len(), 1, "there is more than the secret");
        let whole = keel_engine::secret::Sealed { parts: sealed.parts[1..].to_vec() };
        assert_eq!(said(&Expected::Secret("db/app".into(), Span::default()), Some(Value::Sealed(whole))), [] as [&str; 0]);
    }
}
