//! What names mean at one place of a manifest: the host's variables below, block-local names above.

mod advice;
mod filling;
mod parsing;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use keel_engine::value::Value;
use minijinja::Expression;
use minijinja::value::{Enumerator, Object, ValueKind};

use crate::amplification::Bounded;
use crate::codes;
use crate::conversion::{from_template, text, to_template};
use crate::environment::{LimitedText, template_name, text_syntax};
use crate::evaluation_error::EvalError;
use crate::inventory::{HostId, RESERVED_VARIABLES};
use crate::reads::{self, Question};
use crate::site_data::SiteData;
use crate::variables::Memo;

/// The names that hold at one place, for one host. Cloning and layering are cheap.
#[derive(Clone)]
pub struct Scope {
    pub(crate) site: Arc<SiteData>,
    pub(crate) host: HostId,
    /// What was found out about the host.
    memo: Arc<Memo>,
    locals: Option<Arc<Layer>>,
}

struct Layer {
    /// A few; of two with the same name the last one counts.
    names: Vec<(String, minijinja::Value)>,
    below: Option<Arc<Layer>>,
}

/// A value as expressions see it: hosts in it still know their variables, which a [`Value`] does not.
#[derive(Clone, Debug)]
pub struct Local(minijinja::Value);

impl Scope {
    /// The host's variables without anything above.
    pub(crate) fn new(site: Arc<SiteData>, host: HostId) -> Self {
        let memo = site.memo(host);
        Self { site, host, memo, locals: None }
    }

    /// The name of the host.
    pub fn host_name(&self) -> &str {
        self.site.inventory.host_at(self.host).map_or("", |host| &host.name)
    }

    /// The site that it belongs to.
    pub fn site(&self) -> &Arc<SiteData> {
        &self.site
    }

    /// More names on top: `let`, `for`, parameters.
    pub fn child(&self, names: impl IntoIterator<Item = (String, Value)>) -> Self {
        let secrets = &self.site.secrets;
        self.layer(names.into_iter().map(|(name, value)| (name, to_template(&value, secrets))).collect())
    }

    /// As [`Scope::child`], with values that came from [`Scope::evaluate_local`].
    pub fn child_locals(&self, names: impl IntoIterator<Item = (String, Local)>) -> Self {
        self.layer(names.into_iter().map(|(name, local)| (name, local.0)).collect())
    }

    fn layer(&self, names: Vec<(String, minijinja::Value)>) -> Self {
        let locals = Some(Arc::new(Layer { names, below: self.locals.clone() }));
        Self { locals, ..self.clone() }
    }

