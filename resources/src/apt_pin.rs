//! The type `apt_pin`: which version of packages apt prefers.

use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
use crate::whole_file::{Deviation, WholeFile, files_in, undescribed};

const FOLDER: &str = "/etc/apt/preferences.d";

choices! {
    /// Whether the preference holds.
    pub enum Ensure {
        /// It does.
        Present = "present",
        /// It does not.
        Absent = "absent",
    }
}

attributes! {
    /// Which version of packages apt prefers: a file in `/etc/apt/preferences.d`. All packages come after it.
    ///
    ///     apt_pin "backports" packages="nginx*" pin="release a=bookworm-backports" priority=600
    ///     apt_pin "no-snapd" packages=snapd pin="release *" priority=-1
    pub struct AptPin: "apt_pin" {
        /// What people call it; the file's name.
        [title] pub name: String,
        /// `present` or `absent`.
        pub ensure: Ensure = Ensure::Present,
        /// The packages, by name or with `*`. Not given: all.
        pub packages: Vec<String>,
        /// Which versions are meant: `release a=SUITE`, `origin HOST` or `version 1.2*`.
        pub pin: Option<String>,
        /// How much they are preferred: below 0 never, 100 once installed, 500 as usual, above 990 before
        /// all others, above 1000 also where that means going back.
        pub priority: Option<i64>,
        /// Why, for people.
        pub explanation: Option<String>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, attribute: &str, message: &str| {
            if wrong {
                errors.push(AttributeError::new(attribute, message));
            }
        };
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !text.starts_with('.');
        // Apt passes over files of other names without a word.
        refuse(!is_name(&desired.name), "name", "must be a file's name of letters, digits, `-`, `_` and `.`");
        let here = desired.ensure == Ensure::Present;
        refuse(here && desired.pin.is_none(), "pin", "is required and not given");
        refuse(here && desired.priority.is_none(), "priority", "is required and not given");
        refuse(desired.priority == Some(0), "priority", "is 0, for which apt has no meaning");
        refuse(desired.priority.is_some_and(|priority| i16::try_from(priority).is_err()), "priority", "is a number up to 32767");
        let kind = desired.pin.as_deref().map(|pin| pin.split(' ').next().unwrap_or_default());
        refuse(kind.is_some_and(|kind| !matches!(kind, "release" | "origin" | "version")), "pin", "begins with `release`, `origin` or `version`");
        let breaks = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(['\n', '\r']));
        refuse(breaks(&desired.pin), "pin", "is one line of text");
        refuse(breaks(&desired.explanation), "explanation", "is one line of text");
        refuse(desired.packages.iter().any(|package| package.is_empty() || package.contains(char::is_whitespace)), "packages", "are names without spaces");
        errors
    }
}

impl AptPin {
    fn path(&self) -> String {
        path_of(&self.name)
    }

    fn file(&self) -> WholeFile {
        let wanted = match (&self.pin, self.priority) {
            (Some(pin), Some(priority)) if self.ensure == Ensure::Present => {
                let packages = if self.packages.is_empty() { "*".to_owned() } else { self.packages.join(" ") };
                let explanation = self.explanation.as_ref().map(|why| format!("Explanation: {why}\n")).unwrap_or_default();
                Some(format!("{explanation}Package: {packages}\nPin: {pin}\nPin-Priority: {priority}\n"))
            }
            _ => None,
        };
        WholeFile::open(self.path(), wanted)
    }
}

fn path_of(name: &str) -> String {
    format!("{FOLDER}/{name}{}", if name.contains('.') { "" } else { ".pref" })
}

/// How the file differs.
#[derive(Debug)]
pub struct ObservedPin(Option<Deviation>);

/// The type `apt_pin`.
pub struct AptPinType;

impl ResourceType for AptPinType {
    type Host = Host;
    type Desired = AptPin;
    type Observed = ObservedPin;

    fn observe(&self, host: &Host, desired: &[&AptPin]) -> Vec<Result<ObservedPin, ObserveError>> {
        desired.iter().map(|pin| pin.file().look(host).map(ObservedPin)).collect()
    }

