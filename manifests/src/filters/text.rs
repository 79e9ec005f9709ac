//! Filters on text: Ansible's `bool`, quoting, paths, sizes, and those of Jinja2 that need bounds.

use std::fmt::Write;

use keel_engine::secret::SecretFilter;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Value, filters as builtin};

use super::{add, add_for_secrets, limited, refuse, refuse_secrets};
use crate::codes;
use crate::environment::MAX_TEXT;
use crate::evaluation_error::EvalError;

/// Widths and counts beyond this are mistakes or attacks.
const MAX_WIDTH: usize = 10_000;

pub(super) fn register(environment: &mut Environment<'static>) {
    add(environment, "bool", to_bool);
    add(environment, "replace", |args: Rest<Value>| replace(&args));
    add(environment, "indent", indent);
    add(environment, "center", center);
    add(environment, "basename", |path: &str| basename(path).to_owned());
    add(environment, "dirname", |path: &str| dirname(path));
    add(environment, "splitext", |path: &str| splitext(path));
    add(environment, "human_to_bytes", human_to_bytes);
    add(environment, "human_readable", human_readable);
    add(environment, "comment", comment);
    add_for_secrets(environment, "quote", SecretFilter::ShellQuote, |value: &Value| quote(&value.to_string()));
    add_for_secrets(environment, "urlencode", SecretFilter::UrlEncode, builtin::urlencode);
    environment.add_filter("string", string);
    environment.add_filter("join", join);
    environment.add_filter("mandatory", mandatory);
    environment.add_filter("ternary", ternary);
    environment.add_filter("format", |state: &mut minijinja::State, pattern: &Value, args: Rest<ValueOrKwargs>| {
        let values = args.into_values();
        refuse_secrets("format", &values)?;
        check_widths(pattern.as_str().unwrap_or_default())?;
        let rest = values.into_iter().map(ValueOrKwargs::from).collect();
        limited(builtin::format(state, pattern, Rest(rest))?)
    });
    for name in ["batch", "slice"] {
        let inner = if name == "batch" { Value::from_function(builtin::batch) } else { Value::from_function(builtin::slice) };
        environment.add_filter(name, move |state: &mut minijinja::State, args: Rest<ValueOrKwargs>| {
            let values = args.into_values();
            if values.get(1).and_then(Value::as_usize).is_none_or(|count| count > MAX_WIDTH) {
                return Err(refuse(format!("`{name}` takes a count of at most {MAX_WIDTH}")));
            }
            inner.call(state, &values)
        });
    }
}

/// Ansible's rule: words for yes are true, words for no are false. Anything else is an error, where Ansible
/// says false, because it is a typing mistake.
fn to_bool(value: &Value) -> Result<bool, Error> {
    let word = match value.kind() {
        ValueKind::Bool => return Ok(value.is_true()),
        ValueKind::None => return Ok(false),
        ValueKind::Undefined => return Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        ValueKind::Number | ValueKind::String => value.to_string().trim().to_lowercase(),
        other => return Err(refuse(format!("`bool` does not take a {other}"))),
    };
    match word.as_str() {
        "yes" | "on" | "1" | "true" | "y" | "t" | "1.0" => Ok(true),
        "no" | "off" | "0" | "false" | "n" | "f" | "0.0" | "" => Ok(false),
        other => Err(refuse(format!("`{other}` is neither yes nor no"))),
    }
}

/// A value as text, within bounds.
fn string(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.clone()),
        ValueKind::Undefined => Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        _ => print(value).map(Value::from),
    }
}

