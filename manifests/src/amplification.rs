//! Bounds on the text that operators make. minijinja does not ask anybody when `~`, `+` or `*` make a longer
//! text, so a text that doubles thirty times would fill the memory. Each such operation is therefore put into
//! a check: `a ~ b` is compiled as `(a ~ b)|keel_bounded`. What is left: a loop inside `set` or a macro that
//! collects long literal text is bounded only by fuel.

use std::borrow::Cow;
use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{parse, parse_expr};
use minijinja::syntax::SyntaxConfig;

use crate::breadth;
use crate::evaluation_error::EvalError;

/// The filter that checks; expressions cannot name it by accident.
pub(crate) const CHECK: &str = "keel_bounded";

/// A source with checks, and where they were put.
pub(crate) struct Bounded<'a> {
    /// What is compiled.
    pub(crate) source: Cow<'a, str>,
    /// Offsets in the original before which something was put, with its length, ascending.
    insertions: Vec<(usize, usize)>,
}

impl<'a> Bounded<'a> {
    /// An expression with checks. What cannot be parsed stays as it is: compiling it says why.
    ///
    /// # Errors
    /// Fails on chains that would overflow the stack; nothing may parse a source before this.
    pub(crate) fn expression(source: &'a str) -> Result<Self, EvalError> {
        breadth::check_expression(source)?;
        let mut found = Operations::default();
        if may_amplify(source)
            && let Ok(expression) = parse_expr(source)
        {
            found.expression(&expression);
        }
        Ok(Self::with(source, found.spans))
    }

    /// A template, or an interpolated text, with checks.
    ///
    /// # Errors
    /// As [`Bounded::expression`].
    pub(crate) fn template(source: &'a str, syntax: &SyntaxConfig) -> Result<Self, EvalError> {
        breadth::check_template(source, syntax)?;
        let mut found = Operations::default();
        if may_amplify(source)
            && let Ok(template) = parse(source, "", syntax.clone())
        {
            found.statement(&template);
        }
        Ok(Self::with(source, found.spans))
    }

    fn with(source: &'a str, spans: Vec<Range<usize>>) -> Self {
        if spans.is_empty() {
            return Self { source: Cow::Borrowed(source), insertions: Vec::new() };
        }
        let close = format!(")|{CHECK}");
        // At one place what closes comes before what opens, and an inner operation closes before an outer one.
        let mut pieces: Vec<(usize, u8, &str)> = Vec::new();
        for span in &spans {
            pieces.push((span.start, 1, "("));
            pieces.push((span.end, 0, &close));
        }
        pieces.sort();
        let mut bounded = String::with_capacity(source.len() + pieces.len() * 8);
        let mut last = 0;
        for (at, _, text) in &pieces {
            bounded.push_str(source.get(last..*at).unwrap_or_default());
            bounded.push_str(text);
            last = *at;
        }
        bounded.push_str(source.get(last..).unwrap_or_default());
        let insertions = pieces.iter().map(|(at, _, text)| (*at, text.len())).collect();
        Self { source: Cow::Owned(bounded), insertions }
    }

    /// A range of the compiled source as one of the original.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        self.offset(range.start)..self.offset(range.end)
    }

    fn offset(&self, compiled: usize) -> usize {
        let mut added = 0;
        for (at, length) in &self.insertions {
            if at + added >= compiled {
                break;
            }
            // Inside of what was put in, the place is where it was put.
            if at + added + length >= compiled {
                return *at;
            }
            added += length;
        }
        compiled - added
    }
}

fn may_amplify(source: &str) -> bool {
    source.contains(['~', '+', '*'])
}

/// Collects the bytes of all operations that make text; of a chain, `a ~ b ~ c`, only the whole.
#[derive(Default)]
struct Operations {
    spans: Vec<Range<usize>>,
}

