//! Numbers of bytes as attributes.

use super::{AttributeValue, wrong_type};
use crate::schema::Kind;
use crate::value::Value;

/// A number of bytes: `"64MiB"`, `"1G"` (powers of 1024 both), or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl AttributeValue for Size {
    fn kind() -> Kind {
        Kind::Size
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) => u64::try_from(*number).map(Size).map_err(|_| format!("{number} is negative")),
            Value::String(text) => parse_size(text).map(Size).ok_or_else(|| format!("expected a size such as \"64MiB\", found {text:?}")),
            other => Err(wrong_type(&Kind::Size, other)),
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim().trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    number.checked_mul(1024u64.checked_pow(power)?)
}
