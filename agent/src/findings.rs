//! What the checks of hosts found, put together: what several hosts say is said once, and what only all of them
//! together can show is looked for when every host is there.

use std::collections::HashSet;

use keel_manifests::diagnostic::Diagnostic;
use keel_manifests::host_checks::HostCheck;
use keel_manifests::site::Site;

/// What the hosts said by themselves. The same words are said once, and a lint once at a place.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<Diagnostic>,
    /// What was said, as code, place and message; of a lint only where.
    said: HashSet<String>,
}

impl Findings {
    /// Takes what these checks have to say.
    pub fn take(&mut self, checks: &mut [HostCheck]) {
        for check in checks {
            std::mem::take(&mut check.found).into_iter().for_each(|diagnostic| self.say(diagnostic, true));
            std::mem::take(&mut check.lints).into_iter().for_each(|diagnostic| self.say(diagnostic, false));
        }
    }

    /// All of it, in the order in which it was found.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found
    }

    fn say(&mut self, diagnostic: Diagnostic, each_message: bool) {
        let places = diagnostic.labels.iter().map(|label| format!("{}:{}-{}", label.file, label.span.start, label.span.end));
        let places = places.collect::<Vec<_>>().join(" ");
        let message = if each_message { diagnostic.message.as_str() } else { "" };
        if self.said.insert(format!("{} {places} {message}", diagnostic.code)) {
            self.found.push(diagnostic);
        }
    }
}

/// What the checks of all hosts show together: relations across hosts, what nobody uses, and clusters. Nothing while a
/// host does not compile: it may be the one that uses it.
pub fn of_fleet(site: &Site, hosts: &[String], checks: &mut [HostCheck]) -> Vec<Diagnostic> {
    if checks.iter().any(|check| check.resources.is_none()) {
        return Vec::new();
    }
    let catalogs: Vec<_> = checks.iter_mut().filter_map(|check| check.catalog.take()).collect();
    let mut found = site.check_fleet(&catalogs);
    found.extend(site.lint());
    let parts: Vec<_> = hosts.iter().zip(checks.iter()).map(|(host, check)| (host.as_str(), &check.cluster)).collect();
    found.extend(site.lint_clusters(&parts));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[&str], lints: &[&str]) -> HostCheck {
        let place = std::sync::Arc::from("site.kdl");
        let say = |texts: &[&str]| texts.iter().map(|text| Diagnostic::warning("KE0000", *text).at(&place, 0..1, "")).collect();
        HostCheck { found: say(found), lints: say(lints), ..HostCheck::default() }
    }

    #[test]
    fn the_same_is_said_once_and_a_lint_once_at_a_place() {
        let mut findings = Findings::default();
        findings.take(&mut [check(&["a", "b"], &["of h1"]), check(&["a"], &["of h2"])]);
        findings.take(&mut [check(&["b", "c"], &[])]);
        let said: Vec<_> = findings.into_diagnostics().into_iter().map(|one| one.message).collect();
        assert_eq!(said, ["a", "b", "of h1", "c"]);
    }
}