impl Operations {
    fn statements(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(inner) => self.statements(&inner.children),
            Stmt::EmitExpr(inner) => self.expression(&inner.expr),
            Stmt::ForLoop(inner) => {
                self.expression(&inner.iter);
                inner.filter_expr.iter().for_each(|filter| self.expression(filter));
                self.statements(&inner.body);
                self.statements(&inner.else_body);
            }
            Stmt::IfCond(inner) => {
                self.expression(&inner.expr);
                self.statements(&inner.true_body);
                self.statements(&inner.false_body);
            }
            Stmt::WithBlock(inner) => {
                inner.assignments.iter().for_each(|(_, value)| self.expression(value));
                self.statements(&inner.body);
            }
            Stmt::Set(inner) => self.expression(&inner.expr),
            Stmt::SetBlock(inner) => {
                inner.filter.iter().for_each(|filter| self.expression(filter));
                self.statements(&inner.body);
            }
            Stmt::AutoEscape(inner) => self.statements(&inner.body),
            Stmt::FilterBlock(inner) => {
                self.expression(&inner.filter);
                self.statements(&inner.body);
            }
            Stmt::Block(inner) => self.statements(&inner.body),
            Stmt::Macro(inner) => {
                inner.defaults.iter().for_each(|default| self.expression(default));
                self.statements(&inner.body);
            }
            Stmt::CallBlock(inner) => {
                self.arguments(&inner.call.args);
                self.statements(&inner.macro_decl.body);
            }
            Stmt::Do(inner) => self.arguments(&inner.call.args),
            Stmt::Include(inner) => self.expression(&inner.name),
            Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            let (CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value)) = argument;
            self.expression(value);
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::BinOp(inner) => {
                if makes_text(inner.op) {
                    let span = inner.span();
                    self.spans.push(span.start_offset as usize..span.end_offset as usize);
                    self.chain(&inner.left);
                    self.chain(&inner.right);
                } else {
                    self.expression(&inner.left);
                    self.expression(&inner.right);
                }
            }
            Expr::Slice(inner) => {
                self.expression(&inner.expr);
                [&inner.start, &inner.stop, &inner.step].into_iter().flatten().for_each(|part| self.expression(part));
            }
            Expr::UnaryOp(inner) => self.expression(&inner.expr),
            Expr::Compare(inner) => {
                self.expression(&inner.expr);
                inner.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            Expr::IfExpr(inner) => {
                self.expression(&inner.test_expr);
                self.expression(&inner.true_expr);
                inner.false_expr.iter().for_each(|part| self.expression(part));
            }
            Expr::Filter(inner) => {
                inner.expr.iter().for_each(|part| self.expression(part));
                self.arguments(&inner.args);
            }
            Expr::Test(inner) => {
                self.expression(&inner.expr);
                self.arguments(&inner.args);
            }
            Expr::GetAttr(inner) => self.expression(&inner.expr),
            Expr::GetItem(inner) => {
                self.expression(&inner.expr);
                self.expression(&inner.subscript_expr);
            }
            Expr::Call(inner) => {
                self.expression(&inner.expr);
                self.arguments(&inner.args);
            }
            Expr::List(inner) => inner.items.iter().for_each(|item| self.expression(item)),
            Expr::Tuple(inner) => inner.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(inner) => inner.keys.iter().chain(&inner.values).for_each(|item| self.expression(item)),
        }
    }

    /// The operand of an operation that is checked as a whole.
    fn chain(&mut self, operand: &Expr<'_>) {
        match operand {
            Expr::BinOp(inner) if makes_text(inner.op) => {
                self.chain(&inner.left);
                self.chain(&inner.right);
            }
            other => self.expression(other),
        }
    }
}

fn makes_text(op: BinOpKind) -> bool {
    matches!(op, BinOpKind::Concat | BinOpKind::Add | BinOpKind::Mul)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_checked_as_wholes() {
        for (source, expected) in [
            ("a ~ b ~ c", "(a ~ b ~ c)|keel_bounded"),
            ("f(a + b, [c * 2])|g(x ~ y)", "f((a + b)|keel_bounded, [(c * 2)|keel_bounded])|g((x ~ y)|keel_bounded)"),
            ("(a ~ b) == 'x~y'", "((a ~ b)|keel_bounded) == 'x~y'"),
            ("a - b and 'é' ~ c if d + e else f", "a - b and ('é' ~ c)|keel_bounded if (d + e)|keel_bounded else f"),
            ("a ~", "a ~"),
            ("a.b", "a.b"),
        ] {
            assert_eq!(Bounded::expression(source).unwrap().source, expected);
        }
        let template = "{% set a = a ~ a %}{{ 'x' * 9 }}{% macro m(x=b+c) %}{% endmacro %}";
        let bounded = Bounded::template(template, &SyntaxConfig::default()).unwrap();
        assert_eq!(bounded.source.matches(CHECK).count(), 3, "{}", bounded.source);
    }

    #[test]
    fn ranges_lead_back() {
        let source = "x ~ y ~ [nobody] + z";
        let bounded = Bounded::expression(source).unwrap();
        let at = bounded.source.find("nobody").unwrap();
        assert_eq!(&source[bounded.original(at..at + 6)], "nobody");
        let at = bounded.source.find('x').unwrap();
        assert_eq!(bounded.original(at..bounded.source.len()), 0..source.len());
    }
}
