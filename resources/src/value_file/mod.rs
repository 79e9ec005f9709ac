//! Values in files of tables and lists: what `json_file`, `toml_file` and `yaml_file` have in common. Each format
//! only knows how to read a text and how to put one value into it; that nothing else changes is seen to here.

pub(crate) mod cursor;
mod place;
pub(crate) mod splice;

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::resource::Failure;
use keel_engine::secret::Secret;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::file::check_path;
use crate::text_edit::{Edited, described, looks_secret};
pub(crate) use cursor::position;
pub(crate) use place::{Place, Step};

/// How deep tables and lists may be nested.
pub(crate) const DEPTH_MAX: usize = 100;

keel_engine::choices! {
    /// What `#null` stands for.
    pub enum Null {
        /// That the path shall not be there.
        Absent = "absent",
        /// The value null.
        Value = "value",
    }
}

/// A format of files.
pub(crate) trait Format {
    /// Reads a text. One without anything in it is an empty table.
    ///
    /// # Errors
    /// Where and why it cannot be read.
    fn read(text: &str) -> Result<Value, Failure>;
    /// Puts a value where another one is, or where there is none, or takes it away.
    ///
    /// # Errors
    /// Why that cannot be done without harm.
    fn put(text: &str, place: &Place, wanted: Option<&Value>) -> Result<String, Failure>;
}

/// [`keel_engine::attributes!`] with the attributes of every file of values behind the type's own.
macro_rules! value_file {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident: $type_name:literal as $format:ty { $($own:tt)* }
        null |$null_of:ident| $null:expr
    ) => {
        keel_engine::attributes! {
            $(#[doc = $doc])+
            pub struct $name: $type_name {
                /// The file.
                [title] pub path: keel_engine::attributes::AbsolutePath,
                /// Whether the values are there. With `absent` the paths named here go, whatever is there.
                pub ensure: $crate::ensure::Ensure = $crate::ensure::Ensure::Present,
                /// The values by path: `server.port`, `hosts[0].name`; a key with a dot in it stands in quotes,
                /// `"a.b".c`. A table is merged into what is there, key by key; a list takes the place of
                /// the whole list. `#null` is for what shall not be there, by a key and not by a position. Texts, numbers and bools are what
                /// they are: `"5"` is a text, `5` is a number.
                [block] pub values: indexmap::IndexMap<String, keel_engine::value::Value>,
                $($own)*
                /// Whether the file is made where it is missing.
                pub create: bool = true,
            }
            check |desired| { desired.as_values().check() }
        }

        impl $name {
            fn as_values(&self) -> $crate::value_file::Values<'_> {
                let $null_of = self;
                $crate::value_file::Values { path: &self.path, ensure: self.ensure, values: &self.values, null: $null }
            }
        }

        impl $crate::text_edit::TextEdit for $name {
            fn target(&self) -> $crate::text_edit::Target<'_> {
                let is_secret = self.values.values().any(keel_engine::value::Value::has_secret);
                $crate::text_edit::Target { path: &self.path, ensure: self.ensure, creates: self.create, is_secret }
            }
            fn parts(&self) -> Vec<String> {
                self.as_values().wishes().into_iter().map(|wish| wish.place.to_string()).collect()
            }
            fn edit(&self, text: &str) -> Result<$crate::text_edit::Edited, keel_engine::resource::Failure> {
                self.as_values().edit::<$format>(text)
            }
            fn describe(text: &str) -> Option<keel_engine::value::Map> {
                $crate::value_file::describe::<$format>(text)
            }
        }
    };
}
pub(crate) use value_file;

/// The common attributes of one resource.
pub(crate) struct Values<'a> {
    pub(crate) path: &'a AbsolutePath,
    pub(crate) ensure: Ensure,
    pub(crate) values: &'a IndexMap<String, Value>,
    pub(crate) null: Null,
}

/// What shall be at one place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    pub(crate) place: Place,
    /// None where nothing shall be.
    wanted: Option<Value>,
    /// Whether nobody may see it.
    is_secret: bool,
}

