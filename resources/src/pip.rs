//! The type `pip`: packages of Python in a virtual environment.

use std::collections::BTreeMap;
use std::time::Duration;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::Change;
use keel_engine::choices;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Failure, Nature, ObserveError, Reliance, ResourceType, Work};
use keel_engine::secret::Secret;
use keel_engine::text::Text;

use crate::host::Host;
use crate::host::command::Command;

choices! {
    /// Whether a package is there.
    pub enum Ensure {
        /// In any version, or the one that is given.
        Present = "present",
        /// In the newest version that can be had.
        Latest = "latest",
        /// It is not.
        Absent = "absent",
    }
}

attributes! {
    /// A package of Python in a virtual environment, which is made where it is missing. The system's own packages
    /// are apt's.
    ///
    ///     pip "gunicorn" venv="/opt/app/venv" version="22.0.0" user=app
    ///     pip "our-plugin" venv="/opt/app/venv" ensure=latest index=(secret)"pip/index-with-password"
    ///     pip "requests[socks]" venv="/opt/app/venv" offline=#true find_links="/srv/wheels"
    pub struct Pip: "pip" {
        /// The package, with its extras in brackets.
        [title] pub name: String,
        /// Whether it is there: `present`, `latest` or `absent`. With `latest` every run asks the index.
        pub ensure: Ensure = Ensure::Present,
        /// The virtual environment, an absolute path.
        pub venv: AbsolutePath,
        /// The exact version. Not given: any.
        pub version: Option<String>,
        /// The Python that makes the environment, a name or an absolute path.
        pub python: String = "python3".to_owned(),
        /// The address of the index. It may hold a password then: a secret never stands in an argument list.
        pub index: Option<Text>,
        /// A folder with packages on the host, which are taken as well.
        pub find_links: Option<AbsolutePath>,
        /// Whether no index is asked, so that everything comes from `find_links`.
        pub offline: bool = false,
        /// Who runs pip and owns what it installs. Not given: root.
        pub user: Option<String>,
        /// Further arguments of `pip install`, such as `"--no-deps"`.
        pub options: Vec<String>,
        /// How long one command may take.
        pub timeout: Span = Span(Duration::from_secs(600)),
    }
    check |desired| {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, attribute: &str, message: &str| {
            if wrong {
                errors.push(AttributeError::new(attribute, message));
            }
        };
        let (name, extras) = desired.name.split_once('[').map_or((desired.name.as_str(), None), |(name, extras)| (name, Some(extras)));
        let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let is_extras = |extras: &str| extras.strip_suffix(']').is_some_and(|extras| extras.split(',').all(is_name));
        refuse(!is_name(name) || extras.is_some_and(|extras| !is_extras(extras)), "name", "is the name of one package; its version stands in `version`");
        let is_version = |version: &String| !version.is_empty() && version.chars().all(|c| c.is_ascii_alphanumeric() || ".+!-_".contains(c));
        refuse(desired.version.as_ref().is_some_and(|version| !is_version(version)), "version", "is one exact version such as \"2.31.0\"");
        refuse(desired.version.is_some() && desired.ensure != Ensure::Present, "version", "is for ensure=present");
        refuse(desired.offline && desired.index.is_some(), "index", "is not asked with offline=#true");
        refuse(desired.offline && desired.find_links.is_none(), "find_links", "is required with offline=#true");
        refuse(desired.timeout.0.is_zero(), "timeout", "is 0");
        let has_login = matches!(&desired.index, Some(Text::Plain(url)) if url.contains('@'));
        refuse(has_login, "index", "has a password in it that stands open; make it a secret");
        errors.extend(crate::file::check_path("venv", &desired.venv));
        errors
    }
}

/// What was found of a package.
#[derive(Debug)]
pub struct ObservedPackage {
    has_venv: bool,
    version: Option<String>,
    /// A newer version that can be had, where that was asked for.
    newer: Option<String>,
}

/// The type `pip`.
pub struct PipType;

impl ResourceType for PipType {
    type Host = Host;
    type Desired = Pip;
    type Observed = ObservedPackage;

