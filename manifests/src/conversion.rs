//! Values of the language as minijinja's, and back. The order of keys is kept both ways.

use keel_engine::value::{Map, Value};
use minijinja::value::ValueKind;

use crate::codes;
use crate::evaluation_error::EvalError;
use crate::secrets::{SealedObject, SecretNames};

/// The most parts that one value may have: shared parts of lists could otherwise multiply without end.
const MAX_PARTS: usize = 200_000;
/// How deeply values may be nested.
const MAX_DEPTH: usize = 64;

/// A value as expressions see it.
pub(crate) fn to_template(value: &Value, secrets: &SecretNames) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(flag) => minijinja::Value::from(*flag),
        Value::Int(number) => minijinja::Value::from(*number),
        Value::Float(number) => minijinja::Value::from(*number),
        Value::String(text) => minijinja::Value::from(text.as_str()),
        Value::List(items) => minijinja::Value::from(items.iter().map(|item| to_template(item, secrets)).collect::<Vec<_>>()),
        Value::Map(map) => minijinja::Value::from_pairs(map.iter().map(|(key, value)| (key.as_str(), to_template(value, secrets)))),
        Value::Sealed(sealed) => secrets.to_template(sealed),
        Value::Secret(_) | Value::Blob(_) => minijinja::Value::from(value.to_string()),
    }
}

/// The value of an expression as the language sees it.
///
/// # Errors
/// Fails on undefined values, numbers that do not fit, keys that are no texts, and on what has no value at all.
pub(crate) fn from_template(value: &minijinja::Value, secrets: &SecretNames) -> Result<Value, EvalError> {
    Conversion { secrets, parts: 0 }.convert(value, 0)
}

struct Conversion<'a> {
    secrets: &'a SecretNames,
    parts: usize,
}

impl Conversion<'_> {
    fn convert(&mut self, value: &minijinja::Value, depth: usize) -> Result<Value, EvalError> {
        self.parts += 1;
        if self.parts > MAX_PARTS || depth > MAX_DEPTH {
            return Err(EvalError::new(codes::LIMIT, "this value has too many parts or is nested too deeply"));
        }
        if let Some(sealed) = value.downcast_object_ref::<SealedObject>() {
            let reference = self.secrets.reference_of(sealed);
            let reference = reference.ok_or_else(|| EvalError::new(codes::SECRET_UNKNOWN, "this secret is of another site"))?;
            return Ok(Value::Sealed(keel_engine::secret::Sealed::whole(reference)));
        }
        match value.kind() {
            ValueKind::Undefined => Err(EvalError::new(codes::UNDEFINED, "a value in it is not defined")),
            ValueKind::None => Ok(Value::Null),
            ValueKind::Bool => Ok(Value::Bool(value.is_true())),
            ValueKind::Number => number(value),
            ValueKind::String => text(value.as_str().unwrap_or_default(), self.secrets),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter().map_err(|error| EvalError::from_minijinja(&error, ""))?;
                let mut converted = Vec::new();
                for item in items {
                    converted.push(self.convert(&item, depth + 1)?);
                }
                Ok(Value::List(converted))
            }
            ValueKind::Map => self.convert_map(value, depth),
            ValueKind::Invalid => Err(error_of(value)),
            other => Err(EvalError::new(codes::EVALUATION, format!("a {other} is not a value that can be kept"))),
        }
    }

    fn convert_map(&mut self, value: &minijinja::Value, depth: usize) -> Result<Value, EvalError> {
        let keys = value.try_iter().map_err(|error| EvalError::from_minijinja(&error, ""))?;
        let mut map = Map::new();
        for key in keys {
            let Some(name) = key.as_str() else {
                return Err(EvalError::new(codes::EVALUATION, format!("the keys of tables are texts, `{key}` is a {}", key.kind())));
            };
            let item = value.get_item(&key).map_err(|error| EvalError::from_minijinja(&error, ""))?;
            map.insert(name.to_owned(), self.convert(&item, depth + 1)?);
        }
        Ok(Value::Map(map))
    }
}

fn number(value: &minijinja::Value) -> Result<Value, EvalError> {
    if value.is_integer() {
        let whole = value.as_i64().map(Value::Int);
        return whole.ok_or_else(|| EvalError::new(codes::NUMBER_RANGE, "this whole number does not fit into 64 bits"));
    }
    match f64::try_from(value.clone()) {
        Ok(float) if float.is_finite() => Ok(Value::Float(float)),
        _ => Err(EvalError::new(codes::NUMBER_RANGE, "this is not a finite number")),
    }
}

/// A finished text: sealed if secrets are in it.
pub(crate) fn text(text: &str, secrets: &SecretNames) -> Result<Value, EvalError> {
    match secrets.split(text) {
        Ok(None) => Ok(Value::from(text)),
        Ok(Some(sealed)) => Ok(Value::Sealed(sealed)),
        Err(_) => Err(EvalError::new(codes::SECRET_FILTER, "something has cut or changed the text of a secret")
            .help("only `b64encode`, `urlencode`, `to_json` and `quote` can be applied to a secret")),
    }
}

/// The error that an invalid value carries.
pub(crate) fn error_of(value: &minijinja::Value) -> EvalError {
    let checked = minijinja::Value::from(vec![value.clone()]);
    let carried = checked.try_iter().ok().and_then(|items| items.checked().find_map(Result::err));
    carried.map_or_else(|| EvalError::new(codes::EVALUATION, "there is no value"), |error| EvalError::from_minijinja(&error, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(value: impl Into<minijinja::Value>) -> Result<Value, &'static str> {
        from_template(&value.into(), &SecretNames::default()).map_err(|error| error.code)
    }

    #[test]
    fn values_go_there_and_back_in_order() {
        let map: Map = [("z", Value::Int(i64::MIN)), ("a", Value::Null), ("m", Value::List(vec![Value::Bool(true), Value::Float(0.5)]))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
        let secrets = SecretNames::default();
        let returned = from_template(&to_template(&Value::Map(map.clone()), &secrets), &secrets).unwrap();
        let Value::Map(returned) = returned else { panic!("{returned:?}") };
        assert_eq!(returned.keys().collect::<Vec<_>>(), map.keys().collect::<Vec<_>>());
        assert_eq!(returned, map);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(back(u64::MAX), Err(codes::NUMBER_RANGE));
        assert_eq!(back(i128::MIN), Err(codes::NUMBER_RANGE));
        assert_eq!(back(f64::NAN), Err(codes::NUMBER_RANGE));
        assert_eq!(back(f64::INFINITY), Err(codes::NUMBER_RANGE));
        assert_eq!(back(minijinja::Value::UNDEFINED), Err(codes::UNDEFINED));
        assert_eq!(back(vec![minijinja::Value::UNDEFINED]), Err(codes::UNDEFINED));
        assert_eq!(back(minijinja::Value::from_pairs([(1, 2)])), Err(codes::EVALUATION));
        let mut doubling = minijinja::Value::from(vec![1]);
        for _ in 0..40 {
            doubling = minijinja::Value::from(vec![doubling.clone(), doubling]);
        }
        assert_eq!(back(doubling), Err(codes::LIMIT));
    }
}
