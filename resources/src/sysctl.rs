//! `sysctl`: settings of the kernel, now and after the next boot.

use keel_engine::attributes::{AbsolutePath, AttributeError, AttributeValue};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::schema::Kind;
use keel_engine::value::{Map, Value};

use crate::ensure::Ensure;
use crate::host::{Host, NewFile};
use crate::whole_file::undescribed;

/// Where the settings for the next boot are.
const FOLDER: &str = "/etc/sysctl.d";

/// The value of a setting: a text or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingValue(String);

impl AttributeValue for SettingValue {
    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::String, Kind::Int])
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(number) => Ok(Self(number.to_string())),
            Value::String(text) if text.trim().is_empty() || text.contains(['\n', '\0']) => Err("is one line of text".to_owned()),
            // The kernel prints several numbers with tabs between them.
            Value::String(text) => Ok(Self(words(text))),
            other => Err(keel_engine::attributes::wrong_type(&Self::kind(), other)),
        }
    }
}

/// A text with one space between its words.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

keel_engine::attributes! {
    /// A setting of the kernel: its value now, and its file in `/etc/sysctl.d` for the next boot.
    ///
    ///     sysctl net.ipv4.ip_forward value=1
    ///     sysctl net.ipv4.tcp_rmem value="4096 131072 16777216"
    ///     sysctl vm.swappiness value=10 live=#false
    pub struct Sysctl: "sysctl" {
        /// The setting: `vm.swappiness`, or with slashes where a name holds a dot,
        /// `net/ipv4/conf/eth0.100/forwarding`.
        [title] pub name: String,
        /// Whether the setting is kept. With `absent` its file goes, and what the kernel has now stays
        /// until the next boot.
        pub ensure: Ensure = Ensure::Present,
        /// The value; several words are separated by any space.
        pub value: Option<SettingValue>,
        /// Whether it is written to its file, so that the next boot has it too.
        pub persist: bool = true,
        /// Whether the running kernel gets it now.
        pub live: bool = true,
        /// The file. Not given: `/etc/sysctl.d/60-NAME.conf`.
        pub file: Option<AbsolutePath>,
    }
    check |desired| {
        let mut errors = Vec::new();
        let parts: Vec<&str> = desired.name.split(['.', '/']).collect();
        if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) || desired.name.contains(|c: char| c.is_whitespace() || c == '=' || c.is_control()) {
            errors.push(AttributeError::of_value("name", format!("{:?} is no setting such as vm.swappiness", desired.name)));
        }
        if desired.ensure == Ensure::Present && desired.value.is_none() {
            errors.push(AttributeError::new("value", "is required and not given"));
        }
        if !desired.live && !desired.persist {
            errors.push(AttributeError::new("live", "and `persist` are both #false, so there is nothing to do"));
        }
        errors.extend(desired.file.as_ref().and_then(|file| crate::file::check_path("file", file)));
        errors
    }
}

impl Sysctl {
    /// The path below `/proc/sys`. The first of `.` and `/` in a name separates, the other one is literal.
    fn kernel_path(&self) -> String {
        let slashes = self.name.find(['.', '/']).and_then(|at| self.name.get(at..)).is_some_and(|rest| rest.starts_with('/'));
        let swap = |c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        let path: String = if slashes { self.name.clone() } else { self.name.chars().map(swap).collect() };
        format!("/proc/sys/{path}")
    }

    fn file(&self) -> String {
        match &self.file {
            Some(file) => file.to_string(),
            None => format!("{FOLDER}/60-{}.conf", self.name.replace('/', ".")),
        }
    }

    fn wanted(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.0.as_str()).filter(|_| self.ensure == Ensure::Present)
    }

    /// The whole of the file that it has for itself.
    fn text(&self, value: &str) -> String {
        format!("{} = {value}\n", self.name)
    }
}

/// The type `sysctl`.
pub struct SysctlType;

/// The value in the kernel and the one for the next boot.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// None where the running kernel is not asked.
    live: Option<String>,
    /// None where there is no file.
    kept: Option<Kept>,
}

#[derive(Debug, PartialEq, Eq)]
struct Kept {
    value: String,
    /// Whether the file says this and nothing else.
    is_alone: bool,
}

