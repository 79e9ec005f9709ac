//! The type `locale`: languages and conventions that programs can use.

use std::collections::BTreeSet;

use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, ResourceType, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
use crate::text_file::{Content, edit_text, join_lines};

/// Which locales are made.
const LIST: &str = "/etc/locale.gen";
/// Which one is everybody's.
const DEFAULT: &str = "/etc/default/locale";
/// Where the makers of locales have their definitions, without characters.
const DEFINITIONS: [&str; 2] = ["/usr/share/i18n/locales", "/usr/local/share/i18n/locales"];
/// These are a part of the C library.
const BUILT_IN: [&str; 3] = ["C", "POSIX", "C.UTF-8"];

choices! {
    /// Whether a locale is there.
    pub enum Ensure {
        /// It is.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

attributes! {
    /// A locale: a language with its conventions, made from `/etc/locale.gen`, and perhaps everybody's.
    ///
    ///     locale "en_GB.UTF-8" default=#true
    ///     locale "de_DE@euro" charset="ISO-8859-15"
    pub struct Locale: "locale" {
        /// The locale's name.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// Its characters. Not given: what stands behind the dot in its name.
        pub charset: Option<String>,
        /// Whether it is everybody's: `LANG` in `/etc/default/locale`, from the next login on.
        pub default: bool = false,
    }
    check |desired| {
        let mut errors = Vec::new();
        let is_word = |text: &str| !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c));
        if !is_word(&desired.name) {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be a locale such as \"de_DE.UTF-8\"", desired.name)));
        }
        if desired.charset.as_deref().is_some_and(|charset| !is_word(charset)) {
            errors.push(AttributeError::new("charset", "must be a name such as \"UTF-8\""));
        }
        if desired.charset.is_none() && !desired.name.contains('.') && !BUILT_IN.contains(&desired.name.as_str()) {
            errors.push(AttributeError::new("charset", "is required, because the name does not end in one"));
        }
        if desired.ensure == Ensure::Absent && desired.default {
            errors.push(AttributeError::new("default", "cannot be a locale that shall not be there"));
        }
        errors
    }
}

impl Locale {
    /// Its line in the list.
    fn line(&self) -> String {
        let charset = self.charset.as_deref().or_else(|| self.name.split('.').nth(1)?.split('@').next());
        format!("{} {}", self.name, charset.unwrap_or("UTF-8"))
    }

    fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.name.as_str())
    }
}

/// What was found of a locale.
#[derive(Debug)]
pub struct ObservedLocale {
    is_listed: bool,
    /// None where the host is only a folder.
    is_made: Option<bool>,
    default: Option<String>,
}

/// The type `locale`.
pub struct LocaleType;

impl ResourceType for LocaleType {
    type Host = Host;
    type Desired = Locale;
    type Observed = ObservedLocale;