    /// The host's variables only, where a module's body starts.
    pub fn bare(&self) -> Self {
        Self { locals: None, ..self.clone() }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// Syntax, undefined values, failing filters, limits.
    pub fn evaluate(&self, expression: &str) -> Result<Value, EvalError> {
        from_template(&self.evaluate_raw(expression)?, &self.site.secrets)
    }

    /// As [`Scope::evaluate`], for names that are passed on.
    ///
    /// # Errors
    /// As [`Scope::evaluate`].
    pub fn evaluate_local(&self, expression: &str) -> Result<Local, EvalError> {
        self.evaluate_raw(expression).map(Local)
    }

    /// Whether a condition holds. It must be a bool: nothing else counts as true or false.
    ///
    /// # Errors
    /// As [`Scope::evaluate`], and on values of other types.
    pub fn evaluate_bool(&self, expression: &str) -> Result<bool, EvalError> {
        match self.evaluate(expression)? {
            Value::Bool(flag) => Ok(flag),
            other => {
                let error =
                    EvalError::new(codes::NOT_BOOL, format!("a condition is true or false, this is of the type {}", other.type_name()));
                Err(match other {
                    Value::String(_) => error.help("compare it, `== '...'`, or convert it, `| bool`"),
                    Value::List(_) | Value::Map(_) => error.help("ask for its length, `| length > 0`"),
                    Value::Null => error.help("ask `is not none`"),
                    _ => error.help("compare it, for instance `!= 0`"),
                })
            }
        }
    }

    /// A text with `{{ }}` in it. One that is wholly one `{{ expression }}` keeps the expression's type.
    ///
    /// # Errors
    /// As [`Scope::evaluate`]; ranges are of the whole text.
    pub fn interpolate(&self, source: &str) -> Result<Value, EvalError> {
        if !source.contains("{{") {
            return text(source, &self.site.secrets);
        }
        from_template(&self.interpolate_raw(source)?, &self.site.secrets)
    }

    /// As [`Scope::interpolate`], for names that are passed on.
    ///
    /// # Errors
    /// As [`Scope::interpolate`].
    pub fn interpolate_local(&self, source: &str) -> Result<Local, EvalError> {
        self.interpolate_raw(source).map(Local)
    }

    /// The text of a template of a module: a string, or sealed if secrets are in it.
    ///
    /// # Errors
    /// As [`Scope::evaluate`], with the place in the template's file.
    pub fn render(&self, module: &str, path: &str) -> Result<Value, EvalError> {
        let name = template_name(module, path);
        let rendered = match self.filled_template(&name) {
            Some(filled) => filled,
            None => self.rendered(&name).map_err(|error| self.locate(&error, module, path))?,
        };
        text(&rendered, &self.site.secrets)
    }

    /// The text of a template by its name in the environment.
    fn rendered(&self, name: &str) -> Result<String, minijinja::Error> {
        let mut out = LimitedText::default();
        self.site.environments.templates.get_template(name)?.render_captured_to(self.root(), &mut out)?;
        Ok(out.into_string())
    }

    /// A variable of the host by its dotted name, as parameters are looked up when nobody gives them.
    ///
    /// # Errors
    /// Fails if the variable is there and cannot be evaluated.
    pub fn lookup(&self, name: &str) -> Result<Option<Value>, EvalError> {
        self.lookup_local(name)?.map(|local| from_template(&local.0, &self.site.secrets)).transpose()
    }

    /// As [`Scope::lookup`], for names that are passed on.
    ///
    /// # Errors
    /// As [`Scope::lookup`].
    pub fn lookup_local(&self, name: &str) -> Result<Option<Local>, EvalError> {
        let mut keys = name.split('.');
        let Some(mut value) = keys.next().map(|first| self.site.variable(self.host, first)).transpose()?.flatten() else {
            return Ok(None);
        };
        for key in keys {
            let next = value.get_attr(key).map_err(|error| EvalError::from_minijinja(&error, name))?;
            if next.is_undefined() {
                return Ok(None);
            }
            value = valid(next)?;
        }
        Ok(Some(Local(value)))
    }

    /// A secret of the site, sealed.
    ///
    /// # Errors
    /// Fails if there is no such secret.
    pub fn secret(&self, path: &str) -> Result<Value, EvalError> {
        let object = crate::filters::find_secret(&self.site.secrets, path)?;
        from_template(&minijinja::Value::from_object(object), &self.site.secrets)
    }

    /// All names that hold here, for advice on misspelt ones.
    pub fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = RESERVED_VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        let mut layer = self.locals.as_deref();
        while let Some(current) = layer {
            names.extend(current.names.iter().map(|(name, _)| name.clone()));
            layer = current.below.as_deref();
        }
        names.extend(self.site.variable_names(self.host).map(str::to_owned));
        names.into_iter().collect()
    }

    /// What minijinja asks for names.
    fn root(&self) -> minijinja::Value {
        minijinja::Value::from_object(Root(self.clone()))
    }

    fn find(&self, name: &str) -> Option<minijinja::Value> {
        let value = self.meaning(name);
        reads::note(None, |_| Question::Name(Arc::from(name)), value.as_ref());
        value
    }

    /// What a name means here, without a note.
    pub(crate) fn meaning(&self, name: &str) -> Option<minijinja::Value> {
        let mut layer = self.locals.as_deref();
        while let Some(current) = layer {
            if let Some((_, value)) = current.names.iter().rev().find(|(known, _)| known == name) {
                return Some(value.clone());
            }
            layer = current.below.as_deref();
        }
        let find = || match self.site.builtin(self.host, name) {
            Some(value) => Ok(Some(value)),
            None => self.site.variable(self.host, name),
        };
        match self.memo.meaning(name, find) {
            Ok(value) => value,
            Err(error) => Some(minijinja::Value::from(minijinja::Error::from(error))),
        }
    }

    pub(crate) fn evaluate_raw(&self, source: &str) -> Result<minijinja::Value, EvalError> {
        if let Some(evaluated) = self.ready(source) {
            return evaluated;
        }
        let bounded = Bounded::expression(source)?;
        match self.site.environments.texts.compile_expression(&bounded.source) {
            Ok(compiled) => self.run(&compiled, &bounded, source),
            Err(error) => Err(EvalError::from_minijinja(&error, &bounded.source).moved_by(&bounded)),
        }
    }

