//! KDL's traps: what people write who come from other languages. Some of it does not parse, and the
//! parser's own message is far from the spot; some of it parses and means something else.

use std::ops::Range;
use std::sync::Arc;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::guard::Guarded;
use crate::tokens::{Token, TokenKind};

/// Everything in a text that is a trap, in the order of the text.
pub(crate) fn traps(file: &Arc<str>, guarded: &Guarded<'_>) -> Vec<Diagnostic> {
    let mut trapper = Trapper { file, text: guarded.text, found: Vec::new() };
    let tokens: Vec<&Token> = guarded.tokens.iter().filter(|token| !token.kind.is_blank()).collect();
    let mut line = Line::default();
    for (position, token) in tokens.iter().enumerate() {
        let next = tokens.get(position + 1).copied();
        let seen = trapper.found.len();
        match token.kind {
            TokenKind::Word => trapper.word(token, next, &line),
            TokenKind::Quoted | TokenKind::Multiline => trapper.escapes(token),
            TokenKind::Equals => trapper.equals(token, next, &line),
            TokenKind::Open => trapper.open(token, next),
            TokenKind::CloseType => trapper.annotation(token, next, tokens.get(position + 2).copied()),
            _ => {}
        }
        if line.after_block && (token.kind == TokenKind::Word || token.kind.is_string() || token.kind == TokenKind::OpenType) {
            trapper.after_brace(token);
        }
        // One trap a line: what follows is most often its consequence.
        if trapper.found.len() > seen && line.trapped {
            trapper.found.truncate(seen);
        }
        line.trapped |= trapper.found.len() > seen;
        line.step(token.kind);
    }
    trapper.found
}

/// What came before on the current node.
#[derive(Default)]
struct Line {
    /// Names and values so far.
    entries: usize,
    /// The last thing was a value after `=`.
    after_value: bool,
    /// The last thing was `=`.
    after_equals: bool,
    /// The node's block is closed.
    after_block: bool,
    /// The last thing was `(`.
    in_type: bool,
    /// Something was said about this line.
    trapped: bool,
}

impl Line {
    fn step(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::Newline => *self = Line::default(),
            TokenKind::Semicolon | TokenKind::LineComment | TokenKind::Open => *self = Line { trapped: self.trapped, ..Line::default() },
            TokenKind::Close => *self = Line { after_block: true, trapped: self.trapped, ..Line::default() },
            TokenKind::OpenType => self.in_type = true,
            TokenKind::CloseType => self.in_type = false,
            TokenKind::Equals => (self.after_equals, self.after_value) = (true, false),
            _ if self.in_type => {}
            _ => {
                self.entries += 1;
                self.after_value = self.after_equals;
                self.after_equals = false;
                self.after_block = false;
            }
        }
    }
}

struct Trapper<'t> {
    file: &'t Arc<str>,
    text: &'t str,
    found: Vec<Diagnostic>,
}

