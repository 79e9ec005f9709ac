//! The two minijinja environments of a site: one for expressions and interpolated texts, one for templates.
//!
//! Both are strict and bounded: undefined values are errors, there is fuel, recursion ends early, and what
//! is written is counted, also where a template only captures it. What operators make is checked by
//! [`crate::amplification`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use crate::amplification::Bounded;
use crate::codes;
use crate::evaluation_error::EvalError;
use crate::files::SiteFiles;
use crate::filters;
use crate::secrets::SecretNames;

/// The most text that one evaluation may make.
pub(crate) const MAX_TEXT: usize = 1 << 20;
/// What one evaluation may write in all, counting what macros and `set` blocks capture.
const MAX_WRITTEN: usize = 4 * MAX_TEXT;
/// How many steps one evaluation may take.
const FUEL: u64 = 1_000_000;
/// How deeply macros and includes may call each other.
const RECURSION: usize = 60;

/// A folder of templates.
#[derive(Clone)]
pub(crate) struct TemplateFolder {
    pub(crate) files: Arc<dyn SiteFiles + Send + Sync>,
    pub(crate) folder: String,
}

impl std::fmt::Debug for TemplateFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.folder)
    }
}

/// The template folders of all modules, by module name.
pub(crate) type TemplateFolders = Arc<Mutex<BTreeMap<String, TemplateFolder>>>;

/// The environments of a site.
#[derive(Debug)]
pub(crate) struct Environments {
    /// Expressions, and texts in which only `{{ }}` means something.
    pub(crate) texts: Environment<'static>,
    /// Templates, with the whole syntax.
    pub(crate) templates: Environment<'static>,
    /// Expressions and texts that are kept ready: the same ones are evaluated for every host.
    ready: Environment<'static>,
}

impl Environments {
    pub(crate) fn new(secrets: &Arc<SecretNames>, folders: &TemplateFolders) -> Self {
        let mut texts = environment(secrets);
        texts.set_syntax(text_syntax());
        let mut templates = environment(secrets);
        templates.set_syntax(template_syntax());
        templates.set_path_join_callback(|name, parent| join(name, parent).into());
        let folders = Arc::clone(folders);
        templates.set_loader(move |name| load(&folders, name));
        templates.set_auto_reload(false);
        let mut ready = environment(secrets);
        ready.set_syntax(text_syntax());
        ready.set_auto_reload(false);
        let made = AtomicUsize::new(0);
        ready.set_loader(move |name| Ok(make_ready(name).filter(|_| made.fetch_add(1, Ordering::Relaxed) < MAX_READY)));
        Self { texts, templates, ready }
    }

    /// The value of an expression that is kept ready, perhaps undefined; none if it is not kept.
    pub(crate) fn ready_expression(&self, expression: &str, context: Value) -> Option<Result<Value, EvalError>> {
        let template = self.ready.get_template(&format!("{EXPRESSION}{expression}")).ok()?;
        if template.source().is_empty() {
            return None;
        }
        let captured = template.render_captured_to(context, &mut std::io::sink());
        Some(match captured {
            Ok(captured) => Ok(captured.state().lookup(READY_VALUE).unwrap_or_default()),
            Err(error) => {
                let error = EvalError::from_minijinja(&error, template.source()).moved_back(READY_BEFORE.len());
                Err(Bounded::expression(expression).map_or_else(|other| other, |bounded| error.moved_by(&bounded)))
            }
        })
    }

    /// A text that is kept ready, with its expressions evaluated; none if it is not kept.
    pub(crate) fn ready_text(&self, text: &str, context: Value) -> Option<Result<String, EvalError>> {
        let template = self.ready.get_template(&format!("{TEXT}{text}")).ok()?;
        let mut out = LimitedText::default();
        let rendered = template.render_captured_to(context, &mut out).map(drop);
        Some(match rendered {
            Ok(()) => Ok(out.into_string()),
            Err(error) => {
                let error = EvalError::from_minijinja(&error, template.source());
                Err(Bounded::template(text, &text_syntax()).map_or_else(|other| other, |bounded| error.moved_by(&bounded)))
            }
        })
    }
}

/// How the names of expressions and of texts begin that are kept ready.
const EXPRESSION: &str = "expression:";
const TEXT: &str = "text:";
/// What the value of an expression is called, and what stands before and after it.
const READY_VALUE: &str = "keel_value";
const READY_BEFORE: &str = "\u{FDD2}% set keel_value = ";
const READY_AFTER: &str = " %\u{FDD2}";
/// What stands for a text that is none: `{{ a }}/{{ b }}` is taken for one expression at first, for every host.
const NO_EXPRESSION: &str = "";
/// The most expressions and texts that are kept ready.
const MAX_READY: usize = 50_000;

/// The source behind the name of an expression or a text that is to be kept ready; none for what is wrong.
fn make_ready(name: &str) -> Option<String> {
    if let Some(text) = name.strip_prefix(TEXT) {
        return Some(Bounded::template(text, &text_syntax()).ok()?.source.into_owned());
    }
    let bounded = Bounded::expression(name.strip_prefix(EXPRESSION)?).ok()?.source;
    // A block takes more than one expression, and nothing may end it early.
    let is_expression = !bounded.contains('\u{FDD2}') && minijinja::machinery::parse_expr(&bounded).is_ok();
    Some(if is_expression { format!("{READY_BEFORE}{bounded}{READY_AFTER}") } else { NO_EXPRESSION.to_owned() })
}

