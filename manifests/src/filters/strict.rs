//! What is strict beyond minijinja: undefined values and secrets are refused also where it lets them pass.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters as builtin, tests as builtin_tests};

use super::names;
use crate::amplification::{COMPARED, NEEDED};
use crate::codes;
use crate::environment::MAX_TEXT;
use crate::evaluation_error::EvalError;
use crate::secrets::{SealedObject, has_token};

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter(NEEDED, needed);
    environment.add_filter(COMPARED, |value: Value| compared(needed(value)?));
    for (name, inner) in [
        ("map", Value::from_function(builtin::map)),
        ("sort", Value::from_function(builtin::sort)),
        ("sum", Value::from_function(builtin::sum)),
        ("unique", Value::from_function(builtin::unique)),
        ("groupby", Value::from_function(builtin::groupby)),
        ("select", Value::from_function(builtin::select)),
        ("reject", Value::from_function(builtin::reject)),
        ("selectattr", Value::from_function(builtin::selectattr)),
        ("rejectattr", Value::from_function(builtin::rejectattr)),
    ] {
        environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
            let args = args.into_values();
            called_by_name(name, &args)?;
            attribute_exists(name, &args)?;
            inner.call(state, &args)
        });
    }
    let (eq, ne) = (Value::from_function(builtin_tests::is_eq), Value::from_function(builtin_tests::is_ne));
    let (lt, le) = (Value::from_function(builtin_tests::is_lt), Value::from_function(builtin_tests::is_le));
    let (gt, ge) = (Value::from_function(builtin_tests::is_gt), Value::from_function(builtin_tests::is_ge));
    let is_in = Value::from_function(builtin_tests::is_in);
    for (names, inner) in [
        (["eq", "equalto", "=="].as_slice(), eq),
        (&["ne", "!="], ne),
        (&["lt", "lessthan", "<"], lt),
        (&["le", "<="], le),
        (&["gt", "greaterthan", ">"], gt),
        (&["ge", ">="], ge),
        (&["in"], is_in),
    ] {
        for name in names {
            let inner = inner.clone();
            environment.add_test(*name, move |state: &mut State, args: Rest<Value>| -> Result<bool, Error> {
                let args = args.iter().cloned().map(compared).collect::<Result<Vec<_>, _>>()?;
                Ok(inner.call(state, &args)?.is_true())
            });
        }
    }
}

fn needed(value: Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(undefined("a value is not defined")) } else { Ok(value) }
}

fn undefined(message: impl Into<String>) -> Error {
    EvalError::new(codes::UNDEFINED, message).into()
}

/// A secret's text is not known, so no comparison with it can be true.
fn compared(value: Value) -> Result<Value, Error> {
    let secret = |value: &Value| value.downcast_object_ref::<SealedObject>().is_some() || value.as_str().is_some_and(has_token);
    let among = |list: &Value| list.kind() == ValueKind::Seq && list.try_iter().is_ok_and(|mut items| items.any(|item| secret(&item)));
    if secret(&value) || among(&value) {
        let error = EvalError::new(codes::SECRET_FILTER, "a secret cannot be compared: the compiler never sees its text");
        return Err(error.help("compare a variable that is no secret").into());
    }
    Ok(value)
}

/// The filter or test that a filter is given by its name must be there.
fn called_by_name(filter: &str, args: &[Value]) -> Result<(), Error> {
    let name = |position: usize| args.get(position).and_then(Value::as_str);
    let unknown = match filter {
        "map" => name(1).and_then(names::unknown_filter),
        "select" | "reject" => name(1).and_then(names::unknown_test),
        "selectattr" | "rejectattr" => name(2).and_then(names::unknown_test),
        _ => None,
    };
    unknown.map_or(Ok(()), |error| Err(error.into()))
}

/// The attribute that a filter goes by must be there in all items, unless there is a default, or whether it is
/// there is the question.
fn attribute_exists(filter: &str, args: &[Value]) -> Result<(), Error> {
    let named =
        |key| args.last().filter(|last| last.is_kwargs()).and_then(|last| last.get_attr(key).ok()).filter(|value| !value.is_undefined());
    let asks = args.get(2).and_then(Value::as_str).is_some_and(|test| matches!(test, "defined" | "undefined"));
    let positional = || match filter {
        "groupby" => args.get(1).cloned(),
        "selectattr" | "rejectattr" if !asks => args.get(1).cloned(),
        _ => None,
    };
    let Some(attribute) = named("attribute").or_else(positional) else { return Ok(()) };
    let (Some(path), None, Some(list)) = (attribute.as_str(), named("default"), args.first()) else { return Ok(()) };
    for item in list.try_iter()?.checked() {
        let mut value = item?;
        for key in path.split('.') {
            value = match key.parse::<usize>() {
                Ok(position) => value.get_item(&Value::from(position))?,
                Err(_) => value.get_attr(key)?,
            };
            if value.is_undefined() {
                let error = EvalError::new(codes::UNDEFINED, format!("an item that `{filter}` takes has no `{path}`"));
                let missing = match filter {
                    "selectattr" | "rejectattr" => format!("where it may be missing, write `selectattr('{path}', 'defined')` before"),
                    _ => "where it may be missing, give a `default=`".to_owned(),
                };
                return Err(error.help(missing).into());
            }
        }
    }
    Ok(())
}

/// How deeply a printed value may be nested.
const PRINTED_DEPTH_MAX: usize = 64;

/// What a value must not have in it when it becomes text: what is not defined, and functions. Each part
/// makes a byte of text at least, so a value with more parts than that is too large anyway.
pub(crate) fn check_printable(value: &Value) -> Result<(), Error> {
    let mut open = vec![(value.clone(), 0)];
    let mut seen = 0;
    while let Some((value, depth)) = open.pop() {
        seen += 1;
        if seen > MAX_TEXT {
            return Err(EvalError::too_large().into());
        }
        if depth > PRINTED_DEPTH_MAX {
            let message = format!("a printed value is nested more than {PRINTED_DEPTH_MAX} levels deep");
            return Err(EvalError::new(codes::LIMIT, message).into());
        }
        match value.kind() {
            ValueKind::Undefined if depth > 0 => return Err(undefined("a value in this list or table is not defined")),
            ValueKind::Plain if value.downcast_object_ref::<SealedObject>().is_none() => {
                return Err(undefined("a function or macro is not defined as a value"));
            }
            ValueKind::Seq => open.extend(value.try_iter()?.take(MAX_TEXT).map(|item| (item, depth + 1))),
            ValueKind::Map => {
                for key in value.try_iter()?.take(MAX_TEXT) {
                    open.push((value.get_item(&key)?, depth + 1));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_looked_at_whole() {
        let list = |last: Value| Value::from((0..20_000).map(Value::from).chain([last]).collect::<Vec<_>>());
        assert!(check_printable(&list(Value::from(1))).is_ok());
        assert!(check_printable(&list(Value::UNDEFINED)).is_err());
        let nested = |levels: usize, inner: Value| (0..levels).fold(inner, |inner, _| Value::from(vec![inner]));
        assert!(check_printable(&nested(60, Value::from(1))).is_ok());
        assert!(check_printable(&nested(20, Value::UNDEFINED)).is_err());
        assert!(check_printable(&nested(100, Value::from(1))).unwrap_err().to_string().contains("64 levels"));
    }
}
