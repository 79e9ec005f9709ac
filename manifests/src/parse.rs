//! From a manifest's bytes to its syntax tree: guard, traps, the kdl crate, lowering.

use std::sync::Arc;

use kdl::{KdlDiagnostic, KdlDocument};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::guard::guard;
use crate::lower;
use crate::merge_conflict::merge_conflict;
use crate::syntax::Manifest;
use crate::traps::traps;

/// Parses a manifest. Without a tree there is at least one error.
pub fn parse(file: &Arc<str>, bytes: &[u8]) -> (Option<Manifest>, Vec<Diagnostic>) {
    let document = match document(file, bytes) {
        Ok(document) => document,
        Err(found) => return (None, found),
    };
    let (manifest, mut diagnostics) = lower::lower(file, &document);
    if manifest.statements.is_empty() && diagnostics.is_empty() {
        diagnostics.push(Diagnostic::note(codes::EMPTY_MANIFEST, "the manifest says nothing").at(file, 0..0, ""));
    }
    (Some(manifest), diagnostics)
}

/// Parses a text as KDL, with everything in front of the parser.
///
/// # Errors
/// What is wrong with its form.
pub(crate) fn document(file: &Arc<str>, bytes: &[u8]) -> Result<KdlDocument, Vec<Diagnostic>> {
    let conflict = || merge_conflict(file, std::str::from_utf8(bytes).ok()?);
    guarded_document(file, bytes).map_err(|found| conflict().map_or(found, |conflict| vec![conflict]))
}

fn guarded_document(file: &Arc<str>, bytes: &[u8]) -> Result<KdlDocument, Vec<Diagnostic>> {
    let guarded = guard(file, bytes).map_err(|diagnostic| vec![*diagnostic])?;
    let found = traps(file, &guarded);
    if !found.is_empty() {
        return Err(found);
    }
    KdlDocument::parse_v2(guarded.text).map_err(|error| vec![syntax_error(file, &error.diagnostics)])
}

/// One message out of the parser's several. Its first ones name the outermost block that could not
/// be finished, and braces are known to be balanced: what went wrong stands further inside.
fn syntax_error(file: &Arc<str>, diagnostics: &[KdlDiagnostic]) -> Diagnostic {
    let text = |diagnostic: &KdlDiagnostic| diagnostic.message.clone().unwrap_or_default();
    let consequence = |message: &str| message.contains("'}'") || message == "Expected end of document";
    let cause = diagnostics.iter().find(|diagnostic| !consequence(&text(diagnostic)));
    let place = cause.or_else(|| diagnostics.iter().filter(|diagnostic| !text(diagnostic).contains("'}'")).max_by_key(|d| d.span.offset()));
    let Some(place) = place.or(diagnostics.first()) else {
        return Diagnostic::error(codes::SYNTAX, "the text is not KDL").at(file, 0..0, "");
    };
    let message = match text(place) {
        message if consequence(&message) || message.is_empty() => "this does not belong here".to_owned(),
        message => lower_first(&message),
    };
    let start = place.span.offset();
    let diagnostic = Diagnostic::error(codes::SYNTAX, message).at(file, start..start + place.span.len(), "the parser stopped here");
    diagnostic
        .help(place.help.clone().unwrap_or_else(|| "strings that are no plain words need quotes; a node ends with its line".to_owned()))
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_and_not_a_cascade() {
        for text in ["a \"b\"\"c\"", "a {\n b {\n  c =\n }\n}", "a \"\"\"x\"\"\"", "a {\n \"x\"y\n}\nb"] {
            let (manifest, diagnostics) = parse(&Arc::from("x.kdl"), text.as_bytes());
            assert!(manifest.is_none(), "{text}");
            assert_eq!(diagnostics.len(), 1, "{text}: {diagnostics:?}");
        }
    }

    #[test]
    fn an_empty_file_is_noted() {
        let (manifest, diagnostics) = parse(&Arc::from("x.kdl"), b"// nothing\n");
        assert!(manifest.is_some_and(|manifest| manifest.statements.is_empty()));
        assert_eq!(diagnostics.first().map(|d| (d.code, d.is_error())), Some(("KE0120", false)));
    }
}
