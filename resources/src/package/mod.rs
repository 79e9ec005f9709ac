//! The type `package`: software from the distribution's archives, through apt.

mod apt;
mod deb;
mod dpkg;
mod journal;
mod owned;
mod plan;
mod policy;
mod version;

use std::collections::BTreeMap;

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::catalog::Effect;
use keel_engine::change::{Action, Change};
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Disruption, Failure, Nature, ObserveError, Reliance, ResourceType, Work};
use keel_engine::value::Value;
use keel_engine::{attributes, choices};

use crate::host::Host;
pub(crate) use apt::fetch_lists_of;
use deb::Deb;
use dpkg::{Known, State};
pub use owned::owned;
use plan::{Step, carry_out};
use policy::Available;
use version::Wish;

choices! {
    /// Whether a package is there.
    pub enum Ensure {
        /// It is, at any version unless `version` says which.
        Present = "present",
        /// It is, at the version that apt would install.
        Latest = "latest",
        /// It is not; its configuration may stay.
        Absent = "absent",
        /// It is not, nor is its configuration.
        Purged = "purged",
    }
}

choices! {
    /// Whose configuration wins when an upgrade brings a new one.
    pub enum Config {
        /// The one on the host.
        Keep = "keep",
        /// The package's.
        Replace = "replace",
    }
}

attributes! {
    /// A package from the distribution's archives.
    ///
    /// All packages of a run are looked up in one read of dpkg's status, and those that may be
    /// installed together are. If one of them cannot be, the others still are. Package lists are
    /// fetched only when a package is missing from them and they are an hour old or the sources have
    /// changed. Nothing is ever asked, and no service is restarted by it.
    ///
    ///     package nginx-light curl
    ///     package mariadb-server version="1:10.11.*" hold=#true
    ///     package apache2 ensure=purged
    ///     package acme-agent source="/srv/packages/acme-agent_2.1_amd64.deb"
    pub struct Package: "package" {
        /// The package's name, with an architecture where it is not the host's own: `libc6:i386`.
        /// A virtual name counts as present while any installed package provides it.
        [title] pub name: String,
        /// `present`, `latest`, `absent` or `purged`. `latest` goes by the package lists as they are.
        pub ensure: Ensure = Ensure::Present,
        /// The version: exactly (`1.22.1-9`), by its start (`1.22.*`) or within bounds (`>=1.22 <2`).
        /// The newest accepted one is installed when the present one is not accepted, also if it is older.
        pub version: Option<String>,
        /// A `.deb` file on the host to install it from, with what it depends on from the archives. The
        /// file's version is the one that shall be there.
        pub source: Option<AbsolutePath>,
        /// Whether an older version may take the place of a newer one. With `#false` that fails, in a
        /// plan already.
        pub downgrade: bool = true,
        /// Whether upgrades by hand leave it alone. Not given: whatever holds stays.
        pub hold: Option<bool>,
        /// Whether recommended packages come with it. Not given: as apt is configured.
        pub recommends: Option<bool>,
        /// Whose configuration files win when an upgrade brings others: `keep` or `replace`.
        pub config: Config = Config::Keep,
        /// Further options for `apt-get install`, such as `-t` `bookworm-backports`.
        [how] pub install_options: Vec<String>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if !is_package_name(&desired.name) {
            let error = AttributeError::of_value("name", format!("{:?} cannot be a package's name", desired.name));
            errors.push(error.help("lower case letters, digits, `+`, `-` and `.`, two at least; `name:architecture` where needed"));
        }
        if let Some(Err(error)) = desired.version.as_deref().map(Wish::parse) {
            errors.push(AttributeError::of_value("version", error));
        }
        if desired.version.is_some() && desired.ensure != Ensure::Present {
            errors.push(AttributeError::new("version", format!("has no meaning with ensure={}", desired.ensure)));
        }
        if desired.source.is_some() && (desired.ensure != Ensure::Present || desired.version.is_some()) {
            let error = AttributeError::new("source", "decides the version itself");
            errors.push(error.help("leave out `version` and `ensure`"));
        }
        if desired.hold == Some(true) && desired.is_unwanted() {
            errors.push(AttributeError::new("hold", format!("cannot be kept with ensure={}", desired.ensure)));
        }
        errors
    }
}

impl Package {
    fn is_unwanted(&self) -> bool {
        matches!(self.ensure, Ensure::Absent | Ensure::Purged)
    }