    fn observe(&self, host: &Host, desired: &[&Locale]) -> Vec<Result<ObservedLocale, ObserveError>> {
        let read = || -> Result<_, ObserveError> {
            let list = host.read_text(LIST)?;
            let default = host.read_text(DEFAULT)?.as_deref().and_then(parse_default);
            let made = if host.is_machine() { Some(parse_made(&host.command("locale").argument("-a").succeed()?.text()?)) } else { None };
            Ok((list, default, made))
        };
        let found = read();
        let look = |locale: &&Locale| {
            let (list, default, made) = found.as_ref().map_err(Clone::clone)?;
            if list.is_none() && locale.ensure == Ensure::Present && !locale.is_built_in() {
                return Err(ObserveError::NotYet(
                    Failure::new(format!("there is no {LIST}")).help("require (package)locales, which brings it"),
                ));
            }
            if locale.ensure == Ensure::Present {
                expect_definition(host, locale)?;
            }
            let is_listed = list.as_deref().unwrap_or_default().lines().any(|line| words(line) == locale.line());
            let is_made = made.as_ref().map(|made| made.contains(&plain(&locale.name)));
            Ok(ObservedLocale { is_listed, is_made, default: default.clone() })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Locale, observed: &ObservedLocale) -> Vec<Change> {
        let mut changes = Vec::new();
        let is_made = observed.is_made.unwrap_or(observed.is_listed);
        match (desired.ensure, observed.is_listed, is_made) {
            _ if desired.is_built_in() => {}
            (Ensure::Present, true, true) | (Ensure::Absent, false, _) => {}
            (Ensure::Present, _, _) => changes.push(Change::create("ensure", "present")),
            (Ensure::Absent, true, _) => changes.push(Change::delete("ensure", "present")),
        }
        if desired.default && observed.default.as_ref() != Some(&desired.name) {
            let before = observed.default.as_deref().map_or(keel_engine::change::Shown::Absent, keel_engine::change::Shown::from);
            changes.push(Change::update("default", before, desired.name.as_str()));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("ensure") {
            edit_text(host, LIST.as_ref(), Content::Open, |text| Ok(Some(with_line(text, desired))))?;
            // Without the option all others would be made anew.
            let keep: &[&str] = if desired.ensure == Ensure::Present { &["--keep-existing"] } else { &[] };
            if host.is_machine() {
                host.command("locale-gen").arguments(keep.iter().copied()).succeed()?;
            }
        }
        if has("default") {
            edit_text(host, DEFAULT.as_ref(), Content::Open, |text| Ok(Some(with_default(text, &desired.name))))?;
        }
        Ok(())
    }

    fn footprint(&self, desired: &Locale) -> Footprint {
        let footprint = Footprint::default().own(format!("locale:{}", desired.name)).write(format!("path:{LIST}#{}", desired.name));
        let footprint = footprint.need("package:locales").need("path:/etc/default");
        if desired.default { footprint.write(format!("path:{DEFAULT}#LANG")) } else { footprint }
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let default = host.read_text(DEFAULT)?.as_deref().and_then(parse_default);
        let list = host.read_text(LIST)?.unwrap_or_default();
        let describe = |line: &str| {
            let (name, charset) = line.split_once(' ')?;
            let mut attributes = Map::from_iter([("charset".to_owned(), Value::from(charset))]);
            if default.as_deref() == Some(name) {
                attributes.insert("default".to_owned(), Value::Bool(true));
            }
            title.is_none_or(|title| title == name).then(|| Described { title: name.to_owned(), attributes })
        };
        Ok(Some(list.lines().map(words).filter(|line| !line.starts_with('#')).filter_map(|line| describe(&line)).collect()))
    }
}

/// Fails where locales are made, and not this one: the tool that makes them would pass over it.
fn expect_definition(host: &Host, locale: &Locale) -> Result<(), ObserveError> {
    let (language, modifier) = locale.name.split_once('@').unwrap_or((&locale.name, ""));
    let language = language.split('.').next().unwrap_or_default();
    let file = if modifier.is_empty() { language.to_owned() } else { format!("{language}@{modifier}") };
    if locale.is_built_in() || host.stat_followed(DEFINITIONS[0])?.is_none() {
        return Ok(());
    }
    for folder in DEFINITIONS {
        if host.stat_followed(format!("{folder}/{file}"))?.is_some() {
            return Ok(());
        }
    }
    let failure = Failure::new(format!("nobody has defined the locale {}: there is no {}/{file}", locale.name, DEFINITIONS[0]));
    Err(ObserveError::NotYet(failure.help("check the name; `less /usr/share/i18n/SUPPORTED` lists all")))
}

/// A line with one space between its words.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name as `locale -a` may spell it: `de_DE.utf8` for `de_DE.UTF-8`.
fn plain(name: &str) -> String {
    match name.split_once('.') {
        Some((language, rest)) => format!("{language}.{}", rest.to_lowercase().replace('-', "")),
        None => name.to_owned(),
    }
}

fn parse_made(text: &str) -> BTreeSet<String> {
    text.lines().map(|name| plain(name.trim())).collect()
}

fn parse_default(text: &str) -> Option<String> {
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("LANG="))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// The list with the locale, in its commented line if there is one, or without it.
fn with_line(text: &str, desired: &Locale) -> String {
    let wanted = desired.line();
    let is_meant = |line: &str| words(line.trim_start_matches('#')) == wanted;
    let new = if desired.ensure == Ensure::Present { wanted.clone() } else { format!("# {wanted}") };
    let mut lines: Vec<&str> = text.lines().map(|line| if is_meant(line) { new.as_str() } else { line }).collect();
    if desired.ensure == Ensure::Present && !lines.contains(&new.as_str()) {
        lines.push(&new);
    }
    join_lines(&lines, "\n")
}

fn with_default(text: &str, name: &str) -> String {
    let new = format!("LANG={name}");
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with("LANG=")).collect();
    lines.push(&new);
    join_lines(&lines, "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write(LIST, "# comment\n# de_DE.UTF-8 UTF-8\nen_GB.UTF-8   UTF-8\n");
        trial.write(DEFAULT, "LANGUAGE=en\nLANG=C\n");
        trial
    }

    #[test]
    fn a_locale_is_listed_made_everybodys_and_taken_away() {
        let trial = trial();
        let default = [("default", Value::Bool(true))];
        assert_eq!(
            trial.converge(&LocaleType, "de_DE.UTF-8", &default).unwrap(),
            ["+ ensure: absent -> present", "~ default: C -> de_DE.UTF-8"]
        );
        assert_eq!(trial.read(LIST), "# comment\nde_DE.UTF-8 UTF-8\nen_GB.UTF-8   UTF-8\n");
        assert_eq!(trial.read(DEFAULT), "LANGUAGE=en\nLANG=de_DE.UTF-8\n");
        for described in LocaleType.describe(&trial.host, None).unwrap().unwrap() {
            let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&LocaleType, &described.title, &attributes).unwrap(), [""; 0]);
        }
        trial.converge(&LocaleType, "en_GB.UTF-8", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(trial.read(LIST).ends_with("# en_GB.UTF-8 UTF-8\n"));
        assert_eq!(trial.plan(&LocaleType, "C.UTF-8", &[]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_nobody_defined_is_said_in_the_plan() {
        let trial = trial();
        trial.write("/usr/share/i18n/locales/de_DE", "");
        trial.write("/usr/local/share/i18n/locales/de_DE@house", "");
        for name in ["de_DE.UTF-8", "de_DE.UTF-8@house", "C.UTF-8"] {
            assert!(trial.plan(&LocaleType, name, &[]).is_ok(), "{name}");
        }
        let error = trial.plan(&LocaleType, "xx_YY.UTF-8", &[]).unwrap_err();
        assert!(error.starts_with("nobody has defined the locale xx_YY.UTF-8"), "{error}");
        assert!(trial.plan(&LocaleType, "xx_YY.UTF-8", &[("ensure", Value::from("absent"))]).is_ok());
    }

    #[test]
    fn names_are_compared_as_the_library_spells_them() {
        assert!(parse_made("C\nde_DE.utf8\n").contains(&plain("de_DE.UTF-8")));
        assert!(Trial::refuses::<LocaleType>("de_DE", &[]).contains("charset is required"));
        assert!(Trial::new().plan(&LocaleType, "de_DE.UTF-8", &[]).unwrap_err().contains("locale.gen"));
    }
}