/// A value printed into at most [`MAX_TEXT`] bytes.
fn print(value: &Value) -> Result<String, Error> {
    struct Bounded(String);
    impl Write for Bounded {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            if self.0.len() + text.len() > MAX_TEXT {
                return Err(std::fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut bounded = Bounded(String::new());
    write!(bounded, "{value}").map_err(|_| Error::from(EvalError::too_large()))?;
    Ok(bounded.0)
}

/// `replace(old, new, count)`, with the size known before the text is made.
pub(super) fn replace(args: &[Value]) -> Result<Value, Error> {
    let [value, from, to, ..] = args else { return Err(Error::from(minijinja::ErrorKind::MissingArgument)) };
    let (text, from, to) = (print(value)?, print(from)?, print(to)?);
    let limit = args.get(3).and_then(Value::as_usize).unwrap_or(usize::MAX);
    let count = text.matches(from.as_str()).take(limit).count();
    if text.len().saturating_add(count.saturating_mul(to.len())) > MAX_TEXT + count.saturating_mul(from.len()) {
        return Err(EvalError::too_large().into());
    }
    Ok(Value::from(text.replacen(from.as_str(), &to, limit)))
}

/// `join(separator, attribute=...)`. Secrets may be among the items: they stay whole.
fn join(items: &Value, separator: Option<&str>, kwargs: Kwargs) -> Result<Value, Error> {
    let attribute: Option<&str> = kwargs.get("attribute")?;
    kwargs.assert_all_used()?;
    let separator = separator.unwrap_or_default();
    match attribute {
        None => join_items(items, separator),
        Some(path) => {
            let mut picked = Vec::new();
            for item in items.try_iter()? {
                picked.push(path.split('.').try_fold(item, |item, key| item.get_attr(key))?);
            }
            join_items(&Value::from(picked), separator)
        }
    }
}

pub(super) fn join_items(items: &Value, separator: &str) -> Result<Value, Error> {
    if items.as_str().is_some_and(crate::secrets::has_token) {
        refuse_secrets("join", std::slice::from_ref(items))?;
    }
    let mut text = String::new();
    for (position, item) in items.try_iter()?.checked().enumerate() {
        let item = item?;
        if item.is_undefined() {
            return Err(Error::from(minijinja::ErrorKind::UndefinedError));
        }
        if position > 0 {
            text.push_str(separator);
        }
        match item.as_str() {
            Some(plain) => text.push_str(plain),
            None => text.push_str(&print(&item)?),
        }
        if text.len() > MAX_TEXT {
            return Err(EvalError::too_large().into());
        }
    }
    Ok(Value::from(text))
}

fn indent(value: String, width: Option<usize>, first: Option<bool>, blank: Option<bool>, kwargs: Kwargs) -> Result<String, Error> {
    let width = kwargs.get::<Option<usize>>("width")?.or(width).unwrap_or(4);
    let first = kwargs.get::<Option<bool>>("first")?.or(first).unwrap_or(false);
    let blank = kwargs.get::<Option<bool>>("blank")?.or(blank).unwrap_or(false);
    kwargs.assert_all_used()?;
    if width > MAX_WIDTH || value.lines().count().saturating_mul(width) > MAX_TEXT {
        return Err(EvalError::too_large().into());
    }
    let spaces = " ".repeat(width);
    let mut text = String::new();
    for (position, line) in value.split('\n').enumerate() {
        if position > 0 {
            text.push('\n');
        }
        if (position > 0 || first) && (blank || !line.is_empty()) {
            text.push_str(&spaces);
        }
        text.push_str(line);
    }
    Ok(text)
}

fn center(value: String, width: Option<usize>) -> Result<String, Error> {
    let width = width.unwrap_or(80);
    if width > MAX_WIDTH {
        return Err(EvalError::too_large().into());
    }
    let missing = width.saturating_sub(value.chars().count());
    Ok(format!("{}{value}{}", " ".repeat(missing / 2), " ".repeat(missing - missing / 2)))
}

/// Refuses format texts that ask for enormous widths.
pub(super) fn check_widths(pattern: &str) -> Result<(), Error> {
    let numbers = pattern.split(|character: char| !character.is_ascii_digit());
    for number in numbers.filter(|number| number.len() > 4) {
        if pattern.contains('%') || pattern.contains('{') {
            return Err(EvalError::new(codes::LIMIT, format!("a width of {number} is too large")).into());
        }
    }
    Ok(())
}

fn basename(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn dirname(path: &str) -> String {
    let Some((folder, _)) = path.rsplit_once('/') else { return String::new() };
    let stripped = folder.trim_end_matches('/');
    if stripped.is_empty() { "/".repeat(folder.len().max(1)) } else { stripped.to_owned() }
}

fn splitext(path: &str) -> Vec<String> {
    let name = basename(path);
    let start = path.len() - name.len();
    match name.rfind('.').filter(|dot| !name.get(..*dot).unwrap_or_default().trim_start_matches('.').is_empty()) {
        Some(dot) => {
            let (root, extension) = path.split_at(start + dot);
            vec![root.to_owned(), extension.to_owned()]
        }
        None => vec![path.to_owned(), String::new()],
    }
}

/// Quotes a text for a POSIX shell, as Python's `shlex.quote`.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\"'\"'")) }
}

const UNITS: [(&str, u32); 9] = [("Y", 80), ("Z", 70), ("E", 60), ("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10), ("", 0)];

/// `10G`, `1.5 MiB`, `512`: a number of bytes, 1024 to the next unit.
fn human_to_bytes(value: &Value, default_unit: Option<&str>) -> Result<i64, Error> {
    let text = value.to_string();
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = if unit.trim().is_empty() { default_unit.unwrap_or_default() } else { unit }.trim().to_uppercase();
    let letter = unit.trim_end_matches("IB").trim_end_matches('B');
    let bad = || refuse(format!("`{text}` is not a size, as `10G` or `512 KiB`"));
    let (_, shift) = UNITS.iter().find(|(name, _)| *name == letter).ok_or_else(bad)?;
    let bytes = number.parse::<f64>().map_err(|_| bad())? * 2f64.powi(*shift as i32);
    if bytes >= i64::MAX as f64 {
        return Err(EvalError::new(codes::NUMBER_RANGE, format!("`{text}` does not fit into 64 bits")).into());
    }
    Ok(bytes.round() as i64)
}

/// A number of bytes with the largest unit of which there is at least one.
fn human_readable(value: f64, isbits: Option<bool>, unit: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let isbits = kwargs.get::<Option<bool>>("isbits")?.or(isbits).unwrap_or(false);
    let unit = kwargs.get::<Option<&str>>("unit")?.or(unit).map(str::to_uppercase);
    kwargs.assert_all_used()?;
    let chosen = match unit.as_deref() {
        Some(wanted) => UNITS.iter().find(|(name, _)| *name == wanted.trim_end_matches('B')),
        None => UNITS.iter().find(|(_, shift)| value >= 2f64.powi(*shift as i32)),
    };
    let (name, shift) = chosen.copied().unwrap_or(("", 0));
    let base = if isbits { "b" } else { "B" };
    let suffix = if name.is_empty() { if isbits { "bits".to_owned() } else { "Bytes".to_owned() } } else { format!("{name}{base}") };
    Ok(format!("{:.2} {suffix}", value / 2f64.powi(shift as i32)))
}

/// Each line behind `# `, as for a file's header.
fn comment(value: String) -> String {
    let lines: Vec<String> = value.lines().map(|line| format!("# {line}").trim_end().to_owned()).collect();
    format!("#\n{}\n#", lines.join("\n"))
}

fn mandatory(value: &Value, message: Option<&str>) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(EvalError::new(codes::UNDEFINED, message.unwrap_or("a mandatory value is not defined")).into());
    }
    Ok(value.clone())
}

/// `condition | ternary(yes, no, null)`.
fn ternary(value: &Value, yes: Value, no: Value, none: Option<Value>) -> Result<Value, Error> {
    match (value.kind(), none) {
        (ValueKind::Undefined, _) => Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        (ValueKind::None, Some(none)) => Ok(none),
        _ => Ok(if value.is_true() { yes } else { no }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bool_follows_ansible() {
        for yes in [Value::from("yes"), Value::from("On"), Value::from(1), Value::from(true), Value::from("TRUE")] {
            assert!(to_bool(&yes).unwrap(), "{yes}");
        }
        for no in [Value::from("no"), Value::from("off"), Value::from(0), Value::from(""), Value::from(())] {
            assert!(!to_bool(&no).unwrap(), "{no}");
        }
        assert!(to_bool(&Value::from("ture")).is_err());
        assert!(to_bool(&Value::from(vec![1])).is_err());
    }

    #[test]
    fn paths_come_apart_as_in_python() {
        let cases = [
            ("/etc/nginx/nginx.conf", "nginx.conf", "/etc/nginx"),
            ("nginx.conf", "nginx.conf", ""),
            ("/etc/", "", "/etc"),
            ("/x", "x", "/"),
        ];
        for (path, name, folder) in cases {
            assert_eq!((basename(path), dirname(path).as_str()), (name, folder), "{path}");
        }
        assert_eq!(splitext("/a.b/nginx.conf"), ["/a.b/nginx", ".conf"]);
        assert_eq!(splitext("/a.b/.profile"), ["/a.b/.profile", ""]);
    }

    #[test]
    fn shell_quoting_is_exact() {
        assert_eq!(quote("a-b_c.d"), "a-b_c.d");
        assert_eq!(quote("it's"), r#"'it'"'"'s'"#);
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn sizes_are_binary() {
        let bytes = |text: &str| human_to_bytes(&Value::from(text), None).ok();
        assert_eq!(bytes("10G"), Some(10 << 30));
        assert_eq!(bytes("1.5 MiB"), Some(3 << 19));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("1kb"), Some(1024));
        assert_eq!(bytes("x"), None);
        assert_eq!(bytes("9Y"), None);
    }

    #[test]
    fn amplification_is_refused_before_it_happens() {
        let long = Value::from("a".repeat(1 << 19));
        let args = [long.clone(), Value::from("a"), long.clone()];
        assert!(replace(&args).is_err());
        assert!(join_items(&Value::from(vec![long.clone(), long.clone(), long]), "").is_err());
        assert!(check_widths("%1000000000s").is_err());
        assert!(center("x".to_owned(), Some(usize::MAX)).is_err());
    }
}
