//! Typed attributes: one macro makes a type's struct, its schema and its reader from one declaration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::schema::{Kind, TypeSchema};
use crate::secret::Secret;
use crate::text::Text;
use crate::value::{Map, Value};

/// What is wrong with one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeError {
    /// The attribute; the title's own attribute when the title is meant.
    pub attribute: String,
    /// What is wrong with it, without the attribute's name.
    pub message: String,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

impl AttributeError {
    /// An error without advice.
    pub fn new(attribute: &str, message: impl Into<String>) -> Self {
        Self { attribute: attribute.to_owned(), message: message.into(), help: None }
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The typed attributes of a resource type. Made by [`attributes!`](crate::attributes!).
pub trait Attributes: Sized {
    /// The declaration, for the compiler and the manual.
    fn schema() -> TypeSchema;
    /// Reads and checks attributes; unknown ones are errors. All errors, not the first.
    ///
    /// # Errors
    /// Every attribute that is unknown, missing, of the wrong type or refused by [`Attributes::check`].
    fn from_attributes(title: &str, attributes: &Map) -> Result<Self, Vec<AttributeError>>;
    /// Checks what concerns several attributes at once. Written by the type, in its `check` block.
    fn check(&self) -> Vec<AttributeError> {
        Vec::new()
    }
}

/// A type that an attribute can have.
pub trait AttributeValue: Sized {
    /// What the manual and the compiler call it.
    fn kind() -> Kind;
    /// Reads it; the error says what is wrong, without naming the attribute.
    ///
    /// # Errors
    /// A value of another type or outside the range.
    fn read(value: &Value) -> Result<Self, String>;
    /// What it is when the manifest does not give it; required attributes have nothing.
    fn when_missing() -> Option<Self> {
        None
    }
    /// Turns a title into the value.
    ///
    /// # Errors
    /// As [`AttributeValue::read`].
    fn from_title(title: &str) -> Result<Self, String> {
        Self::read(&Value::from(title))
    }
}

/// Says that a value has the wrong type.
pub fn wrong_type(expected: &Kind, value: &Value) -> String {
    match value {
        Value::Sealed(_) | Value::Secret(_) => format!("expected {expected}, found a secret"),
        Value::List(_) | Value::Map(_) | Value::Null => format!("expected {expected}, found {}", value.type_name()),
        _ => format!("expected {expected}, found the {} {value}", value.type_name()),
    }
}

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

/// An absolute path in its one spelling: no `.`, `..`, `//` or slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &std::path::Path {
        &self.0
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The folder it stands in; the root has none.
    pub fn parent(&self) -> Option<AbsolutePath> {
        self.0.parent().map(|parent| AbsolutePath(parent.to_owned()))
    }
}

impl AsRef<std::path::Path> for AbsolutePath {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

impl std::fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Longest path and longest component that Linux takes, in bytes.
const PATH_BYTES_MAX: usize = 4095;
const COMPONENT_BYTES_MAX: usize = 255;

impl AttributeValue for AbsolutePath {
    fn kind() -> Kind {
        Kind::Path
    }
    fn read(value: &Value) -> Result<Self, String> {
        let Value::String(text) = value else { return Err(wrong_type(&Kind::Path, value)) };
        if !text.starts_with('/') {
            return Err(format!("expected an absolute path, found {text:?}"));
        }
        if text.contains('\0') {
            return Err("a path cannot hold a NUL".to_owned());
        }
        let inner = &text[1..];
        let components = inner.split('/');
        let misspelt = text != "/" && components.clone().any(|part| matches!(part, "" | "." | ".."));
        if misspelt {
            return Err(format!("write the path without `.`, `..`, doubled or closing slashes: {text:?}"));
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("the path is {} bytes long, Linux takes {PATH_BYTES_MAX}", text.len()));
        }
        if let Some(long) = components.into_iter().find(|part| part.len() > COMPONENT_BYTES_MAX) {
            return Err(format!("a name in the path is {} bytes long, Linux takes {COMPONENT_BYTES_MAX}", long.len()));
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// A length of time, `"90"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Longest span that is taken, in seconds: a year.
const SPAN_SECONDS_MAX: u64 = 366 * 86_400;

impl AttributeValue for Span {
    fn kind() -> Kind {
        Kind::Duration
    }
    fn read(value: &Value) -> Result<Self, String> {
        let seconds = match value {
            Value::Int(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative"))?,
            Value::String(text) => {
                parse_span(text).ok_or_else(|| format!("expected a duration such as \"30s\" or \"5m\", found {text:?}"))?
            }
            other => return Err(wrong_type(&Kind::Duration, other)),
        };
        if seconds > SPAN_SECONDS_MAX {
            return Err(format!("{seconds} seconds are more than a year"));
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

fn parse_span(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match rest[..letters].trim() {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(factor)?)?;
    }
    Some(total)
}

/// A number of bytes: `"64MiB"`, `"1G"` (powers of 1024 both), or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl AttributeValue for Size {
    fn kind() -> Kind {
        Kind::Size
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) => u64::try_from(*number).map(Size).map_err(|_| format!("{number} is negative")),
            Value::String(text) => parse_size(text).map(Size).ok_or_else(|| format!("expected a size such as \"64MiB\", found {text:?}")),
            other => Err(wrong_type(&Kind::Size, other)),
        }
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim().trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    number.checked_mul(1024u64.checked_pow(power)?)
}

/// Checks a value against a kind, for module parameters and for attributes before a run.
///
/// # Errors
/// Says what was expected and what was found.
pub fn check_kind(kind: &Kind, value: &Value) -> Result<(), String> {
    match (kind, value) {
        (Kind::Any, _) => Ok(()),
        (Kind::Nullable(_), Value::Null) => Ok(()),
        (Kind::Nullable(inner), value) => check_kind(inner, value),
        (Kind::List(inner), Value::List(items)) => items.iter().try_for_each(|item| check_kind(inner, item)),
        (Kind::List(inner), single) => check_kind(inner, single),
        (Kind::Map(inner), Value::Map(map)) => {
            map.iter().try_for_each(|(key, value)| check_kind(inner, value).map_err(|error| format!("{key}: {error}")))
        }
        (Kind::Enum(words), Value::String(text)) if words.iter().any(|word| word == text) => Ok(()),
        (Kind::Enum(words), Value::String(text)) => Err(format!("expected one of {}, found {text:?}", words.join(", "))),
        (Kind::Text, Value::String(_) | Value::Blob(_) | Value::Sealed(_) | Value::Secret(_)) => Ok(()),
        (Kind::Secret, Value::Sealed(_) | Value::Secret(_)) => Ok(()),
        (Kind::Float, Value::Float(_) | Value::Int(_)) | (Kind::Bool, Value::Bool(_)) => Ok(()),
        (Kind::String | Kind::Host | Kind::Mode, Value::String(_)) | (Kind::Int, Value::Int(_)) => Ok(()),
        (Kind::Path, value) => AbsolutePath::read(value).map(drop),
        (Kind::Duration, value) => Span::read(value).map(drop),
        (Kind::Size, value) => Size::read(value).map(drop),
        (Kind::Port, Value::Int(number)) if (1..=65_535).contains(number) => Ok(()),
        (Kind::Port, Value::Int(number)) => Err(format!("{number} is no port, 1 to 65535")),
        (Kind::Ip, Value::String(text)) => text.parse::<std::net::IpAddr>().map(drop).map_err(|_| format!("{text:?} is no IP address")),
        (Kind::Cidr, Value::String(text)) => check_cidr(text),
        (Kind::OneOf(kinds), value) if kinds.iter().any(|kind| check_kind(kind, value).is_ok()) => Ok(()),
        (kind, value) => Err(wrong_type(kind, value)),
    }
}

fn check_cidr(text: &str) -> Result<(), String> {
    let valid = text.split_once('/').and_then(|(address, length)| {
        let address: std::net::IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        Some(length <= if address.is_ipv4() { 32 } else { 128 })
    });
    if valid == Some(true) { Ok(()) } else { Err(format!("{text:?} is no network such as \"10.0.0.0/8\"")) }
}

/// Makes an enum whose variants are words of the language, with its [`AttributeValue`].
///
/// ```
/// keel_engine::choices! {
///     /// Whether the thing is there.
///     pub enum Ensure {
///         /// It is.
///         Present = "present",
///         /// It is not.
///         Absent = "absent",
///     }
/// }
/// assert_eq!(Ensure::Absent.as_str(), "absent");
/// ```
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// The word in manifests.
            $vis fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::attributes::AttributeValue for $name {
            fn kind() -> $crate::schema::Kind {
                $crate::schema::Kind::Enum(vec![$($word.to_owned()),+])
            }
            fn read(value: &$crate::value::Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok($name::$variant),)+
                    _ => Err($crate::attributes::check_kind(&<Self as $crate::attributes::AttributeValue>::kind(), value).err().unwrap_or_default()),
                }
            }
        }
    };
}

/// Makes a type's attribute struct, its schema (from the doc comments) and its reader.
///
/// A field's type decides whether it is required: `Option`, `Vec` and maps may be missing, others may
/// not unless a default stands behind `=`. The field marked `[title]` is taken from the title when
/// it is not given. One `[block]` field may be written as the resource's own child nodes.
/// An optional `check |desired| { ... }` block returns the errors that concern several attributes.
///
/// ```
/// keel_engine::attributes! {
///     /// A greeting on the wall.
///     ///
///     /// Everybody who passes reads it.
///     pub struct Greeting: "greeting" {
///         /// Whom to greet.
///         [title] pub name: String,
///         /// How often.
///         pub times: i64 = 1,
///     }
///     check |desired| {
///         if desired.times < 1 {
///             vec![keel_engine::attributes::AttributeError::new("times", "at least once")]
///         } else {
///             vec![]
///         }
///     }
/// }
/// use keel_engine::attributes::Attributes;
/// let greeting = Greeting::from_attributes("world", &Default::default()).unwrap();
/// assert_eq!((greeting.name.as_str(), greeting.times), ("world", 1));
/// assert_eq!(Greeting::schema().title_attribute, "name");
/// ```
#[macro_export]
macro_rules! attributes {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident: $type_name:literal {
            $(
                $(#[doc = $field_doc:literal])+
                $([$marker:ident])?
                pub $field:ident: $field_type:ty $(= $default:expr)?
            ),+ $(,)?
        }
        $(check |$desired:ident| $check:block)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[allow(missing_docs, unreachable_pub)]
        $vis struct $name {
            $(pub $field: $field_type,)+
        }

        impl $crate::attributes::Attributes for $name {
            fn schema() -> $crate::schema::TypeSchema {
                #[allow(unused_mut, unused_assignments)]
                let mut title_attribute = "";
                #[allow(unused_mut, unused_assignments)]
                let mut block = None;
                let mut attributes = Vec::new();
                $(
                    $($crate::attributes!(@mark $marker, $field, title_attribute, block);)?
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<String> = None;
                    #[allow(unused_mut, unused_assignments)]
                    let mut required = <$field_type as $crate::attributes::AttributeValue>::when_missing().is_none();
                    $(default = Some($crate::attributes::show_default(stringify!($default))); required = false;)?
                    attributes.push($crate::schema::AttributeSchema {
                        name: $crate::attributes!(@name $field),
                        doc: concat!($($field_doc, "\n",)+),
                        kind: <$field_type as $crate::attributes::AttributeValue>::kind(),
                        required,
                        default,
                    });
                )+
                for attribute in &mut attributes {
                    if attribute.name == title_attribute {
                        attribute.required = false;
                    }
                }
                $crate::schema::TypeSchema { name: $type_name, doc: concat!($($doc, "\n",)+), title_attribute, attributes, block }
            }

            fn from_attributes(title: &str, attributes: &$crate::value::Map) -> Result<Self, Vec<$crate::attributes::AttributeError>> {
                let mut reader = $crate::attributes::Reader::new(title, attributes);
                $(
                    #[allow(unused_mut, unused_assignments)]
                    let mut from_title = false;
                    $($crate::attributes!(@title $marker, from_title);)?
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<$field_type> = None;
                    $(if !attributes.contains_key($crate::attributes!(@name $field)) { default = Some($default); })?
                    let $field = reader.read::<$field_type>($crate::attributes!(@name $field), from_title, default);
                )+
                reader.refuse_unknown(&[$($crate::attributes!(@name $field)),+]);
                let errors = reader.into_errors();
                let desired = match ($($field,)+) {
                    ($(Some($field),)+) if errors.is_empty() => Self { $($field),+ },
                    _ => return Err(errors),
                };
                let errors = desired.check();
                if errors.is_empty() { Ok(desired) } else { Err(errors) }
            }

            $(fn check(&self) -> Vec<$crate::attributes::AttributeError> {
                let $desired = self;
                $check
            })?
        }
    };
    (@mark title, $field:ident, $title:ident, $block:ident) => { $title = $crate::attributes!(@name $field); };
    (@mark block, $field:ident, $title:ident, $block:ident) => { $block = Some($crate::attributes!(@name $field)); };
    (@title title, $from_title:ident) => { $from_title = true; };
    (@title block, $from_title:ident) => {};
    (@name $field:ident) => { $crate::attributes::attribute_name(stringify!($field)) };
}

/// The attribute's name for a field's: raw identifiers (`r#match`) lose their prefix.
pub const fn attribute_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// How the manual prints a default that the macro got as source text.
pub fn show_default(source: &str) -> String {
    let source = source.trim();
    if let Some(seconds) = source.strip_prefix("Span(Duration::") {
        let digits: String = seconds.chars().filter(char::is_ascii_digit).collect();
        return show_seconds(digits.parse().unwrap_or(0));
    }
    let word = source.rsplit("::").next().unwrap_or(source);
    let word = word.trim_end_matches(".to_owned()").trim_end_matches(".into()");
    word.trim_matches('"').to_lowercase()
}

/// A length of time as a manifest would have it.
fn show_seconds(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// Reads attributes one after another and collects what is wrong with them.
pub struct Reader<'a> {
    title: &'a str,
    attributes: &'a Map,
    errors: Vec<AttributeError>,
}

impl<'a> Reader<'a> {
    /// Starts on a resource's title and attributes.
    pub fn new(title: &'a str, attributes: &'a Map) -> Self {
        Self { title, attributes, errors: Vec::new() }
    }

