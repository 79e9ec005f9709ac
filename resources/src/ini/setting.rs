//! The values of `ini` as manifests write them.

use keel_engine::attributes::AttributeValue;
use keel_engine::schema::Kind;
use keel_engine::secret::Secret;
use keel_engine::value::Value;

/// What a key shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Not there: `#null`.
    Absent,
    /// This value.
    One(Scalar),
    /// These values.
    Several(Vec<Scalar>),
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Anybody may see it.
    Plain(String),
    /// Nobody may see it.
    Secret(Secret),
}

impl Scalar {
    /// The text as it goes into the file.
    pub(crate) fn text(&self) -> &str {
        match self {
            Scalar::Plain(text) => text,
            Scalar::Secret(secret) => secret.reveal_secret_text(),
        }
    }
}

impl Setting {
    /// The values, none where the key shall not be there.
    pub(crate) fn scalars(&self) -> &[Scalar] {
        match self {
            Setting::Absent => &[],
            Setting::One(value) => std::slice::from_ref(value),
            Setting::Several(values) => values,
        }
    }

    /// Whether any part of it is a secret.
    pub(crate) fn is_secret(&self) -> bool {
        self.scalars().iter().any(|value| matches!(value, Scalar::Secret(_)))
    }
}

impl AttributeValue for Setting {
    fn kind() -> Kind {
        let scalar = || Kind::OneOf(vec![Kind::Text, Kind::Int, Kind::Float, Kind::Bool]);
        Kind::Nullable(Box::new(Kind::OneOf(vec![scalar(), Kind::List(Box::new(scalar()))])))
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Setting::Absent),
            Value::List(items) => items.iter().map(scalar).collect::<Result<_, _>>().map(Setting::Several),
            single => scalar(single).map(Setting::One),
        }
    }
}

fn scalar(value: &Value) -> Result<Scalar, String> {
    match value {
        Value::String(text) if text.contains(['\n', '\r', '\0']) => Err("a value is one line of text".to_owned()),
        Value::String(text) => Ok(Scalar::Plain(text.trim().to_owned())),
        Value::Bool(flag) => Ok(Scalar::Plain(flag.to_string())),
        Value::Int(number) => Ok(Scalar::Plain(number.to_string())),
        Value::Float(number) => Ok(Scalar::Plain(number.to_string())),
        Value::Secret(secret) => Ok(Scalar::Secret(secret.clone())),
        // The compiler checks catalogs before anybody can open their secrets.
        Value::Sealed(_) => Ok(Scalar::Secret(Secret::new(String::new()))),
        other => Err(format!("expected a text, number, bool or a list of them, found {}", other.type_name())),
    }
}

/// Whether a value that nobody declared secret looks like one: it is about to go, and may be shown.
pub(crate) fn looks_secret(key: &str, value: &str) -> bool {
    const NAMES: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "credential", "private_key"];
    let key = key.to_lowercase();
    // A URL with a password: scheme://user:password@host.
    let in_url = || {
        let login = value.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@')).map(|(login, _)| login);
        login.is_some_and(|login| login.contains(':'))
    };
    NAMES.iter().any(|name| key.contains(name)) || in_url()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_texts_that_programs_read() {
        for (value, expected) in
            [(Value::Bool(true), "true"), (Value::Int(-3), "-3"), (Value::Float(0.5), "0.5"), (Value::from(" True "), "True")]
        {
            assert_eq!(Setting::read(&value).unwrap().scalars()[0].text(), expected);
        }
        assert_eq!(Setting::read(&Value::Null), Ok(Setting::Absent));
        assert!(Setting::read(&Value::from("a\nb")).is_err());
        assert!(Setting::read(&Value::List(vec![Value::Null])).is_err());
    }

    #[test]
    fn passwords_are_recognised_by_name_and_in_urls() {
        assert!(looks_secret("rabbit_password", "x") && looks_secret("AdminToken", "x"));
        assert!(looks_secret("transport_url", "rabbit://nova:pw@10.0.0.1:5672/"));
        for (key, value) in [("url", "http://host:80/a@b"), ("workers", "4"), ("url", "http://user@host/")] {
            assert!(!looks_secret(key, value), "{key} {value}");
        }
    }
}
