//! The lines of a file that a diagnostic points into. Of a very long line only what stands around the
//! place is shown: a minified file would fill the terminal.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// The longest line that is shown whole, in bytes.
const LINE_MAX: usize = 240;
/// What is shown of a long line on both sides of the place, in bytes.
const AROUND: usize = 70;
/// The longest stretch of a long line that is underlined, in bytes.
const SPAN_MAX: usize = 100;

/// A file's name and text.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
}

impl Excerpt {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// The end of what is underlined of a stretch.
    pub(super) fn shown_end(&self, start: usize, end: usize) -> usize {
        let (line_start, line_end) = line_around(&self.text, start);
        if end > line_end || line_end - line_start <= LINE_MAX { end } else { floor(&self.text, end.min(start + SPAN_MAX)) }
    }

    /// Where what is shown begins and ends, if that is only a part of one line.
    fn window(&self, span: &SourceSpan, usual: &[u8]) -> Option<(usize, usize)> {
        let (start, end) = (span.offset(), span.offset() + span.len());
        let (line_start, line_end) = line_around(&self.text, start);
        let long = usual.split(|byte| *byte == b'\n').any(|line| line.len() > LINE_MAX);
        if !long || end > line_end {
            return None;
        }
        let from = if start - line_start <= AROUND { line_start } else { floor(&self.text, start - AROUND) };
        Some((from, floor(&self.text, (end + AROUND).min(line_end))))
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let usual = self.text.read_span(span, before, after)?;
        let whole = || (usual.data(), *usual.span(), usual.line(), usual.column(), usual.line_count());
        let (data, span, line, column, count) = match self.window(span, usual.data()) {
            None => whole(),
            Some((from, to)) => {
                let (line_start, _) = line_around(&self.text, from);
                let column = self.text.get(line_start..from).unwrap_or_default().chars().count();
                let line = self.text.get(..line_start).unwrap_or_default().matches('\n').count();
                let part = self.text.as_bytes().get(from..to).unwrap_or_default();
                (part, SourceSpan::from((from, to - from)), line, column, 1)
            }
        };
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, span, line, column, count)))
    }
}

/// Where the line with this byte begins and ends, its end not included.
fn line_around(text: &str, offset: usize) -> (usize, usize) {
    let offset = floor(text, offset);
    let (before, behind) = text.split_at(offset);
    (before.rfind('\n').map_or(0, |newline| newline + 1), offset + behind.find('\n').unwrap_or(behind.len()))
}

/// The nearest place at or before an offset where a character begins.
pub(super) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_place_and_a_short_one_is_not() {
        let long = format!("short\n{}HERE{}\nlast\n", "\u{e9}".repeat(500), "y".repeat(5000));
        let excerpt = Excerpt::new("a.kdl", &long);
        let start = long.find("HERE").unwrap();
        let contents = excerpt.read_span(&(start, 4).into(), 1, 1).unwrap();
        let shown = std::str::from_utf8(contents.data()).unwrap();
        assert!(shown.contains("HERE") && shown.len() < 2 * AROUND + 10, "{shown}");
        assert_eq!((contents.line(), contents.column()), (1, 500 - AROUND / 2));
        let contents = Excerpt::new("a.kdl", "one\ntwo\nthree\n").read_span(&(4, 3).into(), 1, 1).unwrap().data().to_vec();
        assert_eq!(contents, b"one\ntwo\nthree\n");
        assert_eq!(excerpt.shown_end(start, long.len() - 7), start + SPAN_MAX);
    }
}
