//! Texts and templates as forms: what is only printed, `{{ host.name }}`, leaves a blank, and the rest is the same
//! for every host that takes the same ways through it.
//!
//! Here is what a form is; [`crate::scope`] fills it in.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;
use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::parse;

use crate::amplification::whole;
use crate::compile::Sharing;
use crate::environment::{template_syntax, text_syntax};

/// What stands around the number of a blank in a text; no source that has it becomes a form.
const MARK: char = '\u{FDD5}';
/// The most texts and the most templates that are looked at.
const FORMS_MAX: usize = 50_000;
/// Names that a template gives a meaning by itself.
const OWN_NAMES: [&str; 3] = ["loop", "self", "super"];

/// A name, or a field of one, that is printed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blank {
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
}

/// A part of a text that is to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Stands there for every host.
    Text(Box<str>),
    /// What is printed here, by its position in the form's blanks.
    Blank(usize),
}

/// A text with nothing in it but what is printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TextForm {
    pub(crate) blanks: Vec<Blank>,
    pub(crate) pieces: Vec<Piece>,
}

/// A template in whose text marks stand for what is printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateForm {
    pub(crate) blanks: Vec<Blank>,
    /// The template with a mark in place of each blank.
    pub(crate) marked: String,
}

impl TextForm {
    /// The form of an attribute's text; none if anything in it is more than printed.
    pub(crate) fn of(source: &str) -> Option<Self> {
        let Ok(Stmt::Template(template)) = parse(source, "", text_syntax()) else { return None };
        let (mut blanks, mut pieces) = (Vec::new(), Vec::new());
        for child in &template.children {
            pieces.push(match child {
                Stmt::EmitRaw(raw) => Piece::Text(raw.raw.into()),
                Stmt::EmitExpr(printed) => Piece::Blank(number(&mut blanks, blank(&printed.expr)?)),
                _ => return None,
            });
        }
        Some(Self { blanks, pieces })
    }
}

impl TemplateForm {
    /// The form of a template; none if nothing is printed in it, or what is printed may go elsewhere than into its text.
    pub(crate) fn of(source: &str) -> Option<Self> {
        if source.contains(MARK) {
            return None;
        }
        let template = parse(source, "", template_syntax()).ok()?;
        let mut reading = Reading { source, given: OWN_NAMES.into(), printed: Vec::new() };
        reading.statement(&template)?;
        let Reading { given, mut printed, .. } = reading;
        printed.retain(|(_, blank)| !given.contains(&*blank.name));
        printed.sort_by_key(|(place, _)| place.start);
        let (mut blanks, mut marked, mut last) = (Vec::new(), String::new(), 0);
        for (place, blank) in printed {
            marked.push_str(source.get(last..place.start)?);
            marked.push_str(&format!("'{MARK}{}{MARK}'", number(&mut blanks, blank)));
            last = place.end;
        }
        marked.push_str(source.get(last..)?);
        (!blanks.is_empty()).then_some(Self { blanks, marked })
    }

    /// What a text with marks is made of; none if they are not as this form set them.
    pub(crate) fn pieces(&self, marked: &str) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        for (position, part) in marked.split(MARK).enumerate() {
            match position % 2 {
                0 if part.is_empty() => {}
                0 => pieces.push(Piece::Text(part.into())),
                _ => pieces.push(Piece::Blank(part.parse().ok().filter(|number| *number < self.blanks.len())?)),
            }
        }
        Some(pieces)
    }
}

/// Whether a text could be taken for a mark.
pub(crate) fn is_marked(text: &str) -> bool {
    text.contains(MARK)
}

/// The position of a blank; one that is printed twice is one.
fn number(blanks: &mut Vec<Blank>, blank: Blank) -> usize {
    blanks.iter().position(|known| *known == blank).unwrap_or_else(|| {
        blanks.push(blank);
        blanks.len() - 1
    })
}

/// The name or field that an expression is; none if it is more than that.
fn blank(expression: &Expr<'_>) -> Option<Blank> {
    match expression {
        Expr::Var(variable) => Some(Blank { name: variable.id.to_owned(), fields: Vec::new() }),
        Expr::GetAttr(field) => {
            let mut blank = blank(&field.expr)?;
            blank.fields.push(field.name.to_owned());
            Some(blank)
        }
        _ => None,
    }
}

/// A template that is being read.
struct Reading<'s> {
    source: &'s str,
    /// Names to which the template itself gives a meaning somewhere.
    given: BTreeSet<&'s str>,
    /// What is printed, and where.
    printed: Vec<(Range<usize>, Blank)>,
}

