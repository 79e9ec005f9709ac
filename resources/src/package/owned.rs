//! Which files came with packages, by dpkg's lists.

use std::collections::BTreeSet;

use keel_engine::resource::Failure;

use crate::host::Host;

/// Where dpkg keeps a list of files for each package.
const LISTS: &str = "/var/lib/dpkg/info";

/// Those of these paths that a package brought.
///
/// # Errors
/// A list cannot be read.
pub fn owned(host: &Host, paths: &BTreeSet<&str>) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    if paths.is_empty() {
        return Ok(found);
    }
    for entry in host.list(LISTS)?.unwrap_or_default() {
        let name = entry.name.to_string_lossy();
        if name.ends_with(".list") {
            let bytes = host.read(format!("{LISTS}/{name}"))?.unwrap_or_default();
            found.extend(String::from_utf8_lossy(&bytes).lines().filter(|line| paths.contains(line)).map(str::to_owned));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn what_a_list_names_is_a_packages() {
        let trial = Trial::new();
        trial.write("/var/lib/dpkg/info/apt.list", "/.\n/etc/logrotate.d/apt\n");
        trial.write("/var/lib/dpkg/info/apt.md5sums", "/etc/logrotate.d/other\n");
        let paths = BTreeSet::from(["/etc/logrotate.d/apt", "/etc/logrotate.d/other"]);
        assert_eq!(owned(&trial.host, &paths).unwrap(), BTreeSet::from(["/etc/logrotate.d/apt".to_owned()]));
    }
}
