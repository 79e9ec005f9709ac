//! What the compiler says, as operators get it: byte spans become lines and columns.

use std::collections::BTreeMap;

use keel_engine::protocol::environment::{Finding, FoundAt};
use keel_manifests::diagnostic::{Diagnostic, Label};
use keel_manifests::files::SiteFiles;

/// The most findings that are kept of one compile; they are in the order of their weight.
const FINDINGS_MAX: usize = 100;
/// The most bytes of any text in a finding: it may quote what is in the site.
const TEXT_BYTES_MAX: usize = 2000;

/// Diagnostics as findings.
pub(super) fn of(diagnostics: &[Diagnostic], files: &dyn SiteFiles) -> Vec<Finding> {
    let mut texts = BTreeMap::new();
    let mut worst: Vec<&Diagnostic> = diagnostics.iter().collect();
    worst.sort_by_key(|diagnostic| diagnostic.severity);
    let finding = |diagnostic: &&Diagnostic| Finding {
        error: diagnostic.is_error(),
        code: diagnostic.code.to_owned(),
        message: shortened(&diagnostic.message),
        host: diagnostic.host.clone(),
        places: diagnostic.labels.iter().map(|label| place(label, files, &mut texts)).collect(),
        help: diagnostic.help.iter().map(|help| shortened(help)).collect(),
    };
    worst.iter().take(FINDINGS_MAX).map(finding).collect()
}

fn place(label: &Label, files: &dyn SiteFiles, texts: &mut BTreeMap<String, Vec<u8>>) -> FoundAt {
    let read = || files.read(&label.file).ok().flatten().map(|bytes| bytes.to_vec()).unwrap_or_default();
    let text = texts.entry(label.file.to_string()).or_insert_with(read);
    let (line, column) = position(text, label.span.start);
    FoundAt { file: label.file.to_string(), line, column, text: shortened(&label.text) }
}

/// Line and column of an offset, both from 1; columns count characters.
fn position(text: &[u8], offset: usize) -> (u32, u32) {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keel_manifests::files::MemoryFiles;

    use super::*;

    #[test]
    fn places_are_lines_and_columns_and_errors_come_first() {
        let files = MemoryFiles::new([("manifests/site.kdl", "a\nbü c\n")]);
        let file: Arc<str> = Arc::from("manifests/site.kdl");
        let warning = Diagnostic::warning("KE1", "w");
        let error = Diagnostic::error("KE2", "e".repeat(3000)).at(&file, 6..7, "here");
        let found = of(&[warning, error], &files);
        assert_eq!(found.iter().map(|finding| finding.error).collect::<Vec<_>>(), [true, false]);
        assert_eq!((found[0].places[0].line, found[0].places[0].column), (2, 4));
        assert_eq!(found[0].message.len(), TEXT_BYTES_MAX + 3);
        assert_eq!(position(b"", 9), (1, 1));
    }
}
