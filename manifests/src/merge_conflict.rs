//! What git leaves in a manifest where a merge was not finished.

use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;

/// What the marks stand before, in their order.
const MARKS: [&str; 3] = ["<<<<<<< ", "=======", ">>>>>>> "];

/// The first unfinished merge in a text that could not be read, if there is one: its other mistakes come of that.
pub(crate) fn merge_conflict(file: &Arc<str>, text: &str) -> Option<Diagnostic> {
    let mut begin = None;
    let mut awaited = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(MARKS[0]) {
            (begin, awaited) = (Some(offset..offset + line.trim_end().len()), 1);
        } else if MARKS.get(awaited).is_some_and(|mark| awaited > 0 && line.starts_with(mark)) {
            awaited += 1;
        }
        if awaited == MARKS.len() {
            let diagnostic = Diagnostic::error(codes::SYNTAX, "a merge was left unfinished here").at(file, begin?, "from here");
            return Some(diagnostic.help("keep what is wanted of both sides, and remove the lines with <<<<<<<, ======= and >>>>>>>"));
        }
        offset += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_three_marks_in_their_order_are_a_conflict() {
        let file = Arc::from("x.kdl");
        let text = "host a {\n<<<<<<< HEAD\n    x\n=======\n    y\n>>>>>>> other\n}\n";
        let found = merge_conflict(&file, text).unwrap();
        assert_eq!(text.get(found.labels[0].span.clone()), Some("<<<<<<< HEAD"));
        for other in ["=======\n>>>>>>> b\n", "<<<<<<< a\n=======\n", " <<<<<<< a\n=======\n>>>>>>> b\n", ""] {
            assert_eq!(merge_conflict(&file, other), None, "{other}");
        }
    }
}
