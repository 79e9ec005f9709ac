//! The type `pip`: packages of Python in a virtual environment.

mod listing;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use keel_engine::attributes;
use keel_engine::attributes::{AbsolutePath, AttributeError, Span};
use keel_engine::change::{Change, Shown};
use keel_engine::choices;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, Reliance, ResourceType, Work};
use keel_engine::secret::Secret;
use keel_engine::text::Text;

use crate::host::Host;
use crate::host::command::Command;

/// How far below an environment the packages are: `lib/python3/site-packages/`.
const VENV_DEPTH: usize = 4;

/// Removes folders, in Python, so that it is done as the user whose environment it is.
const REMOVE: &str = "import os, shutil, sys\nfor folder in filter(os.path.isdir, sys.argv[1:]): shutil.rmtree(folder)";

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
    ///     pip "all that the app needs" venv="/opt/app/venv" requirements="/opt/app/requirements.txt"
    pub struct Pip: "pip" {
        /// The package, with its extras in brackets; any text with `requirements`.
        [title] pub name: String,
        /// Whether it is there: `present`, `latest` or `absent`. With `latest` every run asks the index.
        pub ensure: Ensure = Ensure::Present,
        /// The virtual environment, an absolute path.
        pub venv: AbsolutePath,
        /// The exact version. Not given: any.
        pub version: Option<String>,
        /// A file of requirements on the host: everything it names is there in the version that it says, and with
        /// the hash, where it has hashes. Who changes it notifies nobody: the next run installs what is new in it.
        pub requirements: Option<AbsolutePath>,
        /// The Python that makes the environment, a name or an absolute path.
        [how] pub python: String = "python3".to_owned(),
        /// The address of the index. It may hold a password then: a secret never stands in an argument list.
        [how] pub index: Option<Text>,
        /// A folder with packages on the host, which are taken as well.
        [how] pub find_links: Option<AbsolutePath>,
        /// Whether no index is asked, so that everything comes from `find_links`.
        [how] pub offline: bool = false,
        /// Who runs pip and owns what it installs. Not given: root, where nobody else can change the environment.
        pub user: Option<String>,
        /// Further arguments of `pip install`, such as `"--no-deps"`.
        [how] pub options: Vec<String>,
        /// How long one command may take.
        [how] pub timeout: Span = Span(Duration::from_secs(600)),
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
        let of_file = desired.requirements.is_some();
        refuse(of_file && (desired.version.is_some() || desired.ensure != Ensure::Present), "requirements", "say the versions themselves, and what is to be there");
        refuse(!of_file && (!is_name(name) || extras.is_some_and(|extras| !is_extras(extras))), "name", "is the name of one package; its version stands in `version`");
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
    /// Several where a run that was killed left more than one.
    version: Option<String>,
    /// What pip takes for installed and is not, or more than once.
    leftovers: Vec<Installation>,
    /// A newer version that can be had, where that was asked for.
    newer: Option<String>,
    /// Packages that the file of requirements names and the environment lacks, or has in another version.
    lacking: Vec<Lacking>,
}

/// What stands in an environment of one version of a package: a folder of metadata.
#[derive(Debug, Clone, PartialEq)]
struct Installation {
    name: String,
    version: String,
    folder: String,
}

/// All that stands in an environment, by its normal name.
type Installations = BTreeMap<String, Vec<Installation>>;

/// A package that is to come.
#[derive(Debug, PartialEq)]
struct Lacking {
    name: String,
    found: Option<String>,
    wanted: Option<String>,
}

/// The type `pip`.
pub struct PipType;

impl ResourceType for PipType {
    type Host = Host;
    type Desired = Pip;
    type Observed = ObservedPackage;

