//! Types that keep some values of a text file as they shall be and every other byte as it is: what they have in
//! common, so that each of them is no more than attributes and an editor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use keel_engine::attributes::{AbsolutePath, Attributes};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::Host;
use crate::text_file::{Content, Texts, edit_text, missing, part_footprint};

/// What an editor makes of a text.
#[derive(Debug, Default, PartialEq)]
pub struct Edited {
    /// What differs, as people may see it.
    pub changes: Vec<Change>,
    /// The new text; none where nothing differs.
    pub text: Option<String>,
}

impl Edited {
    /// The text with these changes made.
    pub fn of(changes: Vec<Change>, text: String) -> Self {
        let text = (!changes.is_empty()).then_some(text);
        Self { changes, text }
    }
}

/// The file that a resource edits, and what holds for the whole edit.
pub struct Target<'a> {
    /// The file.
    pub path: &'a AbsolutePath,
    /// Whether the values are there or not.
    pub ensure: Ensure,
    /// Whether a missing file is made.
    pub creates: bool,
    /// Whether a secret is among the values.
    pub is_secret: bool,
}

impl Target<'_> {
    /// Whether values are to come into a file that may be missing.
    fn makes_file(&self) -> bool {
        self.creates && self.ensure == Ensure::Present
    }
}

/// The attributes of a type that edits a text file.
pub trait TextEdit: Attributes + Send + Sync + 'static {
    /// The file that is edited.
    fn target(&self) -> Target<'_>;
    /// What the values are called, each in the file's own way.
    fn parts(&self) -> Vec<String>;
    /// Makes a text what it shall be. A missing file is an empty text. Pure.
    ///
    /// # Errors
    /// The text cannot be edited without harm.
    fn edit(&self, text: &str) -> Result<Edited, Failure>;
    /// The attributes that keep a text as it is; none where the type cannot tell.
    fn describe(_text: &str) -> Option<Map> {
        None
    }
}

/// The resource type of a [`TextEdit`].
pub struct EditorType<T>(PhantomData<fn() -> T>);

impl<T> EditorType<T> {
    /// The type.
    pub const NEW: Self = Self(PhantomData);
}

/// What has to change in a file.
#[derive(Debug)]
pub struct ObservedText(Vec<Change>);

impl<T: TextEdit> ResourceType for EditorType<T> {
    type Host = Host;
    type Desired = T;
    type Observed = ObservedText;

    fn observe(&self, host: &Host, desired: &[&T]) -> Vec<Result<ObservedText, ObserveError>> {
        let texts = Texts::read(host, desired.iter().map(|desired| desired.target().path));
        desired.iter().map(|desired| observe(host, *desired, texts.get(desired.target().path)?)).collect()
    }

    fn diff(&self, _desired: &T, observed: &ObservedText) -> Vec<Change> {
        observed.0.clone()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        self.apply_batch(host, std::slice::from_ref(work)).pop().unwrap_or(Ok(()))
    }

    fn apply_batch(&self, host: &Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        let mut files: BTreeMap<&AbsolutePath, Vec<usize>> = BTreeMap::new();
        for (at, work) in works.iter().enumerate() {
            files.entry(work.desired.target().path).or_default().push(at);
        }
        let mut results: Vec<Result<(), Failure>> = works.iter().map(|_| Ok(())).collect();
        for members in files.into_values() {
            let edits: Vec<&T> = members.iter().filter_map(|&at| Some(works.get(at)?.desired)).collect();
            for (at, result) in members.iter().zip(write(host, &edits)) {
                results[*at] = result;
            }
        }
        results
    }

    fn footprint(&self, desired: &T) -> Footprint {
        let target = desired.target();
        let path = target.path;
        let parts = desired.parts().into_iter().map(|part| format!("path:{path}#{part}"));
        parts.fold(part_footprint(path, target.makes_file()), Footprint::write)
    }

    fn nature(&self) -> Nature {
        Nature { lots: true, file_level: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        // A type of which any file may be one has no list, only what is asked for.
        let Some(path) = title else { return Ok(T::describe("").map(|_| Vec::new())) };
        let Some(text) = host.read_text(path)? else { return Ok(T::describe("").map(|_| Vec::new())) };
        Ok(T::describe(&text).map(|attributes| vec![Described { title: path.to_owned(), attributes }]))
    }
}

fn observe<T: TextEdit>(host: &Host, desired: &T, text: Option<&str>) -> Result<ObservedText, ObserveError> {
    let target = desired.target();
    let path = target.path;
    if text.is_none() && !target.creates && target.ensure == Ensure::Present {
        return Err(ObserveError::NotYet(missing(path)));
    }
    let edited = desired.edit(text.unwrap_or_default()).map_err(|failure| in_file(path, failure))?;
    if text.is_none() && !edited.changes.is_empty() {
        host.folders().expect_folder_of(path)?;
    }
    Ok(ObservedText(edited.changes))
}

/// Edits one file for several resources with one write. What one of them cannot do keeps nobody else from it.
fn write<T: TextEdit>(host: &Host, edits: &[&T]) -> Vec<Result<(), Failure>> {
    let Some(first) = edits.first() else { return Vec::new() };
    let path = first.target().path;
    let content = if edits.iter().any(|edit| edit.target().is_secret) { Content::Secret } else { Content::Open };
    let made = RefCell::new(Vec::new());
    let written = edit_text(host, path.as_path(), content, |old| {
        let mut text: Option<String> = None;
        let results = edits.iter().map(|edit| {
            let edited = edit.edit(text.as_deref().unwrap_or(old)).map_err(|failure| in_file(path, failure))?;
            text = edited.text.or(text.take());
            Ok(())
        });
        *made.borrow_mut() = results.collect::<Vec<Result<(), Failure>>>();
        Ok(text)
    });
    match written {
        Ok(()) => made.into_inner(),
        Err(failure) => edits.iter().map(|_| Err(failure.clone())).collect(),
    }
}

fn in_file(path: &AbsolutePath, failure: Failure) -> Failure {
    Failure { message: format!("{path}: {}", failure.message), help: failure.help }
}

/// A value in the file, or one that goes in, as people may see it: names that look like passwords are hidden, too.
pub(crate) fn looks_secret(key: &str, value: &str) -> bool {
    crate::ini::looks_secret(key, value)
}

/// The attribute `values` of a manifest that keeps these.
pub(crate) fn described(values: Map) -> Map {
    Map::from_iter([("values".to_owned(), Value::Map(values))])
}

/// What a text becomes, for tests of many texts: a second edit finds nothing to do.
#[cfg(test)]
pub(crate) fn settled<T: TextEdit>(attributes: &[(&str, Value)], text: &str) -> Result<String, Failure> {
    let map = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let Ok(desired) = T::from_attributes("/f", &map) else { panic!("the attributes are refused: {attributes:?}") };
    let settled = desired.edit(text)?.text.unwrap_or_else(|| text.to_owned());
    assert_eq!(desired.edit(&settled), Ok(Edited::default()), "{text:?} became {settled:?}");
    Ok(settled)
}
