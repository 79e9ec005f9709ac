//! How much one expression may hold. minijinja's parser and compiler call themselves once more for each
//! operator, field, filter and `elif`, and do not count: a long chain of them would overflow the stack.

use minijinja::machinery::{Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;

use crate::codes;
use crate::evaluation_error::EvalError;

/// The most operators, fields, filters, tests and unary words that may hang together in one expression.
pub(crate) const OPERATIONS_MAX: usize = 200;
/// The most `elif` in one template.
pub(crate) const ELIFS_MAX: usize = 200;

/// Refuses an expression that is too long a chain.
///
/// # Errors
/// The place where the chain passes the bound.
pub(crate) fn check_expression(source: &str) -> Result<(), EvalError> {
    check(source, true, SyntaxConfig::default())
}

/// Refuses a template, or an interpolated text, with too long a chain in one of its tags.
///
/// # Errors
/// The place where the chain passes the bound.
pub(crate) fn check_template(source: &str, syntax: &SyntaxConfig) -> Result<(), EvalError> {
    check(source, false, syntax.clone())
}

fn check(source: &str, is_expression: bool, syntax: SyntaxConfig) -> Result<(), EvalError> {
    // Each operation has at least one byte.
    if source.len() <= OPERATIONS_MAX {
        return Ok(());
    }
    let mut tokens = Tokenizer::new(source, "", is_expression, syntax);
    let mut chain = Chain::default();
    let mut elifs = 0;
    // What cannot be read ends the parser as well, which says why.
    while let Ok(Some((token, span))) = tokens.next_token() {
        // An expression that is closed before its end is no expression: nothing more of it is parsed.
        if is_expression && matches!(token, Token::VariableEnd | Token::BlockEnd) {
            break;
        }
        let range = || span.start_offset as usize..span.end_offset as usize;
        if matches!(token, Token::Ident("elif")) {
            elifs += 1;
        }
        if elifs > ELIFS_MAX {
            let message = format!("the template has more than {ELIFS_MAX} `elif`");
            let error = EvalError::new(codes::LIMIT, message).help("look the value up in a table instead");
            return Err(EvalError { range: Some(range()), ..error });
        }
        if chain.step(&token) > OPERATIONS_MAX {
            let message = format!("the expression chains more than {OPERATIONS_MAX} operators, fields and filters");
            let error = EvalError::new(codes::LIMIT, message).help("keep parts of it in variables, or take a list and `join`, `sum`, `in`");
            return Err(EvalError { range: Some(range()), ..error });
        }
    }
    Ok(())
}

/// How deep the tree of an expression can be so far. The items of a list stand beside each other, and what
/// follows a bracket stands around everything in it.
#[derive(Default)]
struct Chain {
    length: usize,
    brackets: Vec<Bracket>,
}

struct Bracket {
    before: usize,
    longest: usize,
}

impl Chain {
    fn step(&mut self, token: &Token<'_>) -> usize {
        match token {
            Token::VariableStart | Token::BlockStart | Token::TemplateData(_) => *self = Self::default(),
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.length += 1;
                self.brackets.push(Bracket { before: self.length, longest: self.length });
            }
            Token::Comma => {
                if let Some(bracket) = self.brackets.last_mut() {
                    bracket.longest = bracket.longest.max(self.length);
                    self.length = bracket.before;
                }
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                if let Some(bracket) = self.brackets.pop() {
                    self.length = self.length.max(bracket.longest);
                }
            }
            Token::Ident(word) => self.length += usize::from(matches!(*word, "and" | "or" | "not" | "in" | "is" | "if" | "else")),
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::FloorDiv | Token::Pow | Token::Mod => self.length += 1,
            Token::Dot | Token::Tilde | Token::Pipe | Token::Assign => self.length += 1,
            Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => self.length += 1,
            _ => {}
        }
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_is_bounded() {
        let many = OPERATIONS_MAX + 1;
        for source in [
            format!("x{}", " + x".repeat(many)),
            format!("x{}", ".a".repeat(many)),
            format!("x{}", "[0]".repeat(many)),
            format!("x{}", "()".repeat(many)),
            format!("{}x", "-".repeat(many)),
            format!("{}true", "not ".repeat(many)),
            format!("x{}", "|string".repeat(many)),
            format!("x{}", " is string".repeat(many)),
            format!("{}1", "1 if x else ".repeat(many)),
            format!("1{}", "**1".repeat(many)),
            format!("({0}){0}", " + x".repeat(many / 2 + 1)),
            format!("[1, x{}]", "~x".repeat(many)),
            "-".repeat(100_000),
        ] {
            assert_eq!(check_expression(&source).map_err(|error| error.code), Err(codes::LIMIT), "{source:.40}");
            let template = format!("{{{{ {source} }}}}");
            let error = check_template(&template, &SyntaxConfig::default()).unwrap_err();
            assert!(error.range.is_some_and(|range| range.start > OPERATIONS_MAX), "{source:.40}");
        }
        let elifs = format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(10_000));
        assert!(check_template(&elifs, &SyntaxConfig::default()).is_err());
    }

    #[test]
    fn long_texts_and_lists_are_fine() {
        assert!(check_expression(&format!("[{}]", "a.b + 1, ".repeat(10_000))).is_ok());
        assert!(check_expression(&format!("a }}}} {} {{{{ b", " ".repeat(300))).is_ok());
        assert!(check_expression(&format!("'{}'", "+".repeat(10_000))).is_ok());
        assert!(check_template(&"a.b + {{ a.b + 1 }}{# - #}".repeat(10_000), &SyntaxConfig::default()).is_ok());
    }
}
