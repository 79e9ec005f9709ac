//! Reads attributes one after another.

use super::{AttributeError, AttributeValue};
use crate::value::{Map, Value};

/// Up to so many attributes are sooner compared one by one than looked up by a hash.
const FEW: usize = 8;

/// Reads attributes one after another and collects what is wrong with them.
pub struct Reader<'a> {
    title: &'a str,
    attributes: &'a Map,
    errors: Vec<AttributeError>,
}

impl<'a> Reader<'a> {
    /// Starts on a resource's title and attributes.
    pub fn new(title: &'a str, attributes: &'a Map) -> Self {
        Self { title, attributes, errors: Vec::new() }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        match self.attributes.len() {
            0..=FEW => self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value),
            _ => self.attributes.get(name),
        }
    }

    /// Whether an attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Reads one attribute; none if something is wrong with it, which is remembered.
    pub fn read<T: AttributeValue>(&mut self, name: &str, from_title: bool, default: Option<T>) -> Option<T> {
        let result = match self.get(name) {
            Some(value) => T::read(value),
            None if from_title => T::from_title(self.title),
            None => match default.or_else(T::when_missing) {
                Some(value) => Ok(value),
                None => {
                    self.errors.push(AttributeError::new(name, "is required and not given"));
                    return None;
                }
            },
        };
        result.map_err(|message| self.errors.push(AttributeError::of_value(name, message))).ok()
    }

    /// Remembers every attribute that the type does not have.
    pub fn refuse_unknown(&mut self, known: &[&str]) {
        for name in self.attributes.keys().filter(|name| !known.contains(&name.as_str())) {
            self.errors.push(AttributeError::new(name, "is no attribute of this type"));
        }
    }

    /// What was wrong.
    pub fn into_errors(self) -> Vec<AttributeError> {
        self.errors
    }
}