impl<'s> Reading<'s> {
    fn statements(&mut self, statements: &[Stmt<'s>]) -> Option<()> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    /// None for what captures the text that is printed in it, or leads elsewhere.
    fn statement(&mut self, statement: &Stmt<'s>) -> Option<()> {
        match statement {
            Stmt::Template(inner) => self.statements(&inner.children),
            Stmt::EmitExpr(inner) => {
                if let Some(blank) = blank(&inner.expr) {
                    self.printed.push((whole(self.source, &inner.expr)?, blank));
                }
                Some(())
            }
            Stmt::ForLoop(inner) if !inner.recursive => {
                self.names(&inner.target)?;
                self.statements(&inner.body)?;
                self.statements(&inner.else_body)
            }
            Stmt::IfCond(inner) => {
                self.statements(&inner.true_body)?;
                self.statements(&inner.false_body)
            }
            Stmt::WithBlock(inner) => {
                inner.assignments.iter().try_for_each(|(target, _)| self.names(target))?;
                self.statements(&inner.body)
            }
            Stmt::Set(inner) => self.names(&inner.target),
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => Some(()),
            _ => None,
        }
    }

    /// Notes the names of a target.
    fn names(&mut self, target: &Expr<'s>) -> Option<()> {
        match target {
            Expr::Var(variable) => {
                self.given.insert(variable.id);
                Some(())
            }
            Expr::Tuple(inner) => inner.items.iter().try_for_each(|item| self.names(item)),
            Expr::List(inner) => inner.items.iter().try_for_each(|item| self.names(item)),
            _ => None,
        }
    }
}

/// The forms of a site's texts and templates, and what templates came to for hosts.
#[derive(Default)]
pub(crate) struct Forms {
    texts: Known<TextForm>,
    templates: Known<TemplateForm>,
    /// What marked templates came to.
    pub(crate) rendered: Sharing<Vec<Piece>>,
}

/// Forms by their text or name; none where there can be no form.
type Known<T> = RwLock<HashMap<String, Option<Arc<T>>>>;

impl Forms {
    /// The form of an attribute's text.
    pub(crate) fn text(&self, source: &str) -> Option<Arc<TextForm>> {
        find(&self.texts, source, || TextForm::of(source))
    }

    /// The form of a template by its name.
    pub(crate) fn template(&self, name: &str, source: impl FnOnce() -> Option<TemplateForm>) -> Option<Arc<TemplateForm>> {
        find(&self.templates, name, source)
    }
}

fn find<T>(known: &Known<T>, name: &str, make: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
    if let Some(form) = known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return form.clone();
    }
    let made = make().map(Arc::new);
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= FORMS_MAX {
        return None;
    }
    known.entry(name.to_owned()).or_insert(made).clone()
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(source: &str) -> Option<String> {
        TemplateForm::of(source).map(|form| form.marked.replace(MARK, "#"))
    }

    #[test]
    fn a_text_is_a_form_if_it_only_prints() {
        let form = TextForm::of("/srv/{{ a }}/{{ host.name }}/{{ a }}\n").unwrap();
        let blank =
            |name: &str, fields: &[&str]| Blank { name: name.to_owned(), fields: fields.iter().map(|it| (*it).to_owned()).collect() };
        assert_eq!(form.blanks, [blank("a", &[]), blank("host", &["name"])]);
        let text = |text: &str| Piece::Text(text.into());
        let expected = [text("/srv/"), Piece::Blank(0), text("/"), Piece::Blank(1), text("/"), Piece::Blank(0), text("\n")];
        assert_eq!(form.pieces, expected);
        for other in ["{{ a + 1 }}", "{{ a | upper }}", "{{ a[0] }}", "{{ a() }}", "{{ a"] {
            assert_eq!(TextForm::of(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_template_only_prints_leaves_a_blank() {
        let source = "{{ a }} {{- (b).c }} {{ a|upper }}{% if a %}{{ b.c }}{% endif %}";
        assert_eq!(marked(source).unwrap(), "{{ '#0#' }} {{- '#1#' }} {{ a|upper }}{% if a %}{{ '#1#' }}{% endif %}");
        let source = "{% for n, m in a %}{{ n }}{{ m.x }}{{ loop.index }}{{ b }}{% endfor %}{% set c = 1 %}{{ c }}";
        assert_eq!(marked(source).unwrap(), source.replace(" b ", " '#0#' "), "its own names have a meaning only inside");
        let refused = [
            "{{ a }}{% filter upper %}{{ b }}{% endfilter %}",
            "{{ a }}{% set c %}{{ b }}{% endset %}{{ c }}",
            "{{ a }}{% macro m() %}{{ b }}{% endmacro %}",
            "{{ a }}{% include 'x' %}",
            "{% for a in b recursive %}{{ loop(a.c)|upper }}{{ d }}{% endfor %}",
            "{{ a }}\u{FDD5}",
            "{{ a + 1 }}",
            "plain",
        ];
        for source in refused {
            assert_eq!(marked(source), None, "{source}");
        }
    }

    #[test]
    fn marks_lead_back_to_blanks() {
        let form = TemplateForm::of("x{{ a }}{{ b }}").unwrap();
        let expected = vec![Piece::Text("x".into()), Piece::Blank(1), Piece::Text("y".into())];
        assert_eq!(form.pieces("x\u{FDD5}1\u{FDD5}y"), Some(expected));
        for wrong in ["\u{FDD5}2\u{FDD5}", "\u{FDD5}\u{FDD5}", "\u{FDD5}a\u{FDD5}"] {
            assert_eq!(form.pieces(wrong), None, "{wrong}");
        }
    }
}
