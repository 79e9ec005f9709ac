//! The serial forms of a value. Caches get a compact binary one; everything that people and other
//! programs read gets plain JSON, in which only contents and secrets need a marked object.

use std::cell::Cell;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contents::Blob;
use crate::secret::{PLACEHOLDER, Sealed, Secret};
use crate::value::{Map, Value};

/// The key that marks an object as the name of some bytes.
const BLOB_KEY: &str = "$content";
/// The key that marks an object as a closed secret text.
const SEALED_KEY: &str = "$sealed";

/// The binary form, derived for [`Value`] from a mirror of it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Value")]
enum Binary {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Value>),
    Map(Map),
    Blob(Blob),
    Sealed(Sealed),
    #[serde(skip_deserializing)]
    Secret(Secret),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return Binary::serialize(self, serializer);
        }
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Value::Map(map) => map.serialize(serializer),
            Value::Blob(blob) => marked(serializer, BLOB_KEY, blob),
            Value::Sealed(sealed) => marked(serializer, SEALED_KEY, &sealed.parts),
            Value::Secret(_) => serializer.serialize_str(PLACEHOLDER),
        }
    }
}

fn marked<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(1))?;
    object.serialize_entry(key, value)?;
    object.end()
}

/// Any JSON: contents and secrets are marked objects among the others.
#[cfg(feature = "schema")]
impl schemars::JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!(true)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Plain);
        }
        let _level = Level::enter().ok_or_else(|| serde::de::Error::custom("lists and tables stand too deep in each other"))?;
        Binary::deserialize(deserializer)
    }
}

/// How deep lists and tables may stand in each other in the binary form; readers of JSON have a limit of their own.
const DEPTH_MAX: usize = 256;

thread_local! {
    /// How deep the value is that this thread reads.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level of a value that is being read.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        (depth < DEPTH_MAX).then(|| {
            DEPTH.set(depth + 1);
            Self
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Reads the plain form.
struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Int).map_err(|_| E::custom(format!("{number} does not fit into 64 bits")))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        if number.is_finite() { Ok(Value::Float(number)) } else { Err(E::custom("a number has to be finite")) }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                BLOB_KEY => return Ok(Value::Blob(object.next_value()?)),
                SEALED_KEY => return Ok(Value::Sealed(Sealed { parts: object.next_value()? })),
                _ => map.insert(key, object.next_value()?),
            };
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretRef;

    fn sample() -> Value {
        let secret = SecretRef { path: "galera/sst".to_owned(), fingerprint: "f00".to_owned(), filters: Vec::new() };
        let mut map = Map::new();
        map.insert("z".to_owned(), Value::Int(-1));
        map.insert("a".to_owned(), Value::List(vec![Value::Null, Value::Bool(true), Value::Float(0.5), Value::from("x")]));
        map.insert("b".to_owned(), Value::Blob(Blob::of(b"bytes")));
        map.insert("s".to_owned(), Value::Sealed(Sealed::whole(secret)));
        Value::Map(map)
    }

    #[test]
    fn both_forms_come_back_as_they_were() {
        let json = serde_json::to_string(&sample()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), sample());
        let bytes = postcard::to_stdvec(&sample()).unwrap();
        assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), sample());
    }

    #[test]
    fn what_stands_too_deep_is_refused_and_does_no_harm() {
        let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        let bytes = postcard::to_stdvec(&nested(DEPTH_MAX - 1)).unwrap();
        assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), nested(DEPTH_MAX - 1));
        // A list of one item is two bytes, so these would be half a million levels.
        let list = postcard::to_stdvec(&Value::List(vec![Value::Null])).unwrap();
        assert!(postcard::from_bytes::<Value>(&list[..2].repeat(500_000)).is_err());
        assert!(postcard::from_bytes::<Value>(&bytes).is_ok(), "the refusal leaves no level behind");
    }

    #[test]
    fn an_opened_secret_is_never_written() {
        let opened = Value::Secret(Secret::new("canary".to_owned()));
        assert_eq!(serde_json::to_string(&opened).unwrap(), "\"(secret)\"");
        assert!(!String::from_utf8_lossy(&postcard::to_stdvec(&opened).unwrap()).contains("canary"));
        assert!(!format!("{opened} {opened:?}").contains("canary"));
    }
}
