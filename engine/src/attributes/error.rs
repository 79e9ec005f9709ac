//! What is wrong with an attribute.

/// What a message about an attribute speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The attribute: the message goes on after its name, `is required`.
    Attribute,
    /// Its value: the message stands alone, `expected int, found the string x`.
    Value,
}

/// What is wrong with one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeError {
    /// The attribute; the title's own attribute when the title is meant.
    pub attribute: String,
    /// What the message speaks of.
    pub subject: Subject,
    /// What is wrong with it, without the attribute's name.
    pub message: String,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

impl AttributeError {
    /// An error that goes on after the attribute's name, without advice.
    pub fn new(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.to_owned(), subject: Subject::Attribute, message: message.into(), help: None }
    }

    /// An error about the attribute's value, without advice.
    pub fn of_value(attribute: &str, message: impl Into<String>) -> Self {
        Self { subject: Subject::Value, ..Self::new(attribute, message) }
    }

    /// The attribute with what is wrong with it.
    pub fn sentence(&self) -> String {
        let Self { attribute, subject, message, .. } = self;
        match subject {
            Subject::Attribute => format!("`{attribute}` {message}"),
            Subject::Value => format!("`{attribute}` is wrong: {message}"),
        }
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_attribute_and_goes_on_or_stands_alone() {
        assert_eq!(AttributeError::new("tries", "would never try").sentence(), "`tries` would never try");
        assert_eq!(AttributeError::of_value("tries", "-1 is negative").sentence(), "`tries` is wrong: -1 is negative");
    }
}
