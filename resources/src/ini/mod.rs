//! `ini`: settings in files of sections and keys.

mod document;
mod listing;
mod setting;

use std::collections::HashMap;

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::Value;

use crate::ensure::Ensure;
use crate::file::check_path;
use crate::host::Host;
use crate::text_file::{Content, Texts, edit_text, missing, part_footprint};
use document::Document;
pub(crate) use document::Separator;
pub(crate) use setting::looks_secret;
pub use setting::{Scalar, Setting};

keel_engine::choices! {
    /// How a list of values stands in the file.
    pub enum ListStyle {
        /// The key is repeated for each value, in order.
        Repeat = "repeat",
        /// One line, with commas.
        Comma = "comma",
        /// One line, with spaces.
        Space = "space",
    }
}

keel_engine::choices! {
    /// What is removed beside what is declared.
    pub enum Purge {
        /// Nothing.
        None = "none",
        /// In the sections named here, every other key.
        Keys = "keys",
        /// Also every other section.
        Sections = "sections",
    }
}

keel_engine::attributes! {
    /// Settings in a file of sections and keys. Comments, order, spacing and everything that is not
    /// declared stay as they are.
    ///
    ///     ini "/etc/nova/nova.conf" {
    ///         section DEFAULT {
    ///             debug #false
    ///             transport_url (secret)"nova/transport-url"
    ///             log_dir #null
    ///         }
    ///         section pci {
    ///             device_spec "address=0000:81:00.0" "address=0000:82:00.0"
    ///         }
    ///     }
    pub struct Ini: "ini" {
        /// The file.
        [title] pub path: AbsolutePath,
        /// Whether the settings are there. With `absent` the keys named here go, whatever their
        /// values, and a section that is named without keys goes whole.
        pub ensure: Ensure = Ensure::Present,
        /// The settings by section and key. `section ""` is what stands before the first header.
        /// A value is a text, a number, a bool (`true` or `false` in the file), a list, or `#null`
        /// for a key that shall not be there.
        [block] pub section: IndexMap<String, IndexMap<String, Setting>>,
        /// How a list stands in the file: `repeat` has a line for each value, `comma` and `space`
        /// one line for all.
        pub list: ListStyle = ListStyle::Repeat,
        /// What stands between key and value of new lines: `" = "`, `"="`, `": "`, `" "`. Without
        /// it, as the file's first key has it. It also says what cuts a line: `=` if not given.
        pub separator: Option<String>,
        /// What is removed beside what is declared.
        ///
        ///     ini "/etc/app.ini" purge=keys { section main { workers 4 } }
        pub purge: Purge = Purge::None,
        /// Whether the file is made where it is missing.
        pub create: bool = true,
    }
    check |desired| { check(desired) }
}

fn check(desired: &Ini) -> Vec<AttributeError> {
    let mut errors: Vec<AttributeError> = check_path("path", &desired.path).into_iter().collect();
    if let Some(separator) = &desired.separator
        && !matches!(separator.trim(), "" | "=" | ":")
    {
        errors.push(AttributeError::of_value("separator", format!("expected a separator such as \" = \" or \": \", found {separator:?}")));
    }
    for (section, keys) in &desired.section {
        if section.contains(['\n', ']']) || section.trim() != section {
            errors.push(AttributeError::of_value("section", format!("{section:?} cannot be the name of a section")));
        }
        let wrong =
            |key: &&String| key.trim() != **key || key.is_empty() || key.contains(['\n', '=']) || key.starts_with(['#', ';', '[', '!']);
        for key in keys.keys().filter(wrong) {
            errors.push(AttributeError::of_value("section", format!("{key:?} cannot be the name of a key")));
        }
    }
    errors
}

/// The type `ini`.
pub struct IniType;

/// What is not as it shall be in a file, as people may see it.
#[derive(Debug, PartialEq)]
pub struct Observed {
    differences: Vec<(String, Shown, Shown)>,
}