impl Trapper<'_> {
    fn say(&mut self, code: &'static str, message: impl Into<String>, span: Range<usize>, help: impl Into<String>) {
        self.found.push(Diagnostic::error(code, message).at(self.file, span, "here").help(help));
    }

    fn word(&mut self, token: &Token, next: Option<&Token>, line: &Line) {
        let word = &self.text[token.span.clone()];
        let span = token.span.clone();
        let follows = |kind| next.is_some_and(|next| next.kind == kind && next.span.start == token.span.end);
        if word.ends_with(':') && follows(TokenKind::LineComment) {
            let end = next.map_or(span.end, |next| next.span.end);
            let whole = self.text[span.start..end].trim_end();
            let help = format!("write \"{whole}\", in quotes");
            return self.say(codes::SWALLOWED_COMMENT, format!("`//` begins a comment here, only `{word}` is left"), span.start..end, help);
        }
        if word.ends_with('$') && follows(TokenKind::Open) {
            let help = "write \"{{ name }}\", in quotes";
            return self.say(codes::DOLLAR_BRACE, "`${` is no interpolation but a word with a block", span, help);
        }
        if let Some((code, message, help)) = judge_word(word, line) {
            self.say(code, message, span, help);
        }
    }

    fn equals(&mut self, token: &Token, next: Option<&Token>, line: &Line) {
        if let Some(next) = next.filter(|next| next.kind == TokenKind::Word && self.text[next.span.clone()].starts_with('>')) {
            let span = token.span.start..next.span.end;
            return self.say(
                codes::SYNTAX,
                "`=>` is not written here",
                span,
                "write `name=value` on the node's line, or `name value` in its block",
            );
        }
        if line.after_value {
            let help = "put the whole value in quotes: name=\"a=b\"";
            return self.say(codes::UNQUOTED, "a second `=` after a value", token.span.clone(), help);
        }
        if line.entries == 1 {
            let help = "as a node of its own write `name value`; a property stands on its node's line";
            self.say(codes::MISPLACED_PROPERTY, "a property without a node", token.span.clone(), help);
        }
    }

    fn open(&mut self, token: &Token, next: Option<&Token>) {
        if let Some(next) = next.filter(|next| next.kind == TokenKind::Open && next.span.start == token.span.end) {
            let span = token.span.start..next.span.end;
            self.say(codes::UNQUOTED, "`{{` outside quotes", span, "expressions stand in strings: \"{{ name }}\"");
        }
    }

    fn annotation(&mut self, token: &Token, next: Option<&Token>, after: Option<&Token>) {
        match next {
            Some(next) if !next.kind.ends_node() && next.kind != TokenKind::Open => {
                if after.is_some_and(|after| after.kind == TokenKind::Equals) {
                    let help = "write name=(type)value";
                    self.say(codes::SYNTAX, "the annotation stands before the name", token.span.start..next.span.end, help);
                }
            }
            _ => {
                let help = "write (type)value, without a blank in between; a list has no brackets, write `name a b` in the block";
                self.say(codes::SYNTAX, "the annotation has no value", token.span.clone(), help)
            }
        }
    }

    fn after_brace(&mut self, token: &Token) {
        let word = &self.text[token.span.clone()];
        let help = match word {
            "else" | "elif" => format!("begin a new line before `{word}`"),
            _ => "begin a new line, or write `;` between the nodes".to_owned(),
        };
        self.say(codes::BRACE_THEN_WORD, "a node ends with its closing brace", token.span.clone(), help);
    }

    fn escapes(&mut self, token: &Token) {
        let text = &self.text[token.span.clone()];
        let mut characters = text.char_indices();
        while let Some((offset, character)) = characters.next() {
            if character != '\\' {
                continue;
            }
            let Some((_, escaped)) = characters.next() else { return };
            let rest = text.get(offset + 2..).unwrap_or_default();
            let good = match escaped {
                'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's' => true,
                'u' => is_code_point(rest),
                other => other.is_whitespace(),
            };
            if !good {
                let start = token.span.start + offset;
                let span = start..start + 1 + escaped.len_utf8();
                let nul = escaped == 'u' && rest.strip_prefix('{').is_some_and(|rest| rest.trim_start_matches('0').starts_with('}'));
                let help = if nul {
                    "no file name, setting or command can hold a NUL; leave it out".to_owned()
                } else if escaped == 'u' {
                    "a character is written \\u{1f600}, with one to six hexadecimal digits".to_owned()
                } else {
                    format!("write `\\\\{escaped}`, or the whole as a raw string, #\"...\"#")
                };
                self.say(codes::BAD_ESCAPE, format!("`\\{escaped}` is no escape"), span, help);
                return;
            }
        }
    }
}

/// Whether `{1f600}` follows, and names a character that a text may hold.
fn is_code_point(rest: &str) -> bool {
    let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
    let number = digits.filter(|digits| (1..=6).contains(&digits.len())).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.is_some_and(|number| number != 0 && char::from_u32(number).is_some())
}

