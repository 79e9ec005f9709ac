//! Places as editors count them: lines, and UTF-16 units within a line.

use std::ops::Range;
use std::path::Path;

use lsp_types::{Position, Range as Marked, Uri};
use url::Url;

/// The place of an offset.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let units = before.get(start..).unwrap_or_default().encode_utf16().count();
    Position::new(u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(units).unwrap_or(u32::MAX))
}

/// The offset of a place; the end of its line or of the text where it is beyond that.
pub(super) fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).unwrap_or_default().find('\n') {
            Some(length) => start += length + 1,
            None => return text.len(),
        }
    }
    let line = text.get(start..).unwrap_or_default().split('\n').next().unwrap_or_default();
    let mut units = 0;
    for (at, character) in line.char_indices() {
        if units >= position.character as usize {
            return start + at;
        }
        units += character.len_utf16();
    }
    start + line.len()
}

/// The place of some bytes.
pub(super) fn range(text: &str, span: &Range<usize>) -> Marked {
    Marked::new(position(text, span.start), position(text, span.end))
}

/// A file's address.
pub(super) fn address(path: &Path) -> Option<Uri> {
    Url::from_file_path(path).ok()?.as_str().parse().ok()
}

/// The file of an address, if it is one of this machine.
pub(super) fn path(address: &Uri) -> Option<std::path::PathBuf> {
    Url::parse(address.as_str()).ok()?.to_file_path().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_offsets_agree() {
        let text = "a\nä😀b\r\nc";
        for (at, line, character) in [(0, 0, 0), (2, 1, 0), (4, 1, 1), (8, 1, 3), (9, 1, 4), (11, 2, 0), (12, 2, 1)] {
            assert_eq!(position(text, at), Position::new(line, character), "{at}");
            assert_eq!(offset(text, Position::new(line, character)), at);
        }
        assert_eq!(offset(text, Position::new(9, 9)), text.len());
        assert_eq!(offset(text, Position::new(0, 9)), 1);
        assert_eq!(position(text, 5), Position::new(1, 1), "inside of a character");
    }

    #[test]
    fn addresses_lead_to_their_files() {
        let file = Path::new("/srv/a site/ä.kdl");
        let address = address(file).unwrap();
        assert_eq!(address.as_str(), "file:///srv/a%20site/%C3%A4.kdl");
        assert_eq!(path(&address).as_deref(), Some(file));
        assert_eq!(path(&"https://example.org/x".parse().unwrap()), None);
    }
}