    /// The checked attribute as what it means.
    fn wish(&self) -> Option<Wish> {
        self.version.as_deref().and_then(|version| Wish::parse(version).ok())
    }

    /// Whether what apt could install decides anything.
    fn asks_apt(&self, known: &Known) -> bool {
        match (&known.state, self.wish()) {
            (_, _) if self.source.is_some() => false,
            (_, _) if self.ensure == Ensure::Latest => true,
            (_, None | Some(Wish::Exact(_))) => false,
            (State::Installed(version), Some(wish)) => !wish.accepts(version),
            _ => true,
        }
    }
}

/// A name as Debian's policy has it, and an architecture behind a colon.
fn is_package_name(name: &str) -> bool {
    let (name, architecture) = name.split_once(':').unwrap_or((name, "all"));
    let word = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c));
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts && name.len() >= 2 && word(name, "+-.") && !architecture.is_empty() && !architecture.starts_with('-') && word(architecture, "-")
}

/// What was found of a package.
#[derive(Debug)]
pub struct ObservedPackage {
    known: Known,
    /// What apt could install; only where that decides anything.
    available: Option<Available>,
    /// The file to install from.
    deb: Option<Deb>,
}

impl ObservedPackage {
    /// Which versions are accepted: the file's own, or what the manifest asks for.
    fn wish(&self, desired: &Package) -> Option<Wish> {
        match &self.deb {
            Some(deb) => Some(Wish::Exact(deb.version.clone())),
            None => desired.wish(),
        }
    }
}

/// The file that a package comes from, which has to be the right package's.
fn read_source(host: &Host, package: &Package) -> Result<Option<Deb>, ObserveError> {
    let Some(path) = &package.source else { return Ok(None) };
    let deb = Deb::read(host, path)?;
    if deb.is(&package.name) {
        return Ok(Some(deb));
    }
    let failure = Failure::new(format!("{path} is the package {} and not {}", deb.name, package.name));
    Err(failure.help("give the resource the package's own name").into())
}

/// The type `package`.
pub struct PackageType;

impl ResourceType for PackageType {
    type Host = Host;
    type Desired = Package;
    type Observed = ObservedPackage;

    fn observe(&self, host: &Host, desired: &[&Package]) -> Vec<Result<ObservedPackage, ObserveError>> {
        let status = match journal::read_status(host) {
            Ok(status) => status,
            Err(failure) => return desired.iter().map(|_| Err(failure.clone().into())).collect(),
        };
        let names: Vec<&str> = desired.iter().map(|package| package.name.as_str()).collect();
        let known = dpkg::look_up(&status, &names);
        let asked: Vec<&str> = desired
            .iter()
            .zip(&known)
            .filter(|(package, known)| package.asks_apt(known))
            .map(|(package, _)| package.name.as_str())
            .collect();
        let available = ask_apt(host, &asked);
        let result = |(package, known): (&&Package, Known)| {
            let available = if package.asks_apt(&known) {
                let all = available.as_ref().map_err(|failure| ObserveError::Failed(failure.clone()))?;
                Some(all.get(&package.name).cloned().unwrap_or_default())
            } else {
                None
            };
            let observed = ObservedPackage { known, available, deb: read_source(host, package)? };
            if let Some(failure) = plan::refused_downgrade(package, &observed) {
                return Err(failure.into());
            }
            let is_settled = host.is_machine() || self.diff(package, &observed).is_empty();
            if is_settled { Ok(observed) } else { Err(below_root(host).into()) }
        };
        desired.iter().zip(known).map(result).collect()
    }

