//! An XML text with the place of everything in it.

use std::ops::Range;

use keel_engine::resource::Failure;

use super::path::is_name;
use crate::value_file::DEPTH_MAX;
use crate::value_file::cursor::Cursor;

/// An element and where it stands.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// From the opening bracket of the first tag to behind the closing one of the last.
    pub(super) span: Range<usize>,
    /// What stands between the tags; none in `<name/>`.
    pub(super) inside: Option<Range<usize>>,
    /// Behind the name and the attributes of the first tag.
    pub(super) head_end: usize,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Element>,
}

/// An attribute and where it stands.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    /// From the space in front of it to behind its value.
    pub(super) span: Range<usize>,
    /// Between the quotes.
    pub(super) value: Range<usize>,
}

impl Element {
    /// The value of an attribute.
    pub(crate) fn attribute(&self, text: &str, name: &str) -> Option<String> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
        text.get(attribute.value.clone()).map(unescaped)
    }

    /// The text in it, without the space around; none where elements are in it.
    pub(crate) fn text(&self, text: &str) -> Option<String> {
        let inside = self.inside.clone().unwrap_or_default();
        let inside = text.get(inside)?;
        if !self.children.is_empty() {
            return None;
        }
        let mut found = String::new();
        let mut rest = inside;
        // Comments are no text, and what CDATA holds is text as it stands.
        while let Some(at) = rest.find('<') {
            found.push_str(&unescaped(rest.get(..at)?));
            let markup = rest.get(at..)?;
            rest = match markup.strip_prefix("<![CDATA[") {
                Some(data) => {
                    let (data, behind) = data.split_once("]]>")?;
                    found.push_str(data);
                    behind
                }
                None => markup.get(markup_length(markup)?..)?,
            };
        }
        found.push_str(&unescaped(rest));
        Some(found.trim().to_owned())
    }
}

/// A text with its entities resolved; those that nobody knows stay.
fn unescaped(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        found.push_str(before);
        let named = entity.split_once(';').and_then(|(name, behind)| Some((character(name)?, behind)));
        rest = match named {
            Some((c, behind)) => {
                found.push(c);
                behind
            }
            None => {
                found.push('&');
                entity
            }
        };
    }
    found.push_str(rest);
    found
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let number = name.strip_prefix('#')?;
            let code =
                number.strip_prefix(['x', 'X']).map_or_else(|| number.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok())?;
            char::from_u32(code)
        }
    }
}

/// How long a comment, an instruction or a declaration is that a text begins with; none where it is a tag.
fn markup_length(text: &str) -> Option<usize> {
    let to = |end: &str| text.find(end).map(|at| at + end.len());
    if text.starts_with("<!--") {
        return to("-->");
    }
    if text.starts_with("<?") {
        return to("?>");
    }
    if text.starts_with("<![CDATA[") {
        return to("]]>");
    }
    text.starts_with("<!").then(|| declaration_length(text))?
}

/// How long a `<!DOCTYPE>` is, which may hold declarations in brackets and texts in quotes.
fn declaration_length(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '<') => depth += 1,
            (None, '>') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a text; none where there is nothing but space in it.
///
/// # Errors
/// Where and why it is no XML.
pub(crate) fn parse(text: &str) -> Result<Option<Element>, Failure> {
    let mut reader = Reader(Cursor::new(text));
    let mut top = None;
    while reader.reach_tag()? {
        if top.is_some() {
            return Err(reader.0.odd("a second element at the top"));
        }
        top = Some(reader.element(DEPTH_MAX)?);
    }
    if top.is_none() && !text.trim().is_empty() { Err(reader.0.odd("no element")) } else { Ok(top) }
}

/// Reads XML from left to right.
struct Reader<'t>(Cursor<'t>);

impl Reader<'_> {
    /// Goes to the next tag, past text and comments. Whether there is one.
    fn reach_tag(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(bracket) = self.0.rest().find('<') else {
                self.0.at = self.0.text.len();
                return Ok(false);
            };
            self.0.at += bracket;
            match markup_length(self.0.rest()) {
                Some(length) => self.0.at += length,
                None if self.0.rest().starts_with("<!") || self.0.rest().starts_with("<?") => {
                    return Err(self.0.odd("markup that never ends"));
                }
                None => return Ok(true),
            }
        }
    }

    fn name(&mut self) -> Result<String, Failure> {
        let rest = self.0.rest();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')).unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| is_name(name)).ok_or_else(|| self.0.odd("no name"))?;
        self.0.at += end;
        Ok(name.to_owned())
    }

    fn element(&mut self, depth: usize) -> Result<Element, Failure> {
        let start = self.0.at;
        if depth == 0 {
            return Err(self.0.odd("nested too deep"));
        }
        self.0.at += 1;
        let name = self.name()?;
        let attributes = self.attributes()?;
        let head_end = attributes.last().map_or(start + 1 + name.len(), |attribute| attribute.span.end);
        let mut element = Element { name, span: start..start, inside: None, head_end, attributes, children: Vec::new() };
        if self.0.rest().starts_with("/>") {
            self.0.at += 2;
        } else {
            self.0.at += 1;
            let inside = self.0.at;
            while self.reach_tag()? && !self.0.rest().starts_with("</") {
                element.children.push(self.element(depth - 1)?);
            }
            element.inside = Some(inside..self.0.at);
            self.closing(&element.name)?;
        }
        element.span = start..self.0.at;
        Ok(element)
    }

    fn closing(&mut self, name: &str) -> Result<(), Failure> {
        let start = self.0.at;
        let behind =
            self.0.rest().strip_prefix("</").and_then(|rest| rest.strip_prefix(name)).and_then(|rest| rest.trim_start().strip_prefix('>'));
        let Some(behind) = behind else {
            self.0.at = start;
            return Err(self.0.odd(&format!("no </{name}>")));
        };
        self.0.at = self.0.text.len() - behind.len();
        Ok(())
    }

    /// Reads attributes up to the end of a tag.
    fn attributes(&mut self) -> Result<Vec<Attribute>, Failure> {
        let mut attributes = Vec::new();
        loop {
            let start = self.0.at;
            let space = self.0.skip(char::is_whitespace);
            if self.0.rest().starts_with('>') || self.0.rest().starts_with("/>") {
                return Ok(attributes);
            }
            if space == 0 {
                return Err(self.0.odd("no `>`"));
            }
            let name = self.name()?;
            self.0.skip(char::is_whitespace);
            self.0.at += if self.0.rest().starts_with('=') { 1 } else { return Err(self.0.odd("no `=`")) };
            self.0.skip(char::is_whitespace);
            let quote = self.0.rest().chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(|| self.0.odd("no quote"))?;
            self.0.at += 1;
            let length = self.0.rest().find(quote).ok_or_else(|| self.0.odd("a quote that never ends"))?;
            let value = self.0.at..self.0.at + length;
            self.0.at += length + 1;
            attributes.push(Attribute { name, span: start..self.0.at, value });
        }
    }
}
