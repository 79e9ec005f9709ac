//! The type `alternatives`: which of several programs a common name stands for.

use keel_engine::attributes::{AbsolutePath, AttributeError};
use keel_engine::change::Change;
use keel_engine::footprint::Footprint;
use keel_engine::resource::{Described, Failure, Nature, ObserveError, Reliance, ResourceType, Work};
use keel_engine::value::{Map, Value};
use keel_engine::{attributes, choices};

use crate::host::Host;

/// Where dpkg keeps what each name may stand for.
const KNOWN: &str = "/var/lib/dpkg/alternatives";
const LINKS: &str = "/etc/alternatives";

choices! {
    /// Whether a choice is there.
    pub enum Ensure {
        /// It is, and the name stands for it.
        Present = "present",
        /// It is not.
        Absent = "absent",
    }
}

attributes! {
    /// Which of several programs a common name such as `editor` stands for, as `update-alternatives` keeps it.
    ///
    ///     alternatives editor path="/usr/bin/vim.basic"
    ///     alternatives pager
    ///     alternatives java path="/opt/jdk-21/bin/java" link="/usr/bin/java" priority=2100
    pub struct Alternatives: "alternatives" {
        /// The common name.
        [title] pub name: String,
        /// `present`, or `absent` to take the choice `path` away.
        pub ensure: Ensure = Ensure::Present,
        /// What it stands for. Not given: whatever has the highest priority.
        pub path: Option<AbsolutePath>,
        /// Where the name is, for a choice that no package has brought.
        pub link: Option<AbsolutePath>,
        /// The priority of such a choice.
        pub priority: Option<i64>,
    }
    check |desired| {
        let mut errors = Vec::new();
        if desired.name.is_empty() || desired.name.starts_with('-') || desired.name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
            errors.push(AttributeError::of_value("name", format!("{:?} cannot be a common name", desired.name)));
        }
        if desired.link.is_some() != desired.priority.is_some() {
            errors.push(AttributeError::new("link", "and `priority` belong together"));
        }
        if desired.path.is_none() && (desired.link.is_some() || desired.ensure == Ensure::Absent) {
            errors.push(AttributeError::new("path", "is required to say which choice is meant"));
        }
        errors
    }
}

/// What dpkg knows of a common name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    is_manual: bool,
    link: String,
    /// The choices with their priorities.
    choices: Vec<(String, i64)>,
}

impl Known {
    /// Reads the mode, the link, pairs of further links, and behind an empty line the choices.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let is_manual = lines.next()? == "manual";
        let link = lines.next()?.to_owned();
        let further = lines.by_ref().take_while(|line| !line.is_empty()).count() / 2;
        let mut choices = Vec::new();
        while let Some(path) = lines.next().filter(|path| !path.is_empty()) {
            choices.push((path.to_owned(), lines.next()?.parse().ok()?));
            lines.by_ref().take(further).for_each(drop);
        }
        Some(Self { is_manual, link, choices })
    }

    fn best(&self) -> Option<&str> {
        // Of equal ones dpkg keeps the first.
        let best = self.choices.iter().rev().max_by_key(|(_, priority)| *priority);
        best.map(|(path, _)| path.as_str())
    }

    fn priority(&self, path: &str) -> Option<i64> {
        self.choices.iter().find(|(known, _)| known == path).map(|(_, priority)| *priority)
    }
}

/// What was found of a common name.
#[derive(Debug)]
pub struct ObservedAlternatives {
    known: Known,
    /// What it stands for now.
    current: Option<String>,
}

/// The type `alternatives`.
pub struct AlternativesType;

impl ResourceType for AlternativesType {
    type Host = Host;
    type Desired = Alternatives;
    type Observed = ObservedAlternatives;