    fn observe(&self, host: &Host, desired: &[&Pip]) -> Vec<Result<ObservedPackage, ObserveError>> {
        let mut venvs: BTreeMap<String, Result<Option<BTreeMap<String, String>>, Failure>> = BTreeMap::new();
        let look = |package: &&Pip| {
            let venv = package.venv.as_str();
            let packages = venvs.entry(venv.to_owned()).or_insert_with(|| installed(host, venv)).clone()?;
            observe(host, package, packages.as_ref())
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Pip, observed: &ObservedPackage) -> Vec<Change> {
        let mut changes = Vec::new();
        if desired.ensure == Ensure::Absent {
            changes.extend(observed.version.iter().map(|version| Change::delete("version", version.as_str())));
            return changes;
        }
        if !observed.has_venv {
            changes.push(Change::create("venv", desired.venv.as_str()));
        }
        let wanted = desired.version.as_deref().or(observed.newer.as_deref());
        match (&observed.version, wanted) {
            (None, wanted) => changes.push(Change::create("version", wanted.unwrap_or("any"))),
            (Some(version), Some(wanted)) if !is_same_version(version, wanted) => {
                changes.push(Change::update("version", version.as_str(), wanted))
            }
            _ => {}
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let has = |attribute: &str| work.changes.iter().any(|change| change.attribute == attribute);
        if has("venv") {
            desired.run_as(host.command(&desired.python)).arguments(["-m", "venv", desired.venv.as_str()]).succeed()?;
        }
        if !has("version") {
            return Ok(());
        }
        if desired.ensure == Ensure::Absent {
            return desired.pip(host)?.arguments(["uninstall", "--yes", "--quiet", project(&desired.name)]).succeed().map(drop);
        }
        let what = desired.version.as_ref().map_or_else(|| desired.name.clone(), |version| format!("{}=={version}", desired.name));
        desired.install(host)?.argument("--quiet").argument(what).succeed().map(drop)
    }

    fn footprint(&self, desired: &Pip) -> Footprint {
        let venv = &desired.venv;
        let footprint = Footprint::default().own(format!("pip:{venv}#{}", normal(&desired.name))).provide(format!("venv:{venv}"));
        let parent = desired.venv.parent().map(|parent| format!("path:{parent}"));
        let needed = parent
            .into_iter()
            .chain(desired.user.iter().map(|user| format!("user:{user}")))
            .chain(desired.find_links.iter().map(|path| format!("path:{path}")));
        needed.fold(footprint.need("package:python3-venv"), Footprint::need)
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, opaque: true, ..Nature::default() }
    }

    fn reliance(&self, desired: &Pip, _observed: &ObservedPackage) -> Reliance {
        if desired.ensure == Ensure::Latest { Reliance::UntilAny } else { Reliance::UntilOpaque }
    }
}

/// The name of a package without its extras.
fn project(name: &str) -> &str {
    name.split_once('[').map_or(name, |(name, _)| name)
}

/// A package's name in its one spelling.
fn normal(name: &str) -> String {
    let parts: Vec<String> = project(name).split(['-', '_', '.']).filter(|part| !part.is_empty()).map(str::to_lowercase).collect();
    parts.join("-")
}

/// Whether two versions are the same: `1.0` and `1.0.0` are.
fn is_same_version(one: &str, other: &str) -> bool {
    let trimmed = |version: &str| {
        let version = version.to_lowercase();
        let shorter = version.trim_end_matches(".0").len();
        version.get(..shorter).map(str::to_owned).unwrap_or(version)
    };
    trimmed(one) == trimmed(other)
}

impl Pip {
    fn run_as(&self, command: Command) -> Command {
        let command = command.timeout(Some(self.timeout.0));
        self.user.iter().fold(command, |command, user| command.user(user))
    }

    /// pip in the environment, told where packages come from.
    fn pip(&self, host: &Host) -> Result<Command, Failure> {
        let command = self.run_as(host.command(&format!("{}/bin/python", self.venv))).arguments([
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
        ]);
        let Some(index) = &self.index else { return Ok(command) };
        let bytes = index.bytes(host.contents()).map_err(Failure::new)?;
        let url = String::from_utf8_lossy(&bytes).trim().to_owned();
        // Of the address itself pip only ever shows parts.
        let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
        let parts =
            login.into_iter().flat_map(|login| login.split(':')).filter(|part| !part.is_empty()).map(|part| Secret::new(part.to_owned()));
        let secrets: Vec<Secret> = if index.is_secret() { parts.chain([Secret::new(url.clone())]).collect() } else { Vec::new() };
        Ok(secrets.iter().fold(command.environment("PIP_INDEX_URL", url), Command::conceal))
    }