    fn diff(&self, _desired: &AptPin, observed: &ObservedPin) -> Vec<Change> {
        observed.0.iter().map(|deviation| deviation.change("preference")).collect()
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        work.desired.file().settle(host)
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &AptPin) -> Footprint {
        Footprint::default().own(format!("path:{}", desired.path())).provide("apt:preferences").need(format!("path:{FOLDER}"))
    }

    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let mut found = files_in(host, FOLDER, "")?;
            let bare = |file: &mut Described| {
                if let Some(name) = file.title.strip_suffix(".pref").filter(|name| !name.contains('.')) {
                    file.title = name.to_owned();
                }
            };
            found.iter_mut().for_each(bare);
            // Apt reads names without an end, too, and this type has no title for them.
            Ok(found.into_iter().filter(|file| host.stat(path_of(&file.title)).is_ok_and(|stat| stat.is_some())).collect::<Vec<_>>().into())
        })
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let named = |thing: &Described| path_of(&thing.title);
        let described: Vec<String> = described.iter().map(named).collect();
        let unsaid = undescribed(host, (FOLDER, ""), &[], "it holds several pins, or its name is none that the type gives")?;
        Ok(unsaid.into_iter().filter(|file| !described.contains(&file.what)).collect())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let file = entry.name.to_string_lossy().into_owned();
            let name = file.strip_suffix(".pref").filter(|name| !name.contains('.')).unwrap_or(&file);
            // Apt reads names without an end, too, for which this type has no title.
            if path_of(name) != format!("{FOLDER}/{file}") {
                continue;
            }
            let text = host.read_text(format!("{FOLDER}/{file}"))?.unwrap_or_default();
            if title.is_none_or(|title| title == name)
                && let Some(attributes) = describe(&text)
            {
                found.push(Described { title: name.to_owned(), attributes });
            }
        }
        Ok(Some(found))
    }
}

/// The attributes behind a file of one paragraph.
fn describe(text: &str) -> Option<Map> {
    let mut attributes = Map::new();
    for line in text.trim().lines() {
        let (name, value) = line.split_once(": ")?;
        let (attribute, value) = match name {
            "Explanation" => ("explanation", Value::from(value)),
            "Package" => ("packages", Value::from(value.split(' ').collect::<Vec<_>>())),
            "Pin" => ("pin", Value::from(value)),
            "Pin-Priority" => ("priority", Value::Int(value.parse().ok()?)),
            _ => return None,
        };
        attributes.insert(attribute.to_owned(), value);
    }
    (attributes.len() >= 3).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn a_preference_is_one_paragraph_and_describes_itself() {
        let trial = Trial::new();
        trial.write("/etc/apt/preferences.d/README", "");
        let pin = [
            ("packages", Value::from("nginx*")),
            ("pin", Value::from("release a=x")),
            ("priority", Value::Int(600)),
            ("explanation", Value::from("why")),
        ];
        trial.converge(&AptPinType, "x", &pin).unwrap();
        assert_eq!(trial.read("/etc/apt/preferences.d/x.pref"), "Explanation: why\nPackage: nginx*\nPin: release a=x\nPin-Priority: 600\n");
        let described = AptPinType.describe(&trial.host, None).unwrap().unwrap().remove(0);
        let attributes: Vec<(&str, Value)> = described.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(trial.plan(&AptPinType, &described.title, &attributes).unwrap(), [""; 0]);
        trial.converge(&AptPinType, "x", &[("ensure", Value::from("absent"))]).unwrap();
        assert!(!trial.exists("/etc/apt/preferences.d/x.pref"));
    }

    #[test]
    fn what_apt_would_pass_over_is_refused() {
        let refused =
            |pin: &str, priority: i64| Trial::refuses::<AptPinType>("x", &[("pin", Value::from(pin)), ("priority", Value::Int(priority))]);
        assert!(refused("a=x", 5).contains("begins with"));
        assert!(refused("origin x", 0).contains("priority is 0"));
        assert!(Trial::refuses::<AptPinType>("a b", &[("pin", Value::from("origin x")), ("priority", Value::Int(1))]).contains("name"));
    }

    #[test]
    fn a_file_that_no_title_leads_to_is_not_described() {
        let trial = Trial::new();
        let text = "Package: a\nPin: origin b\nPin-Priority: 600\n";
        for file in ["bare", "one.pref", "two.x"] {
            trial.write(&format!("{FOLDER}/{file}"), text);
        }
        let titles = |found: Vec<Described>| found.into_iter().map(|pin| pin.title).collect::<Vec<_>>();
        assert_eq!(titles(AptPinType.describe(&trial.host, None).unwrap().unwrap()), ["one", "two.x"]);
        assert_eq!(titles(ResourceType::removable(&AptPinType).unwrap()(&trial.host).unwrap().things), ["one", "two.x"]);
    }
}
