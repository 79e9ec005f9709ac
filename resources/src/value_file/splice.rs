//! Cutting things out of a text and putting others in.

use std::ops::Range;

/// A stretch of a text and what comes in its place.
pub(crate) type Splice = (Range<usize>, String);

/// The text with that done.
pub(crate) fn spliced(text: &str, (span, new): &Splice) -> String {
    format!("{}{new}{}", text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default())
}

/// Takes parts out of a list between brackets, each with the comma that it needed; the others stay as they are.
/// `inside` is what stands between the brackets.
pub(crate) fn without_parts(text: &str, parts: &[(Range<usize>, bool)], inside: Range<usize>) -> Option<Splice> {
    let (first, last) = (parts.first()?, parts.last()?);
    if parts.iter().all(|(_, goes)| *goes) {
        return Some((inside, String::new()));
    }
    // The gap in front of each part is its own, but the first one stands where the first one stood.
    let mut new = String::new();
    let mut previous = first.0.start;
    for (span, goes) in parts {
        if !goes {
            let gap = text.get(previous..span.start)?;
            new.push_str(if new.is_empty() { "" } else { gap });
            new.push_str(text.get(span.clone())?);
        }
        previous = span.end;
    }
    Some((first.0.start..last.0.end, new))
}

/// Where the line that a byte stands in begins.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Where the line that a byte stands in ends, its end included.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}

/// Whole lines to be put in at the start of a line or the end of the text.
pub(crate) fn lines_at(text: &str, at: usize, lines: &str) -> Splice {
    let begins = text.get(..at).is_some_and(|before| !before.is_empty() && !before.ends_with('\n'));
    let ending = crate::text_file::line_ending(text);
    let lines = lines.replace('\n', ending);
    (at..at, if begins { format!("{ending}{lines}") } else { lines })
}

/// A text between double quotes, with the escapes that JSON, TOML and YAML have in common.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