impl Values<'_> {
    pub(crate) fn check(&self) -> Vec<AttributeError> {
        let mut errors: Vec<AttributeError> = check_path("path", self.path).into_iter().collect();
        let mut refuse = |message: String| errors.push(AttributeError::new("values", message));
        for (path, value) in self.values {
            if let Err(error) = Place::parse(path) {
                refuse(error);
            }
            if let Err(error) = check_value(value, DEPTH_MAX / 2) {
                refuse(format!("{path}: {error}"));
            }
        }
        let wishes = self.wishes();
        for wish in wishes.iter().filter(|wish| wish.wanted.is_none() && matches!(wish.place.0.last(), Some(Step::Index(_)))) {
            refuse(format!(
                "{} cannot go by its position, into which the next one would move: say what the whole list shall be",
                wish.place
            ));
        }
        for (at, wish) in wishes.iter().enumerate() {
            let clashes = |other: &&Wish| {
                let (short, long) = if wish.place.0.len() <= other.place.0.len() { (wish, *other) } else { (*other, wish) };
                long.place.0.starts_with(&short.place.0) && !(short.is_table() && long.place.0.len() > short.place.0.len())
            };
            if let Some(other) = wishes.iter().take(at).find(clashes) {
                refuse(format!("{} and {} say different things of one place", other.place, wish.place));
            }
        }
        errors
    }

    /// What is wanted, leaf by leaf: tables are taken apart, so that what they do not name stays.
    pub(crate) fn wishes(&self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (path, value) in self.values {
            if let Ok(place) = Place::parse(path) {
                self.add(place, value, &mut wishes);
            }
        }
        wishes
    }

    fn add(&self, place: Place, value: &Value, wishes: &mut Vec<Wish>) {
        match value {
            Value::Map(map) if !map.is_empty() => {
                map.iter().for_each(|(key, value)| self.add(place.then(Step::Key(key.clone())), value, wishes));
            }
            value => {
                let goes = self.ensure == Ensure::Absent || *value == Value::Null && self.null == Null::Absent;
                wishes.push(Wish { place, wanted: (!goes).then(|| opened(value)), is_secret: value.has_secret() });
            }
        }
    }

    /// Makes a text what it shall be.
    pub(crate) fn edit<F: Format>(&self, text: &str) -> Result<Edited, Failure> {
        let mut changes = Vec::new();
        let mut edited = text.to_owned();
        let mut data = F::read(text)?;
        for wish in self.wishes() {
            let found = find(&data, &wish.place)?;
            if wish.is_met_by(found) {
                continue;
            }
            changes.push(wish.change(found));
            edited = F::put(&edited, &wish.place, wish.wanted.as_ref())?;
            put(&mut data, &wish.place.0, wish.wanted.as_ref());
            // Whatever an editor has overlooked stops here and not on the disk.
            data = F::read(&edited).ok().filter(|read| is_as_meant(read, data, &wish)).ok_or_else(|| {
                Failure::new(format!("{} cannot be changed without harm to something else", wish.place))
                    .help("change that part of the file by hand, or write the file whole with the type `file`")
            })?;
        }
        Ok(Edited::of(changes, edited))
    }
}

/// The values of a text that manifests can keep: all but what looks like a password, and nulls.
pub(crate) fn describe<F: Format>(text: &str) -> Option<Map> {
    let values = match F::read(text) {
        Ok(Value::Map(map)) => map
            .iter()
            .filter_map(|(key, value)| kept(key, value).map(|value| (Place(vec![Step::Key(key.clone())]).to_string(), value)))
            .collect(),
        _ => Map::new(),
    };
    Some(described(values))
}

fn kept(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        // Of what is inside of a list no part can be left out.
        Value::List(_) | Value::String(_) if hides(key, value) || has_null(value) => None,
        Value::Map(map) => {
            let inside: Map = map.iter().filter_map(|(key, value)| Some((key.clone(), kept(key, value)?))).collect();
            (map.is_empty() || !inside.is_empty()).then_some(Value::Map(inside))
        }
        other => Some(other.clone()),
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.iter().any(has_null),
        Value::Map(map) => map.values().any(has_null),
        _ => false,
    }
}

impl Wish {
    fn is_table(&self) -> bool {
        matches!(&self.wanted, Some(Value::Map(_)))
    }

    fn is_met_by(&self, found: Option<&Value>) -> bool {
        match (&self.wanted, found) {
            (None, None) => true,
            // Only an empty table is left whole: it asks for no more than a table.
            (Some(Value::Map(wanted)), Some(Value::Map(_))) if wanted.is_empty() => true,
            (Some(wanted), Some(found)) => is_same(wanted, found),
            _ => false,
        }
    }

    fn change(&self, found: Option<&Value>) -> Change {
        let key = self.place.last_key();
        let show = |value: Option<&Value>, hidden: bool| match value {
            None => Shown::Absent,
            Some(value) if hidden || hides(key, value) => Shown::Hidden,
            Some(value) => Shown::Value(value.clone()),
        };
        let hidden = self.is_secret;
        Change::between(&self.place.to_string(), show(found, hidden), show(self.wanted.as_ref(), hidden))
    }
}

