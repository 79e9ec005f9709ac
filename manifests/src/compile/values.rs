//! From what was written to values.

use std::sync::Arc;

use keel_engine::address::Address;
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};

use super::Compiler;
use super::frame::Frame;
use crate::codes;
use crate::evaluation_error::EvalError;
use crate::syntax::{Attribute, Data, Literal, Mark, Reference, Scalar};
use crate::traps::mixes_scripts;

impl<'s> Compiler<'s> {
    /// The result of an evaluation; an error is said at its place.
    pub(super) fn evaluated<T>(&mut self, result: Result<T, EvalError>, literal: &Literal, frame: &Frame<'s>) -> Option<T> {
        result.map_err(|error| self.say_error(error, literal, frame)).ok()
    }

    fn say_error(&mut self, error: EvalError, literal: &Literal, frame: &Frame<'s>) {
        let Some(source) = self.site.sources.all.get(frame.source) else { return };
        let text = literal.scalar.as_text().map_or("", |text| text);
        let range = source.narrowed(literal.span, text, error.range.clone());
        self.say(error.into_diagnostic(&source.path, range));
    }

    /// A value as it was written.
    pub(super) fn value(&mut self, data: &'s Data, kind: Option<&Kind>, frame: &Frame<'s>) -> Option<Value> {
        match data {
            Data::Literal(literal) => self.literal(literal, kind, frame),
            Data::List(items, _) => {
                let kind = match kind {
                    Some(Kind::List(inner)) => Some(&**inner),
                    other => other,
                };
                let values: Vec<Option<Value>> = items.iter().map(|item| self.value(item, kind, frame)).collect();
                values.into_iter().collect::<Option<Vec<Value>>>().map(Value::List)
            }
            Data::Table(entries, _) => self.table(entries, frame).map(Value::Map),
            Data::Keyed(key, entries, _) => {
                let key = self.public_text(key, "a name", frame)?;
                let table = self.table(entries, frame)?;
                Some(Value::Map([(key, Value::Map(table))].into_iter().collect()))
            }
        }
    }

    fn table(&mut self, entries: &'s [Attribute], frame: &Frame<'s>) -> Option<Map> {
        let mut map = Map::with_capacity(entries.len());
        let mut complete = true;
        for entry in entries {
            match self.value(&entry.value, None, frame) {
                Some(value) => complete &= self.put(&mut map, entry, value, frame),
                None => complete = false,
            }
        }
        complete.then_some(map)
    }

    /// Puts a value under a name; `section a` and `section b` join in one table.
    pub(super) fn put(&mut self, map: &mut Map, entry: &'s Attribute, value: Value, frame: &Frame<'s>) -> bool {
        let name = &*entry.name.text;
        match (map.get_mut(name), value) {
            (Some(Value::Map(before)), Value::Map(more)) if matches!(entry.value, Data::Keyed(..)) => {
                for (key, value) in more {
                    if before.contains_key(&key) {
                        let help = "write all of it in one block";
                        self.error(
                            codes::DUPLICATE_ATTRIBUTE,
                            format!("`{name} {key}` is given twice"),
                            frame.place(entry.name.span),
                            help,
                        );
                        return false;
                    }
                    before.insert(key, value);
                }
            }
            (_, value) => {
                map.insert(name.to_owned(), value);
            }
        }
        true
    }

