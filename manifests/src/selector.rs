//! Selectors: the one way to say which hosts are meant, in manifests and on the command line.
//!
//! ```text
//! group:lb and not (host:web-9 or tag:drained) and fact:os.family=debian
//! ```

use std::ops::Range;

use crate::codes;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::pattern::Pattern;

/// A parsed selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    root: Term,
}

/// A part of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// `host:GLOB`, or a name alone.
    Host(Pattern, Range<usize>),
    /// `group:GLOB`
    Group(Pattern, Range<usize>),
    /// `tag:GLOB`
    Tag(Pattern, Range<usize>),
    /// `fact:PATH=GLOB`
    Fact(String, Pattern),
    /// `var:PATH=GLOB`
    Variable(String, Pattern),
    /// All of them.
    And(Vec<Term>),
    /// One of them at least.
    Or(Vec<Term>),
    /// The others.
    Not(Box<Term>),
}

impl Term {
    fn reads_facts(&self) -> bool {
        match self {
            Term::Fact(..) => true,
            Term::And(terms) | Term::Or(terms) => terms.iter().any(Term::reads_facts),
            Term::Not(term) => term.reads_facts(),
            Term::Host(..) | Term::Group(..) | Term::Tag(..) | Term::Variable(..) => false,
        }
    }
}

/// Why a text is no selector, or what it names in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    /// The stable code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The bytes of the selector.
    pub span: Range<usize>,
    /// What to try.
    pub help: Option<String>,
}

impl SelectorError {
    fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        let help = Some("for instance `group:web and not host:web-9`".to_owned());
        Self { code: codes::SELECTOR_SYNTAX, message: message.into(), span, help }
    }

    /// The diagnostic, for a selector that begins at `start` of a file.
    pub fn into_diagnostic(self, file: &std::sync::Arc<str>, start: usize) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.message).at(file, start + self.span.start..start + self.span.end, "here");
        diagnostic.help.extend(self.help);
        diagnostic
    }
}

/// How deeply parentheses and `not` may be nested.
const MAX_DEPTH: usize = 64;

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// Says where it stops being one.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, tokens: tokens(text), position: 0, depth: 0 };
        let root = parser.any_of()?;
        match parser.peek() {
            None => Ok(Self { root }),
            Some(token) if token.text == ")" => Err(SelectorError::new("there is no `(` for this `)`", token.span())),
            Some(token) => {
                let mut error = SelectorError::new("`and` or `or` is missing before this", token.span());
                error.help = Some("for instance `group:web and tag:new`".to_owned());
                Err(error)
            }
        }
    }

    /// The whole selector as terms.
    pub fn root(&self) -> &Term {
        &self.root
    }

    /// Whether it asks what hosts say of themselves.
    pub fn reads_facts(&self) -> bool {
        self.root.reads_facts()
    }
}

#[derive(Debug, Clone)]
struct Token<'a> {
    text: &'a str,
    start: usize,
}

impl Token<'_> {
    fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// Words and parentheses; quotes keep spaces in a word.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut flush = |start: &mut Option<usize>, end: usize| {
        if let Some(from) = start.take() {
            tokens.push(Token { text: text.get(from..end).unwrap_or_default(), start: from });
        }
    };
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote = Some(character);
                start.get_or_insert(at);
            }
            (None, '(' | ')') => {
                flush(&mut start, at);
                start = Some(at);
                flush(&mut start, at + 1);
            }
            (None, space) if space.is_whitespace() => flush(&mut start, at),
            (None, _) => {
                start.get_or_insert(at);
            }
        }
    }
    flush(&mut start, text.len());
    tokens
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    position: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.position).cloned()
    }

    fn skip(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.text == word);
        self.position += usize::from(found);
        found
    }

    fn any_of(&mut self) -> Result<Term, SelectorError> {
        let mut terms = vec![self.all_of()?];
        while self.skip("or") {
            terms.push(self.all_of()?);
        }
        Ok(if terms.len() == 1 { terms.swap_remove(0) } else { Term::Or(terms) })
    }

    fn all_of(&mut self) -> Result<Term, SelectorError> {
        let mut terms = vec![self.one()?];
        while self.skip("and") {
            terms.push(self.one()?);
        }
        Ok(if terms.len() == 1 { terms.swap_remove(0) } else { Term::And(terms) })
    }

    fn one(&mut self) -> Result<Term, SelectorError> {
        let Some(token) = self.peek() else {
            let end = self.text.len();
            return Err(SelectorError::new("the selector ends where a term should stand", end.saturating_sub(1)..end));
        };
        self.position += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SelectorError::new("this is nested too deeply", token.span()));
        }
        let term = match token.text {
            "not" => Term::Not(Box::new(self.one()?)),
            "(" => {
                let inner = self.any_of()?;
                if !self.skip(")") {
                    return Err(SelectorError::new("this `(` is not closed", token.span()));
                }
                inner
            }
            ")" | "and" | "or" => return Err(SelectorError::new(format!("a term should stand before `{}`", token.text), token.span())),
            _ => term(&token)?,
        };
        self.depth -= 1;
        Ok(term)
    }
}

