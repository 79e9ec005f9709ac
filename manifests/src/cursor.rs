//! What stands around a place of a manifest that may not be finished: for editors, which ask while somebody types.

use std::mem::take;
use std::ops::Range;

use crate::tokens::{ScanError, Token, TokenKind, tokens};

/// How many strings without an end are passed over; whoever leaves more gets no answer.
const OPEN_STRINGS_MAX: usize = 64;

/// A place in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The nodes in whose blocks it is, the outermost first.
    pub blocks: Vec<Head>,
    /// The node that it is in, as far as it was written before the place.
    pub head: Head,
    /// What belongs there.
    pub spot: Spot,
    /// What stands before it in `( )`.
    pub annotation: Option<String>,
    /// What was begun to be written there.
    pub typed: String,
    /// Where that stands.
    pub span: Range<usize>,
    /// Whether it is inside of quotes.
    pub in_quotes: bool,
}

/// What belongs to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// The name of a node.
    Name,
    /// An argument of a node, or the name of a property.
    Argument,
    /// The value of the property of this name.
    Value(String),
    /// What stands between `(` and `)`.
    Annotation,
    /// A name in an expression.
    Expression,
    /// Nothing: a comment.
    Comment,
}

/// A node without its block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Its name, then its arguments.
    pub words: Vec<Word>,
    /// The names of its properties.
    pub properties: Vec<String>,
    /// The names that `let` nodes in its block have made so far.
    pub names: Vec<String>,
}

/// A name or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What stands before it in `( )`.
    pub annotation: Option<String>,
    /// The text without quotes.
    pub text: String,
}

impl Head {
    /// The node's name; nothing if there is none yet.
    pub fn name(&self) -> &str {
        self.argument(0)
    }

    /// The argument at a position from 1; nothing if there is none.
    pub fn argument(&self, position: usize) -> &str {
        self.words.get(position).map_or("", |word| &word.text)
    }
}

impl Cursor {
    /// The place at an offset; none where the text before it is beyond understanding.
    pub fn at(text: &str, offset: usize) -> Option<Self> {
        let before = text.get(..offset)?;
        let Lenient { tokens, open } = lenient(before)?;
        let mut reader = Reader::default();
        match open {
            Some(Open::Comment) => Some(reader.end(Spot::Comment, "", offset..offset, false)),
            Some(Open::Text(start)) => {
                tokens.iter().for_each(|token| reader.take(token, before));
                Some(reader.in_string(before, start))
            }
            None => {
                let (typed, whole) = match tokens.split_last() {
                    Some((last, whole)) if last.kind == TokenKind::Word => (Some(last), whole),
                    _ => (None, tokens.as_slice()),
                };
                whole.iter().for_each(|token| reader.take(token, before));
                let span = typed.map_or(offset..offset, |token| token.span.clone());
                let is_comment = tokens.last().is_some_and(|token| token.kind == TokenKind::LineComment);
                let spot = if is_comment { Spot::Comment } else { reader.spot() };
                Some(reader.end(spot, before.get(span.clone())?, span, false))
            }
        }
    }