    fn observe(&self, host: &Host, desired: &[&Pip]) -> Vec<Result<ObservedPackage, ObserveError>> {
        let mut venvs: BTreeMap<String, Result<Option<Installations>, Failure>> = BTreeMap::new();
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
        if desired.requirements.is_some() {
            let shown = |version: &Option<String>| version.clone().map_or(Shown::Absent, Shown::from);
            let wanted = |lacking: &Lacking| lacking.wanted.clone().unwrap_or_else(|| "any".to_owned());
            changes.extend(
                observed.lacking.iter().map(|lacking| Change::between(&lacking.name, shown(&lacking.found), Shown::from(wanted(lacking)))),
            );
            return changes;
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
        desired.clear(host, work.observed)?;
        if has("venv") {
            desired.expect_trusted(host, desired.venv.as_path().parent().unwrap_or(desired.venv.as_path()), 0)?;
            desired.run_as(host.command(&desired.python)).arguments(["-m", "venv", desired.venv.as_str()]).succeed()?;
        }
        if let Some(file) = &desired.requirements {
            return desired.install(host)?.arguments(["--quiet", "--requirement", file.as_str()]).succeed().map(drop);
        }
        if !has("version") {
            return Ok(());
        }
        if desired.ensure == Ensure::Absent {
            return desired.uninstall(host, project(&desired.name))?.succeed().map(drop);
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
            .chain(desired.find_links.iter().chain(&desired.requirements).map(|path| format!("path:{path}")));
        needed.fold(footprint.need("package:python3-venv"), Footprint::need)
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, opaque: true, ..Nature::default() }
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        listing::listing(host, title).map(Some)
    }

    /// An environment can be anywhere, and says what is in it.
    fn asked_by(&self) -> Option<&'static str> {
        Some("/VENV")
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
        self.expect_trusted(host, self.venv.as_path(), VENV_DEPTH)?;
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

    /// Without `user` what is in the environment runs as root, and so nobody else may change it.
    fn expect_trusted(&self, host: &Host, path: &Path, depth: usize) -> Result<(), Failure> {
        let help = "say whose the environment is with `user`, as whom pip runs then; or give it to root";
        match self.user {
            Some(_) => Ok(()),
            None => host.expect_trusted(path, depth, "what they write there would run as root", help),
        }
    }

    /// Removes what looks installed and is not: by pip, as far as it knows the files, and then the metadata.
    fn clear(&self, host: &Host, observed: &ObservedPackage) -> Result<(), Failure> {
        if observed.leftovers.is_empty() {
            return Ok(());
        }
        self.expect_trusted(host, self.venv.as_path(), VENV_DEPTH)?;
        for leftover in observed.leftovers.iter().filter(|_| observed.has_venv) {
            // It fails where pip has no record of the files.
            self.uninstall(host, &leftover.name)?.run()?;
        }
        let folders = observed.leftovers.iter().map(|leftover| leftover.folder.clone());
        self.run_as(host.command(&self.python)).arguments(["-c", REMOVE]).arguments(folders).succeed().map(drop)
    }

    fn uninstall(&self, host: &Host, name: &str) -> Result<Command, Failure> {
        Ok(self.pip(host)?.arguments(["uninstall", "--yes", "--quiet", name]))
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
            self.expect_trusted(host, folder.as_path(), 1)?;
            command = command.arguments(["--find-links", folder.as_str()]);
        }
        Ok(command.arguments(self.options.iter().cloned()))
    }
}

fn observe(host: &Host, desired: &Pip, packages: Option<&Installations>) -> Result<ObservedPackage, ObserveError> {
    let found = |name: &str| packages.and_then(|packages| packages.get(name)).map_or(&[][..], Vec::as_slice);
    let has_venv = version_of(host, found("pip"))?.is_some();
    let lacking = lacking(host, desired, packages)?;
    let is_short = !lacking.is_empty();
    let own = found(&normal(&desired.name));
    let version = match desired.ensure {
        // A part of it is there, too.
        Ensure::Absent => own.last().map(|installation| installation.version.clone()),
        Ensure::Present | Ensure::Latest => version_of(host, own)?,
    };
    let concerned = lacking.iter().map(|lacking| found(&lacking.name)).chain([own]).chain((!has_venv).then(|| found("pip")));
    let leftovers = concerned.map(|installations| leftovers(host, installations)).collect::<Result<Vec<_>, _>>()?.concat();
    let mut observed = ObservedPackage { has_venv, version, leftovers, newer: None, lacking };
    if desired.requirements.is_some() && (is_short || !has_venv) {
        return expect_means(host, desired, has_venv).map(|()| observed);
    }
    let acts = desired.ensure == Ensure::Latest || desired.ensure == Ensure::Present && (!has_venv || observed.version.is_none());
    let acts = acts && desired.requirements.is_none();
    if acts {
        expect_means(host, desired, has_venv)?;
    }
    if desired.ensure == Ensure::Latest && has_venv {
        let report =
            desired.install(host)?.arguments(["--quiet", "--dry-run", "--no-deps", "--report", "-", project(&desired.name)]).succeed()?;
        observed.newer = newest(&report.text()?, &desired.name).map_err(Failure::new)?;
    }
    Ok(observed)
}

