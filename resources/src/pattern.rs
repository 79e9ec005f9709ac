//! Regular expressions as attributes: checked when the manifest is compiled, linear in time.

use keel_engine::attributes::{AttributeValue, wrong_type};
use keel_engine::schema::Kind;
use keel_engine::value::Value;
use regex::{Regex, RegexBuilder};

/// How much memory a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it matches anywhere in a line.
    pub fn is_in(&self, line: &str) -> bool {
        self.0.is_match(line)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl AttributeValue for Pattern {
    fn kind() -> Kind {
        Kind::String
    }
    fn read(value: &Value) -> Result<Self, String> {
        let Value::String(text) = value else { return Err(wrong_type(&Kind::String, value)) };
        match RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build() {
            Ok(regex) => Ok(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err(format!("the regular expression {text:?} is too large")),
            Err(error) => Err(format!("is no regular expression: {}", error.to_string().lines().last().unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_and_huge_expressions_are_refused() {
        assert!(Pattern::read(&Value::from("^a+$")).unwrap().is_in("aaa"));
        assert!(Pattern::read(&Value::from("a(")).unwrap_err().contains("unclosed group"));
        assert!(Pattern::read(&Value::from("((a{100}){100}){100}")).unwrap_err().contains("too large"));
        assert!(Pattern::read(&Value::Int(1)).is_err());
    }
}
