//! Paths in XML: `/server/service[@name='main']/@port`.

/// A path from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XmlPath {
    pub(super) steps: Vec<XmlStep>,
    /// The attribute at its end; without one the element's text is meant.
    pub(super) attribute: Option<String>,
}

/// A step to an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XmlStep {
    pub(super) name: String,
    pub(super) conditions: Vec<Condition>,
}

/// What stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// `[2]`: of those that are left the one at this position, from 1.
    Position(usize),
    /// `[@name='main']`
    Attribute(String, String),
}

impl XmlPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut path = Self { steps: Vec::new(), attribute: None };
        let mut rest = text.strip_suffix("/text()").unwrap_or(text);
        while !rest.is_empty() {
            rest =
                rest.strip_prefix('/').ok_or_else(|| format!("{text:?} is no path; one begins with `/`, and so does each of its steps"))?;
            if let Some(attribute) = rest.strip_prefix('@') {
                if !is_name(attribute) || path.steps.is_empty() {
                    return Err(format!("{text:?} has no attribute of an element at its end"));
                }
                path.attribute = Some(attribute.to_owned());
                return Ok(path);
            }
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let (name, mut after) = rest.split_at(end);
            if !is_name(name) {
                return Err(format!("{text:?} has {name:?} for the name of an element"));
            }
            let mut conditions = Vec::new();
            while let Some(inside) = after.strip_prefix('[') {
                let (condition, behind) =
                    condition(inside).ok_or_else(|| format!("{text:?} has brackets that are neither [1] nor [@name='value']"))?;
                conditions.push(condition);
                after = behind;
            }
            path.steps.push(XmlStep { name: name.to_owned(), conditions });
            rest = after;
        }
        if path.steps.is_empty() { Err(format!("{text:?} is no path; one begins with `/`")) } else { Ok(path) }
    }

    /// The name of what it leads to.
    pub(super) fn last_name(&self) -> &str {
        self.attribute.as_deref().or(self.steps.last().map(|step| step.name.as_str())).unwrap_or_default()
    }
}

/// Reads what stands behind an opening bracket, to behind the closing one.
fn condition(text: &str) -> Option<(Condition, &str)> {
    let Some(attribute) = text.strip_prefix('@') else {
        let (position, rest) = text.split_once(']')?;
        return Some((Condition::Position(position.parse().ok().filter(|position| *position > 0)?), rest));
    };
    let (name, rest) = attribute.split_once('=')?;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (value, rest) = rest.get(1..)?.split_once(quote)?;
    let rest = rest.strip_prefix(']')?;
    is_name(name).then(|| (Condition::Attribute(name.to_owned(), value.to_owned()), rest))
}

/// Whether a text can be the name of an element or attribute.
pub(super) fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    name.starts_with(starts) && name.chars().all(|c| starts(c) || c.is_numeric() || matches!(c, '-' | '.' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_others_refused() {
        let path = XmlPath::parse("/a/b:c[@n='x/]y'][2]/@d").unwrap();
        let conditions = vec![Condition::Attribute("n".into(), "x/]y".into()), Condition::Position(2)];
        assert_eq!(path.steps[1], XmlStep { name: "b:c".into(), conditions });
        assert_eq!((path.steps.len(), path.attribute.as_deref()), (2, Some("d")));
        assert_eq!(XmlPath::parse("/a/text()"), XmlPath::parse("/a"));
        for text in ["", "a", "/", "//a", "/a/", "/@b", "/a/@b/c", "/a[0]", "/a[x]", "/a[@b]", "/a[@b='c]", "/a b", "/*"] {
            assert!(XmlPath::parse(text).is_err(), "{text:?}");
        }
    }
}
