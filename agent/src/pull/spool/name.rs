//! The names of files in the spool, which say all that is asked without opening them.

use std::fmt;

/// A report's name: `000000000012.ID.failed.short`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// Its place in the series.
    pub(super) sequence: u64,
    /// Whether the server has it: then only the name is left.
    pub(super) delivered: bool,
    /// Its id.
    pub(super) id: String,
    /// Whether it tells of a failure.
    pub(super) failed: bool,
    /// Whether its bodies were taken out.
    pub(super) short: bool,
}

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let sequence = parts.next().filter(|digits| digits.len() == 12)?.parse().ok()?;
        let id = parts.next().filter(|id| super::is_id(id))?.to_owned();
        let failed = one_of(parts.next()?, "well", "failed")?;
        let form = parts.next()?;
        let (short, delivered) = match form {
            "delivered" => (false, true),
            form => (one_of(form, "full", "short")?, false),
        };
        parts.next().is_none().then_some(Self { sequence, delivered, id, failed, short })
    }
}

fn one_of(word: &str, no: &str, yes: &str) -> Option<bool> {
    if word == yes { Some(true) } else { (word == no).then_some(false) }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = if self.failed { "failed" } else { "well" };
        let form = match (self.delivered, self.short) {
            (true, _) => "delivered",
            (false, true) => "short",
            (false, false) => "full",
        };
        write!(f, "{:012}.{}.{failed}.{form}", self.sequence, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_none() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        for (failed, short, delivered) in [(true, true, false), (false, false, false), (false, false, true)] {
            let name = Name { sequence: 12, delivered, id: id.clone(), failed, short };
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for other in ["series", "reserve", "12.a.well.full", &format!("000000000001.{id}.well.new-12"), &format!("000000000001.{id}.well")]
        {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
