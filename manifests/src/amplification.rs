//! Bounds on the text that operators make. minijinja does not ask anybody when `~`, `+` or `*` make a longer
//! text, so a text that doubles thirty times would fill the memory. Each such operation is therefore put into
//! a check: `a ~ b` is compiled as `(a ~ b)|keel_bounded`. What is left: a loop inside `set` or a macro that
//! collects long literal text is bounded only by fuel.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{parse, parse_expr};
use minijinja::syntax::SyntaxConfig;

use crate::breadth;
use crate::evaluation_error::EvalError;

/// The filter that checks; expressions cannot name it by accident.
pub(crate) const CHECK: &str = "keel_bounded";

/// The filter on what is compared.
pub(crate) const COMPARED: &str = "keel_compared";
/// The filter on what must be defined.
pub(crate) const NEEDED: &str = "keel_needed";

/// A source with checks, and where they were put.
pub(crate) struct Bounded<'a> {
    /// What is compiled.
    pub(crate) source: Cow<'a, str>,
    /// Offsets in the original before which something was put, with its length, ascending.
    insertions: Vec<(usize, usize)>,
    /// Where checks stand in what is compiled, and what of the original each is on.
    checked: Vec<(Range<usize>, Range<usize>)>,
}

impl<'a> Bounded<'a> {
    /// An expression with checks. What cannot be parsed stays as it is: compiling it says why.
    ///
    /// # Errors
    /// Fails on chains that would overflow the stack; nothing may parse a source before this.
    pub(crate) fn expression(source: &'a str) -> Result<Self, EvalError> {
        breadth::check_expression(source)?;
        let mut found = Operations::of(source);
        if may_amplify(source)
            && let Ok(expression) = parse_expr(source)
        {
            found.expression(&expression);
        }
        Ok(Self::with(source, found.checks))
    }

    /// A template, or an interpolated text, with checks.
    ///
    /// # Errors
    /// As [`Bounded::expression`].
    pub(crate) fn template(source: &'a str, syntax: &SyntaxConfig) -> Result<Self, EvalError> {
        breadth::check_template(source, syntax)?;
        let mut found = Operations::of(source);
        if may_amplify(source)
            && let Ok(template) = parse(source, "", syntax.clone())
        {
            found.statement(&template);
        }
        Ok(Self::with(source, found.checks))
    }

    fn with(source: &'a str, checks: Vec<(Range<usize>, &'static str)>) -> Self {
        if checks.is_empty() {
            return Self { source: Cow::Borrowed(source), insertions: Vec::new(), checked: Vec::new() };
        }
        // At one place what closes comes before what opens, and an inner operation closes before an outer one.
        let mut pieces: Vec<(usize, u8, Reverse<usize>, String)> = Vec::new();
        for (span, filter) in &checks {
            pieces.push((span.start, 1, Reverse(0), "(".to_owned()));
            pieces.push((span.end, 0, Reverse(span.start), format!(")|{filter}")));
        }
        pieces.sort();
        let mut bounded = String::with_capacity(source.len() + pieces.len() * 8);
        let mut last = 0;
        let mut checked = Vec::new();
        for (at, opens, start, text) in &pieces {
            bounded.push_str(source.get(last..*at).unwrap_or_default());
            let before = bounded.len();
            bounded.push_str(text);
            if *opens == 0 {
                checked.push((before..bounded.len(), start.0..*at));
            }
            last = *at;
        }
        bounded.push_str(source.get(last..).unwrap_or_default());
        let insertions = pieces.iter().map(|(at, _, _, text)| (*at, text.len())).collect();
        Self { source: Cow::Owned(bounded), insertions, checked }
    }

    /// A range of the compiled source as one of the original. What a check says is meant for what it checks.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        let check = self.checked.iter().find(|(check, _)| check.start <= range.start && range.end <= check.end);
        check.map_or_else(|| self.offset(range.start)..self.offset(range.end), |(_, whole)| whole.clone())
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
    source.contains(['~', '+', '*', '|', '=', '<', '>', '[', '{']) || ["not", "in", "is"].iter().any(|word| source.contains(word))
}

/// Collects the bytes of all operations that make text; of a chain, `a ~ b ~ c`, only the whole; and the
/// operands that are looked at before an operation takes them.
struct Operations<'s> {
    source: &'s str,
    checks: Vec<(Range<usize>, &'static str)>,
}

