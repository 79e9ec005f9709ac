//! The guard in front of the parser: what the kdl crate would choke on is refused by linear scans.
//!
//! The crate overflows the stack at a few hundred levels of children or comments, and takes time
//! exponential in the nesting of `/-`. Its messages on what never ends are far from the spot.

use std::ops::Range;
use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::tokens::{self, ScanError, Token, TokenKind};

/// Longest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// How deep blocks may nest.
pub const DEPTH_MAX: usize = 64;
/// How deep `/-` may nest.
pub const SLASHDASH_DEPTH_MAX: usize = 4;
/// The most nodes of one manifest.
pub const NODES_MAX: usize = 20_000;
/// The longest number, in characters.
pub const NUMBER_CHARACTERS_MAX: usize = 64;

/// A text that is safe to parse, and its tokens.
#[derive(Debug)]
pub(crate) struct Guarded<'t> {
    /// The text without a byte order mark at the start; spans count from the file's own start.
    pub(crate) text: &'t str,
    /// Its tokens.
    pub(crate) tokens: Vec<Token>,
}

/// Checks the bytes of a manifest.
///
/// # Errors
/// The first thing that makes it unfit for the parser.
pub(crate) fn guard<'t>(file: &Arc<str>, bytes: &'t [u8]) -> Result<Guarded<'t>, Box<Diagnostic>> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        let message = format!("the manifest has {} bytes, {MANIFEST_BYTES_MAX} are the limit", bytes.len());
        return Err(Box::new(Diagnostic::error(codes::FILE_TOO_LARGE, message).at(file, 0..0, "").help("split it into modules")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(file, bytes, &error))?;
    characters(file, text)?;
    let tokens = tokens::tokens(text).map_err(|error| Box::new(scan_error(file, error)))?;
    structure(file, text, &tokens)?;
    Ok(Guarded { text, tokens })
}

fn not_utf8(file: &Arc<str>, bytes: &[u8], error: &std::str::Utf8Error) -> Box<Diagnostic> {
    let offset = error.valid_up_to();
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let message = format!("byte 0x{byte:02X} at offset {offset} is not UTF-8");
    Box::new(Diagnostic::error(codes::NOT_UTF8, message).at(file, offset..offset + 1, "here").help("save the file as UTF-8"))
}

fn characters(file: &Arc<str>, text: &str) -> Result<(), Box<Diagnostic>> {
    let Some((offset, character)) = text.char_indices().find(|(offset, character)| is_forbidden(*offset, *character)) else {
        return Ok(());
    };
    let name = match character {
        '\u{feff}' => "a byte order mark".to_owned(),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            format!("U+{:04X}, which turns the direction of writing", u32::from(character))
        }
        _ => format!("the control character U+{:04X}", u32::from(character)),
    };
    let found = Diagnostic::error(codes::FORBIDDEN_CHARACTER, format!("the text holds {name}, at offset {offset}"));
    let escape = format!("remove it, or write it as the escape \\u{{{:x}}} inside a string", u32::from(character));
    Err(Box::new(found.at(file, offset..offset + character.len_utf8(), "here").help(escape)))
}

