//! Name patterns as shells know them: `*`, `?` and `[a-z]`, over whole names.

/// A pattern for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(char),
    AnyOne,
    AnyMany,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it: a class that is not closed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '*' if parts.last() == Some(&Part::AnyMany) => {}
                '*' => parts.push(Part::AnyMany),
                '?' => parts.push(Part::AnyOne),
                '[' => parts.push(parse_class(&mut rest).ok_or_else(|| format!("the `[` in `{text}` is not closed"))?),
                literal => parts.push(Part::Literal(literal)),
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name it stands for, if it can only match one.
    pub fn literal(&self) -> Option<&str> {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_))).then_some(self.text.as_str())
    }

    /// Whether it matches the whole of a name. Linear in name times pattern at the worst.
    pub fn matches(&self, name: &str) -> bool {
        let mut part = 0;
        let mut rest = name.chars();
        // Where to go on when the guess for the last `*` was too short.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.parts.get(part), rest.next()) {
                (Some(Part::AnyMany), _) => {
                    rest = before.clone();
                    retry = Some((part + 1, before));
                    part += 1;
                    continue;
                }
                (Some(one), Some(character)) if one.matches(character) => {
                    part += 1;
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after_star, mut from)) = retry.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            part = after_star;
            rest = from.clone();
            retry = Some((after_star, from));
        }
    }
}

impl Part {
    fn matches(&self, character: char) -> bool {
        match self {
            Part::Literal(literal) => *literal == character,
            Part::AnyOne | Part::AnyMany => true,
            Part::Class { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated,
        }
    }
}

/// Reads a class after its `[`; none if it is not closed.
fn parse_class(rest: &mut std::str::Chars<'_>) -> Option<Part> {
    let mut ranges = Vec::new();
    let mut next = rest.next()?;
    let negated = matches!(next, '!' | '^');
    if negated {
        next = rest.next()?;
    }
    loop {
        if next == ']' && !ranges.is_empty() {
            return Some(Part::Class { negated, ranges });
        }
        let low = next;
        next = rest.next()?;
        if next != '-' {
            ranges.push((low, low));
            continue;
        }
        next = rest.next()?;
        if next == ']' {
            ranges.extend([(low, low), ('-', '-')]);
            continue;
        }
        ranges.push((low, next));
        next = rest.next()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn matches_whole_names() {
        for (pattern, name) in [
            ("db-1", "db-1"),
            ("db-*", "db-"),
            ("*", ""),
            ("*-1", "web-1-1"),
            ("db-?", "db-é"),
            ("a*b*c", "aXbbYc"),
            ("n[0-9a]", "na"),
            ("n[!0-9]", "nx"),
            ("n[a-]", "n-"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("db", "db-1"), ("db-?", "db-"), ("a*b", "abc"), ("n[0-9]", "nx"), ("", "x"), ("n[!0-9]", "n5")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::parse("web[1").is_err());
    }

    #[test]
    fn many_stars_stay_fast() {
        assert!(!matches(&format!("{}b", "a*".repeat(40)), &"a".repeat(2000)));
    }
}