impl<'s> Operations<'s> {
    fn of(source: &'s str) -> Self {
        Self { source, checks: Vec::new() }
    }

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
                self.needed_arguments(&inner.call.args);
                self.statements(&inner.macro_decl.body);
            }
            Stmt::Do(inner) => self.needed_arguments(&inner.call.args),
            Stmt::Include(inner) => self.expression(&inner.name),
            Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    /// Puts what compares under a check: it must be defined, and no secret.
    fn compared(&mut self, operand: &Expr<'_>) {
        if !matches!(operand, Expr::Const(_)) {
            self.checks.extend(whole(self.source, operand).map(|span| (span, COMPARED)));
        }
        self.expression(operand);
    }

    /// Puts a name, or a field of one, under a check: it must be defined.
    fn needed(&mut self, operand: &Expr<'_>) {
        if matches!(operand, Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_)) {
            self.checks.extend(whole(self.source, operand).map(|span| (span, NEEDED)));
        }
        self.expression(operand);
    }

    fn needed_arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.needed(value),
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::BinOp(inner) => {
                if makes_text(inner.op) {
                    let span = inner.span();
                    self.checks.push((span.start_offset as usize..span.end_offset as usize, CHECK));
                    self.chain(&inner.left);
                    self.chain(&inner.right);
                } else if compares(inner.op) {
                    self.compared(&inner.left);
                    self.compared(&inner.right);
                } else {
                    self.expression(&inner.left);
                    self.expression(&inner.right);
                }
            }
            Expr::Slice(inner) => {
                self.expression(&inner.expr);
                [&inner.start, &inner.stop, &inner.step].into_iter().flatten().for_each(|part| self.expression(part));
            }
            Expr::UnaryOp(inner) => self.needed(&inner.expr),
            Expr::Compare(inner) => {
                self.compared(&inner.expr);
                inner.ops.iter().for_each(|op| self.compared(&op.expr));
            }
            Expr::IfExpr(inner) => {
                self.expression(&inner.test_expr);
                self.expression(&inner.true_expr);
                inner.false_expr.iter().for_each(|part| self.expression(part));
            }
            Expr::Filter(inner) => {
                let may_lack = matches!(inner.name, "default" | "d") || (inner.name == "mandatory" && !inner.args.is_empty());
                match &inner.expr {
                    Some(input) if may_lack => self.expression(input),
                    Some(input) => self.needed(input),
                    None => {}
                }
                self.needed_arguments(&inner.args);
            }
            Expr::Test(inner) => {
                self.expression(&inner.expr);
                self.needed_arguments(&inner.args);
            }
            Expr::GetAttr(inner) => self.expression(&inner.expr),
            Expr::GetItem(inner) => {
                self.expression(&inner.expr);
                self.expression(&inner.subscript_expr);
            }
            Expr::Call(inner) => {
                self.expression(&inner.expr);
                self.needed_arguments(&inner.args);
            }
            Expr::List(inner) => inner.items.iter().for_each(|item| self.needed(item)),
            Expr::Tuple(inner) => inner.items.iter().for_each(|item| self.expression(item)),
            Expr::Map(inner) => inner.keys.iter().chain(&inner.values).for_each(|item| self.needed(item)),
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

/// The bytes of an expression. minijinja's spans of fields and filters begin at their last part.
pub(crate) fn whole(source: &str, expression: &Expr<'_>) -> Option<Range<usize>> {
    let end = expression.span().end_offset as usize;
    let mut start = first_byte(expression);
    // A parenthesis around its first part belongs to it, and shows by closing inside.
    while parse_expr(source.get(start..end)?).is_err() {
        let before = source.get(..start)?.trim_end();
        start = before.strip_suffix('(')?.len();
    }
    Some(start..end)
}

fn first_byte(expression: &Expr<'_>) -> usize {
    match expression {
        Expr::GetAttr(inner) => first_byte(&inner.expr),
        Expr::GetItem(inner) => first_byte(&inner.expr),
        Expr::Slice(inner) => first_byte(&inner.expr),
        Expr::Call(inner) => first_byte(&inner.expr),
        Expr::Test(inner) => first_byte(&inner.expr),
        Expr::Compare(inner) => first_byte(&inner.expr),
        Expr::BinOp(inner) => first_byte(&inner.left),
        Expr::IfExpr(inner) => first_byte(&inner.true_expr),
        Expr::Filter(inner) => inner.expr.as_ref().map_or(inner.span().start_offset as usize, first_byte),
        other => other.span().start_offset as usize,
    }
}

fn compares(op: BinOpKind) -> bool {
    matches!(op, BinOpKind::Eq | BinOpKind::Ne | BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte | BinOpKind::In)
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
            ("a.b.c == (d|e(f))", "(a.b.c)|keel_compared == (((d)|keel_needed|e((f)|keel_needed))|keel_compared)"),
            ("(a).b.c|default(1) not in [x[0]]", "((a).b.c|default(1))|keel_compared not in ([(x[0])|keel_needed])|keel_compared"),
            ("not nope", "not (nope)|keel_needed"),
            ("f(a + b, [c * 2])|g(x ~ y)", "f((a + b)|keel_bounded, [(c * 2)|keel_bounded])|g((x ~ y)|keel_bounded)"),
            ("(a ~ b) == 'x~y'", "(((a ~ b)|keel_bounded)|keel_compared) == 'x~y'"),
            ("a - b and 'é' ~ c if d + e else f", "a - b and ('é' ~ c)|keel_bounded if (d + e)|keel_bounded else f"),
            ("a ~", "a ~"),
            ("a.b", "a.b"),
            ("m(a, b.c, k=d, e='f')", "m((a)|keel_needed, (b.c)|keel_needed, k=(d)|keel_needed, e='f')"),
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