    /// Reads one attribute; none if something is wrong with it, which is remembered.
    pub fn read<T: AttributeValue>(&mut self, name: &str, from_title: bool, default: Option<T>) -> Option<T> {
        let result = match self.attributes.get(name) {
            Some(value) => T::read(value),
            None if from_title => T::from_title(self.title),
            None => match default.or_else(T::when_missing) {
                Some(value) => Ok(value),
                None => Err("is required and not given".to_owned()),
            },
        };
        result.map_err(|message| self.errors.push(AttributeError::new(name, message))).ok()
    }

    /// Remembers every attribute that the type does not have.
    pub fn refuse_unknown(&mut self, known: &[&str]) {
        for name in self.attributes.keys().filter(|name| !known.contains(&name.as_str())) {
            self.errors.push(AttributeError::new(name, "is no attribute of this type"));
        }
    }

    /// What was wrong.
    pub fn into_errors(self) -> Vec<AttributeError> {
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_shown_as_a_manifest_would_have_them() {
        for (source, shown) in [
            ("Span(Duration::from_secs(300))", "5m"),
            ("Span(Duration::from_secs(2))", "2s"),
            ("Span(Duration::from_secs(7200))", "2h"),
            ("Span(Duration::from_secs(90))", "90s"),
            ("Span(Duration::ZERO)", "0s"),
            ("Ensure::Present", "present"),
            ("\"root\".to_owned()", "root"),
            ("100", "100"),
        ] {
            assert_eq!(show_default(source), shown);
        }
    }
}
