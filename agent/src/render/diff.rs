//! Unified diffs of texts.

use std::time::Duration;

use similar::TextDiff;

use super::paint::{Paint, printable};

/// Lines of unchanged text around a change.
const CONTEXT_LINES: usize = 2;
/// Lines of one diff that are shown unless everything is asked for.
const SHOWN_LINES_MAX: usize = 60;
/// How long one diff may be looked for before a coarser one is taken.
const DEADLINE: Duration = Duration::from_millis(500);

/// The difference of two texts, a line each, without heads. Cut unless `full`.
pub fn lines(before: &str, after: &str, paint: Paint, full: bool) -> Vec<String> {
    let diff = TextDiff::configure().timeout(DEADLINE).diff_lines(before, after);
    let text = diff.unified_diff().context_radius(CONTEXT_LINES).to_string();
    let painted = |line: &str| {
        let line = printable(line);
        match line.chars().next() {
            Some('+') => paint.green(&line),
            Some('-') => paint.red(&line),
            Some('@') => paint.cyan(&line),
            _ => line,
        }
    };
    let mut lines: Vec<String> = text.lines().map(painted).collect();
    if !full && lines.len() > SHOWN_LINES_MAX {
        let left_out = lines.len() - SHOWN_LINES_MAX;
        lines.truncate(SHOWN_LINES_MAX);
        lines.push(paint.dim(&format!("... {left_out} more lines, --full shows them")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_newline_at_the_end_is_told() {
        let lines = lines("a\nb\n", "a\nc", Paint { colour: false }, false);
        assert_eq!(lines, ["@@ -1,2 +1,2 @@", " a", "-b", "+c", "\\ No newline at end of file"]);
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let long: String = (0..100).map(|number| format!("{number}\n")).collect();
        let cut = lines("", &long, Paint { colour: false }, false);
        assert_eq!((cut.len(), cut[60].as_str()), (61, "... 41 more lines, --full shows them"));
        assert_eq!(lines("", &long, Paint { colour: false }, true).len(), 101);
    }
}
