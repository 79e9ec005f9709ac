//! The forms in which sites write facts of their own: JSON, TOML and lines.

use keel_engine::protocol::facts::{DroppedFact, read};
use keel_engine::value::Map;

/// What a source of custom facts holds, before anybody has looked at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactForm {
    /// A JSON object.
    Json,
    /// A TOML document.
    Toml,
    /// Lines `key=value`.
    Lines,
    /// What a program prints: JSON if it begins like it, else lines.
    Printed,
}

/// Reads custom facts, and says which of them are left out. All forms become JSON first, so that the limits of
/// facts are the same for each.
///
/// # Errors
/// Says what is wrong with the whole.
pub fn custom_facts(bytes: Vec<u8>, form: FactForm) -> Result<(Map, Vec<DroppedFact>), String> {
    let json = match form {
        FactForm::Json => bytes,
        FactForm::Toml => {
            serde_json::to_vec(&json_of(toml::Value::Table(toml_table(&text_of(bytes)?)?))).map_err(|error| error.to_string())?
        }
        FactForm::Printed if bytes.trim_ascii_start().first() == Some(&b'{') => bytes,
        FactForm::Printed | FactForm::Lines => serde_json::to_vec(&pairs(&text_of(bytes)?)?).map_err(|error| error.to_string())?,
    };
    read(&json)
}

fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

fn toml_table(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Dates are texts in facts.
fn json_of(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
    }
}

fn pairs(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let pair = |(number, line): (usize, &str)| {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {}: no `key=value`", number + 1))?;
        Ok((key.trim().to_owned(), value.trim().into()))
    };
    lines.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, form: FactForm) -> Result<Vec<String>, String> {
        let (facts, dropped) = custom_facts(text.as_bytes().to_vec(), form)?;
        let kept = facts.iter().map(|(name, value)| format!("{name}: {value}"));
        Ok(kept.chain(dropped.into_iter().map(|one| format!("without {}", one.path))).collect())
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(shown(r#"{"rack": {"row": 7}}"#, FactForm::Json).unwrap(), ["rack: {row: 7}"]);
        assert_eq!(shown("row = 8\nbought = 2026-01-02\n", FactForm::Toml).unwrap(), ["row: 8", "bought: 2026-01-02"]);
        assert_eq!(shown("# who\nowner = team a\n\nx=y=z\n", FactForm::Lines).unwrap(), ["owner: team a", "x: y=z"]);
        assert_eq!(shown(" {\"a\": [1]}", FactForm::Printed).unwrap(), ["a: [1]"]);
        assert_eq!(shown("a=b", FactForm::Printed).unwrap(), ["a: b"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(shown("[1]", FactForm::Json).is_err() && shown("= 1", FactForm::Toml).is_err());
        assert_eq!(shown("a=b\nno pair", FactForm::Lines).unwrap_err(), "line 2: no `key=value`");
        assert_eq!(custom_facts(vec![0xff], FactForm::Lines).unwrap_err(), "it is no UTF-8");
        assert_eq!(shown(r#"{"good": 1, "__proto__": 2}"#, FactForm::Json).unwrap(), ["good: 1", "without __proto__"]);
    }
}
