//! `key_value`: keys and values in files without sections.

mod document;
mod shell_word;

use indexmap::IndexMap;
use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::{Change, Shown};
use keel_engine::resource::Failure;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::file::check_path;
use crate::ini::{ListStyle, Scalar, Separator, Setting};
use crate::text_edit::{Edited, EditorType, Target, TextEdit, described, looks_secret};
use document::{Dialect, Document, Found, Style, Wanted};
pub use shell_word::Quote;

keel_engine::choices! {
    /// How a file is read.
    pub enum Format {
        /// As a shell reads it: `NAME="value"`.
        Shell = "shell",
        /// As it stands: `key = value`.
        Plain = "plain",
    }
}

keel_engine::attributes! {
    /// Keys and values in a file without sections: what a shell reads, as in `/etc/default`, or lines such as
    /// `key = value`. Comments, order, spacing and everything that is not declared stay as they are.
    ///
    ///     key_value "/etc/default/grub" {
    ///         values {
    ///             GRUB_TIMEOUT 2
    ///             GRUB_CMDLINE_LINUX_DEFAULT "quiet splash"
    ///         }
    ///     }
    ///     key_value "/etc/postfix/main.cf" format=plain {
    ///         values {
    ///             inet_interfaces loopback-only
    ///             relayhost #null
    ///         }
    ///     }
    pub struct KeyValue: "key_value" {
        /// The file.
        [title] pub path: AbsolutePath,
        /// Whether the values are there. With `absent` the keys named here go, whatever their values.
        pub ensure: Ensure = Ensure::Present,
        /// The values by key: texts, numbers, bools (`true` or `false` in the file), lists, or `#null` for a
        /// key that shall not be there. A key that stands there several times has one value then, in the
        /// last place.
        [block] pub values: IndexMap<String, Setting>,
        /// How the file is read: `shell` quotes what needs it, `plain` takes values as they stand.
        pub format: Format = Format::Shell,
        /// What stands between key and value of new lines in a `plain` file: `" = "`, `"="`, `": "`, `" "`.
        /// Without it, as the file's first key has it. It also says what cuts a line: `=` if not given.
        pub separator: Option<String>,
        /// Whether the keys are exported by a shell. Not given: as they are.
        pub export: Option<bool>,
        /// How values are quoted in a `shell` file: `auto` keeps the quotes of a value that changes and puts
        /// new ones where they are needed, `double` and `single` hold for all that is written.
        pub quote: Quote = Quote::Auto,
        /// Whether a shell shall put in what it has for `$NAME` and `$(command)` in the values. Otherwise they
        /// are text like any other.
        pub expand: bool = false,
        /// How a list stands in the file: `space` and `comma` have one line for all, `repeat` a line for each,
        /// in a `plain` file.
        pub list: ListStyle = ListStyle::Space,
        /// Whether a comment that shows a key, such as `#KEY=value`, becomes the key's line. Otherwise the
        /// key stands below it.
        pub uncomment: bool = true,
        /// Whether every other key is removed.
        pub purge: bool = false,
        /// Whether the file is made where it is missing.
        pub create: bool = true,
    }
    check |desired| { check(desired) }
}

/// The type `key_value`.
pub type KeyValueType = EditorType<KeyValue>;

fn check(desired: &KeyValue) -> Vec<AttributeError> {
    let mut errors: Vec<AttributeError> = check_path("path", &desired.path).into_iter().collect();
    let mut refuse = |wrong: bool, attribute: &str, message: &str| {
        if wrong {
            errors.push(AttributeError::new(attribute, message));
        }
    };
    let is_shell = desired.format == Format::Shell;
    let is_separator = |text: &String| matches!(text.trim(), "" | "=" | ":");
    refuse(desired.separator.as_ref().is_some_and(|text| !is_separator(text)), "separator", "is a sign such as \" = \" or \": \"");
    refuse(is_shell && desired.separator.is_some(), "separator", "is for format=plain");
    refuse(is_shell && desired.list == ListStyle::Repeat, "list", "cannot be `repeat` in a shell, where the last one counts");
    refuse(!is_shell && desired.export.is_some(), "export", "is for format=shell");
    refuse(!is_shell && desired.quote != Quote::Auto, "quote", "is for format=shell; write the quotes into the value");
    refuse(!is_shell && desired.expand, "expand", "is for format=shell");
    for (key, setting) in &desired.values {
        if !is_key(key, desired.format) {
            errors.push(AttributeError::new("values", format!("{key:?} cannot be the name of a key")));
        }
        let texts = wanted(desired, setting);
        if texts.iter().any(|text| text.text.contains(['\n', '\r', '\0'])) {
            errors.push(AttributeError::new("values", format!("{key}: a value is one line of text")));
        }
        if desired.expand && texts.iter().any(|text| text.text.contains('"') || !text.is(&read_back(text))) {
            let message = format!("{key}: with expand=#true a value stands between double quotes and cannot hold one");
            errors.push(AttributeError::new("values", message));
        }
    }
    errors
}

/// What an expanding value reads as once it is written.
fn read_back(wanted: &Wanted) -> Found {
    let mut document = Document::parse("", Dialect::Shell);
    let style = Style { quote: Quote::Auto, separator: None, export: None, uncomment: false };
    document.set("A", std::slice::from_ref(wanted), &style);
    let nothing = Found { text: String::new(), raw: String::new(), expands: true };
    Document::parse(&document.to_text(), Dialect::Shell).values("A").first().map_or(nothing, |found| (*found).clone())
}

