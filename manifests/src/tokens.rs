//! The tokens of a manifest: one linear pass over the text, without recursion, so that no input can
//! make it slow or deep. The guard, the traps and the formatter all look at these.

use std::ops::Range;

/// A piece of the text. All tokens of a file, put together, are the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Blanks and tabs.
    Space,
    /// One line's end.
    Newline,
    /// A backslash that continues a line, with what follows it up to the line's end and the end itself.
    Continuation,
    /// `// ...` without the line's end.
    LineComment,
    /// `/* ... */`
    BlockComment,
    /// `/-`
    Slashdash,
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `(`
    OpenType,
    /// `)`
    CloseType,
    /// `=`
    Equals,
    /// `"..."`
    Quoted,
    /// `"""..."""`
    Multiline,
    /// `#"..."#` and `#"""..."""#`
    Raw,
    /// Everything else up to the next of the above: names, numbers, `#true`, and what is none of these.
    Word,
}

impl TokenKind {
    /// Whether it separates and says nothing.
    pub(crate) fn is_blank(self) -> bool {
        matches!(self, TokenKind::Space | TokenKind::Continuation | TokenKind::BlockComment)
    }

    /// Whether a node ends here.
    pub(crate) fn ends_node(self) -> bool {
        matches!(self, TokenKind::Newline | TokenKind::LineComment | TokenKind::Semicolon | TokenKind::Close)
    }

    /// Whether it is a string in quotes.
    pub(crate) fn is_string(self) -> bool {
        matches!(self, TokenKind::Quoted | TokenKind::Multiline | TokenKind::Raw)
    }
}

/// Something that never ends, or that goes deeper than is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanError {
    /// A `"` string has no end on its line.
    OpenString(Range<usize>),
    /// A `"""` or raw string has no end.
    OpenText(Range<usize>),
    /// A `/*` has no `*/`.
    OpenComment(Range<usize>),
    /// Block comments inside one another, beyond [`COMMENT_DEPTH_MAX`].
    DeepComment(Range<usize>),
    /// A raw string with more than [`RAW_HASHES_MAX`] hashes.
    ManyHashes(Range<usize>),
}

/// How deep block comments may nest.
pub(crate) const COMMENT_DEPTH_MAX: usize = 16;
/// How many hashes a raw string may have.
pub(crate) const RAW_HASHES_MAX: usize = 16;

/// Cuts a text into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ScanError> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 5);
    while scanner.at < text.len() {
        let start = scanner.at;
        let kind = scanner.next()?;
        tokens.push(Token { kind, span: start..scanner.at });
    }
    Ok(tokens)
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn character(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn starts_with(&self, what: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    fn next(&mut self) -> Result<TokenKind, ScanError> {
        let single = match self.byte(0) {
            Some(b'{') => Some(TokenKind::Open),
            Some(b'}') => Some(TokenKind::Close),
            Some(b'(') => Some(TokenKind::OpenType),
            Some(b')') => Some(TokenKind::CloseType),
            Some(b'=') => Some(TokenKind::Equals),
            Some(b';') => Some(TokenKind::Semicolon),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Ok(kind);
        }
        match (self.byte(0), self.byte(1)) {
            (Some(b'/'), Some(b'/')) => {
                self.skip_while(|c| !is_newline(c));
                Ok(TokenKind::LineComment)
            }
            (Some(b'/'), Some(b'*')) => self.block_comment(),
            (Some(b'/'), Some(b'-')) => {
                self.at += 2;
                Ok(TokenKind::Slashdash)
            }
            (Some(b'"'), _) => self.quoted(),
            (Some(b'#'), Some(b'"' | b'#')) => self.raw(),
            (Some(b'\\'), _) => {
                self.continuation()?;
                Ok(TokenKind::Continuation)
            }
            _ => Ok(self.word()),
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while let Some(character) = self.character().filter(|c| wanted(*c)) {
            self.at += character.len_utf8();
        }
    }

    fn word(&mut self) -> TokenKind {
        if self.starts_with("\r\n") {
            self.at += 2;
            return TokenKind::Newline;
        }
        match self.character() {
            Some(character) if is_newline(character) => {
                self.at += character.len_utf8();
                TokenKind::Newline
            }
            Some(character) if is_space(character) => {
                self.skip_while(is_space);
                TokenKind::Space
            }
            first => {
                self.at += first.map_or(1, char::len_utf8);
                while let Some(character) = self.character() {
                    let comment = character == '/' && matches!(self.byte(1), Some(b'/' | b'*' | b'-'));
                    let ends = matches!(character, '{' | '}' | '(' | ')' | '=' | ';' | '"' | '\\');
                    if comment || ends || is_space(character) || is_newline(character) {
                        break;
                    }
                    self.at += character.len_utf8();
                }
                TokenKind::Word
            }
        }
    }

    fn continuation(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        self.skip_while(is_space);
        while self.starts_with("/*") {
            self.block_comment()?;
            self.skip_while(is_space);
        }
        if self.starts_with("//") {
            self.skip_while(|c| !is_newline(c));
        }
        if self.starts_with("\r\n") {
            self.at += 2;
        } else if let Some(newline) = self.character().filter(|c| is_newline(*c)) {
            self.at += newline.len_utf8();
        }
        Ok(())
    }

    fn block_comment(&mut self) -> Result<TokenKind, ScanError> {
        let start = self.at;
        let mut depth = 0;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    if depth > COMMENT_DEPTH_MAX {
                        return Err(ScanError::DeepComment(self.at..self.at + 2));
                    }
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(TokenKind::BlockComment);
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(ScanError::OpenComment(start..start + 2)),
            }
        }
    }

    fn quoted(&mut self) -> Result<TokenKind, ScanError> {
        let start = self.at;
        let multiline = self.starts_with("\"\"\"");
        self.at += if multiline { 3 } else { 1 };
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\\' => {
                    self.at += 1;
                    // An escaped line's end goes on with the blanks of the next line.
                    let escaped = self.character();
                    self.at += escaped.map_or(0, char::len_utf8);
                    if escaped.is_some_and(|c| is_newline(c) || is_space(c)) {
                        self.skip_while(|c| is_newline(c) || is_space(c));
                    }
                }
                b'"' if multiline && !self.starts_with("\"\"\"") => self.at += 1,
                b'"' if multiline => {
                    self.at += 3;
                    return Ok(TokenKind::Multiline);
                }
                b'"' => {
                    self.at += 1;
                    return Ok(TokenKind::Quoted);
                }
                b'\n' | b'\r' if !multiline => return Err(ScanError::OpenString(start..self.at)),
                _ => self.at += 1,
            }
        }
        let end = if multiline { start + 3 } else { self.text.len() };
        Err(if multiline { ScanError::OpenText(start..end) } else { ScanError::OpenString(start..end) })
    }

    fn raw(&mut self) -> Result<TokenKind, ScanError> {
        let start = self.at;
        while self.byte(0) == Some(b'#') {
            self.at += 1;
        }
        let hashes = self.at - start;
        if self.byte(0) != Some(b'"') {
            self.at = start;
            return Ok(self.word());
        }
        if hashes > RAW_HASHES_MAX {
            return Err(ScanError::ManyHashes(start..self.at));
        }
        let quotes = if self.starts_with("\"\"\"") { 3 } else { 1 };
        let opened = self.at + quotes;
        let end: String = "\"".repeat(quotes) + &"#".repeat(hashes);
        match self.text.get(opened..).and_then(|rest| rest.find(&end)) {
            Some(length) => {
                self.at = opened + length + end.len();
                Ok(TokenKind::Raw)
            }
            None => Err(ScanError::OpenText(start..opened)),
        }
    }
}

