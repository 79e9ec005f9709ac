//! The package archives that this machine itself uses; the lab uses no others and names none.

use std::collections::BTreeMap;
use std::process::Command;

use super::command::run_ok;
use super::{LabError, Result};

/// The archives of this machine's own release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    release: String,
    archives: Vec<Archive>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Archive {
    scheme: String,
    host: String,
    path: String,
    suite: String,
    components: Vec<String>,
}

impl Sources {
    /// Asks apt.
    pub(super) fn of_this_machine() -> Result<Sources> {
        let os = std::fs::read_to_string("/etc/os-release").map_err(LabError::doing("/etc/os-release"))?;
        let release = os.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default().trim_matches('"');
        let targets = run_ok(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ]))?;
        let sources = parse(&targets, release);
        if sources.base().is_none() {
            return Err(LabError::new(format!("apt knows no archive of the release '{release}'; try apt-get update")));
        }
        Ok(sources)
    }

    /// The name of the release.
    pub(super) fn release(&self) -> &str {
        &self.release
    }

    /// Where debootstrap finds the release, for one who goes through the proxy.
    pub(super) fn base(&self) -> Option<String> {
        self.archives.iter().find(|archive| archive.suite == self.release).map(|archive| format!("http://{}{}", archive.host, archive.path))
    }

    /// The sources.list of a node. Nodes speak plain HTTP to the proxy, which keeps the scheme.
    pub(super) fn list(&self) -> String {
        let line =
            |archive: &Archive| format!("deb http://{}{} {} {}\n", archive.host, archive.path, archive.suite, archive.components.join(" "));
        self.archives.iter().map(line).collect()
    }

    /// The scheme by which this machine reaches a host; `None` for a host it does not name.
    pub(super) fn scheme(&self, host: &str) -> Option<&str> {
        self.archives.iter().find(|archive| archive.host == host).map(|archive| archive.scheme.as_str())
    }
}

/// Takes the answer of `apt-get indextargets` apart; archives of other releases are left out.
fn parse(targets: &str, release: &str) -> Sources {
    let mut archives: BTreeMap<(String, String), Archive> = BTreeMap::new();
    for line in targets.lines() {
        let mut words = line.split_whitespace();
        let (Some(uri), Some(suite), Some(component)) = (words.next(), words.next(), words.next()) else { continue };
        let Some((scheme, (host, path))) = uri.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('/')?))) else {
            continue;
        };
        if suite != release && !suite.starts_with(&format!("{release}-")) || !["http", "https"].contains(&scheme) {
            continue;
        }
        let archive = archives.entry((suite.to_owned(), uri.to_owned())).or_insert_with(|| Archive {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: format!("/{}", path.trim_end_matches('/')),
            suite: suite.to_owned(),
            components: Vec::new(),
        });
        if !archive.components.iter().any(|known| known == component) {
            archive.components.push(component.to_owned());
        }
    }
    Sources { release: release.to_owned(), archives: archives.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
https://safe.example/debian-security/ bookworm-security main
https://other.example/tools/ tools-bookworm main
file:/srv/debs/ bookworm main
";

    #[test]
    fn only_the_release_of_the_machine_counts() {
        let sources = parse(TARGETS, "bookworm");
        let expected = "deb http://mirror.example/debian bookworm main contrib\n\
            deb http://safe.example/debian-security bookworm-security main\n";
        assert_eq!(sources.list(), expected);
        assert_eq!(sources.base().as_deref(), Some("http://mirror.example/debian"));
    }

    #[test]
    fn a_host_keeps_its_scheme_and_strangers_have_none() {
        let sources = parse(TARGETS, "bookworm");
        assert_eq!(sources.scheme("safe.example"), Some("https"));
        assert_eq!(sources.scheme("mirror.example"), Some("http"));
        assert_eq!(sources.scheme("other.example"), None);
    }
}