/// What the file of requirements names and the environment lacks.
fn lacking(host: &Host, desired: &Pip, packages: Option<&Installations>) -> Result<Vec<Lacking>, ObserveError> {
    let Some(file) = &desired.requirements else { return Ok(Vec::new()) };
    let missing = || ObserveError::NotYet(Failure::new(format!("there is no file {file}")).help("declare it, or require what brings it"));
    let text = host.read_text(file)?.ok_or_else(missing)?;
    let found = |name: &str| packages.and_then(|packages| packages.get(name)).map_or(Ok(None), |found| version_of(host, found));
    let required = requirements(&text).map_err(|line| {
        let help = "a line is NAME==VERSION with hashes or without; what pip alone can judge belongs into an `exec`";
        Failure::new(format!("{file} has a line that cannot be compared: {line:?}")).help(help)
    })?;
    let mut short = Vec::new();
    for (name, wanted) in required {
        let found = found(&name)?;
        let is_met = match (&found, &wanted) {
            (Some(found), Some(wanted)) => is_same_version(found, wanted),
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        };
        if !is_met {
            short.push(Lacking { name, found, wanted });
        }
    }
    Ok(short)
}

/// The packages of a file of requirements, each with its exact version where it has one. The error is a line that says
/// something else: other files, addresses, ranges.
fn requirements(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        if line.is_empty()
            || line.starts_with('#')
            || ["--hash", "--no-binary", "--only-binary", "--require-hashes"].iter().any(|word| line.starts_with(word))
        {
            continue;
        }
        let (bare, _) = line.split_once(" --hash").unwrap_or((line, ""));
        // What holds for some hosts only is pip's to judge.
        let odd = bare.contains([';', '@', '<', '>', '~', '!', '/']) || bare.starts_with('-');
        let (name, version) = bare.split_once("==").map_or((bare, None), |(name, version)| (name, Some(version.trim().to_owned())));
        let name = name.trim();
        if odd
            || name.is_empty()
            || name.contains(char::is_whitespace)
            || version.as_ref().is_some_and(|version| version.contains(['*', ',', ' ']))
        {
            return Err(line.to_owned());
        }
        found.push((normal(name), version));
    }
    Ok(found)
}

/// Fails where something is to be installed and cannot be.
fn expect_means(host: &Host, desired: &Pip, has_venv: bool) -> Result<(), ObserveError> {
    if !host.is_machine() {
        let message = "packages of Python are installed on the machine itself and not below another root";
        return Err(ObserveError::Failed(Failure::new(message)));
    }
    if !has_venv {
        host.folders().expect_folder_of(&desired.venv)?;
        expect_venv(host, desired)?;
    }
    Ok(())
}

/// Whether an environment can be made.
fn expect_venv(host: &Host, desired: &Pip) -> Result<(), ObserveError> {
    let output = host.command(&desired.python).arguments(["-c", "import venv, ensurepip"]).run()?;
    if output.is_success() {
        return Ok(());
    }
    // Python says why in the last line, below the way there.
    let why = output.stderr.last_lines(1);
    let failure = Failure::new(format!("{} cannot make virtual environments: {}", desired.python, why.trim()));
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

/// What stands in an environment; none where there is no environment.
fn installed(host: &Host, venv: &str) -> Result<Option<Installations>, Failure> {
    let Some(pythons) = host.list(format!("{venv}/lib"))? else { return Ok(None) };
    let mut packages = Installations::new();
    for python in pythons.iter().map(|entry| entry.name.to_string_lossy()).filter(|name| name.starts_with("python")) {
        let folder = format!("{venv}/lib/{python}/site-packages");
        for entry in host.list(&folder)?.unwrap_or_default() {
            let entry = entry.name.to_string_lossy();
            let Some((name, version)) = entry.strip_suffix(".dist-info").and_then(|entry| entry.rsplit_once('-')) else { continue };
            let installation = Installation { name: name.to_owned(), version: version.to_owned(), folder: format!("{folder}/{entry}") };
            packages.entry(normal(name)).or_default().push(installation);
        }
    }
    Ok(Some(packages))
}

/// Whether an installation came to its end: the record that names who installed it is written last, in place of the
/// one that the package brings.
fn is_whole(host: &Host, installation: &Installation) -> Result<bool, Failure> {
    let record = host.read(format!("{}/RECORD", installation.folder))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&record).contains(".dist-info/INSTALLER,"))
}

/// The version of a package that is there as a whole; each, where there is more than one.
fn version_of(host: &Host, installations: &[Installation]) -> Result<Option<String>, Failure> {
    match installations {
        [] => Ok(None),
        [one] => Ok(is_whole(host, one)?.then(|| one.version.clone())),
        many => Ok(Some(many.iter().map(|one| one.version.as_str()).collect::<Vec<_>>().join(", "))),
    }
}