/// KDL's line ends.
pub(crate) fn is_newline(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// KDL's blanks.
pub(crate) fn is_space(character: char) -> bool {
    matches!(character, '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text).unwrap().into_iter().map(|token| (token.kind, &text[token.span])).collect()
    }

    #[test]
    fn cuts_a_node() {
        use TokenKind::*;
        assert_eq!(
            kinds("a (t)\"b\\\"c\" k=#\"x\"y\"# { // d\n}"),
            [
                (Word, "a"),
                (Space, " "),
                (OpenType, "("),
                (Word, "t"),
                (CloseType, ")"),
                (Quoted, "\"b\\\"c\""),
                (Space, " "),
                (Word, "k"),
                (Equals, "="),
                (Raw, "#\"x\"y\"#"),
                (Space, " "),
                (Open, "{"),
                (Space, " "),
                (LineComment, "// d"),
                (Newline, "\n"),
                (Close, "}"),
            ]
        );
    }

    #[test]
    fn a_word_stops_at_a_comment_and_keeps_slashes() {
        assert_eq!(kinds("http://x"), [(TokenKind::Word, "http:"), (TokenKind::LineComment, "//x")]);
        assert_eq!(kinds("/etc/x"), [(TokenKind::Word, "/etc/x")]);
        assert_eq!(kinds("#true"), [(TokenKind::Word, "#true")]);
        assert_eq!(kinds("\\ /* x */ // y\nz"), [(TokenKind::Continuation, "\\ /* x */ // y\n"), (TokenKind::Word, "z")]);
    }

    #[test]
    fn the_tokens_are_the_text() {
        for text in ["", "a\r\nb", "é=\u{a0}ü \\  \n c", "/* a /* b */ */x", "\"\"\"\n a \"quoted\" \n\"\"\"", "##\"a\"#b\"##", "a /-b"] {
            let joined: String = kinds(text).into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn names_what_never_ends() {
        assert_eq!(tokens("a \"b\nc"), Err(ScanError::OpenString(2..4)));
        assert_eq!(tokens("a \"\"\"\nb"), Err(ScanError::OpenText(2..5)));
        assert_eq!(tokens("a /* /* */"), Err(ScanError::OpenComment(2..4)));
        assert_eq!(tokens("a ##\"b\"#"), Err(ScanError::OpenText(2..5)));
        assert!(matches!(tokens(&"/*".repeat(1600)), Err(ScanError::DeepComment(_))));
        assert!(matches!(tokens(&("#".repeat(20_000) + "\"")), Err(ScanError::ManyHashes(_))));
    }
}