fn term(token: &Token<'_>) -> Result<Term, SelectorError> {
    let span = token.span();
    let (kind, value) = token.text.split_once(':').unwrap_or(("host", token.text));
    let pattern = |text: &str| {
        let unquoted = unquote(text);
        if unquoted.is_empty() {
            return Err(SelectorError::new(format!("a name is missing in `{}`", token.text), span.clone()));
        }
        Pattern::parse(unquoted).map_err(|why| SelectorError::new(why, span.clone()))
    };
    let comparison = |kind: &str| {
        let (path, wanted) = value.split_once('=').ok_or_else(|| {
            let mut error = SelectorError::new(format!("`{kind}:` compares, `{kind}:PATH=VALUE`"), span.clone());
            error.help = Some(format!("for instance `{kind}:{}=...`", if value.is_empty() { "os.family" } else { value }));
            error
        })?;
        let wanted =
            if wanted.is_empty() { Pattern::parse("").map_err(|why| SelectorError::new(why, span.clone())) } else { pattern(wanted) };
        Ok((path.to_owned(), wanted?))
    };
    match kind {
        "host" => Ok(Term::Host(pattern(value)?, span.clone())),
        "group" => Ok(Term::Group(pattern(value)?, span.clone())),
        "tag" => Ok(Term::Tag(pattern(value)?, span.clone())),
        "fact" => comparison("fact").map(|(path, wanted)| Term::Fact(path, wanted)),
        "var" => comparison("var").map(|(path, wanted)| Term::Variable(path, wanted)),
        other => {
            let mut error = SelectorError::new(format!("there are no `{other}:` terms"), span.start..span.start + other.len());
            error.help = did_you_mean(other, ["host", "group", "tag", "fact", "var"]).or(error.help);
            Err(error)
        }
    }
}

fn unquote(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String) {
        let error = Selector::parse(text).unwrap_err();
        (error.message, text.get(error.span).unwrap_or("?").to_owned())
    }

    #[test]
    fn and_binds_stronger_than_or() {
        let parsed = Selector::parse("a or group:b and not tag:c").unwrap();
        let Term::Or(terms) = parsed.root() else { panic!("{parsed:?}") };
        assert!(matches!(terms.as_slice(), [Term::Host(..), Term::And(_)]), "{terms:?}");
        assert!(matches!(Selector::parse("(a or b) and c").unwrap().root(), Term::And(_)));
        assert!(Selector::parse("var:owner='web team' and fact:os.name=debian").unwrap().reads_facts());
        assert!(!Selector::parse("var:owner=facts and not host:fact").unwrap().reads_facts());
    }

    #[test]
    fn errors_point_at_the_word() {
        assert_eq!(error("group:a tag:b"), ("`and` or `or` is missing before this".into(), "tag:b".into()));
        assert_eq!(error("grp:a"), ("there are no `grp:` terms".into(), "grp".into()));
        assert_eq!(error("a and"), ("the selector ends where a term should stand".into(), "d".into()));
        assert_eq!(error("(a"), ("this `(` is not closed".into(), "(".into()));
        assert_eq!(error("a)"), ("there is no `(` for this `)`".into(), ")".into()));
        assert_eq!(error("or a"), ("a term should stand before `or`".into(), "or".into()));
        assert_eq!(error("fact:os"), ("`fact:` compares, `fact:PATH=VALUE`".into(), "fact:os".into()));
        assert_eq!(error("group:"), ("a name is missing in `group:`".into(), "group:".into()));
        assert_eq!(error("web[1").0, "the `[` in `web[1` is not closed");
        assert_eq!(error(&"(".repeat(200)).0, "this is nested too deeply");
        assert_eq!(error("").0, "the selector ends where a term should stand");
    }
}
