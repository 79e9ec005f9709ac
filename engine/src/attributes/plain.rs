//! The types of attributes that are plain values, optional ones, lists and maps.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{AttributeValue, wrong_type};
use crate::schema::Kind;
use crate::secret::Secret;
use crate::text::Text;
use crate::value::Value;

macro_rules! plain_value {
    ($type:ty, $kind:expr, $pattern:pat => $result:expr) => {
        impl AttributeValue for $type {
            fn kind() -> Kind {
                $kind
            }
            fn read(value: &Value) -> Result<Self, String> {
                match value {
                    $pattern => $result,
                    other => Err(wrong_type(&Self::kind(), other)),
                }
            }
        }
    };
}

plain_value!(String, Kind::String, Value::String(text) => Ok(text.clone()));
plain_value!(Arc<str>, Kind::String, Value::String(text) => Ok(Arc::from(text.as_str())));
plain_value!(bool, Kind::Bool, Value::Bool(flag) => Ok(*flag));
plain_value!(i64, Kind::Int, Value::Int(number) => Ok(*number));
plain_value!(u32, Kind::Int, Value::Int(number) => u32::try_from(*number).map_err(|_| format!("{number} is out of range, 0 to 4294967295")));
plain_value!(u64, Kind::Int, Value::Int(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative")));
plain_value!(Secret, Kind::Secret, Value::Secret(secret) => Ok(secret.clone()));

impl AttributeValue for Value {
    fn kind() -> Kind {
        Kind::Any
    }
    fn read(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl AttributeValue for Text {
    fn kind() -> Kind {
        Kind::Text
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Text::Plain(Arc::from(text.as_str()))),
            Value::Blob(blob) => Ok(Text::Blob(*blob)),
            Value::Secret(secret) => Ok(Text::Secret(secret.clone())),
            // The compiler checks catalogs before anybody can open their secrets.
            Value::Sealed(_) => Ok(Text::Secret(Secret::new(String::new()))),
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
}

impl<T: AttributeValue> AttributeValue for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
    fn when_missing() -> Option<Self> {
        Some(None)
    }
}

impl<T: AttributeValue> AttributeValue for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items.iter().map(T::read).collect(),
            single => Ok(vec![T::read(single)?]),
        }
    }
    fn when_missing() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: AttributeValue> AttributeValue for IndexMap<String, T> {
    fn kind() -> Kind {
        Kind::Map(Box::new(T::kind()))
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Map(map) => {
                map.iter().map(|(key, value)| Ok((key.clone(), T::read(value).map_err(|error| format!("{key}: {error}"))?))).collect()
            }
            other => Err(wrong_type(&Self::kind(), other)),
        }
    }
    fn when_missing() -> Option<Self> {
        Some(IndexMap::new())
    }
}