/// What of these has to go before pip can be believed.
fn leftovers(host: &Host, installations: &[Installation]) -> Result<Vec<Installation>, Failure> {
    match installations {
        [] => Ok(Vec::new()),
        [one] if is_whole(host, one)? => Ok(Vec::new()),
        all => Ok(all.to_vec()),
    }
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

    /// Where the packages of an environment are.
    fn packages_of(venv: &Path) -> std::path::PathBuf {
        let python = std::fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap();
        python.path().join("site-packages")
    }

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
        let venv = trial.path("/venv");
        let base = [("venv", Value::from(text(&venv))), ("offline", Value::Bool(true)), ("find_links", Value::from(text(&folder)))];
        let with = |more: &[(&'static str, Value)]| [&base[..], more].concat();
        wheel("1.1").unwrap();
        trial.host = Host::new("/");
        let pinned = trial.converge(&PipType, "Keel_Probe", &with(&[("version", Value::from("1.0"))])).unwrap();
        assert_eq!(pinned.len(), 2, "{pinned:?}");
        assert_eq!(pinned[1], "+ version: absent -> 1.0");
        assert_eq!(trial.converge(&PipType, "keel-probe", &base).unwrap(), [""; 0], "any version will do");
        assert_eq!(trial.converge(&PipType, "keel-probe", &with(&[("ensure", Value::from("latest"))])).unwrap(), ["~ version: 1.0 -> 1.1"]);
        // What a killed run leaves: a package with the record that it brought, and a part of another one.
        let packages = packages_of(&venv);
        std::fs::write(packages.join("keel_probe-1.1.dist-info/RECORD"), "").unwrap();
        let again = trial.converge(&PipType, "keel-probe", &with(&[("version", Value::from("1.1"))])).unwrap();
        assert_eq!(again, ["+ version: absent -> 1.1"]);
        std::fs::create_dir(packages.join("keel_probe-0.9.dist-info")).unwrap();
        std::fs::write(packages.join("keel_probe-0.9.dist-info/METADATA"), "Metadata-Version: 2.1\nName: keel-probe\nVersion: 0.9\n")
            .unwrap();
        let sole = trial.converge(&PipType, "keel-probe", &with(&[("version", Value::from("1.1"))])).unwrap();
        assert!(sole[0].starts_with("~ version: ") && sole[0].ends_with(" -> 1.1"), "{sole:?}");
        assert!(!packages.join("keel_probe-0.9.dist-info").exists());
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

    #[test]
    fn requirements_are_read_line_by_line_and_what_pip_alone_can_judge_is_refused() {
        let text = "# all\nFlask==3.0.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nrequests[socks] # any\n\n--require-hashes\nzope.interface == 6.1\n";
        let found = requirements(text).unwrap();
        let expected = [("flask", Some("3.0.0")), ("requests", None), ("zope-interface", Some("6.1"))];
        assert_eq!(found, expected.map(|(name, version)| (name.to_owned(), version.map(str::to_owned))));
        for odd in ["-r other.txt", "a>=1", "a==1.*", "a @ https://example.org/a.whl", "a==1; python_version<'3.9'", "./local", "a b"] {
            assert_eq!(requirements(odd), Err(odd.to_owned()));
        }
    }

    #[test]
    fn what_a_file_names_is_compared_with_what_is_there() {
        let trial = Trial::new();
        trial.write("/opt/requirements.txt", "one==1.0\ntwo==2.0\nthree\n");
        for package in ["one-1.0.0", "two-1.9", "pip-23.0"] {
            trial.write(
                &format!("/opt/venv/lib/python3.11/site-packages/{package}.dist-info/RECORD"),
                &format!("{package}.dist-info/INSTALLER,sha256=0,4\n"),
            );
        }
        let given = [("venv", Value::from("/opt/venv")), ("requirements", Value::from("/opt/requirements.txt"))];
        let map: Map = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let desired = Pip::from_attributes("all", &map).unwrap();
        let packages = installed(&trial.host, "/opt/venv").unwrap();
        let observed = ObservedPackage {
            has_venv: true,
            version: None,
            leftovers: Vec::new(),
            newer: None,
            lacking: lacking(&trial.host, &desired, packages.as_ref()).unwrap(),
        };
        let changes: Vec<String> =
            PipType.diff(&desired, &observed).iter().map(|change| format!("{} {}", change.action.glyph(), change.attribute)).collect();
        assert_eq!(changes, ["~ two", "+ three"]);
    }
}
