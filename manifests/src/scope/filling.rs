//! Fills in forms for a host. Where anything is not as usual there is no filled form, and the text or template is
//! evaluated as a whole, which also says what is wrong.

use std::fmt::Write;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::Scope;
use crate::compile::Found;
use crate::environment::{LimitedText, MAX_TEXT};
use crate::forms::{Blank, Piece, TemplateForm, is_marked};
use crate::reads;

impl Scope {
    /// A text, filled in.
    pub(super) fn filled_text(&self, source: &str) -> Option<String> {
        let form = self.site.forms.text(source)?;
        self.filled(&form.blanks, &form.pieces)
    }

    /// A template by its name in the environment, filled in.
    pub(super) fn filled_template(&self, name: &str) -> Option<String> {
        // What is recorded is kept as a whole.
        if reads::is_recorded() {
            return None;
        }
        let templates = &self.site.environments.templates;
        let form = self.site.forms.template(name, || TemplateForm::of(templates.get_template(name).ok()?.source()))?;
        let rendered = &self.site.forms.rendered;
        let place = Arc::as_ptr(&form).addr();
        match rendered.find(place, self) {
            Found::Result(pieces) => self.filled(&form.blanks, &pieces),
            Found::Hopeless => None,
            Found::Nothing => {
                let (pieces, reads) = reads::record(self.host, || self.pieces(&form, name));
                let whole = self.rendered(name).ok()?;
                // Whatever may come of marks that go astray, it is not kept.
                let good = pieces.filter(|pieces| !is_marked(&whole) && self.filled(&form.blanks, pieces).as_ref() == Some(&whole));
                let reads = reads.filter(|_| good.is_some());
                let host = u32::try_from(self.host).unwrap_or(u32::MAX).saturating_add(1);
                rendered.keep(place, reads, &Arc::new(good.unwrap_or_default()), host);
                Some(whole)
            }
        }
    }

    /// What a form comes to here, with its blanks open.
    fn pieces(&self, form: &TemplateForm, name: &str) -> Option<Vec<Piece>> {
        let template = self.site.environments.templates.template_from_named_str(name, &form.marked).ok()?;
        let mut out = LimitedText::default();
        template.render_captured_to(self.root(), &mut out).ok()?;
        form.pieces(&out.into_string())
    }

    fn filled(&self, blanks: &[Blank], pieces: &[Piece]) -> Option<String> {
        // Only what is printed here is looked at.
        let mut values: Vec<Option<Value>> = vec![None; blanks.len()];
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Blank(number) => {
                    let value = values.get_mut(*number)?;
                    if value.is_none() {
                        *value = Some(self.printed(blanks.get(*number)?)?);
                    }
                    let value = value.as_ref()?;
                    match value.as_str() {
                        Some(part) => text.push_str(part),
                        None => write!(text, "{value}").ok()?,
                    }
                }
            }
            if text.len() > MAX_TEXT {
                return None;
            }
        }
        Some(text)
    }

    /// The value behind a blank, if it is one that everybody prints in the same way.
    fn printed(&self, blank: &Blank) -> Option<Value> {
        let mut value = self.find(&blank.name)?;
        for field in &blank.fields {
            value = value.get_attr(field).ok()?;
        }
        matches!(value.kind(), ValueKind::String | ValueKind::Number | ValueKind::Bool).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{MemoryFiles, SiteFiles};
    use crate::site_data::{SiteData, SiteInput};

    const TEMPLATE: &str = "{% if size > 2 %}large {{ host.name }} {{ size }}{% else %}{{ host.vars }}{% endif %}";

    fn site() -> Arc<SiteData> {
        let hosts =
            "[hosts.a]\nvars = { size = 3, word = '\u{FDD5}0\u{FDD5}' }\n[hosts.b]\nvars = { size = 3 }\n[hosts.c]\nvars = { size = 1 }\n";
        let files = MemoryFiles::new([
            ("inventory/hosts.toml", hosts),
            ("templates/t", TEMPLATE),
            ("templates/word", "{% if size > 2 %}{{ word | upper }}{{ host.name }}{% endif %}"),
        ]);
        let files: Arc<dyn SiteFiles + Send + Sync> = Arc::new(files);
        let (site, found) = SiteData::load(&files, SiteInput::default());
        assert!(found.iter().all(|diagnostic| !diagnostic.is_error()), "{found:?}");
        site.register_templates("", files, "templates");
        site
    }

    #[test]
    fn who_takes_the_same_way_is_only_filled_in() {
        let site = site();
        let scope = |host: &str| site.scope(host).unwrap();
        let is_known = |host: &str| {
            let form = site.forms.template(":t", || None).unwrap();
            matches!(site.forms.rendered.find(Arc::as_ptr(&form).addr(), &scope(host)), Found::Result(_))
        };
        assert_eq!(scope("a").filled_template(":t").as_deref(), Some("large a 3"));
        assert!(is_known("b") && !is_known("c"));
        assert_eq!(scope("b").filled_template(":t").as_deref(), Some("large b 3"));
        assert_eq!(scope("c").filled_template(":t"), scope("c").rendered(":t").ok(), "a table is not for a blank");
        let ((), reads) = reads::record(scope("b").host, || assert_eq!(scope("b").filled_template(":t"), None));
        assert_eq!(reads.map(|reads| reads.len()), Some(0));
    }

    #[test]
    fn marks_in_values_lead_nowhere() {
        let site = site();
        let scope = site.scope("a").unwrap();
        let expected = Some("\u{FDD5}0\u{FDD5}a".to_owned());
        assert_eq!(scope.rendered(":word").ok(), expected);
        assert_eq!(scope.filled_template(":word"), expected);
        assert_eq!(scope.filled_template(":word"), expected, "nothing wrong was kept");
        assert_eq!(scope.filled_text("{{ word }}/{{ size }}"), Some("\u{FDD5}0\u{FDD5}/3".to_owned()));
        assert_eq!(scope.filled_text("{{ nobody }}"), None);
    }
}
