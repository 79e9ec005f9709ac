//! Lengths of time as attributes.

use std::fmt;
use std::time::Duration;

use super::{AttributeValue, wrong_type};
use crate::schema::Kind;
use crate::value::Value;

/// A length of time, `"90"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Longest span that is taken, in seconds: thirty years, for authorities.
const SPAN_SECONDS_MAX: u64 = 30 * 366 * 86_400;

impl AttributeValue for Span {
    fn kind() -> Kind {
        Kind::Duration
    }
    fn read(value: &Value) -> Result<Self, String> {
        let seconds = match value {
            Value::Int(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative"))?,
            Value::String(text) => {
                parse_span(text).ok_or_else(|| format!("expected a duration such as \"30s\" or \"5m\", found {text:?}"))?
            }
            other => return Err(wrong_type(&Kind::Duration, other)),
        };
        if seconds > SPAN_SECONDS_MAX {
            return Err(format!("{seconds} seconds are more than thirty years"));
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// As a manifest would have it, in one unit.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => f.write_str("0s"),
            seconds if seconds.is_multiple_of(3600) => write!(f, "{}h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

fn parse_span(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match rest[..letters].trim() {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(factor)?)?;
    }
    Some(total)
}