/// What is wrong with a word: code, message, help.
fn judge_word(word: &str, line: &Line) -> Option<(&'static str, String, String)> {
    let quoted = || format!("write \"{word}\", in quotes");
    if matches!(word, "true" | "false" | "null") {
        let message = format!("`{word}` without `#`");
        return Some((codes::BARE_KEYWORD, message, format!("write #{word}, or \"{word}\" if the word is meant")));
    }
    if matches!(word, "inf" | "-inf" | "nan") {
        return Some((codes::BARE_KEYWORD, format!("`{word}` is a keyword of KDL"), quoted()));
    }
    if matches!(word, "#inf" | "#-inf" | "#nan") {
        return Some((codes::NUMBER_OUT_OF_RANGE, format!("{word} is no number that can be used"), "numbers are finite here".to_owned()));
    }
    if let Some(rest) = word.strip_prefix('#') {
        let known = matches!(rest, "true" | "false" | "null");
        let help = "the keywords are #true, #false and #null; comments begin with //".to_owned();
        return (!known).then(|| (codes::BARE_KEYWORD, format!("`{word}` is no keyword"), help));
    }
    if word.starts_with('\'') {
        let inner = word.trim_matches('\'');
        return Some((codes::SINGLE_QUOTES, "single quotes are no quotes".to_owned(), format!("write \"{inner}\", in double quotes")));
    }
    if line.in_type && word.contains(['[', ']']) {
        let help = "a list of texts is (list<string>)".to_owned();
        return Some((codes::UNQUOTED, format!("`{word}` is no type name"), help));
    }
    if word.starts_with('[') {
        return Some((codes::UNQUOTED, "lists have no brackets".to_owned(), LIST_HELP.to_owned()));
    }
    if word.len() > 1 && word.ends_with(',') {
        let help = "nothing stands between values but blanks; write it in quotes if the comma is meant".to_owned();
        return Some((codes::UNQUOTED, format!("`{word}` ends in a comma"), help));
    }
    if word.contains(['/', '[', ']', '#', '"']) {
        return Some((codes::UNQUOTED, format!("`{word}` needs quotes"), quoted()));
    }
    if mixes_scripts(word) {
        let message = format!("`{word}` mixes Latin letters with others that look alike");
        return Some((codes::MIXED_SCRIPTS, message, "write it in one alphabet".to_owned()));
    }
    judge_number(word)
}

/// How lists are written.
const LIST_HELP: &str = "write the values one after another in the block, `name a b`, or as the node's own arguments";

/// What is wrong with a word that looks like a number.
fn judge_number(word: &str) -> Option<(&'static str, String, String)> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let after_dot = unsigned.strip_prefix('.').unwrap_or(unsigned);
    if !after_dot.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let quoted = format!("write \"{word}\", in quotes");
    let plain: String = unsigned.chars().filter(|c| *c != '_').collect();
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = plain.trim_start_matches('0');
        let number = if number.is_empty() { "0" } else { number };
        return Some((
            codes::LEADING_ZERO,
            format!("`{word}` is the number {number}"),
            format!("write \"{word}\", in quotes, if it is a file mode"),
        ));
    }
    match number_class(unsigned) {
        NumberClass::None => Some((codes::UNQUOTED, format!("`{word}` is neither a number nor a plain word"), quoted)),
        NumberClass::OutOfRange => Some((
            codes::NUMBER_OUT_OF_RANGE,
            format!("{word} is out of range"),
            "whole numbers have 64 bits; quote it if it is a text".to_owned(),
        )),
        NumberClass::Good => None,
    }
}

enum NumberClass {
    None,
    OutOfRange,
    Good,
}

