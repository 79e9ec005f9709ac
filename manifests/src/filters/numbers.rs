//! `log`, `pow` and `root` by Ansible's names. What is no finite number is an error.

use minijinja::{Environment, Error, Value};

use super::add;
use crate::codes;
use crate::evaluation_error::EvalError;

pub(super) fn register(environment: &mut Environment<'static>) {
    add(environment, "log", |value: f64, base: Option<f64>| finite(base.map_or_else(|| value.ln(), |base| value.log(base))));
    add(environment, "pow", |value: f64, exponent: f64| finite(value.powf(exponent)));
    add(environment, "root", |value: f64, degree: Option<f64>| finite(value.powf(1.0 / degree.unwrap_or(2.0))));
}

fn finite(number: f64) -> Result<Value, Error> {
    if number.is_finite() {
        return Ok(Value::from(number));
    }
    Err(EvalError::new(codes::NUMBER_RANGE, "this has no finite number as its result").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers() {
        assert!(finite(2.0).is_ok());
        assert!(finite((0.0f64).ln()).is_err());
        assert!(finite((-1.0f64).sqrt()).is_err());
    }
}
