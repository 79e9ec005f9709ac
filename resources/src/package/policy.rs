//! What apt could install: the output of `apt-cache policy`.

use std::collections::BTreeMap;

/// The versions of one package that apt knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Available {
    /// The one that apt would take.
    pub(super) candidate: Option<String>,
    /// All that are not forbidden by a negative priority, as apt lists them.
    pub(super) versions: Vec<String>,
}

/// Reads the answers for all packages that apt has heard of.
pub(super) fn parse_policy(text: &str) -> BTreeMap<String, Available> {
    let mut packages: BTreeMap<String, Available> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_suffix(':').filter(|title| !title.starts_with(' ')) {
            title.clone_into(&mut name);
            packages.insert(name.clone(), Available::default());
            continue;
        }
        let Some(package) = packages.get_mut(&name) else { continue };
        if let Some(candidate) = line.strip_prefix("  Candidate: ") {
            package.candidate = (candidate != "(none)").then(|| candidate.to_owned());
        } else if let Some((version, priority)) = parse_version(line)
            && priority >= 0
        {
            package.versions.push(version.to_owned());
        }
    }
    packages
}

/// A line of the version table, `     1.2-3 500` or ` *** 1.2-3 100`; deeper lines are its sources.
fn parse_version(line: &str) -> Option<(&str, i64)> {
    let rest = line.strip_prefix(" *** ").or_else(|| line.strip_prefix("     ").filter(|rest| !rest.starts_with(' ')))?;
    let (version, priority) = rest.split_once(' ')?;
    Some((version, priority.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
nginx:
  Installed: (none)
  Candidate: 1.22.1-9+deb12u11
  Version table:
     1.22.1-9+deb12u11 500
        500 http://mirror.example/debian-security bookworm-security/main amd64 Packages
     1.22.1-9+deb12u9 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
libc6:i386:
  Installed: 2.36-8
  Candidate: 2.36-8
  Version table:
     3.0 -1
        500 http://example.org/ x/main amd64 Packages
 *** 2.36-8 100
        100 /var/lib/dpkg/status
ghost:
  Installed: (none)
  Candidate: (none)
  Version table:
";

    #[test]
    fn reads_candidates_and_versions() {
        let packages = parse_policy(POLICY);
        assert_eq!(packages["nginx"].candidate.as_deref(), Some("1.22.1-9+deb12u11"));
        assert_eq!(packages["nginx"].versions, ["1.22.1-9+deb12u11", "1.22.1-9+deb12u9"]);
        assert_eq!(packages["libc6:i386"].versions, ["2.36-8"]);
        assert_eq!(packages["ghost"], Available::default());
        assert!(!packages.contains_key("never-heard-of"));
    }
}
