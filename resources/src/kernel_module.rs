//! The type `kernel_module`: modules of the kernel, now and after the next boot.

use std::collections::BTreeSet;

use keel_engine::attributes::AttributeError;
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Listing, Nature, ObserveError, ResourceType, Unsaid, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;
use crate::whole_file::{Deviation, WholeFile, undescribed};

const LOADED: &str = "/proc/modules";
const AT_BOOT: &str = "/etc/modules-load.d";
const OPTIONS: &str = "/etc/modprobe.d";

choices! {
    /// How a module stands.
    pub enum Ensure {
        /// It is loaded, also by the next boot.
        Present = "present",
        /// It is not loaded, and the next boot does not load it by name.
        Absent = "absent",
        /// It is not loaded, and nothing may load it.
        Blocked = "blocked",
    }
}

attributes! {
    /// A module of the kernel: loaded now, and by the next boot through its file in `/etc/modules-load.d`. Its
    /// options stand in `/etc/modprobe.d`; they hold from the next time that it is loaded.
    ///
    ///     kernel_module br_netfilter
    ///     kernel_module nf_conntrack options="hashsize=131072"
    ///     kernel_module usb_storage ensure=blocked
    pub struct KernelModule: "kernel_module" {
        /// The module's name.
        [title] pub name: String,
        /// `present`, `absent`, or `blocked` so that nothing may load it.
        pub ensure: Ensure = Ensure::Present,
        /// The options that it is loaded with.
        pub options: Vec<String>,
        /// Whether the running kernel is changed too.
        pub live: bool = true,
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.name.is_empty() || !desired.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) || desired.name.starts_with('-') {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be the name of a module", desired.name)));
        }
        if desired.options.iter().any(|option| option.is_empty() || option.contains(['\n', '\r', '#'])) {
            errors.push(AttributeError::new("options", "are words such as \"hashsize=131072\""));
        }
        if desired.ensure != Ensure::Present && !desired.options.is_empty() {
            errors.push(AttributeError::new("options", format!("have no meaning with ensure={}", desired.ensure)));
        }
        errors
    }
}

impl KernelModule {
    /// The kernel takes `-` and `_` for the same.
    fn kernel_name(&self) -> String {
        self.name.replace('-', "_")
    }

    fn boot_file(&self) -> WholeFile {
        let wanted = (self.ensure == Ensure::Present).then(|| format!("{}\n", self.name));
        WholeFile::open(format!("{AT_BOOT}/{}.conf", self.name), wanted)
    }

    fn options_file(&self) -> WholeFile {
        let name = &self.name;
        let wanted = match self.ensure {
            // `blacklist` alone only stops what loads by a device's name.
            Ensure::Blocked => Some(format!("blacklist {name}\ninstall {name} /bin/false\n")),
            Ensure::Present if !self.options.is_empty() => Some(format!("options {name} {}\n", self.options.join(" "))),
            Ensure::Present | Ensure::Absent => None,
        };
        WholeFile::open(format!("{OPTIONS}/{name}.conf"), wanted)
    }
}

/// The files' deviations, and what the kernel has.
#[derive(Debug)]
pub struct ObservedModule {
    boot: Option<Deviation>,
    options: Option<Deviation>,
    /// None where the kernel is not asked.
    is_loaded: Option<bool>,
}

/// The type `kernel_module`.
pub struct KernelModuleType;

impl ResourceType for KernelModuleType {
    type Host = Host;
    type Desired = KernelModule;
    type Observed = ObservedModule;

