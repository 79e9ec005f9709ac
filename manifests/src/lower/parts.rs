//! The parts of a node, and what is read from them everywhere: names, texts, what may not be there.

use std::ops::Range;
use std::sync::Arc;

use kdl::{KdlEntry, KdlIdentifier, KdlNode};

use super::Lowerer;
use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::syntax::{Literal, Name, Span};

/// A node, taken apart.
pub(super) struct Parts<'k> {
    pub(super) node: &'k KdlNode,
    pub(super) arguments: Vec<&'k KdlEntry>,
    pub(super) properties: Vec<(&'k KdlIdentifier, &'k KdlEntry)>,
}

impl<'k> Parts<'k> {
    pub(super) fn of(node: &'k KdlNode) -> Self {
        let mut parts = Self { node, arguments: Vec::new(), properties: Vec::new() };
        for entry in node.entries() {
            match entry.name() {
                Some(name) => parts.properties.push((name, entry)),
                None => parts.arguments.push(entry),
            }
        }
        parts
    }

    pub(super) fn word(&self) -> &'k str {
        self.node.name().value()
    }

    pub(super) fn name_range(&self) -> Range<usize> {
        self.node.name().range()
    }

    pub(super) fn has_block(&self) -> bool {
        self.node.children().is_some()
    }

    pub(super) fn children(&self) -> std::slice::Iter<'k, KdlNode> {
        self.node.children().map(|document| document.nodes()).unwrap_or_default().iter()
    }
}

/// What has a place in the text.
pub(super) trait Placed {
    /// Its bytes.
    fn range(&self) -> Range<usize>;
}

macro_rules! placed {
    ($($type:ty),+) => {
        $(impl Placed for $type {
            fn range(&self) -> Range<usize> {
                let span = self.span();
                span.offset()..span.offset() + span.len()
            }
        })+
    };
}

placed!(KdlNode, KdlEntry, KdlIdentifier);

/// A name with its place.
pub(super) fn name_of(identifier: &KdlIdentifier) -> Name {
    Name { text: Arc::from(identifier.value()), span: identifier.range().into() }
}

/// The place of an entry's value, without its name and annotation.
pub(super) fn value_span(entry: &KdlEntry) -> Span {
    let whole = entry.range();
    let length = entry.format().map_or(whole.len(), |format| format.value_repr.len());
    (whole.end.saturating_sub(length).max(whole.start)..whole.end).into()
}

impl Lowerer<'_> {
    /// The text of an entry that must be one.
    pub(super) fn text_of<'k>(&mut self, entry: &'k KdlEntry, help: &str) -> Option<&'k str> {
        let text = entry.value().as_string();
        if text.is_none() {
            self.error(codes::MISSING_NAME, "a name is expected here", entry.range(), help);
        }
        text
    }

    /// All arguments as names.
    pub(super) fn names(&mut self, parts: &Parts<'_>, help: &str) -> Vec<Name> {
        let mut names = Vec::new();
        for entry in &parts.arguments {
            if let Some(ty) = entry.ty() {
                self.error(codes::BAD_ANNOTATION, "a name takes no annotation", ty.range(), help);
            }
            let text = self.text_of(entry, help);
            names.extend(text.map(|text| Name { text: Arc::from(text), span: value_span(entry) }));
        }
        names
    }

    /// The only argument as a name.
    pub(super) fn only_name(&mut self, parts: &Parts<'_>, help: &str) -> Option<Name> {
        let names = self.names(parts, help);
        match <[Name; 1]>::try_from(names) {
            Ok([name]) => Some(name),
            Err(_) => {
                self.error(codes::MISSING_NAME, format!("`{}` needs one name", parts.word()), parts.name_range(), help);
                None
            }
        }
    }

    /// A node that holds one text and nothing else, such as `doc`.
    pub(super) fn plain_text(&mut self, parts: &Parts<'_>) -> Option<Arc<str>> {
        let help = format!("write `{} \"text\"`", parts.word());
        self.refuse_properties(parts, &[]);
        match parts.arguments.as_slice() {
            [entry] => self.text_of(entry, &help).map(Arc::from),
            _ => {
                self.error(codes::MISSING_NAME, format!("`{}` is one text", parts.word()), parts.name_range(), help);
                None
            }
        }
    }

    /// The value of a property; twice the same is an error.
    pub(super) fn property(&mut self, parts: &Parts<'_>, wanted: &str) -> Option<Literal> {
        let mut found = parts.properties.iter().filter(|(name, _)| name.value() == wanted);
        let (name, entry) = found.next()?;
        if let Some((again, _)) = found.next() {
            self.twice(codes::DUPLICATE_ATTRIBUTE, &format!("`{wanted}`"), name.range(), again.range());
        }
        self.literal(entry)
    }

    pub(super) fn refuse_arguments(&mut self, parts: &Parts<'_>, help: &str) {
        if let Some(entry) = parts.arguments.first() {
            self.error(codes::UNEXPECTED, format!("`{}` takes no value here", parts.word()), entry.range(), help);
        }
    }

    pub(super) fn refuse_properties(&mut self, parts: &Parts<'_>, known: &[&str]) {
        for (name, _) in parts.properties.iter().filter(|(name, _)| !known.contains(&name.value())) {
            let message = format!("`{}` is nothing that `{}` takes", name.value(), parts.word());
            let help = did_you_mean(name.value(), known.iter().copied()).unwrap_or_else(|| match known {
                [] => format!("`{}` takes no properties", parts.word()),
                known => format!("it takes `{}`", known.join("`, `")),
            });
            self.error(codes::UNEXPECTED, message, name.range(), help);
        }
    }

    /// Says that something stands twice, with both places.
    pub(super) fn twice(&mut self, code: &'static str, what: &str, first: Range<usize>, again: Range<usize>) {
        let diagnostic = Diagnostic::error(code, format!("{what} is given twice"));
        let diagnostic = diagnostic.at(self.file, again, "again here").at(self.file, first, "first here");
        self.diagnostics.push(diagnostic.help("remove one of them"));
    }

    /// Says which names stand twice.
    pub(super) fn refuse_duplicates<'n>(&mut self, names: impl Iterator<Item = &'n Name>, code: &'static str, what: &str) {
        let mut seen: std::collections::BTreeMap<&str, Span> = std::collections::BTreeMap::new();
        for name in names {
            if let Some(first) = seen.insert(&name.text, name.span) {
                self.twice(code, &format!("{what} `{}`", name.text), first.into(), name.span.into());
            }
        }
    }
}