    /// The place at the end of the word that an offset is in.
    pub fn around(text: &str, offset: usize) -> Option<Self> {
        let rest = text.get(offset..)?;
        let here = Self::at(text, offset)?;
        let goes_on = |c: char| match (&here.spot, here.in_quotes) {
            (Spot::Expression, _) => is_name(c),
            (_, true) => !matches!(c, '"' | '\n'),
            (_, false) => is_name(c) || matches!(c, '-' | '/' | '@' | '+' | ':'),
        };
        let end = rest.find(|c| !goes_on(c)).unwrap_or(rest.len());
        Self::at(text, offset + end)
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.')
}

/// What never ends before the place.
enum Open {
    Comment,
    /// A string that begins here.
    Text(usize),
}

struct Lenient {
    tokens: Vec<Token>,
    open: Option<Open>,
}

/// Cuts a text into tokens; strings that lack their end on an earlier line are passed over.
fn lenient(before: &str) -> Option<Lenient> {
    let mut text = before.to_owned();
    for _ in 0..OPEN_STRINGS_MAX {
        let open = match tokens(&text) {
            Ok(tokens) => return Some(Lenient { tokens, open: None }),
            Err(ScanError::OpenString(range)) if range.end < text.len() => {
                let blanks = " ".repeat(range.len());
                text.replace_range(range, &blanks);
                continue;
            }
            Err(ScanError::OpenString(range) | ScanError::OpenText(range)) => Open::Text(range.start),
            Err(ScanError::OpenComment(range)) => {
                text.truncate(range.start);
                return Some(Lenient { tokens: tokens(&text).ok()?, open: Some(Open::Comment) });
            }
            Err(ScanError::DeepComment(_) | ScanError::ManyHashes(_)) => return None,
        };
        if let Open::Text(start) = open {
            text.truncate(start);
        }
        return Some(Lenient { tokens: tokens(&text).ok()?, open: Some(open) });
    }
    None
}

/// Puts nodes together from tokens.
#[derive(Default)]
struct Reader {
    blocks: Vec<Head>,
    head: Head,
    /// The annotation that is open, or waits for what it is said of.
    annotation: Option<String>,
    in_annotation: bool,
    /// The property that waits for its value.
    property: Option<String>,
    /// Names that `let` has made at the top.
    top_names: Vec<String>,
}

impl Reader {
    fn take(&mut self, token: &Token, text: &str) {
        let written = text.get(token.span.clone()).unwrap_or_default();
        match token.kind {
            TokenKind::Newline | TokenKind::LineComment | TokenKind::Semicolon => self.end_node(),
            TokenKind::Open => {
                let head = take(&mut self.head);
                self.reset();
                self.blocks.push(head);
            }
            TokenKind::Close => {
                self.end_node();
                self.blocks.pop();
            }
            TokenKind::OpenType => (self.in_annotation, self.annotation) = (true, Some(String::new())),
            TokenKind::CloseType => self.in_annotation = false,
            TokenKind::Equals => self.property = self.head.words.pop().map(|word| word.text),
            TokenKind::Word if self.in_annotation => self.annotation = Some(written.to_owned()),
            TokenKind::Word | TokenKind::Quoted | TokenKind::Multiline | TokenKind::Raw => self.word(unquoted(written)),
            TokenKind::Space | TokenKind::Continuation | TokenKind::BlockComment | TokenKind::Slashdash => {}
        }
    }

    fn word(&mut self, text: &str) {
        let annotation = self.annotation.take();
        match self.property.take() {
            Some(property) => self.head.properties.push(property),
            None => self.head.words.push(Word { annotation, text: text.to_owned() }),
        }
    }

    fn end_node(&mut self) {
        let head = take(&mut self.head);
        if head.name() == "let" {
            let names = self.blocks.last_mut().map_or(&mut self.top_names, |block| &mut block.names);
            names.extend(head.properties);
        }
        self.reset();
    }

    fn reset(&mut self) {
        (self.annotation, self.in_annotation, self.property) = (None, false, None);
    }

    fn spot(&self) -> Spot {
        match &self.property {
            _ if self.in_annotation => Spot::Annotation,
            Some(property) => Spot::Value(property.clone()),
            None if self.head.words.is_empty() => Spot::Name,
            None => Spot::Argument,
        }
    }

    /// The place at the end of a string that begins at `start`.
    fn in_string(self, before: &str, start: usize) -> Cursor {
        let inside = before.get(start..).unwrap_or_default();
        let opened = inside.len() - inside.trim_start_matches(['#', '"']).len();
        let begun = |mark: &str, end: &str| inside.rfind(mark).is_some_and(|at| !inside.get(at..).unwrap_or_default().contains(end));
        let is_expression = begun("{{", "}}") || begun("{%", "%}") || self.takes_expression();
        if !is_expression {
            let spot = self.spot();
            return self.end(spot, inside.get(opened..).unwrap_or_default(), start + opened..before.len(), true);
        }
        let content = inside.get(opened..).unwrap_or_default();
        let name = content.trim_end_matches(is_name).len();
        self.end(Spot::Expression, content.get(name..).unwrap_or_default(), start + opened + name..before.len(), true)
    }

