//! Tests, as in `x is match('...')`, by Ansible's names.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Value};

use super::collections::has;
use super::patterns::compile;
use super::versions::{Scheme, compare};
use super::{refuse, refuse_secrets, split_kwargs};

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_test("match", |value: &Value, pattern: &str, kwargs: Kwargs| is_match(value, &format!(r"\A(?:{pattern})"), kwargs));
    environment.add_test("search", |value: &Value, pattern: &str, kwargs: Kwargs| is_match(value, pattern, kwargs));
    environment.add_test("regex", is_regex);
    environment.add_test("version", version);
    environment.add_test("version_compare", version);
    environment.add_test("subset", |a: &Value, b: &Value| all(a, |item| has(b, item)));
    environment.add_test("superset", |a: &Value, b: &Value| all(b, |item| has(a, item)));
    environment.add_test("contains", contains);
    environment.add_test("truthy", |value: &Value| value.is_true());
    environment.add_test("falsy", |value: &Value| !value.is_true());
    environment.add_test("all", |list: &Value| all(list, |item| Ok(item.is_true())));
    environment.add_test("any", |list: &Value| Ok::<_, Error>(!all(list, |item| Ok(!item.is_true()))?));
}

fn is_match(value: &Value, pattern: &str, kwargs: Kwargs) -> Result<bool, Error> {
    let flag = |name| Ok::<_, Error>(kwargs.get::<Option<bool>>(name)?.unwrap_or(false));
    let (ignore_case, multi_line) = (flag("ignorecase")?, flag("multiline")?);
    kwargs.assert_all_used()?;
    refuse_secrets("match", std::slice::from_ref(value))?;
    let text = value.as_str().ok_or_else(|| refuse(format!("patterns are matched against text, not a {}", value.kind())))?;
    Ok(compile(pattern, ignore_case, multi_line)?.is_match(text))
}

/// `regex('...', match_type='match')`
fn is_regex(value: &Value, pattern: &str, kwargs: Kwargs) -> Result<bool, Error> {
    match kwargs.get::<Option<&str>>("match_type")?.unwrap_or("search") {
        "search" => is_match(value, pattern, kwargs),
        "match" => is_match(value, &format!(r"\A(?:{pattern})"), kwargs),
        "fullmatch" => is_match(value, &format!(r"\A(?:{pattern})\z"), kwargs),
        other => Err(refuse(format!("`match_type` is `search`, `match` or `fullmatch`, not `{other}`"))),
    }
}

/// `version('1.2', '>=', version_type='deb')`
fn version(value: &Value, args: Rest<ValueOrKwargs>) -> Result<bool, Error> {
    let (args, kwargs) = split_kwargs(args.into_values())?;
    let scheme = match kwargs.get::<Option<&str>>("version_type")?.unwrap_or("loose") {
        "loose" => Scheme::Loose,
        "semver" | "semantic" => Scheme::Semantic,
        "deb" => Scheme::Debian,
        other => return Err(refuse(format!("`version_type` is `loose`, `semver` or `deb`, not `{other}`"))),
    };
    let operator = kwargs.get::<Option<String>>("operator")?;
    kwargs.assert_all_used()?;
    let text = |value: &Value| match value.kind() {
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        other => Err(refuse(format!("a version is a text, not a {other}"))),
    };
    let wanted = text(args.first().ok_or_else(|| refuse("`version` takes a version to compare with"))?)?;
    let operator = operator.or_else(|| args.get(1).map(Value::to_string)).unwrap_or_else(|| "==".to_owned());
    let order = compare(&text(value)?, &wanted, scheme);
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        other => return Err(refuse(format!("`{other}` is not a comparison, as `>=`"))),
    })
}

fn all(list: &Value, holds: impl Fn(&Value) -> Result<bool, Error>) -> Result<bool, Error> {
    for item in list.try_iter()?.checked() {
        if !holds(&item?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains(list: &Value, item: &Value) -> Result<bool, Error> {
    match (list.as_str(), item.as_str()) {
        (Some(text), Some(part)) => Ok(text.contains(part)),
        _ if list.kind() == ValueKind::Map => Ok(!list.get_item(item)?.is_undefined()),
        _ => has(list, item),
    }
}