    fn run(&self, compiled: &Expression<'_, '_>, bounded: &Bounded<'_>, source: &str) -> Result<minijinja::Value, EvalError> {
        let told = |error: minijinja::Error| self.advise(EvalError::from_minijinja(&error, &bounded.source).moved_by(bounded), source);
        self.defined(compiled.eval(self.root()).map_err(told)?, source)
    }

    /// The value of an expression that is kept ready; none if it is not.
    fn ready(&self, source: &str) -> Option<Result<minijinja::Value, EvalError>> {
        Some(match self.site.environments.ready_expression(source, self.root())? {
            Ok(value) => self.defined(value, source),
            Err(error) => Err(self.advise(error, source)),
        })
    }

    fn defined(&self, value: minijinja::Value, source: &str) -> Result<minijinja::Value, EvalError> {
        if value.is_undefined() {
            let error = EvalError::new(codes::UNDEFINED, format!("`{}` is not defined", source.trim()));
            return Err(self.advise(error, source));
        }
        valid(value)
    }

    pub(crate) fn interpolate_raw(&self, source: &str) -> Result<minijinja::Value, EvalError> {
        if let Some((inside, offset)) = whole_expression(source) {
            if let Some(evaluated) = self.ready(inside) {
                return evaluated.map_err(|error| error.shifted(offset));
            }
            let bounded = Bounded::expression(inside).map_err(|error| error.shifted(offset))?;
            if let Ok(compiled) = self.site.environments.texts.compile_expression(&bounded.source) {
                return self.run(&compiled, &bounded, inside).map_err(|error| error.shifted(offset));
            }
        }
        if !source.contains("{{") {
            return Ok(minijinja::Value::from(source));
        }
        if let Some(text) = self.filled_text(source) {
            return Ok(minijinja::Value::from(text));
        }
        if let Some(text) = self.site.environments.ready_text(source, self.root()) {
            return text.map(minijinja::Value::from).map_err(|error| self.advise(error, source));
        }
        let bounded = Bounded::template(source, &text_syntax())?;
        let told = |error: minijinja::Error| self.advise(EvalError::from_minijinja(&error, &bounded.source).moved_by(&bounded), source);
        let template = self.site.environments.texts.template_from_named_str("text", &bounded.source).map_err(told)?;
        let mut out = LimitedText::default();
        template.render_captured_to(self.root(), &mut out).map_err(told)?;
        Ok(minijinja::Value::from(out.into_string()))
    }
}

/// What stands between the braces of a text that begins with `{{` and ends with `}}`, and where it begins.
fn whole_expression(source: &str) -> Option<(&str, usize)> {
    // Blanks and line breaks around the braces belong to the text: the end of a file's last line, say.
    let inside = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let (inside, start) = match inside.strip_prefix(['-', '+']) {
        Some(rest) if rest.starts_with(char::is_whitespace) => (rest, 3),
        _ => (inside, 2),
    };
    let inside = inside.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace)).unwrap_or(inside);
    Some((inside, start))
}

/// Turns a value that carries an error into that error.
fn valid(value: minijinja::Value) -> Result<minijinja::Value, EvalError> {
    if value.kind() == ValueKind::Invalid { Err(crate::conversion::error_of(&value)) } else { Ok(value) }
}

impl Local {
    /// The plain value.
    ///
    /// # Errors
    /// As [`Scope::evaluate`].
    pub fn value(&self, scope: &Scope) -> Result<Value, EvalError> {
        from_template(&self.0, &scope.site.secrets)
    }

    /// A plain value as expressions see it.
    pub fn of(value: &Value, scope: &Scope) -> Self {
        Self(to_template(value, &scope.site.secrets))
    }

    /// The items of a list; none if it is something else.
    pub(crate) fn items(&self) -> Option<Vec<Local>> {
        matches!(self.0.kind(), ValueKind::Seq | ValueKind::Iterable).then_some(())?;
        Some(self.0.try_iter().ok()?.map(Local).collect())
    }

    /// The keys and values of a table; none if it is something else.
    pub(crate) fn entries(&self) -> Option<Vec<(Local, Local)>> {
        (self.0.kind() == ValueKind::Map).then_some(())?;
        let keys = self.0.try_iter().ok()?;
        keys.map(|key| Some((Local(key.clone()), Local(self.0.get_item(&key).ok()?)))).collect()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.host_name())
    }
}

/// A scope as minijinja's context.
#[derive(Debug)]
struct Root(Scope);

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.0.find(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        self.0.find(key)
    }

    // Names are looked up, never listed: listing would evaluate every variable.
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