    fn takes_expression(&self) -> bool {
        let by_property = self.property.as_deref().is_some_and(|property| matches!(property, "when" | "in"));
        let by_name = self.property.is_none() && self.head.words.len() == 1 && matches!(self.head.name(), "if" | "elif" | "when");
        by_property || by_name || self.annotation.as_deref() == Some("expr")
    }

    fn end(mut self, spot: Spot, typed: &str, span: Range<usize>, in_quotes: bool) -> Cursor {
        if let Some(first) = self.blocks.first_mut() {
            first.names.append(&mut self.top_names);
        }
        Cursor { blocks: self.blocks, head: self.head, spot, annotation: self.annotation, typed: typed.to_owned(), span, in_quotes }
    }
}

fn unquoted(written: &str) -> &str {
    written.trim_matches('#').trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place that `|` marks in a text.
    fn at(marked: &str) -> Cursor {
        let offset = marked.find('|').unwrap();
        Cursor::at(&marked.replace('|', ""), offset).unwrap()
    }

    fn names(cursor: &Cursor) -> Vec<&str> {
        cursor.blocks.iter().map(Head::name).collect()
    }

    #[test]
    fn blocks_and_nodes_are_told() {
        let cursor = at("group web {\n file \"/etc/x\" mode=\"0644\" {\n  own|\n }\n}");
        assert_eq!((names(&cursor), &cursor.spot, &*cursor.typed), (vec!["group", "file"], &Spot::Name, "own"));
        assert_eq!((cursor.blocks[1].argument(1), &cursor.blocks[1].properties[..]), ("/etc/x", &["mode".to_owned()][..]));
        let cursor = at("a { b; }\nuse ngi|");
        assert_eq!((cursor.blocks.len(), cursor.head.name(), &cursor.spot, &*cursor.typed), (0, "use", &Spot::Argument, "ngi"));
    }

    #[test]
    fn values_annotations_and_comments_are_told() {
        assert_eq!(at("service nginx ensure=|").spot, Spot::Value("ensure".to_owned()));
        assert_eq!(at("service nginx ensure=run|").typed, "run");
        let quoted = at("service nginx ensure=\"run|");
        assert_eq!((&quoted.spot, &*quoted.typed, quoted.in_quotes), (&Spot::Value("ensure".to_owned()), "run", true));
        let annotated = at("a { require (serv|");
        assert_eq!((&annotated.spot, &*annotated.typed, annotated.head.name()), (&Spot::Annotation, "serv", "require"));
        assert_eq!(at("a { // file|").spot, Spot::Comment);
        assert_eq!(at("a /* file|").spot, Spot::Comment);
    }

    #[test]
    fn expressions_are_told_with_the_names_around_them() {
        let cursor = at("module m {\n let port=80\n for name vhost in=\"vhosts\" {\n file \"/x/{{ na|");
        assert_eq!((&cursor.spot, &*cursor.typed), (&Spot::Expression, "na"));
        assert_eq!((names(&cursor), &cursor.blocks[0].names[..]), (vec!["module", "for"], &["port".to_owned()][..]));
        assert_eq!(at("for x in=\"groups.we|").typed, "groups.we");
        assert_eq!(at("if \"a.b and fac|").typed, "fac");
        assert_eq!(at("file \"/x/{{ name }}/y|").spot, Spot::Argument);
    }

    #[test]
    fn what_is_not_finished_above_does_no_harm() {
        let cursor = at("group a {\n file \"/x\n service ng|");
        assert_eq!((names(&cursor), cursor.head.name(), &*cursor.typed), (vec!["group"], "service", "ng"));
        assert_eq!(at("a \"x\n} } {|").blocks.len(), 1);
    }

    #[test]
    fn the_whole_word_is_taken_where_it_is_pointed_at() {
        let text = "use nginx workers=2";
        assert_eq!(Cursor::around(text, 5).unwrap().typed, "nginx");
        assert_eq!(Cursor::around("a \"{{ groups.web }}\"", 8).unwrap().typed, "groups.web");
        assert_eq!(Cursor::around("x", 9), None);
    }
}