fn number_class(unsigned: &str) -> NumberClass {
    let plain: String = unsigned.chars().filter(|c| *c != '_').collect();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return match () {
                () if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) => NumberClass::None,
                () if i64::from_str_radix(digits, radix).is_ok() => NumberClass::Good,
                () => NumberClass::OutOfRange,
            };
        }
    }
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return if plain.parse::<i64>().is_ok() { NumberClass::Good } else { NumberClass::OutOfRange };
    }
    let starts_and_ends_in_digits = plain.starts_with(|c: char| c.is_ascii_digit()) && plain.ends_with(|c: char| c.is_ascii_digit());
    let shape = plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let dotted = plain.split_once('.').is_none_or(|(_, fraction)| fraction.starts_with(|c: char| c.is_ascii_digit()));
    match plain.parse::<f64>() {
        Ok(number) if starts_and_ends_in_digits && shape && dotted => {
            if number.is_finite() {
                NumberClass::Good
            } else {
                NumberClass::OutOfRange
            }
        }
        _ => NumberClass::None,
    }
}

/// Whether a word in the text has Latin letters together with Cyrillic or Greek ones.
pub(crate) fn mixes_scripts(text: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic()).any(|word| {
        let latin = word.chars().any(|c| c.is_ascii_alphabetic());
        let other = word.chars().any(|c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}'));
        latin && other
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::guard;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let file = Arc::from("x.kdl");
        let guarded = guard(&file, text.as_bytes()).unwrap();
        traps(&file, &guarded).into_iter().map(|d| (d.code, text[d.labels[0].span.clone()].to_owned())).collect()
    }

    #[test]
    fn every_trap_is_met_at_its_place() {
        for (text, code, place) in [
            ("file a enable=true", "KE0112", "true"),
            ("a #yes", "KE0112", "#yes"),
            ("file /etc/x", "KE0113", "/etc/x"),
            ("a ~/x", "KE0113", "~/x"),
            ("a 10.0.0.1", "KE0113", "10.0.0.1"),
            ("a 30s", "KE0113", "30s"),
            ("a 10%", "KE0113", "10%"),
            ("a b[1]", "KE0113", "b[1]"),
            ("a b=[\"c\", \"d\"]", "KE0113", "["),
            ("a .5", "KE0113", ".5"),
            ("a 0o99", "KE0113", "0o99"),
            ("a 10^100", "KE0113", "10^100"),
            ("a x=y=z", "KE0113", "="),
            ("a {{ b }}", "KE0113", "{{"),
            ("a b=root, c=d", "KE0113", "root,"),
            ("if \"x\" {\n a\n} else {\n b\n}", "KE0114", "else"),
            ("a 'single words'", "KE0115", "'single"),
            ("source http://x.y/z", "KE0116", "http://x.y/z"),
            ("value ${x}", "KE0117", "$"),
            ("a \"\\d\" {\n}", "KE0118", "\\d"),
            ("a \"\\u{0}\"", "KE0118", "\\u"),
            ("package nginх", "KE0119", "nginх"),
            ("a mode=0644", "KE0121", "0644"),
            ("a 1e400", "KE0109", "1e400"),
            ("a 99999999999999999999", "KE0109", "99999999999999999999"),
            ("a #inf", "KE0109", "#inf"),
            ("a {\n require=(b)c\n}", "KE0122", "="),
            ("a ensure => present", "KE0111", "=>"),
            ("a (b)", "KE0111", ")"),
            ("a (b)c=1", "KE0111", ")c"),
        ] {
            assert_eq!(found(text), [(code, place.to_owned())], "{text}");
        }
    }

    #[test]
    fn good_kdl_is_left_alone() {
        let text = "a k = 1 k2=\"a=b\" (t)v x=(t)\"\\u{1f600}\\n\" {\n  - 1 ; - 1_000 0xff 0o644 -1.5e3 +2 a.b v1.2 --force -x\n  \"q r\" #\"\\d\"# #true\n}\nb /-{ c } { d }\n\"é\" \"привет\" z=привет";
        assert_eq!(found(text), []);
    }
}
