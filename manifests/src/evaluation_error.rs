//! Why an expression or a template has no value, with the places that belong to it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::ErrorKind;

use crate::amplification::Bounded;
use crate::codes;
use crate::diagnostic::{Diagnostic, Label};
use crate::filters::names;

/// An expression, an interpolated text or a template that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    /// The stable code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The bytes of the given text that are to blame; none for the whole of it.
    pub range: Option<Range<usize>>,
    /// Places elsewhere: in a template's file, at a variable.
    pub places: Vec<Label>,
    /// What to try.
    pub help: Vec<String>,
}

impl EvalError {
    /// An error of the whole text.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), range: None, places: Vec::new(), help: Vec::new() }
    }

    /// Adds advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a place elsewhere.
    pub fn at(mut self, file: &Arc<str>, span: Range<usize>, text: impl Into<String>) -> Self {
        self.places.push(Label { file: Arc::clone(file), span, text: text.into() });
        self
    }

    /// Moves the range, when the text was a part of a longer one.
    pub fn shifted(mut self, offset: usize) -> Self {
        self.range = self.range.map(|range| range.start + offset..range.end + offset);
        self
    }

    /// Moves the range, when something stood before the text.
    pub(crate) fn moved_back(mut self, length: usize) -> Self {
        self.range = self.range.and_then(|range| Some(range.start.checked_sub(length)?..range.end.checked_sub(length)?));
        self
    }

    /// Moves the range from the text that was compiled to the one that was given.
    pub(crate) fn moved_by(mut self, bounded: &Bounded<'_>) -> Self {
        self.range = self.range.map(|range| bounded.original(range));
        self
    }

    /// The diagnostic for a text that stands at a place in a file.
    pub fn into_diagnostic(self, file: &Arc<str>, span: Range<usize>) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.message).at(file, span, "here");
        diagnostic.labels.extend(self.places);
        diagnostic.help = self.help;
        diagnostic
    }

    /// Takes minijinja's error apart. `whole` is the text that was evaluated.
    pub(crate) fn from_minijinja(error: &minijinja::Error, whole: &str) -> Self {
        let (innermost, own) = innermost(error);
        let mut taken = match own {
            Some(own) => own.clone(),
            None => Self::from_kind(innermost, whole),
        };
        // The range is of the outermost text that this error passed through.
        taken.range = error.range().filter(|range| whole.get(range.clone()).is_some_and(|text| !text.is_empty()));
        taken
    }

    fn from_kind(error: &minijinja::Error, whole: &str) -> Self {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        match error.kind() {
            ErrorKind::UndefinedError => {
                let name = error.range().and_then(|range| whole.get(range)).map(str::trim).filter(|name| !name.is_empty());
                let message = name.map_or_else(|| "a value is not defined".to_owned(), |name| format!("`{name}` is not defined"));
                Self::new(codes::UNDEFINED, message)
            }
            ErrorKind::SyntaxError | ErrorKind::BadEscape | ErrorKind::InvalidDelimiter => {
                let code = if detail.contains("recursion limit") { codes::LIMIT } else { codes::EXPRESSION_SYNTAX };
                Self::new(code, detail)
            }
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
                Self::unknown(error.kind(), detail)
            }
            ErrorKind::OutOfFuel => {
                Self::new(codes::LIMIT, "this takes too many steps").help("split the work, or move it into the inventory")
            }
            ErrorKind::WriteFailure => Self::too_large(),
            ErrorKind::TemplateNotFound => Self::new(codes::TEMPLATE_MISSING, detail),
            _ if detail.contains("recursion limit") => Self::new(codes::LIMIT, detail),
            _ => Self::new(codes::EVALUATION, detail),
        }
    }

    /// minijinja's details are `filter NAME is unknown`, `test NAME is unknown` and `NAME is unknown`.
    fn unknown(kind: ErrorKind, detail: String) -> Self {
        let name = detail.strip_suffix(" is unknown").map(|rest| rest.rsplit(' ').next().unwrap_or(rest));
        let told = match kind {
            ErrorKind::UnknownFilter => name.and_then(names::unknown_filter),
            ErrorKind::UnknownTest => name.and_then(names::unknown_test),
            ErrorKind::UnknownFunction => name.map(names::unknown_function),
            _ => None,
        };
        told.unwrap_or_else(|| Self::new(codes::UNKNOWN_FILTER, detail))
    }

    /// The complaint about too much text.
    pub(crate) fn too_large() -> Self {
        Self::new(codes::LIMIT, "this makes more than 1 MiB of text")
    }
}

/// Follows the causes to the last one that minijinja made, and to our own error below it if there is one.
fn innermost(error: &minijinja::Error) -> (&minijinja::Error, Option<&EvalError>) {
    let mut last = error;
    while let Some(source) = std::error::Error::source(last) {
        if let Some(own) = source.downcast_ref::<EvalError>() {
            return (last, Some(own));
        }
        match source.downcast_ref::<minijinja::Error>() {
            Some(inner) => last = inner,
            None => break,
        }
    }
    (last, None)
}

/// The deepest cause with the name of the template that it happened in and its range there.
pub(crate) fn template_place(error: &minijinja::Error) -> Option<(String, Range<usize>)> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let (Some(name), Some(range)) = (error.name(), error.range()) {
            found = Some((name.to_owned(), range));
        }
        next = std::error::Error::source(error).and_then(|source| source.downcast_ref::<minijinja::Error>());
    }
    found
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}

/// Our own errors travel through minijinja as the source of one of its errors.
impl From<EvalError> for minijinja::Error {
    fn from(error: EvalError) -> Self {
        minijinja::Error::new(ErrorKind::InvalidOperation, error.message.clone()).with_source(error)
    }
}