    fn install(&self, host: &Host) -> Result<Command, Failure> {
        let mut command = self.pip(host)?.arguments(["install", "--no-cache-dir"]);
        if self.ensure == Ensure::Latest {
            command = command.argument("--upgrade");
        }
        if self.offline {
            command = command.argument("--no-index");
        }
        if let Some(folder) = &self.find_links {
            command = command.arguments(["--find-links", folder.as_str()]);
        }
        Ok(command.arguments(self.options.iter().cloned()))
    }
}

fn observe(host: &Host, desired: &Pip, packages: Option<&BTreeMap<String, String>>) -> Result<ObservedPackage, ObserveError> {
    let version = packages.and_then(|packages| packages.get(&normal(&desired.name))).cloned();
    let has_venv = packages.is_some_and(|packages| packages.contains_key("pip"));
    let mut observed = ObservedPackage { has_venv, version, newer: None };
    let acts = desired.ensure == Ensure::Latest || desired.ensure == Ensure::Present && (!has_venv || observed.version.is_none());
    if acts && !host.is_machine() {
        return Err(ObserveError::Failed(Failure::new(
            "packages of Python are installed on the machine itself and not below another root",
        )));
    }
    if acts && !has_venv {
        host.folders().expect_folder_of(&desired.venv)?;
        expect_venv(host, desired)?;
    }
    if desired.ensure == Ensure::Latest && has_venv {
        let report =
            desired.install(host)?.arguments(["--quiet", "--dry-run", "--no-deps", "--report", "-", project(&desired.name)]).succeed()?;
        observed.newer = newest(&report.text()?, &desired.name).map_err(Failure::new)?;
    }
    Ok(observed)
}

/// Whether an environment can be made.
fn expect_venv(host: &Host, desired: &Pip) -> Result<(), ObserveError> {
    let output = host.command(&desired.python).arguments(["-c", "import venv, ensurepip"]).run()?;
    if output.is_success() {
        return Ok(());
    }
    let failure = Failure::new(format!("{} cannot make virtual environments: {}", desired.python, output.shown()));
    Err(ObserveError::NotYet(failure.help("declare what it lacks: package python3-venv")))
}

/// The version that pip would install; none where it would install nothing.
fn newest(report: &str, name: &str) -> Result<Option<String>, String> {
    let report: serde_json::Value = serde_json::from_str(report).map_err(|error| format!("pip's report cannot be read: {error}"))?;
    let packages = report.get("install").and_then(|install| install.as_array()).ok_or("pip's report says nothing of packages")?;
    let metadata = packages.iter().filter_map(|package| package.get("metadata"));
    let text = |metadata: &serde_json::Value, key: &str| metadata.get(key).and_then(|text| text.as_str()).map(str::to_owned);
    let own = metadata.into_iter().find(|metadata| text(metadata, "name").is_some_and(|found| normal(&found) == normal(name)));
    Ok(own.and_then(|metadata| text(metadata, "version")))
}

/// The packages of an environment with their versions; none where there is no environment.
fn installed(host: &Host, venv: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let Some(pythons) = host.list(format!("{venv}/lib"))? else { return Ok(None) };
    let mut packages = BTreeMap::new();
    for python in pythons.iter().map(|entry| entry.name.to_string_lossy()).filter(|name| name.starts_with("python")) {
        let folder = format!("{venv}/lib/{python}/site-packages");
        for entry in host.list(&folder)?.unwrap_or_default() {
            let entry = entry.name.to_string_lossy();
            let Some((name, version)) = entry.strip_suffix(".dist-info").and_then(|entry| entry.rsplit_once('-')) else { continue };
            // The record is written last: without it the installation never came to its end.
            if host.stat(format!("{folder}/{entry}/RECORD"))?.is_some() {
                packages.insert(normal(name), version.to_owned());
            }
        }
    }
    Ok(Some(packages))
}

#[cfg(test)]
mod tests {
    use keel_engine::attributes::Attributes;
    use keel_engine::value::{Map, Value};

