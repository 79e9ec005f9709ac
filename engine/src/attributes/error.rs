//! What is wrong with an attribute.

/// What is wrong with one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeError {
    /// The attribute; the title's own attribute when the title is meant.
    pub attribute: String,
    /// What is wrong with it, without the attribute's name.
    pub message: String,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

impl AttributeError {
    /// An error without advice.
    pub fn new(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.to_owned(), message: message.into(), help: None }
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
