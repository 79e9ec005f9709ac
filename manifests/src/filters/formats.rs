//! `to_json`, `to_yaml`, `to_toml` and their readers. A secret inside a table becomes a quoted text on the host.

use keel_engine::secret::SecretFilter;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, Value};

use super::yaml;
use super::{add, refuse};
use crate::codes;
use crate::environment::MAX_TEXT;
use crate::evaluation_error::EvalError;
use crate::secrets::{SealedObject, has_token};

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("to_json", |value: &Value, kwargs: Kwargs| json(value, kwargs, None));
    environment.add_filter("tojson", |value: &Value, kwargs: Kwargs| json(value, kwargs, None));
    environment.add_filter("to_nice_json", |value: &Value, kwargs: Kwargs| json(value, kwargs, Some(4)));
    environment.add_filter("to_yaml", |value: &Value, kwargs: Kwargs| to_yaml(value, kwargs, 2));
    environment.add_filter("to_nice_yaml", |value: &Value, kwargs: Kwargs| to_yaml(value, kwargs, 4));
    environment.add_filter("to_toml", to_toml);
    add(environment, "from_json", from_json);
    add(environment, "from_yaml", |text: &str| yaml::parse(text).map_err(refuse));
}

/// A value ready to be written: what cannot be written has been refused.
pub(super) enum Plain {
    Null,
    Bool(bool),
    /// A number as it is printed.
    Number(String),
    Text(String),
    /// A secret, which the host writes as a quoted text.
    Secret(String),
    List(Vec<Plain>),
    Table(Vec<(String, Plain)>),
}

/// Parts that one value may have.
const MAX_PARTS: usize = 200_000;
const MAX_DEPTH: usize = 64;

impl Plain {
    pub(super) fn new(value: &Value, sorted: bool) -> Result<Self, Error> {
        Self::convert(value, sorted, 0, &mut 0)
    }

    fn convert(value: &Value, sorted: bool, depth: usize, parts: &mut usize) -> Result<Self, Error> {
        *parts += 1;
        if depth > MAX_DEPTH || *parts > MAX_PARTS {
            return Err(EvalError::new(codes::LIMIT, "this value has too many parts or is nested too deeply").into());
        }
        if let Some(sealed) = value.downcast_object_ref::<SealedObject>() {
            return Ok(Plain::Secret(sealed.filtered(SecretFilter::Json).token()));
        }
        Ok(match value.kind() {
            ValueKind::Undefined => return Err(Error::from(minijinja::ErrorKind::UndefinedError)),
            ValueKind::None => Plain::Null,
            ValueKind::Bool => Plain::Bool(value.is_true()),
            ValueKind::Number => number(value)?,
            ValueKind::String if value.as_str().is_some_and(has_token) => {
                let error = EvalError::new(codes::SECRET_FILTER, "a secret inside a longer text cannot be written here");
                return Err(error.help("give the secret a key of its own, or write the text in the template").into());
            }
            ValueKind::String => Plain::Text(value.as_str().unwrap_or_default().to_owned()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.checked().map(|item| Self::convert(&item?, sorted, depth + 1, parts));
                Plain::List(items.collect::<Result<_, _>>()?)
            }
            ValueKind::Map => {
                let mut table = Vec::new();
                for key in value.try_iter()? {
                    let item = value.get_item(&key)?;
                    table.push((key.to_string(), Self::convert(&item, sorted, depth + 1, parts)?));
                }
                if sorted {
                    table.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                Plain::Table(table)
            }
            ValueKind::Invalid => return Err(crate::conversion::error_of(value).into()),
            other => return Err(refuse(format!("a {other} cannot be written"))),
        })
    }
}

fn number(value: &Value) -> Result<Plain, Error> {
    if value.is_integer() {
        return Ok(Plain::Number(value.to_string()));
    }
    let float = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if !float.is_finite() {
        return Err(EvalError::new(codes::NUMBER_RANGE, "this is not a finite number").into());
    }
    Ok(Plain::Number(format!("{float:?}")))
}

fn json(value: &Value, kwargs: Kwargs, indent: Option<usize>) -> Result<Value, Error> {
    let indent = kwargs.get::<Option<usize>>("indent")?.or(indent).map(|indent| indent.min(16));
    let sorted = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(indent.is_some());
    kwargs.assert_all_used()?;
    let mut text = String::new();
    write_json(&Plain::new(value, sorted)?, indent, 0, &mut text)?;
    Ok(Value::from(text))
}

/// Python's form: `", "` and `": "` on one line, or an item a line.
fn write_json(value: &Plain, indent: Option<usize>, depth: usize, out: &mut String) -> Result<(), Error> {
    if out.len() > MAX_TEXT {
        return Err(EvalError::too_large().into());
    }
    let line = |out: &mut String, depth: usize| {
        if let Some(width) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(width * depth));
        }
    };
    let comma = |out: &mut String, position: usize| match (position, indent) {
        (0, _) => {}
        (_, Some(_)) => out.push(','),
        (_, None) => out.push_str(", "),
    };
    match value {
        Plain::Null => out.push_str("null"),
        Plain::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Plain::Number(number) => out.push_str(number),
        Plain::Text(text) => out.push_str(&json_text(text)),
        Plain::Secret(token) => out.push_str(token),
        Plain::List(items) if items.is_empty() => out.push_str("[]"),
        Plain::Table(table) if table.is_empty() => out.push_str("{}"),
        Plain::List(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                comma(out, position);
                line(out, depth + 1);
                write_json(item, indent, depth + 1, out)?;
            }
            line(out, depth);
            out.push(']');
        }
        Plain::Table(table) => {
            out.push('{');
            for (position, (key, item)) in table.iter().enumerate() {
                comma(out, position);
                line(out, depth + 1);
                out.push_str(&json_text(key));
                out.push_str(": ");
                write_json(item, indent, depth + 1, out)?;
            }
            line(out, depth);
            out.push('}');
        }
    }
    Ok(())
}

