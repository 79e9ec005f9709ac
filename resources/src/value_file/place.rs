//! Places in a document of tables and lists: `server.ports[0]."x.y"`.

use std::fmt;

/// One step downward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To what a table has under a key.
    Key(String),
    /// To what a list has at a position, from 0.
    Index(usize),
}

/// The way from the top of a document to a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place(pub(crate) Vec<Step>);

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            rest = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (key, after) = quoted.split_once('"').ok_or_else(|| format!("{text:?} has a quote that never ends"))?;
                    steps.push(Step::Key(key.to_owned()));
                    after
                }
                None => {
                    let end = rest.find(['.', '[', '"']).unwrap_or(rest.len());
                    let (key, after) = rest.split_at(end);
                    // Only a list at the very top has no key before its position.
                    let is_top_list = steps.is_empty() && after.starts_with('[');
                    if key.is_empty() && !is_top_list {
                        return Err(format!("{text:?} has an empty key; one that is meant stands in quotes"));
                    }
                    steps.extend((!key.is_empty()).then(|| Step::Key(key.to_owned())));
                    after
                }
            };
            while let Some(inside) = rest.strip_prefix('[') {
                let (index, after) = inside.split_once(']').ok_or_else(|| format!("{text:?} has a bracket that never closes"))?;
                let index = index.parse().map_err(|_| format!("{text:?} has {index:?} for a position, 0 or more"))?;
                steps.push(Step::Index(index));
                rest = after;
            }
            match rest.strip_prefix('.') {
                Some(after) => rest = after,
                None if rest.is_empty() => return Ok(Self(steps)),
                None => return Err(format!("{text:?} goes on without a dot")),
            }
        }
    }

    /// The same and one step more.
    pub(crate) fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The last key on the way.
    pub(crate) fn last_key(&self) -> &str {
        self.0.iter().rev().find_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).unwrap_or("")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    let plain = !key.is_empty() && !key.contains(['.', '[', '"']);
                    if plain { write!(f, "{dot}{key}")? } else { write!(f, "{dot}\"{key}\"")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_the_same() {
        for text in ["a", "a.b", "a[0]", "a[0][1].b", "\"a.b\".c", "a.\"\"", "[2].x"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse("a.\"b.c\"[1]").unwrap().0, [Step::Key("a".into()), Step::Key("b.c".into()), Step::Index(1)]);
        for text in ["", ".", "a.", "a..b", "a[", "a[x]", "a[-1]", "\"a", "a[0]b", "a\"b\""] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }
}