impl ResourceType for SysctlType {
    type Host = Host;
    type Desired = Sysctl;
    type Observed = Observed;

    fn observe(&self, host: &Host, desired: &[&Sysctl]) -> Vec<Result<Observed, ObserveError>> {
        desired.iter().map(|desired| observe(host, desired)).collect()
    }

    fn diff(&self, desired: &Sysctl, observed: &Observed) -> Vec<Change> {
        let mut changes = Vec::new();
        let kept = observed.kept.as_ref().map(|kept| kept.value.as_str());
        let Some(wanted) = desired.wanted() else {
            changes.extend(kept.map(|kept| Change::delete("persist", kept)));
            return changes;
        };
        if let Some(live) = observed.live.as_ref().filter(|live| *live != wanted) {
            changes.push(Change::update("live", live.as_str(), wanted));
        }
        let is_kept = observed.kept.as_ref().is_some_and(|kept| kept.is_alone && kept.value == wanted);
        if desired.persist && !is_kept {
            changes.push(match &observed.kept {
                None => Change::create("persist", wanted),
                Some(kept) if kept.is_alone => Change::update("persist", kept.value.as_str(), wanted),
                Some(kept) => Change::update("persist", format!("{} among other lines", kept.value), wanted),
            });
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        let Some(wanted) = desired.wanted() else { return host.remove(desired.file()).map(drop) };
        if has("live") {
            host.write_setting(desired.kernel_path(), wanted)?;
        }
        if has("persist") {
            host.replace(desired.file(), &NewFile::of(desired.text(wanted).as_bytes()))?;
        }
        Ok(())
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &Sysctl) -> Footprint {
        let file = desired.file();
        let folder = file.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let footprint = Footprint::default().own(format!("sysctl:{}", desired.name)).need(format!("path:{folder}"));
        if desired.persist { footprint.write(format!("path:{file}")) } else { footprint }
    }

    /// The settings that have a file of their own; a kernel has a thousand others.
    fn removable(&self) -> Option<Listing<Host>> {
        Some(|host| {
            let mut found = SysctlType.describe(host, None)?.unwrap_or_default();
            found.iter_mut().for_each(|setting| setting.attributes.retain(|attribute, _| attribute == "file"));
            Ok(found.into())
        })
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        let file = |thing: &Described| match thing.attributes.get("file").and_then(Value::as_str) {
            Some(file) => file.to_owned(),
            None => format!("{FOLDER}/60-{}.conf", thing.title.replace('/', ".")),
        };
        let described: Vec<String> = described.iter().map(file).collect();
        let unsaid = undescribed(host, (FOLDER, ".conf"), &[], "it holds several settings, or remarks")?;
        Ok(unsaid.into_iter().filter(|file| !described.contains(&file.what)).collect())
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(FOLDER)?.unwrap_or_default() {
            let file = entry.name.to_string_lossy().into_owned();
            let path = format!("{FOLDER}/{file}");
            let Some(text) = host.read_text(&path).ok().flatten() else { continue };
            let Some((name, value)) = text.trim_end().split_once(" = ").filter(|_| text.lines().count() == 1) else { continue };
            let mut attributes = Map::from_iter([("value".to_owned(), Value::from(value))]);
            if file != format!("60-{}.conf", name.replace('/', ".")) {
                attributes.insert("file".to_owned(), Value::from(path));
            }
            if text == format!("{name} = {value}\n") && title.is_none_or(|title| title == name) {
                found.push(Described { title: name.to_owned(), attributes });
            }
        }
        Ok(Some(found))
    }
}

fn observe(host: &Host, desired: &Sysctl) -> Result<Observed, ObserveError> {
    let present = desired.ensure == Ensure::Present;
    let live = if desired.live && present { host.read_text(desired.kernel_path())?.map(|text| words(&text)) } else { None };
    if desired.live && present && live.is_none() && host.is_machine() {
        let failure = Failure::new(format!("the kernel has no setting {}", desired.name));
        return Err(ObserveError::NotYet(
            failure.help("the module that brings it may not be loaded; live=#false leaves it to the next boot"),
        ));
    }
    let text = if desired.persist { host.read_text(desired.file())? } else { None };
    if desired.persist && present && text.is_none() {
        host.folders().expect_folder_of(desired.file())?;
    }
    let kept = text.map(|text| {
        let value = text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == desired.name);
        let value = words(value.map_or("", |(_, value)| value));
        let is_alone = text == desired.text(&value);
        Kept { value, is_alone }
    });
    Ok(Observed { live, kept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    const LIVE: &str = "/proc/sys/vm/swappiness";
    const FILE: &str = "/etc/sysctl.d/60-vm.swappiness.conf";

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write(LIVE, "60\n");
        trial.write("/etc/sysctl.d/README", "");
        trial
    }

    #[test]
    fn a_plan_fails_where_its_file_has_no_folder() {
        let trial = Trial::new();
        let error = trial.plan(&SysctlType, "vm.swappiness", &[("value", Value::Int(10))]).unwrap_err();
        assert!(error.contains("the directory /etc/sysctl.d does not exist"), "{error}");
    }

    #[test]
    fn a_setting_is_made_now_and_for_the_next_boot() {
        let trial = trial();
        let ten = [("value", Value::Int(10))];
        assert_eq!(trial.converge(&SysctlType, "vm.swappiness", &ten).unwrap(), ["~ live: 60 -> 10", "+ persist: absent -> 10"]);
        assert_eq!((trial.read(LIVE).as_str(), trial.read(FILE).as_str()), ("10", "vm.swappiness = 10\n"));
        trial.write(LIVE, "30\n");
        assert_eq!(trial.converge(&SysctlType, "vm.swappiness", &ten).unwrap(), ["~ live: 30 -> 10"]);
        trial.write(FILE, "vm.swappiness=10\nkernel.panic=1\n");
        assert_eq!(trial.converge(&SysctlType, "vm.swappiness", &ten).unwrap(), ["~ persist: 10 among other lines -> 10"]);
    }

    #[test]
    fn absent_removes_the_file_and_leaves_the_kernel_alone() {
        let trial = trial();
        trial.write(FILE, "vm.swappiness = 10\n");
        assert_eq!(
            trial.converge(&SysctlType, "vm.swappiness", &[("ensure", Value::from("absent"))]).unwrap(),
            ["- persist: 10 -> absent"]
        );
        assert_eq!(trial.read(LIVE), "60\n");
    }

    #[test]
    fn values_of_several_words_and_names_with_dots() {
        let trial = trial();
        trial.write("/proc/sys/net/ipv4/tcp_rmem", "4096\t1\t2\n");
        let changes =
            trial.converge(&SysctlType, "net.ipv4.tcp_rmem", &[("value", Value::from("4096  1 2")), ("persist", Value::Bool(false))]);
        assert_eq!(changes.unwrap(), Vec::<String>::new());
        trial.write("/proc/sys/net/ipv4/conf/eth0.100/forwarding", "0\n");
        let forwarding = [("value", Value::Int(1)), ("persist", Value::Bool(false))];
        for name in ["net/ipv4/conf/eth0.100/forwarding", "net.ipv4.conf.eth0/100.forwarding"] {
            trial.write("/proc/sys/net/ipv4/conf/eth0.100/forwarding", "0\n");
            assert_eq!(trial.converge(&SysctlType, name, &forwarding).unwrap(), ["~ live: 0 -> 1"], "{name}");
        }
    }

    #[test]
    fn below_a_folder_without_a_kernel_only_the_file_is_kept() {
        let trial = Trial::new();
        trial.write("/etc/sysctl.d/README", "");
        assert_eq!(trial.converge(&SysctlType, "vm.swappiness", &[("value", Value::Int(10))]).unwrap(), ["+ persist: absent -> 10"]);
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for name in ["swappiness", "vm..x", "vm.x=1", "a b.c", "/vm/x"] {
            assert!(Trial::refuses::<SysctlType>(name, &[("value", Value::Int(1))]).starts_with("name"), "{name}");
        }
        assert!(Trial::refuses::<SysctlType>("vm.x", &[]).starts_with("value is required"));
        let both = [("value", Value::Int(1)), ("live", Value::Bool(false)), ("persist", Value::Bool(false))];
        assert!(Trial::refuses::<SysctlType>("vm.x", &both).starts_with("live"));
    }
}