fn is_key(key: &str, format: Format) -> bool {
    match format {
        Format::Shell => {
            let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
            key.starts_with(is_start) && key.chars().all(|c| is_start(c) || c.is_ascii_digit())
        }
        Format::Plain => {
            !key.is_empty() && key.trim() == key && !key.contains(['\n', '\r', '=', '\0']) && !key.starts_with(['#', ';', '!'])
        }
    }
}

/// The values that a key shall have.
fn wanted(desired: &KeyValue, setting: &Setting) -> Vec<Wanted> {
    let texts = || setting.scalars().iter().map(|scalar| Scalar::text(scalar).to_owned()).collect::<Vec<_>>();
    let texts = match (setting, desired.list) {
        _ if desired.ensure == Ensure::Absent => Vec::new(),
        (Setting::Several(values), ListStyle::Comma) if !values.is_empty() => vec![texts().join(",")],
        (Setting::Several(values), ListStyle::Space) if !values.is_empty() => vec![texts().join(" ")],
        _ => texts(),
    };
    texts.into_iter().map(|text| Wanted { text, expands: desired.expand }).collect()
}

impl KeyValue {
    /// Fails where a text that was put together says something else once it is read: what stands above a new line
    /// may not have come to its end.
    fn expect_read_back(&self, text: &str) -> Result<(), Failure> {
        let mut document = Document::parse(text, self.dialect());
        for (key, setting) in &self.values {
            if !self.settle(&mut document, key, setting)?.is_empty() {
                let failure = Failure::new(format!("{key} would not be read as it is written"));
                return Err(failure.help("a quote above it is never closed, or the last line goes on; mend that first"));
            }
        }
        Ok(())
    }

    fn dialect(&self) -> Dialect {
        match self.format {
            Format::Shell => Dialect::Shell,
            Format::Plain => Dialect::Plain(Separator::of(self.separator.as_deref().unwrap_or("="))),
        }
    }

    fn style(&self) -> Style<'_> {
        Style { quote: self.quote, separator: self.separator.as_deref(), export: self.export, uncomment: self.uncomment }
    }

    /// Gives one key its values; the changes that this makes.
    fn settle(&self, document: &mut Document, key: &str, setting: &Setting) -> Result<Vec<Change>, Failure> {
        if let Some(line) = document.opaque(key) {
            let failure = Failure::new(format!("line {line} does more with {key} than give it a value"));
            return Err(failure.help("make it a line of its own, such as NAME=\"value\", or use the type `line`"));
        }
        let wanted = wanted(self, setting);
        let found = document.values(key);
        let is_right = found.len() == wanted.len() && wanted.iter().zip(&found).all(|(wanted, found)| wanted.is(found));
        let was_exported = document.is_exported(key);
        let exports = self.export.filter(|export| !wanted.is_empty() && !found.is_empty() && *export != was_exported);
        let before = show(&found, |found| &found.text, setting.is_secret() || found.iter().any(|found| looks_secret(key, &found.text)));
        let mut changes = Vec::new();
        if !is_right {
            changes.push(Change::between(key, before, show(&wanted, |wanted| &wanted.text, setting.is_secret())));
        }
        changes.extend(exports.map(|export| Change::update(&format!("{key} export"), was_exported, export)));
        if !changes.is_empty() {
            document.set(key, &wanted, &self.style());
        }
        Ok(changes)
    }
}

fn show<T>(values: &[T], text: impl Fn(&T) -> &String, hidden: bool) -> Shown {
    match values {
        [] => Shown::Absent,
        _ if hidden => Shown::Hidden,
        [one] => Shown::from(text(one).as_str()),
        several => Shown::from(Value::from(several.iter().map(|value| text(value).clone()).collect::<Vec<_>>())),
    }
}

impl TextEdit for KeyValue {
    fn target(&self) -> Target<'_> {
        let is_secret = self.values.values().any(Setting::is_secret);
        Target { path: &self.path, ensure: self.ensure, creates: self.create, is_secret }
    }

    fn parts(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    fn edit(&self, text: &str) -> Result<Edited, Failure> {
        let mut document = Document::parse(text, self.dialect());
        let mut changes = Vec::new();
        for (key, setting) in &self.values {
            changes.extend(self.settle(&mut document, key, setting)?);
        }
        if !changes.is_empty() {
            self.expect_read_back(&document.to_text())?;
        }
        if self.purge && self.ensure == Ensure::Present {
            let others: Vec<String> =
                document.keys().into_iter().filter(|key| !self.values.contains_key(*key)).map(str::to_owned).collect();
            for key in others {
                changes.extend(self.settle(&mut document, &key, &Setting::Absent)?);
            }
        }
        Ok(Edited::of(changes, document.to_text()))
    }

    fn describe(text: &str) -> Option<Map> {
        let document = Document::parse(text, Dialect::Shell);
        let value = |key: &&str| match document.values(key).as_slice() {
            [found]
                if !found.expands
                    && !found.text.contains(['\n', '\r'])
                    && found.text.trim() == found.text
                    && !looks_secret(key, &found.text) =>
            {
                Some(((*key).to_owned(), Value::from(found.text.as_str())))
            }
            _ => None,
        };
        Some(described(document.keys().iter().filter(|key| document.opaque(key).is_none()).filter_map(value).collect()))
    }
}

#[cfg(test)]
mod tests;