    use super::*;
    use crate::trial::Trial;

    /// A package of that name and version, as pip reads it.
    const WHEEL: &str = r#"
import sys, zipfile
folder, version = sys.argv[1:]
info = f"keel_probe-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/keel_probe-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr("keel_probe.py", "")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: keel-probe\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: keel\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

    #[test]
    fn packages_come_change_and_go_in_an_environment_of_their_own() {
        let mut trial = Trial::new();
        let folder = trial.path("/wheels");
        trial.write("/wheels/x", "");
        let has_venv =
            trial.host.command("python3").arguments(["-c", "import venv, ensurepip"]).run().is_ok_and(|output| output.is_success());
        if !has_venv {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: python3 cannot make virtual environments here\n");
            return;
        }
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let wheel = |version: &str| trial.host.command("python3").arguments(["-c", WHEEL, &text(&folder), version]).succeed().map(drop);
        wheel("1.0").unwrap();
        let base =
            [("venv", Value::from(text(&trial.path("/venv")))), ("offline", Value::Bool(true)), ("find_links", Value::from(text(&folder)))];
        let with = |more: &[(&'static str, Value)]| [&base[..], more].concat();
        wheel("1.1").unwrap();
        trial.host = Host::new("/");
        let pinned = trial.converge(&PipType, "Keel_Probe", &with(&[("version", Value::from("1.0"))])).unwrap();
        assert_eq!(pinned.len(), 2, "{pinned:?}");
        assert_eq!(pinned[1], "+ version: absent -> 1.0");
        assert_eq!(trial.converge(&PipType, "keel-probe", &base).unwrap(), [""; 0], "any version will do");
        assert_eq!(trial.converge(&PipType, "keel-probe", &with(&[("ensure", Value::from("latest"))])).unwrap(), ["~ version: 1.0 -> 1.1"]);
        let gone = with(&[("ensure", Value::from("absent"))]);
        assert_eq!(trial.converge(&PipType, "keel.probe", &gone).unwrap(), ["- version: 1.1 -> absent"]);
        let missing = trial.plan(&PipType, "x", &with(&[("venv", Value::from("/no/such/venv"))])).unwrap_err();
        assert!(missing.contains("the directory /no/such does not exist"), "{missing}");
    }

    #[test]
    fn names_and_versions_have_one_spelling() {
        assert_eq!((normal("Keel__Probe.x[a]").as_str(), project("a[b]")), ("keel-probe-x", "a"));
        assert!(
            is_same_version("1.0", "1.0.0")
                && !is_same_version("1.0", "1.1")
                && !is_same_version("10", "1")
                && is_same_version("1.0RC1", "1.0rc1")
        );
        let report = r#"{"install": [{"metadata": {"name": "other", "version": "3"}}, {"metadata": {"name": "A.b", "version": "2"}}]}"#;
        assert_eq!(newest(report, "a-b"), Ok(Some("2".to_owned())));
        assert_eq!(newest(r#"{"install": []}"#, "a-b"), Ok(None));
        assert!(newest("x", "a").is_err());
    }

    #[test]
    fn a_password_stands_in_no_argument_and_no_output() {
        let attributes: Map =
            [("venv", Value::from("/v")), ("index", Value::Secret(Secret::new("https://me:canary@pip.example/simple".to_owned())))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        let pip = Pip::from_attributes("x", &attributes).unwrap();
        let command = pip.install(&Trial::new().host).unwrap();
        assert!(!command.to_string().contains("canary") && !command.to_string().contains("pip.example"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let venv = || ("venv", Value::from("/v"));
        let refused = |name: &str, more: (&'static str, Value)| Trial::refuses::<PipType>(name, &[venv(), more]);
        for name in ["a==1", "-r", "a b", "a[", ""] {
            assert!(refused(name, ("offline", Value::Bool(false))).contains("name"), "{name}");
        }
        assert!(refused("a", ("version", Value::from(">=1"))).contains("exact version"));
        assert!(refused("a", ("offline", Value::Bool(true))).contains("find_links"));
        assert!(refused("a", ("index", Value::from("https://me:pw@x/"))).contains("make it a secret"));
    }
}