/// In attributes only `{{ }}` is special: `{%` and `${#list}` are ordinary text there.
pub(crate) fn text_syntax() -> SyntaxConfig {
    let builder = SyntaxConfig::builder()
        .block_delimiters("\u{FDD2}%", "%\u{FDD2}")
        .comment_delimiters("\u{FDD2}#", "#\u{FDD2}")
        .keep_trailing_newline(true)
        .build();
    builder.unwrap_or_default()
}

/// As Ansible renders templates: a block tag takes its newline along, the file's last newline stays.
pub(crate) fn template_syntax() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build().unwrap_or_default()
}

fn environment(secrets: &Arc<SecretNames>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Off also in test builds: for its dump it evaluates variables again, each failing one twice.
    environment.set_debug(false);
    environment.set_formatter(write_value);
    filters::register(&mut environment, secrets);
    environment
}

/// The name of a template in the environment.
pub(crate) fn template_name(module: &str, path: &str) -> String {
    format!("{module}:{path}")
}

/// Where an included name leads: within the including template's module, whatever the name says.
fn join(name: &str, parent: &str) -> String {
    let module = parent.split_once(':').map_or("", |(module, _)| module);
    template_name(module, name)
}

fn load(folders: &TemplateFolders, name: &str) -> Result<Option<String>, Error> {
    let (module, path) = name.split_once(':').unwrap_or(("", name));
    let refuse = |message: String| Err(Error::from(EvalError::new(codes::TEMPLATE_MISSING, message)));
    if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains(['\\', '\0', ':']) {
        return refuse(format!("`{path}` leaves the module's templates; a template includes its module's own templates only"));
    }
    let folder = folders.lock().unwrap_or_else(PoisonError::into_inner).get(module).cloned();
    let Some(folder) = folder else { return Ok(None) };
    let path = format!("{}/{path}", folder.folder);
    match folder.files.read(&path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) if bytes.len() > MAX_TEXT => refuse(format!("{path} is larger than 1 MiB")),
        Ok(Some(bytes)) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => match Bounded::template(&text, &template_syntax()) {
                Ok(bounded) => Ok(Some(bounded.source.into_owned())),
                Err(error) => {
                    let range = error.range.clone().unwrap_or_default();
                    Err(error.at(&Arc::from(path), range, "in this template").into())
                }
            },
            Err(_) => refuse(format!("{path} is not UTF-8")),
        },
        Err(why) => refuse(format!("cannot read {path}: {why}")),
    }
}

/// Bytes that this evaluation has written so far.
#[derive(Default)]
struct Written(usize);

/// Passes text on as long as there is room.
struct Writer<'a, 'b> {
    out: &'a mut Output<'b>,
    room: usize,
}

impl Write for Writer<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.room = self.room.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        self.out.write_str(text)
    }
}

/// Puts a value into text, as Jinja2 prints it, but for null, which nobody means to print.
fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => {
            let error = EvalError::new(codes::EVALUATION, "null cannot be put into text");
            return Err(error.help("write `| default('', true)` for an empty text").into());
        }
        ValueKind::Invalid => return Err(crate::conversion::error_of(value).into()),
        ValueKind::Undefined => return Ok(()),
        ValueKind::Seq | ValueKind::Map | ValueKind::Plain => filters::check_printable(value)?,
        _ => {}
    }
    let so_far = state.get_or_insert_extension(Written::default());
    let room = MAX_WRITTEN.saturating_sub(so_far.0);
    let mut bounded = Writer { out, room };
    let written = match value.as_str() {
        Some(text) => bounded.write_str(text),
        None => write!(bounded, "{value}"),
    };
    let left = bounded.room;
    written.map_err(|_| Error::from(EvalError::too_large()))?;
    so_far.0 += room - left;
    Ok(())
}

/// A place for finished text that refuses more than [`MAX_TEXT`].
#[derive(Default)]
pub(crate) struct LimitedText {
    bytes: Vec<u8>,
}

impl LimitedText {
    /// The text.
    pub(crate) fn into_string(self) -> String {
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl std::io::Write for LimitedText {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_TEXT {
            return Err(std::io::Error::other(Error::new(ErrorKind::WriteFailure, "more than 1 MiB of text")));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ready_is_evaluated_once_and_blamed_where_it_stands() {
        let environments = Environments::new(&Arc::default(), &Arc::default());
        let context = || Value::from_pairs([("a", Value::from(2))]);
        let value = |text: &str| environments.ready_expression(text, context());
        assert_eq!(value("a * 21"), Some(Ok(Value::from(42))));
        assert_eq!(value("a * 21"), Some(Ok(Value::from(42))), "also the second time");
        assert!(value("nothing").unwrap().unwrap().is_undefined());
        let error = value("a ~ (nothing + 1)").unwrap().unwrap_err();
        assert_eq!((error.code, error.range), (codes::EVALUATION, Some(5..16)), "the scope says what is not defined");
        for wrong in ["a }} {{ a", "a +", "a %\u{FDD2} b"] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
        let text = |text: &str| environments.ready_text(text, context());
        assert_eq!(text("a={{ a }} {% x"), Some(Ok("a=2 {% x".to_owned())));
        assert_eq!(text("a={{ a }}, {{ nothing.x }}").unwrap().unwrap_err().range, Some(14..23));
        assert_eq!(text("{{ a"), None);
    }
}