    fn observe(&self, host: &Host, desired: &[&Alternatives]) -> Vec<Result<ObservedAlternatives, ObserveError>> {
        let look = |alternatives: &&Alternatives| {
            let observed = look_at(host, &alternatives.name)?;
            let path = alternatives.path.as_ref().map(AbsolutePath::as_str);
            if alternatives.ensure == Ensure::Present && alternatives.link.is_none() {
                expect_choice(&alternatives.name, path, &observed.known)?;
            }
            if let Some(path) = alternatives.path.as_ref().filter(|_| alternatives.link.is_some() && alternatives.ensure == Ensure::Present)
                && host.stat_followed(path)?.is_none()
                && !host.claims().brings(&format!("path:{path}"))
            {
                let failure = Failure::new(format!("there is no {path} for {} to stand for", alternatives.name));
                return Err(ObserveError::NotYet(failure.help("require what brings it")));
            }
            Ok(observed)
        };
        desired.iter().map(look).collect()
    }

    fn diff(&self, desired: &Alternatives, observed: &ObservedAlternatives) -> Vec<Change> {
        let known = &observed.known;
        let path = desired.path.as_ref().map(AbsolutePath::as_str);
        let present = path.and_then(|path| known.priority(path));
        if let (Ensure::Absent, Some(path)) = (desired.ensure, path) {
            return present.map(|_| Change::delete("path", path)).into_iter().collect();
        }
        let mut changes = Vec::new();
        match (desired.priority, present) {
            (Some(priority), None) => changes.push(Change::create("priority", priority)),
            (Some(priority), Some(present)) if priority != present => changes.push(Change::update("priority", present, priority)),
            _ => {}
        }
        let current = || observed.current.clone().unwrap_or_default();
        match path {
            Some(path) if observed.current.as_deref() != Some(path) => changes.push(Change::update("path", current(), path)),
            Some(_) if !known.is_manual => changes.push(Change::update("mode", "auto", "manual")),
            None if known.is_manual => changes.push(Change::update("mode", "manual", "auto")),
            None if observed.current.as_deref() != known.best() => {
                changes.push(Change::update("path", current(), known.best().unwrap_or_default()));
            }
            _ => {}
        }
        changes
    }

    fn apply(&self, host: &Host, work: &Work<'_, Self>) -> Result<(), Failure> {
        let desired = work.desired;
        let run = |words: &[&str]| {
            let command = host.command("update-alternatives");
            let command = if host.is_machine() { command } else { command.argument("--root").argument(host.root().to_string_lossy()) };
            command.argument("--quiet").arguments(words.iter().copied()).succeed().map(drop)
        };
        let name = desired.name.as_str();
        let Some(path) = desired.path.as_ref().map(AbsolutePath::as_str) else { return run(&["--auto", name]) };
        if desired.ensure == Ensure::Absent {
            return run(&["--remove", name, path]);
        }
        if let (Some(link), Some(priority)) = (&desired.link, desired.priority)
            && work.changes.iter().any(|change| change.attribute == "priority")
        {
            run(&["--install", link.as_str(), name, path, &priority.to_string()])?;
        }
        run(&["--set", name, path])
    }

    fn footprint(&self, desired: &Alternatives) -> Footprint {
        let footprint = Footprint::default().own(format!("path:{LINKS}/{}", desired.name));
        let footprint = desired.path.iter().fold(footprint, |footprint, path| footprint.need(format!("path:{path}")));
        desired.link.iter().fold(footprint, |footprint, link| footprint.provide(format!("path:{link}")))
    }

    fn nature(&self) -> Nature {
        Nature { serial: true, ..Nature::default() }
    }

    /// A package upstream may bring a better choice.
    fn reliance(&self, _desired: &Alternatives, _observed: &ObservedAlternatives) -> Reliance {
        Reliance::UntilOpaque
    }

    fn describe(&self, host: &Host, title: Option<&str>) -> Result<Option<Vec<Described>>, Failure> {
        let mut found = Vec::new();
        for entry in host.list(KNOWN)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy().into_owned();
            if title.is_some_and(|title| title != name) {
                continue;
            }
            let ObservedAlternatives { known, current } = look_at(host, &name)?;
            let path = current.filter(|path| known.is_manual && known.priority(path).is_some());
            let attributes: Map = path.map(|path| ("path".to_owned(), Value::from(path))).into_iter().collect();
            // One that stands for nothing at present cannot be kept by saying so.
            if attributes.is_empty() != known.is_manual && !known.choices.is_empty() {
                found.push(Described { title: name, attributes });
            }
        }
        Ok(Some(found))
    }
}