/// What KDL does not take literally anywhere; a byte order mark may open the file.
fn is_forbidden(offset: usize, character: char) -> bool {
    match character {
        '\u{feff}' => offset > 0,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' => true,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

fn scan_error(file: &Arc<str>, error: ScanError) -> Diagnostic {
    let (code, message, span, help) = match error {
        ScanError::OpenString(span) => (
            codes::NOT_CLOSED,
            "the string does not end on its line".to_owned(),
            span,
            "close it with `\"`; a longer text stands between lines of three quotes",
        ),
        ScanError::OpenText(span) => {
            (codes::NOT_CLOSED, "the string never ends".to_owned(), span, "close it the way it was opened, with as many quotes and hashes")
        }
        ScanError::OpenComment(span) => (codes::NOT_CLOSED, "the comment never ends".to_owned(), span, "close it with `*/`"),
        ScanError::DeepComment(span) => {
            let message = format!("block comments are nested deeper than {}", tokens::COMMENT_DEPTH_MAX);
            (codes::COMMENT_TOO_DEEP, message, span, "remove what is not used")
        }
        ScanError::ManyHashes(span) => {
            let message = format!("a raw string opens with {} hashes, {} are the limit", span.len(), tokens::RAW_HASHES_MAX);
            (codes::TOO_MANY_HASHES, message, span, "one more than inside the string is enough")
        }
    };
    Diagnostic::error(code, message).at(file, span, "opened here").help(help)
}

/// Follows braces and `/-` with a stack of its own.
fn structure(file: &Arc<str>, text: &str, tokens: &[Token]) -> Result<(), Box<Diagnostic>> {
    let mut walk = Walk { file, blocks: Vec::new(), dashed: 0, pending: 0, after_dash: false, in_node: false, nodes: 0 };
    for token in tokens {
        walk.step(text, token)?;
    }
    match walk.blocks.pop() {
        Some(block) => Err(walk.error(codes::NOT_CLOSED, "the brace is never closed", &block.open, "add the missing `}`")),
        None => Ok(()),
    }
}

struct Block {
    open: Range<usize>,
    /// How many `/-` the block brought.
    dashed: usize,
}

struct Walk<'w> {
    file: &'w Arc<str>,
    blocks: Vec<Block>,
    /// `/-` around the current place.
    dashed: usize,
    /// `/-` of the current node that may still cover a block.
    pending: usize,
    /// Whether nothing has come since a `/-`.
    after_dash: bool,
    /// Whether the current node has begun.
    in_node: bool,
    nodes: usize,
}

impl Walk<'_> {
    fn error(&self, code: &'static str, message: impl Into<String>, span: &Range<usize>, help: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, message).at(self.file, span.clone(), "here").help(help))
    }

    fn step(&mut self, text: &str, token: &Token) -> Result<(), Box<Diagnostic>> {
        match token.kind {
            TokenKind::Slashdash => {
                self.pending = if self.after_dash { self.pending + 1 } else { self.pending.max(1) };
                if self.dashed + self.pending > SLASHDASH_DEPTH_MAX {
                    let message = format!("`/-` is nested deeper than {SLASHDASH_DEPTH_MAX}");
                    return Err(self.error(codes::SLASHDASH_TOO_DEEP, message, &token.span, "remove what is not used"));
                }
            }
            TokenKind::Open => {
                if self.blocks.len() >= DEPTH_MAX {
                    let message = format!("blocks are nested deeper than {DEPTH_MAX}");
                    return Err(self.error(codes::TOO_DEEP, message, &token.span, "split it into modules"));
                }
                let dashed = std::mem::take(&mut self.pending);
                self.dashed += dashed;
                self.blocks.push(Block { open: token.span.clone(), dashed });
                self.in_node = false;
            }
            TokenKind::Close => {
                let Some(block) = self.blocks.pop() else {
                    return Err(self.error(codes::NOT_CLOSED, "this brace closes nothing", &token.span, "remove it, or open it before"));
                };
                self.dashed -= block.dashed;
                self.in_node = true;
            }
            kind if kind.ends_node() => {
                if self.in_node {
                    self.pending = 0;
                }
                self.in_node = false;
            }
            kind if kind.is_blank() => {}
            kind => self.inside_node(text, kind, &token.span)?,
        }
        self.after_dash = token.kind == TokenKind::Slashdash || (self.after_dash && token.kind.is_blank());
        Ok(())
    }

    fn inside_node(&mut self, text: &str, kind: TokenKind, span: &Range<usize>) -> Result<(), Box<Diagnostic>> {
        if !self.in_node {
            self.in_node = true;
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                let message = format!("the manifest has more than {NODES_MAX} nodes");
                return Err(self.error(codes::TOO_MANY_NODES, message, span, "write repeated resources as a `for` over a variable"));
            }
        }
        let is_number = text[span.clone()].trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
        if kind == TokenKind::Word && is_number && span.len() > NUMBER_CHARACTERS_MAX {
            let message = format!("a number of {} characters", span.len());
            return Err(self.error(codes::NUMBER_OUT_OF_RANGE, message, span, "write it in quotes if it is a text"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Option<&'static str> {
        guard(&Arc::from("x.kdl"), bytes).err().map(|diagnostic| diagnostic.code)
    }

    #[test]
    fn lets_good_texts_through() {
        for text in ["", "\u{feff}a", "a {\n b /-1 /-2 /-3 /-4 /-5 /-6\n}", "/-a {\n /-b {\n /-c {\n /-d 1\n }\n }\n}", "a /-{\n} {\n}"] {
            assert_eq!(code(text.as_bytes()), None, "{text}");
        }
        let deep = "a {".repeat(64) + &"}".repeat(64);
        assert_eq!(code(deep.as_bytes()), None);
    }

    #[test]
    fn refuses_what_hurts_the_parser() {
        assert_eq!(code(&vec![b' '; MANIFEST_BYTES_MAX + 1]), Some("KE0101"));
        assert_eq!(code(b"a \"\xff\""), Some("KE0102"));
        assert_eq!(code(b"a \xed\xa0\x80"), Some("KE0102"));
        assert_eq!(code("a \"\0\"".as_bytes()), Some("KE0103"));
        assert_eq!(code("a \"\u{202e}\"".as_bytes()), Some("KE0103"));
        assert_eq!(code("a\n\u{feff}b".as_bytes()), Some("KE0103"));
        assert_eq!(code("a {".repeat(65).as_bytes()), Some("KE0104"));
        assert_eq!(code(" a /-{".repeat(20).as_bytes()), Some("KE0105"));
        assert_eq!(code("/- a {\n".repeat(6).as_bytes()), Some("KE0105"));
        assert_eq!(code("/- a \\\n {\n".repeat(6).as_bytes()), Some("KE0105"));
        assert_eq!(code("/-".repeat(9).as_bytes()), Some("KE0105"));
        assert_eq!(code("/*".repeat(1600).as_bytes()), Some("KE0106"));
        assert_eq!(code("a\n".repeat(50_000).as_bytes()), Some("KE0107"));
        assert_eq!(code("a;".repeat(50_000).as_bytes()), Some("KE0107"));
        assert_eq!(code(("a ".to_owned() + &"#".repeat(20_000) + "\"").as_bytes()), Some("KE0108"));
        assert_eq!(code(("a ".to_owned() + &"9".repeat(100_000)).as_bytes()), Some("KE0109"));
        assert_eq!(code(b"a {\n b"), Some("KE0110"));
        assert_eq!(code(b"a }"), Some("KE0110"));
    }
}