    /// A single value.
    pub(super) fn literal(&mut self, literal: &Literal, kind: Option<&Kind>, frame: &Frame<'s>) -> Option<Value> {
        let text = match &literal.scalar {
            Scalar::Null => return Some(Value::Null),
            Scalar::Bool(flag) => return Some(Value::Bool(*flag)),
            Scalar::Octal(number) if kind == Some(&Kind::Mode) => return Some(Value::String(format!("{number:04o}"))),
            Scalar::Int(number) if kind == Some(&Kind::Mode) => {
                let message = format!("the mode is the decimal number {number}");
                let help = format!("write \"{number:04}\", in quotes, or 0o{number}");
                self.error(codes::MODE_NUMBER, message, frame.place(literal.span), help);
                return None;
            }
            Scalar::Int(number) | Scalar::Octal(number) => return Some(Value::Int(*number)),
            Scalar::Float(number) => return Some(Value::Float(*number)),
            Scalar::Text(text) => text,
        };
        let evaluated = match literal.mark {
            Mark::Verbatim => return Some(Value::String(text.to_string())),
            Mark::Plain => frame.scope.interpolate(text),
            Mark::Expression => frame.scope.evaluate(text),
            Mark::Secret => match frame.scope.interpolate(text) {
                Ok(Value::String(path)) => frame.scope.secret(&path),
                Ok(_) => Err(EvalError::new(codes::SECRET_UNKNOWN, "the name of a secret is a text")),
                Err(error) => Err(error),
            },
        };
        self.evaluated(evaluated, literal, frame)
    }

    /// A text that people will read: a title, a tag, a message. No secret may be in it.
    pub(super) fn public_text(&mut self, literal: &Literal, what: &str, frame: &Frame<'s>) -> Option<String> {
        let place = frame.place(literal.span);
        match self.literal(literal, None, frame)? {
            Value::String(text) => Some(text),
            value if value.has_secret() => {
                self.error(codes::SECRET_IN_NAME, format!("a secret in {what}"), place, "everybody can read it there; use another name");
                None
            }
            Value::Int(number) => Some(number.to_string()),
            other => {
                let help = "make a text of it, for instance with `~ ''`";
                self.error(codes::BAD_TITLE, format!("{what} is a text, found {}", other.type_name()), place, help);
                None
            }
        }
    }

    /// A title: a text that cannot be mistaken for another.
    pub(super) fn title(&mut self, literal: &Literal, frame: &Frame<'s>) -> Option<Arc<str>> {
        let plain = matches!(literal.mark, Mark::Plain | Mark::Verbatim);
        let text = match &literal.scalar {
            // Most titles are written out, and shared by all hosts.
            Scalar::Text(text) if plain && (literal.mark == Mark::Verbatim || !text.contains("{{")) => Arc::clone(text),
            _ => Arc::from(self.public_text(literal, "a title", frame)?),
        };
        let Some((code, message, help)) = refuse_title(&text) else { return Some(text) };
        self.error(code, message, frame.place(literal.span), help);
        None
    }

    /// What a reference names.
    pub(super) fn address(&mut self, reference: &'s Reference, frame: &Frame<'s>) -> Option<Address> {
        let title = self.title(&reference.title, frame)?;
        Some(Address::new(Arc::clone(&reference.type_name.text), title))
    }
}

/// Why a text cannot be a title: code, message, help.
fn refuse_title(text: &str) -> Option<(&'static str, String, &'static str)> {
    if text.is_empty() {
        return Some((codes::BAD_TITLE, "the title is empty".to_owned(), "give the resource a name"));
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    if let Some(character) = text.chars().find(|character| is_hidden(*character)) {
        let message = format!("the title holds the character U+{:04X}, which nobody sees", u32::from(character));
        return Some((codes::BAD_TITLE, message, "remove it"));
    }
    if text.chars().any(|character| matches!(character, '\u{300}'..='\u{36f}')) {
        let message = "the title holds a combining accent, so two spellings of it would look alike".to_owned();
        return Some((codes::BAD_TITLE, message, "write letters with accents as one character each (Unicode's form NFC)"));
    }
    let mixed = mixes_scripts(text);
    let message = || format!("the title `{text}` mixes Latin letters with others that look alike");
    mixed.then(|| (codes::MIXED_SCRIPTS, message(), "write each word in one alphabet"))
}

/// Characters that are printed as nothing, or as something else than they are.
fn is_hidden(character: char) -> bool {
    character.is_control() || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
