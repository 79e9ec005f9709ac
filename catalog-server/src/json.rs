//! A look at JSON before it is believed: how deep it is, and whether an object says something twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep objects and lists may stand in each other.
const DEPTH_MAX: usize = 64;

/// Looks through a text.
///
/// # Errors
/// It is no JSON, goes on after its end, is too deep, or has a key twice; says where.
pub fn check(text: &[u8]) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Look { depth: 0 }.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| error.to_string())
}

struct Look {
    depth: usize,
}

impl Look {
    fn inside<E: Error>(&self) -> Result<Look, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format!("more than {DEPTH_MAX} objects and lists stand in each other")));
        }
        Ok(Look { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let inside = self.inside()?.depth;
        while list.next_element_seed(Look { depth: inside })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let inside = self.inside()?.depth;
        let mut keys = HashSet::new();
        while let Some(key) = object.next_key::<String>()? {
            object.next_value_seed(Look { depth: inside })?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key {twice:?} stands twice in one object")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_json_passes() {
        for text in ["{}", r#"{"a":[1,-2,0.5,null,true,"x"],"b":{"a":1}}"#, &format!("{}{}", "[".repeat(64), "]".repeat(64))] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_readers_would_disagree_about_does_not() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let deeper = "[".repeat(100_000);
        let rows = [
            ("", "EOF"),
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":1,"\u0061":2}"#, "twice"),
            ("{} {}", "trailing"),
            ("NaN", "expected"),
            (&deep, "64"),
            (&deeper, "64"),
            ("\"\u{1}\"", "control character"),
        ];
        for (text, expected) in rows {
            let why = check(text.as_bytes()).unwrap_err();
            assert!(why.contains(expected), "{text:.20}: {why}");
        }
        assert!(check(b"\"\xff\"").is_err());
    }
}
