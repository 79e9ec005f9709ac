//! `xml_value`: values in XML files.

pub(crate) mod document;
mod edit;
mod listing;
mod path;

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::resource::Failure;
use keel_engine::value::Map;

use crate::ensure::Ensure;
use crate::file::check_path;
use crate::ini::Setting;
use crate::text_edit::{Edited, EditorType, Target, TextEdit, described, looks_secret};
use path::XmlPath;

keel_engine::attributes! {
    /// Values in an XML file, by path. Everything that is not declared stays as it is, byte for byte: comments, order,
    /// quotes and space.
    ///
    /// A path goes from the top, as in XPath: `/server/service[@name='main']/connector[2]/@port`. It ends with an
    /// attribute, or with an element whose text is meant. What is missing on the way is made, with the attributes
    /// that the brackets name.
    ///
    ///     xml_value "/etc/tomcat10/server.xml" {
    ///         values {
    ///             "/Server/@port" "-1"
    ///             "/Server/Service[@name='Catalina']/Connector[@port='8080']/@address" "127.0.0.1"
    ///             "/Server/GlobalNamingResources" #null
    ///         }
    ///     }
    pub struct XmlValue: "xml_value" {
        /// The file.
        [title] pub path: AbsolutePath,
        /// Whether the values are there. With `absent` the attributes and elements named here go, whatever they hold.
        pub ensure: Ensure = Ensure::Present,
        /// The values by path: texts, numbers, bools (`true` or `false` in the file), or `#null` for an attribute
        /// or element that shall not be there. Where a path has to lead to one place and leads to several, that is
        /// an error; what goes is all of them.
        [block] pub values: IndexMap<String, Setting>,
        /// Whether the file is made where it is missing.
        pub create: bool = false,
    }
    check |desired| { check(desired) }
}

/// The type `xml_value`.
pub type XmlValueType = EditorType<XmlValue>;

fn check(desired: &XmlValue) -> Vec<AttributeError> {
    let mut errors: Vec<AttributeError> = check_path("path", &desired.path).into_iter().collect();
    let mut refuse = |message: String| errors.push(AttributeError::new("values", message));
    for (path, setting) in &desired.values {
        if let Err(error) = XmlPath::parse(path) {
            refuse(error);
        }
        if matches!(setting, Setting::Several(_)) {
            refuse(format!("{path}: expected one value, found a list"));
        }
    }
    errors
}

impl XmlValue {
    /// Puts one value into a text; what changes and the new text.
    fn settle(&self, text: &str, path: &str, setting: &Setting) -> Result<Option<(Vec<Change>, String)>, Failure> {
        let place = XmlPath::parse(path).map_err(Failure::new)?;
        let wanted = setting.scalars().first().filter(|_| self.ensure == Ensure::Present).map(crate::ini::Scalar::text);
        let found = edit::find(text, &place)?;
        let is_right = match wanted {
            None => found.is_empty(),
            Some(_) if found.len() > 1 => {
                return Err(
                    Failure::new(format!("{path} leads to {} places", found.len())).help("say which one, such as [1] or [@name='main']")
                );
            }
            Some(wanted) => found.first().is_some_and(|found| found.as_deref() == Some(wanted.trim())),
        };
        if is_right {
            return Ok(None);
        }
        let key = place.last_name();
        let show = |text: &str| if setting.is_secret() || looks_secret(key, text) { Shown::Hidden } else { Shown::from(text) };
        let after = wanted.map_or(Shown::Absent, show);
        let before = |found: &Option<String>| found.as_deref().map_or(Shown::from("elements"), show);
        let changes = match found.as_slice() {
            [] => vec![Change::between(path, Shown::Absent, after)],
            found => found.iter().map(|found| Change::between(path, before(found), after.clone())).collect(),
        };
        let edited = edit::put(text, &place, wanted)?;
        let reads = edit::find(&edited, &place)?;
        let is_as_meant = match wanted {
            None => reads.is_empty(),
            Some(wanted) => matches!(reads.as_slice(), [Some(found)] if found == wanted.trim()),
        };
        if !is_as_meant {
            return Err(Failure::new(format!("{path} cannot be changed without harm to something else"))
                .help("change that part of the file by hand"));
        }
        Ok(Some((changes, edited)))
    }
}

impl TextEdit for XmlValue {
    fn target(&self) -> Target<'_> {
        let is_secret = self.values.values().any(Setting::is_secret);
        Target { path: &self.path, ensure: self.ensure, creates: self.create, is_secret }
    }

    fn parts(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    fn edit(&self, text: &str) -> Result<Edited, Failure> {
        let (mut changes, mut edited) = (Vec::new(), text.to_owned());
        for (path, setting) in &self.values {
            if let Some((more, text)) = self.settle(&edited, path, setting)? {
                changes.extend(more);
                edited = text;
            }
        }
        Ok(Edited::of(changes, edited))
    }

    fn describe(text: &str) -> Option<Map> {
        Some(described(listing::listing(text)))
    }
}

#[cfg(test)]
mod tests;