/// Whether something in a value looks like a password.
fn hides(key: &str, value: &Value) -> bool {
    match value {
        Value::Map(map) => map.iter().any(|(key, value)| hides(key, value)),
        Value::List(items) => items.iter().any(|item| hides(key, item)),
        Value::String(text) => looks_secret(key, text),
        _ => false,
    }
}

fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    match value {
        _ if depth == 0 => Err("is nested too deep".to_owned()),
        Value::Blob(_) => Err("expected a value, found a content".to_owned()),
        Value::List(items) => items.iter().try_for_each(|item| check_value(item, depth - 1)),
        Value::Map(map) => map.values().try_for_each(|value| check_value(value, depth - 1)),
        _ => Ok(()),
    }
}

/// A value as it goes into the file. Sealed secrets are only met when a manifest is checked.
fn opened(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => Value::String(Secret::reveal_secret_text(secret).to_owned()),
        Value::Sealed(_) => Value::String(String::new()),
        Value::List(items) => Value::List(items.iter().map(opened).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), opened(value))).collect()),
        other => other.clone(),
    }
}

/// Whether two values are the same to a program: 1 and 1.0 are.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => *int as f64 == *float,
        (Value::List(one), Value::List(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other)),
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        (one, other) => one == other,
    }
}

/// What is at a place; none where nothing is.
///
/// # Errors
/// The way leads through something that has no parts, or past the end of a list.
fn find<'v>(data: &'v Value, place: &Place) -> Result<Option<&'v Value>, Failure> {
    let mut current = data;
    for (at, step) in place.0.iter().enumerate() {
        let here = || Place(place.0.iter().take(at).cloned().collect());
        let next = match (step, current) {
            (Step::Key(key), Value::Map(map)) => map.get(key),
            (Step::Index(index), Value::List(items)) if *index <= items.len() => items.get(*index),
            (Step::Index(index), Value::List(items)) => {
                return Err(Failure::new(format!("{} ends before position {index}: it has {}", here(), items.len())));
            }
            // Something may still be made of nothing.
            (_, Value::Null) => None,
            (step, other) => {
                let wanted = if matches!(step, Step::Key(_)) { "table" } else { "list" };
                let name = if at == 0 { "the file".to_owned() } else { here().to_string() };
                return Err(Failure::new(format!("{name} is of type {}, not a {wanted}", other.type_name()))
                    .help("take it away first, with a resource of its own and ensure=absent"));
            }
        };
        match next {
            Some(next) => current = next,
            None => return Ok(None),
        }
    }
    Ok(Some(current))
}

/// Whether a text reads as it was meant to. Where a table has no place of its own in the file, as `a` in `a.b = 1`, it
/// goes with the last key in it.
fn is_as_meant(read: &Value, mut meant: Value, wish: &Wish) -> bool {
    if is_same(read, &meant) {
        return true;
    }
    for end in (1..wish.place.0.len()).rev() {
        let above = Place(wish.place.0.iter().take(end).cloned().collect());
        let is_empty = matches!(find(&meant, &above), Ok(Some(Value::Map(map))) if map.is_empty());
        if wish.wanted.is_some() || !is_empty {
            return false;
        }
        put(&mut meant, &above.0, None);
        if is_same(read, &meant) {
            return true;
        }
    }
    false
}

/// Does to data what is done to the text.
fn put(data: &mut Value, steps: &[Step], wanted: Option<&Value>) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(wanted) = wanted {
            *data = wanted.clone();
        }
        return;
    };
    if *data == Value::Null {
        *data = if matches!(step, Step::Key(_)) { Value::Map(Map::new()) } else { Value::List(Vec::new()) };
    }
    match (step, data) {
        (Step::Key(key), Value::Map(map)) if rest.is_empty() && wanted.is_none() => drop(map.shift_remove(key)),
        (Step::Key(key), Value::Map(map)) => put(map.entry(key.clone()).or_insert(Value::Null), rest, wanted),
        (Step::Index(index), Value::List(items)) => {
            if *index == items.len() {
                items.push(Value::Null);
            }
            if let Some(item) = items.get_mut(*index) {
                put(item, rest, wanted);
            }
        }
        _ => {}
    }
}

/// What has to be put at the last place that is there, so that a value is at the end of the further steps.
pub(crate) fn nested(steps: &[Step], value: &Value) -> Value {
    steps.iter().rev().fold(value.clone(), |inner, step| match step {
        Step::Key(key) => Value::Map(Map::from_iter([(key.clone(), inner)])),
        Step::Index(_) => Value::List(vec![inner]),
    })
}
