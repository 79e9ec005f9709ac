//! Values as YAML.

use keel_engine::value::Value;

use super::document::scalar;
use crate::value_file::splice::quoted;

/// Writes a value on one line, as it can stand anywhere.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(map) => {
            format!("{{{}}}", map.iter().map(|(key, value)| format!("{}: {}", text(key), flow(value))).collect::<Vec<_>>().join(", "))
        }
        Value::String(word) => text(word),
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

/// Writes what stands behind `key:` at this column: a word on its line, or lines below it.
pub(super) fn behind_key(value: &Value, column: usize) -> String {
    let indent = " ".repeat(column + 2);
    match value {
        Value::Map(map) if !map.is_empty() => {
            map.iter().map(|(key, value)| format!("\n{indent}{}:{}", text(key), behind_key(value, column + 2))).collect()
        }
        Value::List(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{indent}- {}", behind_dash(item, column + 2))).collect()
        }
        value => format!(" {}", flow(value)),
    }
}

/// Writes what stands behind a dash at this column.
pub(super) fn behind_dash(value: &Value, column: usize) -> String {
    match value {
        Value::Map(map) if !map.is_empty() => {
            let members = map.iter().map(|(key, value)| format!("{}:{}", text(key), behind_key(value, column + 2)));
            members.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(column + 2)))
        }
        value => flow(value),
    }
}

/// A text, in quotes where it could be taken for something else.
pub(super) fn text(word: &str) -> String {
    let is_word =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | '+' | '@' | '(' | ')' | ' ' | '=' | '$' | '~' | '^' | ';');
    let starts = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '$' | '(');
    let plain = word.starts_with(starts)
        && word.chars().all(is_word)
        && !word.ends_with(' ')
        && word != "..."
        && matches!(scalar(word), Value::String(_))
        // Single letters, dates, times and numbers with other bases are something else to some programs.
        && !matches!(word, "y" | "Y" | "n" | "N")
        && !word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let safe_path = word.starts_with(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'))
        && !word.starts_with('0');
    let has_exponent = word.chars().all(|c| c.is_ascii_digit() || matches!(c, 'e' | 'E'));
    if plain || safe_path && !has_exponent { word.to_owned() } else { quoted(word) }
}
