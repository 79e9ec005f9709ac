//! Facts on the wire: what a host says of itself, and what of it the server takes.
//!
//! Facts are data from a machine that somebody else may control. They are read here, by both sides, into
//! plain values: nothing in them can become a content, a secret or a template.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::value::{Map, Value};

/// Where an agent puts its facts, as a JSON object, when they changed.
pub const FACTS_PATH: &str = "/v1/facts";
/// The most bytes of a host's facts.
pub const FACTS_BYTES_MAX: usize = 1 << 20;
/// The most entries of tables and lists in them, all levels together.
pub const FACTS_MAX: usize = 10_240;
/// How deep tables and lists may stand in each other.
pub const FACTS_DEPTH_MAX: usize = 64;
/// The most bytes of a key.
const KEY_BYTES_MAX: usize = 256;
/// Facts by which people find a host; anything but a text would only mislead.
const TEXTS: [&str; 3] = ["hostname", "fqdn", "domain"];
/// Keys that mean something to programs that read JSON carelessly.
const TRAPS: [&str; 3] = ["__proto__", "prototype", "constructor"];

/// The answer to facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FactsAnswer {
    /// The blake3 of the body as it was sent: what the header `keel-facts` names from now on.
    pub digest: Digest,
    /// What was left out.
    pub dropped: Vec<DroppedFact>,
}

/// A fact that the server does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DroppedFact {
    /// Where it stands, its keys joined by dots, shortened and without control characters.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Reads facts. What is wrong in one place is left out there.
///
/// # Errors
/// It is no JSON object, or too large, too deep, or has a key twice.
pub fn read(bytes: &[u8]) -> Result<(Map, Vec<DroppedFact>), String> {
    if bytes.len() > FACTS_BYTES_MAX {
        return Err(format!("the facts have {} bytes, more than {FACTS_BYTES_MAX}", bytes.len()));
    }
    let reading = Reading::default();
    let bytes = within_range(bytes);
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let value = Fact { reading: &reading, path: "", depth: 0 }.deserialize(&mut json).map_err(|error| error.to_string())?;
    json.end().map_err(|error| error.to_string())?;
    let Some(Value::Map(mut facts)) = value else { return Err("facts are a table".to_owned()) };
    let mut dropped = reading.dropped.into_inner();
    for key in TEXTS {
        if facts.get(key).is_some_and(|value| value.as_str().is_none()) {
            facts.shift_remove(key);
            dropped.push(DroppedFact { path: key.to_owned(), why: "it has to be a text".to_owned() });
        }
    }
    Ok((facts, dropped))
}

/// An integer that [`read`] leaves out.
const TOO_LARGE: &[u8] = b"18446744073709551615";

/// The text with an integer that [`read`] leaves out in the place of each number that no float can hold:
/// a reader of JSON would refuse all of the text for one of them.
pub fn within_range(text: &[u8]) -> Cow<'_, [u8]> {
    let mut tamed = Vec::new();
    let (mut copied, mut at, mut quoted) = (0, 0, false);
    while let Some((byte, rest)) = text.get(at..).and_then(<[u8]>::split_first) {
        let mut length = 1;
        match byte {
            b'\\' if quoted => length = 2,
            b'"' => quoted = !quoted,
            b'-' | b'0'..=b'9' if !quoted => {
                length += rest.iter().take_while(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte)).count();
                let number = text.get(at..at + length).and_then(|number| std::str::from_utf8(number).ok()?.parse::<f64>().ok());
                if number.is_some_and(f64::is_infinite) {
                    tamed.extend_from_slice(text.get(copied..at).unwrap_or_default());
                    tamed.extend_from_slice(TOO_LARGE);
                    copied = at + length;
                }
            }
            _ => {}
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    tamed.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(tamed)
}

#[derive(Default)]
struct Reading {
    dropped: RefCell<Vec<DroppedFact>>,
    count: Cell<usize>,
}

impl Reading {
    fn drop_at(&self, path: &str, why: &str) {
        let path: String = path.chars().take(200).flat_map(char::escape_default).collect();
        self.dropped.borrow_mut().push(DroppedFact { path, why: why.to_owned() });
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > FACTS_MAX { Err(E::custom(format!("there are more than {FACTS_MAX} facts"))) } else { Ok(()) }
    }
}

/// Reads one value; none, if it is left out.
#[derive(Clone, Copy)]
struct Fact<'a> {
    reading: &'a Reading,
    path: &'a str,
    depth: usize,
}