fn look_at(host: &Host, name: &str) -> Result<ObservedAlternatives, Failure> {
    let text = host.read_text(format!("{KNOWN}/{name}"))?;
    let known = text.as_deref().and_then(Known::parse).unwrap_or_default();
    let current = host.read_link(format!("{LINKS}/{name}"))?.map(|path| path.to_string_lossy().into_owned());
    Ok(ObservedAlternatives { known, current })
}

fn expect_choice(name: &str, path: Option<&str>, known: &Known) -> Result<(), ObserveError> {
    let failure = match path {
        _ if known.choices.is_empty() => Failure::new(format!("there is nothing that {name} could stand for")),
        Some(path) if known.priority(path).is_none() => {
            let choices: Vec<&str> = known.choices.iter().map(|(path, _)| path.as_str()).collect();
            Failure::new(format!("{name} cannot stand for {path}, only for {}", choices.join(", ")))
        }
        _ => return Ok(()),
    };
    Err(ObserveError::NotYet(failure.help("require the package that brings it, or give `link` and `priority`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    const EDITOR: &str = "auto\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n/bin/ed\n-100\n/man/ed.1.gz\n/bin/nano\n40\n/man/nano.1.gz\n\n";

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.write("/var/lib/dpkg/alternatives/editor", EDITOR);
        for path in [
            "/bin/ed",
            "/bin/nano",
            "/opt/vi",
            "/etc/alternatives/README",
            "/usr/bin/x",
            "/usr/share/man/man1/x",
            "/man/ed.1.gz",
            "/man/nano.1.gz",
            "/var/log/x",
        ] {
            trial.write(path, "");
        }
        std::os::unix::fs::symlink("/bin/nano", trial.path("/etc/alternatives/editor")).unwrap();
        trial
    }

    #[test]
    fn dpkgs_file_is_read() {
        let known = Known::parse(EDITOR).unwrap();
        assert_eq!((known.is_manual, known.link.as_str(), known.best()), (false, "/usr/bin/editor", Some("/bin/nano")));
        assert_eq!(known.choices, [("/bin/ed".to_owned(), -100), ("/bin/nano".to_owned(), 40)]);
        assert_eq!(Known::parse("auto\n"), None);
    }

    #[test]
    fn a_choice_is_made_and_unmade() {
        let trial = trial();
        assert_eq!(trial.plan(&AlternativesType, "editor", &[]).unwrap(), [""; 0]);
        assert_eq!(
            trial.converge(&AlternativesType, "editor", &[("path", Value::from("/bin/ed"))]).unwrap(),
            ["~ path: /bin/nano -> /bin/ed"]
        );
        let described = AlternativesType.describe(&trial.host, Some("editor")).unwrap().unwrap().remove(0);
        assert_eq!(described.attributes["path"], Value::from("/bin/ed"));
        assert_eq!(trial.converge(&AlternativesType, "editor", &[]).unwrap(), ["~ mode: manual -> auto"]);
        let new = [("path", Value::from("/opt/vi")), ("link", Value::from("/usr/bin/editor")), ("priority", Value::Int(90))];
        assert_eq!(trial.converge(&AlternativesType, "editor", &new).unwrap().len(), 2);
        trial.converge(&AlternativesType, "editor", &[("path", Value::from("/opt/vi")), ("ensure", Value::from("absent"))]).unwrap();
    }

    #[test]
    fn what_is_no_choice_is_waited_for() {
        let error = |name: &str, path: &str| trial().plan(&AlternativesType, name, &[("path", Value::from(path))]).unwrap_err();
        assert_eq!(error("editor", "/bin/vi"), "editor cannot stand for /bin/vi, only for /bin/ed, /bin/nano");
        assert_eq!(error("pager", "/bin/less"), "there is nothing that pager could stand for");
        assert!(Trial::refuses::<AlternativesType>("x", &[("link", Value::from("/x"))]).contains("belong together"));
    }
}