impl ResourceType for IniType {
    type Host = Host;
    type Desired = Ini;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Ini]) -> Vec<Result<Observed, ObserveError>> {
        let texts = Texts::read(host, desired.iter().map(|desired| &desired.path));
        let mut documents: HashMap<(&str, Option<&str>), Document> = HashMap::new();
        desired
            .iter()
            .map(|desired| {
                let text = texts.get(&desired.path)?;
                let key = (desired.path.as_str(), desired.separator.as_deref());
                let document = documents.entry(key).or_insert_with(|| Document::parse(text.unwrap_or_default(), cut(desired)));
                if text.is_none() && !desired.create && desired.ensure == Ensure::Present {
                    return Err(ObserveError::NotYet(missing(&desired.path)));
                }
                let differences: Vec<_> = steps(document, desired).iter().map(|step| step.show(document)).collect();
                if text.is_none() && !differences.is_empty() {
                    host.folders().expect_folder_of(&desired.path)?;
                }
                Ok(Observed { differences })
            })
            .collect()
    }

    fn diff(&self, _desired: &Ini, observed: &Observed) -> Vec<Change> {
        let change = |(name, before, after): &(String, Shown, Shown)| Change::between(name, before.clone(), after.clone());
        observed.differences.iter().map(change).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let secret = desired.section.values().flat_map(IndexMap::values).any(Setting::is_secret);
        let content = if secret { Content::Secret } else { Content::Open };
        edit_text(host, desired.path.as_path(), content, |text| {
            let mut document = Document::parse(text, cut(desired));
            let steps = steps(&document, desired);
            for step in &steps {
                match step {
                    Step::Set { section, key, values, .. } => document.set(section, key, values, desired.separator.as_deref()),
                    Step::RemoveSection(section) => document.remove_section(section),
                }
            }
            Ok((!steps.is_empty()).then(|| document.to_text()))
        })
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Ini) -> Footprint {
        let path = &desired.path;
        let parts =
            desired.section.iter().flat_map(|(section, keys)| keys.keys().map(move |key| format!("path:{path}#{}", name(section, key))));
        parts.fold(part_footprint(path, desired.create && desired.ensure == Ensure::Present), Footprint::write)
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        // Any file may be one: there is no list, only what is asked for.
        let Some(path) = title else { return Ok(Some(Vec::new())) };
        let text = host.read_text(path)?;
        Ok(Some(text.map(|text| Described { title: path.to_owned(), attributes: listing::listing(path, &text) }).into_iter().collect()))
    }
}

fn cut(desired: &Ini) -> Separator {
    Separator::of(desired.separator.as_deref().unwrap_or("="))
}

/// How a setting is called in plans: `DEFAULT/debug`.
fn name(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}/{key}") }
}

/// One thing to do to a document.
enum Step<'d> {
    /// Give a key these values; none remove it.
    Set { section: &'d str, key: String, values: Vec<String>, is_secret: bool },
    /// Remove a section.
    RemoveSection(String),
}

/// What has to be done to a document, in the order of the manifest, removals last.
fn steps<'d>(document: &Document, desired: &'d Ini) -> Vec<Step<'d>> {
    let mut steps = Vec::new();
    for (section, keys) in &desired.section {
        if desired.ensure == Ensure::Absent && keys.is_empty() && document.sections().contains(section) {
            steps.push(Step::RemoveSection(section.clone()));
        }
        for (key, setting) in keys {
            let values = if desired.ensure == Ensure::Absent { Vec::new() } else { lines(setting, desired.list) };
            if document.values(section, key) != values {
                steps.push(Step::Set { section, key: key.clone(), values, is_secret: setting.is_secret() });
            }
        }
        if desired.purge != Purge::None && desired.ensure == Ensure::Present {
            for key in document.keys(section).into_iter().filter(|key| !keys.contains_key(key)) {
                steps.push(Step::Set { section, key, values: Vec::new(), is_secret: false });
            }
        }
    }
    if desired.purge == Purge::Sections && desired.ensure == Ensure::Present {
        let unnamed = document.sections().into_iter().filter(|section| !desired.section.contains_key(section));
        steps.extend(unnamed.map(Step::RemoveSection));
    }
    steps
}

/// The lines that a setting makes, without their key.
fn lines(setting: &Setting, style: ListStyle) -> Vec<String> {
    let texts = || setting.scalars().iter().map(Scalar::text).map(str::to_owned).collect::<Vec<_>>();
    match (setting, style) {
        (Setting::Several(values), ListStyle::Comma) if !values.is_empty() => vec![texts().join(",")],
        (Setting::Several(values), ListStyle::Space) if !values.is_empty() => vec![texts().join(" ")],
        _ => texts(),
    }
}

impl Step<'_> {
    fn show(&self, document: &Document) -> (String, Shown, Shown) {
        match self {
            Step::RemoveSection(section) => {
                let keys = document.keys(section).len();
                (format!("[{section}]"), Shown::from(format!("{keys} keys")), Shown::Absent)
            }
            Step::Set { section, key, values, is_secret } => {
                let before = document.values(section, key);
                let hidden = *is_secret || before.iter().any(|value| looks_secret(key, value));
                (name(section, key), show(&before, hidden), show(values, *is_secret))
            }
        }
    }
}

fn show(values: &[String], hidden: bool) -> Shown {
    match values {
        [] => Shown::Absent,
        _ if hidden => Shown::Hidden,
        [one] => Shown::from(one.as_str()),
        several => Shown::from(Value::from(several.to_vec())),
    }
}

#[cfg(test)]
mod tests;
