//! What is wrong with a text whatever its names mean, for modules that no host comes by.

use super::{Scope, whole_expression};
use crate::amplification::Bounded;
use crate::environment::{template_name, text_syntax};
use crate::evaluation_error::EvalError;

impl Scope {
    /// Whether an expression can be read, whatever its names mean.
    ///
    /// # Errors
    /// Syntax and limits.
    pub(crate) fn parse_expression(&self, source: &str) -> Result<(), EvalError> {
        let bounded = Bounded::expression(source)?;
        let compiled = self.site.environments.texts.compile_expression(&bounded.source);
        compiled.map(drop).map_err(|error| EvalError::from_minijinja(&error, &bounded.source).moved_by(&bounded))
    }

    /// Whether a text with `{{ }}` in it can be read, whatever its names mean.
    ///
    /// # Errors
    /// As [`Scope::parse_expression`].
    pub(crate) fn parse_text(&self, source: &str) -> Result<(), EvalError> {
        if !source.contains("{{") {
            return Ok(());
        }
        if let Some((inside, _)) = whole_expression(source)
            && self.parse_expression(inside).is_ok()
        {
            return Ok(());
        }
        let bounded = Bounded::template(source, &text_syntax())?;
        let parsed = self.site.environments.texts.template_from_named_str("text", &bounded.source);
        parsed.map(drop).map_err(|error| EvalError::from_minijinja(&error, &bounded.source).moved_by(&bounded))
    }

    /// Whether a template of a module is there and can be read.
    ///
    /// # Errors
    /// As [`Scope::render`], as far as that can be told without a host.
    pub(crate) fn parse_template(&self, module: &str, path: &str) -> Result<(), EvalError> {
        let found = self.site.environments.templates.get_template(&template_name(module, path));
        found.map(drop).map_err(|error| self.locate(&error, module, path))
    }
}
