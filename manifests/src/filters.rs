//! What expressions can call: minijinja's own filters under guard, Ansible's by their usual meaning, and `secret`.

mod collections;
mod digests;
mod formats;
pub(crate) mod names;
mod network;
mod numbers;
mod patterns;
mod refused;
mod strict;
mod tests;
mod text;
mod urls;
mod versions;
mod yaml;

pub(crate) use strict::check_printable;

use std::sync::Arc;

use keel_engine::secret::SecretFilter;
use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult, Kwargs, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters as builtin};
use minijinja_contrib::filters as contrib;

use crate::codes;
use crate::diagnostic::did_you_mean;
use crate::environment::MAX_TEXT;
use crate::evaluation_error::EvalError;
use crate::secrets::{SealedObject, SecretNames, has_token};

/// Puts everything into an environment.
pub(crate) fn register(environment: &mut Environment<'static>, secrets: &Arc<SecretNames>) {
    guard_builtins(environment);
    text::register(environment);
    patterns::register(environment);
    collections::register(environment);
    formats::register(environment);
    digests::register(environment);
    network::register(environment);
    numbers::register(environment);
    urls::register(environment);
    tests::register(environment);
    refused::register(environment);
    strict::register(environment);
    environment.add_filter(crate::amplification::CHECK, limited);
    let secrets = Arc::clone(secrets);
    environment.add_function("secret", move |path: &str| -> Result<Value, Error> { Ok(Value::from_object(find_secret(&secrets, path)?)) });
    environment.set_unknown_method_callback(|state, value, method, args| {
        let name = format!(".{method}()");
        let all: Vec<Value> = std::iter::once(value).chain(args).cloned().collect();
        refuse_secrets(&name, &all)?;
        match (method, value.as_str(), args) {
            ("replace", Some(_), [_, _]) => text::replace(&all),
            ("join", Some(separator), [items]) => text::join_items(items, separator),
            ("format", Some(pattern), _) => {
                text::check_widths(pattern)?;
                minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
            }
            _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
        }
        .and_then(limited)
    });
}

/// The secret of a path.
pub(crate) fn find_secret(secrets: &SecretNames, path: &str) -> Result<SealedObject, EvalError> {
    secrets.sealed_object(path).ok_or_else(|| {
        let mut error = EvalError::new(codes::SECRET_UNKNOWN, format!("there is no secret `{path}`"));
        error.help.extend(did_you_mean(path, secrets.paths()));
        error.help(format!("set it: `keel secret set {path}`"))
    })
}

/// minijinja's filters that read or make text: none of them may take a secret, nor make too much.
fn guard_builtins(environment: &mut Environment<'static>) {
    add(environment, "upper", builtin::upper);
    add(environment, "lower", builtin::lower);
    add(environment, "title", builtin::title);
    add(environment, "capitalize", builtin::capitalize);
    add(environment, "trim", builtin::trim);
    add(environment, "split", builtin::split);
    add(environment, "lines", builtin::lines);
    add(environment, "int", builtin::int);
    add(environment, "float", builtin::float);
    add(environment, "length", builtin::length);
    add(environment, "count", builtin::length);
    add(environment, "reverse", builtin::reverse);
    add(environment, "escape", builtin::escape);
    add(environment, "e", builtin::escape);
    add(environment, "wordcount", contrib::wordcount);
    named_also(environment, "truncate", Value::from_function(contrib::truncate), &["length", "killwords", "end", "leeway"]);
    named_also(
        environment,
        "wordwrap",
        Value::from_function(contrib::wordwrap),
        &["width", "break_long_words", "wrapstring", "break_on_hyphens"],
    );
    add(environment, "filesizeformat", contrib::filesizeformat);
    // It prints without bounds, and nothing in a configuration file looks like it.
    environment.remove_filter("pprint");
    environment.remove_global("debug");
}

/// Adds a filter that refuses secrets and too large results.
fn add<F, Rv, Args>(environment: &mut Environment<'static>, name: &'static str, filter: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let inner = Value::from_function(filter);
    environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = args.into_values();
        refuse_secrets(name, &args)?;
        limited(inner.call(state, &args)?)
    });
}

/// Adds a filter that takes its arguments by name only, so that it takes them by position too, as in Jinja2.
fn named_also(environment: &mut Environment<'static>, name: &'static str, inner: Value, names: &'static [&'static str]) {
    environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = args.into_values();
        refuse_secrets(name, &args)?;
        let (positional, kwargs) = split_kwargs(args)?;
        if positional.len() > names.len() + 1 {
            return Err(Error::from(minijinja::ErrorKind::TooManyArguments));
        }
        let mut positional = positional.into_iter();
        let input = positional.next().unwrap_or_default();
        let mut named: Vec<(&str, Value)> = names.iter().copied().zip(positional).collect();
        for key in kwargs.args() {
            named.push((key, kwargs.get(key)?));
        }
        let kwargs: Kwargs = named.into_iter().collect();
        limited(inner.call(state, &[input, Value::from(kwargs)])?)
    });
}

/// Adds a filter that may also stand on a secret; it then runs on the host, after opening.
fn add_for_secrets<F, Rv, Args>(environment: &mut Environment<'static>, name: &'static str, on_host: SecretFilter, filter: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let inner = Value::from_function(filter);
    environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = args.into_values();
        if let [only] = args.as_slice()
            && let Some(sealed) = only.downcast_object_ref::<SealedObject>()
        {
            return Ok(Value::from_object(sealed.filtered(on_host)));
        }
        refuse_secrets(name, &args)?;
        limited(inner.call(state, &args)?)
    });
}

fn refuse_secrets(name: &str, args: &[Value]) -> Result<(), Error> {
    let secret = |value: &Value| value.downcast_object_ref::<SealedObject>().is_some() || value.as_str().is_some_and(has_token);
    if args.iter().any(secret) {
        let error =
            EvalError::new(codes::SECRET_FILTER, format!("`{name}` cannot be applied to a secret: the compiler never sees its text"));
        return Err(error.help("the host can do `b64encode`, `urlencode`, `to_json` and `quote` after opening a whole secret").into());
    }
    Ok(())
}

/// Refuses results that are too large.
fn limited(value: Value) -> Result<Value, Error> {
    if value.as_str().is_some_and(|text| text.len() > MAX_TEXT) { Err(EvalError::too_large().into()) } else { Ok(value) }
}

/// The complaint of a filter about its input.
fn refuse(message: impl Into<String>) -> Error {
    EvalError::new(codes::EVALUATION, message).into()
}

/// Positional and named arguments of a filter that takes any number of the first.
fn split_kwargs(mut args: Vec<Value>) -> Result<(Vec<Value>, Kwargs), Error> {
    match args.pop() {
        Some(last) if last.is_kwargs() => Ok((args, Kwargs::try_from(last)?)),
        last => {
            args.extend(last);
            Ok((args, no_kwargs()))
        }
    }
}

fn no_kwargs() -> Kwargs {
    std::iter::empty::<(&str, Value)>().collect()
}