/// A text in double quotes, as JSON, YAML and TOML all read it.
pub(super) fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default().replace('\u{7f}', "\\u007f")
}

fn from_json(text: &str) -> Result<Value, Error> {
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|error| refuse(format!("this is not JSON: {error}")))?;
    Ok(Value::from(minijinja::value::Serde(parsed)))
}

fn to_yaml(value: &Value, kwargs: Kwargs, indent: usize) -> Result<Value, Error> {
    let indent = kwargs.get::<Option<usize>>("indent")?.unwrap_or(indent).clamp(2, 9);
    let sorted = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(true);
    // What else PyYAML takes changes only the looks.
    let _: (Option<usize>, Option<bool>) = (kwargs.get("width")?, kwargs.get("default_flow_style")?);
    kwargs.assert_all_used()?;
    let text = yaml::write(&Plain::new(value, sorted)?, indent);
    if text.len() > MAX_TEXT {
        return Err(EvalError::too_large().into());
    }
    Ok(Value::from(text))
}

fn to_toml(value: &Value) -> Result<Value, Error> {
    let Plain::Table(table) = Plain::new(value, false)? else {
        return Err(refuse(format!("`to_toml` takes a table, not a {}", value.kind())));
    };
    let mut text = String::new();
    write_toml(&table, "", &mut text)?;
    if text.len() > MAX_TEXT {
        return Err(EvalError::too_large().into());
    }
    Ok(Value::from(text))
}

/// Values first, then tables under their headings, as TOML wants it.
fn write_toml(table: &[(String, Plain)], heading: &str, out: &mut String) -> Result<(), Error> {
    for (key, value) in table.iter().filter(|(_, value)| !matches!(value, Plain::Table(_))) {
        out.push_str(&format!("{} = {}\n", toml_key(key), toml_value(key, value)?));
    }
    for (key, value) in table {
        let Plain::Table(inner) = value else { continue };
        let heading = if heading.is_empty() { toml_key(key) } else { format!("{heading}.{}", toml_key(key)) };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("[{heading}]\n"));
        write_toml(inner, &heading, out)?;
    }
    Ok(())
}

fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { key.to_owned() } else { json_text(key) }
}

fn toml_value(key: &str, value: &Plain) -> Result<String, Error> {
    Ok(match value {
        Plain::Null => return Err(refuse(format!("TOML has no null, but `{key}` is one"))),
        Plain::Bool(flag) => flag.to_string(),
        Plain::Number(number) | Plain::Secret(number) => number.clone(),
        Plain::Text(text) => json_text(text),
        Plain::List(items) => {
            let items: Vec<String> = items.iter().map(|item| toml_value(key, item)).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Plain::Table(table) => {
            let pairs = table.iter().map(|(key, value)| Ok(format!("{} = {}", toml_key(key), toml_value(key, value)?)));
            format!("{{ {} }}", pairs.collect::<Result<Vec<_>, Error>>()?.join(", "))
        }
    })
}
