//! `keel fmt`: the blanks between tokens are put in order, and nothing else is touched. Comments,
//! strings of all kinds and the order of things stay as they were written.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::guard::guard;
use crate::parse::document;
use crate::tokens::{Token, TokenKind, tokens};

/// How far a block is indented.
const INDENT: &str = "    ";

/// Formats a manifest. Formatting twice is the same as once.
///
/// # Errors
/// A text that does not parse is not formatted; the errors say why.
pub fn format(file: &Arc<str>, text: &str) -> Result<String, Vec<Diagnostic>> {
    document(file, text.as_bytes())?;
    let guarded = guard(file, text.as_bytes()).map_err(|diagnostic| vec![*diagnostic])?;
    let mut printer = Printer::default();
    for line in lines(&guarded.tokens) {
        printer.line(text, line);
    }
    let formatted = printer.finish();
    // Should a blank ever have mattered, the text is better left alone.
    let same = tokens(&formatted).is_ok_and(|after| signature(text, &guarded.tokens) == signature(&formatted, &after));
    Ok(if same { formatted } else { text.to_owned() })
}

/// What a text says, whatever its blanks are: all tokens that mean something, with ends of nodes.
fn signature<'t>(text: &'t str, tokens: &[Token]) -> Vec<(TokenKind, &'t str)> {
    let mut signature: Vec<(TokenKind, &str)> = Vec::new();
    for token in tokens {
        let piece = text.get(token.span.clone()).unwrap_or_default();
        match token.kind {
            TokenKind::Space => {}
            TokenKind::Newline if signature.last().is_none_or(|(kind, _)| matches!(kind, TokenKind::Newline | TokenKind::Open)) => {}
            TokenKind::Newline => signature.push((TokenKind::Newline, "")),
            TokenKind::Continuation | TokenKind::LineComment => signature.push((token.kind, piece.trim_end())),
            kind => signature.push((kind, piece)),
        }
    }
    while signature.last().is_some_and(|(kind, _)| *kind == TokenKind::Newline) {
        signature.pop();
    }
    signature
}

/// The tokens of each line, without blanks at its ends and without its end. A string of several lines
/// is one token of the line on which it begins.
fn lines(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    tokens.split_inclusive(|token| matches!(token.kind, TokenKind::Newline | TokenKind::Continuation)).map(|line| {
        let is_space = |token: &Token| matches!(token.kind, TokenKind::Space | TokenKind::Newline);
        let start = line.iter().position(|token| !is_space(token)).unwrap_or(line.len());
        let end = line.iter().rposition(|token| !is_space(token)).map_or(start, |last| last + 1);
        line.get(start..end).unwrap_or_default()
    })
}

#[derive(Default)]
struct Printer {
    out: String,
    depth: usize,
    /// Whether an empty line is wanted before the next one.
    gap: bool,
    /// Whether the last line goes on.
    continued: bool,
}

impl Printer {
    fn line(&mut self, text: &str, line: &[Token]) {
        let Some(first) = line.first() else {
            self.gap = !self.continued;
            return;
        };
        let closes = first.kind == TokenKind::Close;
        if self.gap && !closes && !self.out.is_empty() && !self.out.ends_with("{\n") {
            self.out.push('\n');
        }
        self.gap = false;
        let leading_closes = line
            .iter()
            .take_while(|token| matches!(token.kind, TokenKind::Close | TokenKind::Space))
            .filter(|token| token.kind == TokenKind::Close)
            .count();
        let indent = self.depth.saturating_sub(leading_closes) + usize::from(self.continued);
        self.out.push_str(&INDENT.repeat(indent));
        self.continued = false;
        let mut before: Option<&Token> = None;
        let mut blanks = "";
        for token in line {
            let piece = text.get(token.span.clone()).unwrap_or_default();
            match token.kind {
                TokenKind::Space => {
                    blanks = piece;
                    continue;
                }
                TokenKind::Open => self.depth += 1,
                TokenKind::Close => self.depth = self.depth.saturating_sub(1),
                TokenKind::Continuation => self.continued = true,
                _ => {}
            }
            if let Some(before) = before {
                self.out.push_str(gap(before, token, blanks));
            }
            self.out.push_str(if matches!(token.kind, TokenKind::Continuation | TokenKind::LineComment) {
                piece.trim_end()
            } else {
                piece
            });
            before = Some(token);
            blanks = "";
        }
        self.out.push('\n');
    }

    fn finish(self) -> String {
        self.out
    }
}

/// What stands between two tokens of a line.
fn gap<'b>(before: &Token, after: &Token, blanks: &'b str) -> &'b str {
    use TokenKind::{Close, CloseType, Equals, LineComment, Open, OpenType, Semicolon, Slashdash};
    match (before.kind, after.kind) {
        // Comments behind nodes are often aligned by hand.
        (_, LineComment) if !blanks.is_empty() => blanks,
        (OpenType | Slashdash | Equals, _) | (_, CloseType | Equals | Semicolon) | (Open, Close) => "",
        (CloseType, _) if after.kind != Open => "",
        _ => " ",
    }
}