impl Fact<'_> {
    fn inner<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= FACTS_DEPTH_MAX {
            Err(E::custom(format!("facts stand in each other deeper than {FACTS_DEPTH_MAX}")))
        } else {
            Ok(self.depth + 1)
        }
    }
}

impl<'de> DeserializeSeed<'de> for Fact<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fact<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fact")
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(Some(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Int(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<Value>, E> {
        if let Ok(number) = i64::try_from(number) {
            return Ok(Some(Value::Int(number)));
        }
        self.reading.drop_at(self.path, "it does not fit into 64 bits");
        Ok(None)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(Some(Value::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Value>, A::Error> {
        let depth = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Fact { depth, ..self })? {
            self.reading.count()?;
            items.extend(item);
        }
        Ok(Some(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Option<Value>, A::Error> {
        let depth = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            self.reading.count()?;
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let value = object.next_value_seed(Fact { reading: self.reading, path: &path, depth })?;
            if let Some(why) = why_not(&key) {
                self.reading.drop_at(&path, why);
            } else if let Some(value) = value
                && map.insert(key, value).is_some()
            {
                return Err(serde::de::Error::custom(format!("a key stands twice in the facts: {}", path.escape_default())));
            }
        }
        Ok(Some(Value::Map(map)))
    }
}

/// Why a key is not taken.
fn why_not(key: &str) -> Option<&'static str> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Some("its name is empty or longer than 256 bytes");
    }
    if key.chars().any(char::is_control) {
        return Some("its name has control characters");
    }
    // In stored values such keys mark contents and secrets.
    if key.starts_with('$') || TRAPS.contains(&key) {
        return Some("its name means something to programs");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap().1.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn plain_facts_come_through() {
        let (facts, dropped) = read(br#"{"os":{"name":"debian","major":12},"load":0.5,"up":true,"none":null,"list":[1,"two"]}"#).unwrap();
        assert_eq!(dropped, []);
        assert_eq!(
            serde_json::to_string(&facts).unwrap(),
            r#"{"os":{"name":"debian","major":12},"load":0.5,"up":true,"none":null,"list":[1,"two"]}"#
        );
    }

    #[test]
    fn no_fact_becomes_a_secret_or_a_content() {
        let text = r#"{"a":{"$sealed":[{"Secret":{"path":"x/y","fingerprint":"f","filters":[]}}]},"b":{"$content":{}},"c":1}"#;
        let (facts, _) = read(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&facts).unwrap(), r#"{"a":{},"b":{},"c":1}"#);
        assert_eq!(dropped(text), ["a.$sealed", "b.$content"]);
    }

    #[test]
    fn wrong_facts_are_left_out_and_the_rest_stays() {
        assert_eq!(dropped(r#"{"hostname":["a"],"fqdn":"a.b"}"#), ["hostname"]);
        assert_eq!(dropped(r#"{"a":{"b\u0000":1},"__proto__":{},"big":18446744073709551615}"#), ["a.b\\u{0}", "__proto__", "big"]);
        assert_eq!(dropped(&format!(r#"{{"{}":1}}"#, "k".repeat(4096))).len(), 1);
    }

    #[test]
    fn a_number_that_no_float_holds_is_left_out_and_a_text_of_it_stays() {
        let digits = "9".repeat(400);
        let text = format!(r#"{{"a":1e400,"b":[-1E+999,{digits},1e308],"c":"1e400","d\"1e400":"\\","e":2}}"#);
        let (facts, _) = read(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&facts).unwrap(), r#"{"b":[1e+308],"c":"1e400","d\"1e400":"\\","e":2}"#);
        assert_eq!(dropped(&text), ["a", "b", "b"]);
        assert!(matches!(within_range(br#"{"a":-1.5e3}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_table_or_has_no_end_is_refused() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(deep(FACTS_DEPTH_MAX - 1).as_bytes()).is_ok());
        let many = |count: usize| format!("{{\"a\":[{}]}}", vec!["1"; count].join(","));
        assert!(read(many(FACTS_MAX - 1).as_bytes()).is_ok());
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(FACTS_BYTES_MAX));
        for wrong in [
            deep(FACTS_DEPTH_MAX).as_str(),
            &many(FACTS_MAX),
            &large,
            "[]",
            "{}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1e400e}"#,
            "",
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{}", &wrong[..wrong.len().min(40)]);
        }
    }
}