    fn observe(&self, host: &Host, desired: &[&KernelModule]) -> Vec<Result<ObservedModule, ObserveError>> {
        let loaded = host.read_text(LOADED).map(|text| text.map(|text| parse_modules(&text)));
        let look = |module: &&KernelModule| {
            let loaded = loaded.as_ref().map_err(|failure| ObserveError::Failed(failure.clone()))?;
            let is_loaded = match loaded {
                Some(loaded) if module.live => Some(loaded.contains(&module.kernel_name()) || is_built_in(host, module)?),
                _ => None,
            };
            Ok(ObservedModule { boot: module.boot_file().look(host)?, options: module.options_file().look(host)?, is_loaded })
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &KernelModule, observed: &ObservedModule) -> Vec<Change> {
        let mut changes = Vec::new();
        changes.extend(observed.options.as_ref().map(|deviation| deviation.change("options")));
        changes.extend(observed.boot.as_ref().map(|deviation| deviation.change("boot")));
        match (desired.ensure, observed.is_loaded) {
            (Ensure::Present, Some(false)) => changes.push(Change::create("live", "loaded")),
            (Ensure::Absent | Ensure::Blocked, Some(true)) => changes.push(Change::delete("live", "loaded")),
            _ => {}
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("options") {
            desired.options_file().settle(host)?;
        }
        if has("boot") {
            desired.boot_file().settle(host)?;
        }
        if !has("live") || !host.is_machine() {
            return Ok(());
        }
        let unload: &[&str] = if desired.ensure == Ensure::Present { &[] } else { &["--remove"] };
        host.command("modprobe").arguments(unload.iter().copied()).argument("--").argument(&desired.name).succeed().map(drop).map_err(
            |failure| {
                let help = "a module that is in use cannot go, and a container cannot load any; live=#false leaves it to the next boot";
                failure.help(help)
            },
        )
    }

    fn nature(&self) -> Nature {
        Nature { file_level: true, ..Nature::default() }
    }

    fn footprint(&self, desired: &KernelModule) -> Footprint {
        let footprint = Footprint::default().own(format!("kernel-module:{}", desired.kernel_name()));
        let footprint =
            footprint.write(format!("path:{}", desired.boot_file().path)).write(format!("path:{}", desired.options_file().path));
        footprint.need("package:kmod").need(format!("path:{AT_BOOT}")).need(format!("path:{OPTIONS}"))
    }

    /// The modules that have a file of their own at boot; others are loaded by the hardware that is there.
    fn removable(&self) -> Option<Listing<Host>> {
        // Whether anything still uses a module that is loaded cannot be told: it is left out of the next boot.
        Some(|host| {
            let mut found = KernelModuleType.describe(host, None)?.unwrap_or_default();
            found.iter_mut().for_each(|module| module.attributes = Map::from_iter([("live".to_owned(), Value::Bool(false))]));
            Ok(found.into())
        })
    }

    fn unsaid(&self, host: &Host, described: &[Described]) -> Result<Vec<Unsaid>, Failure> {
        undescribed(host, (AT_BOOT, ".conf"), described, "it holds something else than the module that it is named after")
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(AT_BOOT)?.unwrap_or_default() {
            let file = entry.name.to_string_lossy().into_owned();
            let Some(name) = file.strip_suffix(".conf").filter(|name| title.is_none_or(|title| title == *name)) else { continue };
            if host.read_text(format!("{AT_BOOT}/{file}"))?.unwrap_or_default() != format!("{name}\n") {
                continue;
            }
            let options = host.read_text(format!("{OPTIONS}/{file}"))?.unwrap_or_default();
            let mut attributes = Map::new();
            if let Some(options) = options.strip_prefix(&format!("options {name} ")) {
                attributes.insert("options".to_owned(), options.split_whitespace().collect::<Vec<_>>().into());
            }
            found.push(Described { title: name.to_owned(), attributes });
        }
        Ok(Some(found))
    }
}

fn parse_modules(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// A module that is a part of the kernel itself counts as loaded for who wants it, and cannot go.
fn is_built_in(host: &Host, desired: &KernelModule) -> Result<bool, Failure> {
    let is_known = host.stat(format!("/sys/module/{}", desired.kernel_name()))?.is_some();
    Ok(desired.ensure == Ensure::Present && is_known)
}

#[cfg(test)]
mod tests {
    use keel_engine::value::Value;

    use super::*;
    use crate::trial::Trial;

    fn trial() -> Trial {
        let trial = Trial::new();
        for folder in [AT_BOOT, OPTIONS] {
            trial.write(&format!("{folder}/README"), "");
        }
        trial
    }

    #[test]
    fn a_module_is_for_the_next_boot_with_its_options() {
        let trial = trial();
        let made = trial.converge(&KernelModuleType, "nf_conntrack", &[("options", Value::from("hashsize=9"))]).unwrap();
        assert_eq!(made.len(), 2);
        assert_eq!(trial.read("/etc/modprobe.d/nf_conntrack.conf"), "options nf_conntrack hashsize=9\n");
        assert_eq!(trial.read("/etc/modules-load.d/nf_conntrack.conf"), "nf_conntrack\n");
        let described = KernelModuleType.describe(&trial.host, None).unwrap().unwrap();
        assert_eq!((described.len(), described[0].attributes.len()), (1, 1));
        trial.converge(&KernelModuleType, "nf_conntrack", &[("ensure", Value::from("blocked"))]).unwrap();
        assert!(!trial.exists("/etc/modules-load.d/nf_conntrack.conf"));
        assert!(trial.read("/etc/modprobe.d/nf_conntrack.conf").contains("install nf_conntrack /bin/false"));
    }

    #[test]
    fn the_kernel_is_asked_by_its_own_spelling() {
        let trial = trial();
        trial.write("/proc/modules", "usb_storage 69632 0 - Live 0x0\n");
        trial.write("/etc/modules-load.d/usb-storage.conf", "usb-storage\n");
        assert_eq!(trial.plan(&KernelModuleType, "usb-storage", &[]).unwrap(), [""; 0]);
        assert_eq!(trial.plan(&KernelModuleType, "usb-storage", &[("ensure", Value::from("absent"))]).unwrap().len(), 2);
        assert!(Trial::refuses::<KernelModuleType>("a b", &[]).contains("name"));
    }
}