#[cfg(test)]
mod tests {
    use kdl::KdlDocument;

    use super::*;
    use crate::parse::parse;

    fn formatted(text: &str) -> String {
        format(&Arc::from("x.kdl"), text).unwrap()
    }

    const SAMPLES: [&str; 12] = [
        "",
        "// only a comment",
        "\u{feff}module a {\n}",
        "module  a{\nparam ( string )x   default = \"y\"\n\n\n\npackage   b c;package d\n  }\n\n\n",
        "group all {\nfile \"/a\" \\\n   mode=\"0644\" \\ // why\n owner=root\nfile \"/b\"   // aligned\nfile \"/cc\"  // aligned\n}",
        "group all {\n    file \"/a\" {\n  content \"\"\"\n      x\n        y\n      \"\"\"\n}\n}",
        "group all {\n/-  file \"/a\" {\n mode \"0644\"\n}\nuser x /- uid=1 uid=2 /* why */ gid=y\n}",
        "group all { use a; use b }\r\ngroup b {\r\n\r\n  use c\r\n\r\n}\r\n",
        "module a {\n  // first\n\n  // second\n  doc #\"raw \"x\" \"#\n  if \"a\" {\n  warn \"b\"\n  }\n  else {\n  warn \"c\"\n  }\n}",
        "/* a\n   b */ module x {\n/* c */ package d /* e\n f */ g\n}",
        "module a {\nini \"/x\" {\nsection A { k v; l #true }\n}\nlet {\n x {\n- 1\n- a=1   b=2\n}\n}\n}",
        "module a {}\nmodule b { }\nmodule c {\n\n}",
    ];

    #[test]
    fn blanks_are_put_in_order() {
        assert_eq!(formatted(SAMPLES[3]), "module a {\n    param (string)x default=\"y\"\n\n    package b c; package d\n}\n");
        assert_eq!(
            formatted(SAMPLES[4]),
            "group all {\n    file \"/a\" \\\n        mode=\"0644\" \\ // why\n        owner=root\n    file \"/b\"   // aligned\n    file \"/cc\"  // aligned\n}\n"
        );
        assert_eq!(formatted(SAMPLES[7]), "group all { use a; use b }\ngroup b {\n    use c\n}\n");
    }

    #[test]
    fn nothing_changes_its_meaning_and_twice_is_once() {
        for text in SAMPLES {
            let once = formatted(text);
            assert_eq!(formatted(&once), once, "{text:?}");
            let plain = |text: &str| {
                let mut document = KdlDocument::parse_v2(text).unwrap();
                document.clear_format_recursive();
                document.autoformat_no_comments();
                document.to_string()
            };
            assert_eq!(plain(&once), plain(text), "{text:?}");
            let file = Arc::from("x.kdl");
            let shape = |text: &str| {
                crate::tokens::tokens(text)
                    .unwrap()
                    .into_iter()
                    .filter(|token| token.kind.is_string())
                    .map(|token| text[token.span].to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(shape(&once), shape(text), "{text:?}");
            assert_eq!(parse(&file, once.as_bytes()).1.len(), parse(&file, text.as_bytes()).1.len());
        }
    }

    #[test]
    fn random_blanks_come_to_one_form() {
        // A small generator of its own: the same texts every time, without a dependency.
        let mut state = 7u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (state >> 16) % below
        };
        let text = "module a {\n    param (list<int>)b default=1\n    file \"/x\" mode=\"0644\" {\n        require (file)\"/y\" (package)z // c\n    }\n    ini \"/i\" { section s { k v } }\n}\n";
        for _ in 0..300 {
            let mut shaken = String::new();
            for token in crate::tokens::tokens(text).unwrap() {
                let piece = &text[token.span];
                match token.kind {
                    TokenKind::Space => shaken.push_str(&" ".repeat(1 + random(4) as usize)),
                    TokenKind::Newline => shaken.push_str(["\n", "\r\n", " \n", "\n\t"][random(4) as usize]),
                    TokenKind::Equals => shaken.push_str(["=", " =", "= ", " = "][random(4) as usize]),
                    _ => shaken.push_str(piece),
                }
            }
            let aligned = formatted(&shaken).split("z").map(|part| part.trim_start_matches(' ').to_owned()).collect::<Vec<_>>();
            assert_eq!(aligned, text.split("z").map(|part| part.trim_start_matches(' ').to_owned()).collect::<Vec<_>>(), "{shaken:?}");
        }
    }

    #[test]
    fn broken_texts_are_left_alone() {
        assert!(format(&Arc::from("x.kdl"), "module a {").is_err());
    }
}