    fn diff(&self, desired: &Package, observed: &ObservedPackage) -> Vec<Change> {
        let mut changes: Vec<Change> = plan::diff_ensure(desired, observed).into_iter().collect();
        if let Some(hold) = desired.hold.filter(|hold| *hold != observed.known.held) {
            changes.push(Change::update("hold", observed.known.held, hold));
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        self.apply_batch(host, std::slice::from_ref(work)).pop().unwrap_or(Ok(()))
    }

    fn apply_batch(&self, host: &Host, works: &[Work<'_, Self>]) -> Vec<Result<(), Failure>> {
        if !host.is_machine() {
            return works.iter().map(|_| Err(below_root(host))).collect();
        }
        let _turn = host.packaging();
        carry_out(host, &works.iter().map(Step::of).collect::<Vec<_>>())
    }

    fn footprint(&self, desired: &Package) -> Footprint {
        let footprint = Footprint::default().own(format!("package:{}", desired.name));
        let name = desired.name.split(':').next().unwrap_or_default();
        // Where packages come from, and how they shall be set up, is settled before.
        let footprint = footprint.need("apt:sources").need("apt:preferences").need(format!("debconf-of:{name}"));
        desired.source.iter().fold(footprint, |footprint, path| footprint.need(format!("path:{path}")))
    }

    /// Another file may come to the place of the one that was looked at.
    fn reliance(&self, desired: &Package, _observed: &ObservedPackage) -> Reliance {
        if desired.source.is_some() { Reliance::UntilAny } else { Reliance::Firm }
    }

    /// What somebody asked for; what came along as a dependency comes along again.
    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let status = journal::read_status(host)?;
        let automatic = host.read_text(apt::AUTOMATIC_FILE)?.unwrap_or_default();
        let automatic = dpkg::automatic_names(&automatic);
        let installed = dpkg::installed(&status).into_iter().filter(|(name, _)| match title {
            Some(title) => title == name,
            None => !automatic.contains(name.as_str()),
        });
        let hold = |is_held: bool| is_held.then(|| ("hold".to_owned(), Value::Bool(true)));
        Ok(Some(installed.map(|(title, is_held)| Described { title, attributes: hold(is_held).into_iter().collect() }).collect()))
    }

    fn disruption(&self, _changes: &[Change], _refresh: Option<Effect>) -> Option<Disruption> {
        Some(Disruption::Software)
    }

    /// What was not there before has nothing to interrupt.
    fn disrupts(
        &self,
        _host: &Host,
        _desired: &Package,
        changes: &[Change],
        refresh: Option<Effect>,
    ) -> Result<Option<Disruption>, Failure> {
        let is_new = !changes.is_empty() && changes.iter().all(|change| change.action == Action::Create || change.attribute == "hold");
        Ok(self.disruption(changes, refresh).filter(|_| !is_new))
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, batch: true, opaque: true, ..Nature::default() }
    }
}

fn below_root(host: &Host) -> Failure {
    Failure::new(format!("packages cannot be changed below {}", host.root().display()))
        .help("run keel on the machine itself, or in a chroot")
}

fn ask_apt(host: &Host, names: &[&str]) -> Result<BTreeMap<String, Available>, Failure> {
    if !names.is_empty() && !host.is_machine() {
        return Err(Failure::new(format!("what apt could install below {} cannot be told", host.root().display())));
    }
    apt::available(host, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn below_another_root_a_missing_package_fails_in_the_plan() {
        let trial = Trial::new();
        trial.write(dpkg::STATUS_FILE, "Package: here\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n");
        assert!(trial.plan(&PackageType, "here", &[]).unwrap().is_empty());
        assert!(trial.plan(&PackageType, "gone", &[]).unwrap_err().contains("cannot be changed below"));
    }

    #[test]
    fn a_file_is_the_package_that_it_is_said_to_be() {
        let trial = Trial::new();
        trial.write("/deb/DEBIAN/control", "Package: here\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n");
        let build = trial.host.command("dpkg-deb").arguments(["--build", "--root-owner-group"]);
        build.argument(trial.path("/deb").to_string_lossy()).argument(trial.path("/here.deb").to_string_lossy()).succeed().unwrap();
        trial.write(dpkg::STATUS_FILE, "Package: here\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n");
        let source = |path: &str| [("source", Value::from(path))];
        assert_eq!(trial.plan(&PackageType, "here", &source("/here.deb")).unwrap(), [""; 0]);
        assert_eq!(trial.plan(&PackageType, "there", &source("/here.deb")).unwrap_err(), "/here.deb is the package here and not there");
        assert_eq!(trial.plan(&PackageType, "here", &source("/gone.deb")).unwrap_err(), "there is no package file /gone.deb");
        trial.write(dpkg::STATUS_FILE, "Package: here\nStatus: install ok installed\nVersion: 2\nArchitecture: all\n\n");
        let kept = [("source", Value::from("/here.deb")), ("downgrade", Value::Bool(false))];
        assert_eq!(trial.plan(&PackageType, "here", &kept).unwrap_err(), "here 2 would go back to 1");
        assert!(Trial::refuses::<PackageType>("a1", &[("source", Value::from("/x")), ("version", Value::from("1"))]).contains("decides"));
    }
}
