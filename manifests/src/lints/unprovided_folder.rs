//! A file in a folder that no resource makes, no package beside it can bring, and no bare system has.

use std::collections::{BTreeSet, HashSet};

use keel_engine::catalog::{Catalog, Resource};
use keel_engine::value::Value;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::site::Site;

/// Folders of every Debian system, with what stands right in them.
#[rustfmt::skip]
const OF_THE_SYSTEM: [&str; 48] = [
    "/", "/boot", "/etc", "/etc/apt", "/etc/apt/apt.conf.d", "/etc/apt/keyrings", "/etc/apt/preferences.d", "/etc/apt/sources.list.d",
    "/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.monthly", "/etc/cron.weekly", "/etc/default", "/etc/init.d",
    "/etc/logrotate.d", "/etc/modprobe.d", "/etc/modules-load.d", "/etc/network", "/etc/pam.d", "/etc/profile.d", "/etc/security",
    "/etc/security/limits.d", "/etc/skel", "/etc/ssl", "/etc/ssl/certs", "/etc/ssl/private", "/etc/sudoers.d", "/etc/sysctl.d",
    "/etc/systemd", "/etc/systemd/network", "/etc/systemd/system", "/etc/tmpfiles.d", "/etc/udev/rules.d", "/home", "/media", "/mnt",
    "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local/bin", "/usr/local/sbin", "/var/cache", "/var/lib", "/var/log", "/var/tmp",
];

pub(super) fn check(site: &Site, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut provided: BTreeSet<&str> = OF_THE_SYSTEM.into_iter().collect();
    provided.extend(catalog.resources.iter().map(|resource| &*resource.address.title).filter(|title| title.starts_with('/')));
    let packaged: HashSet<Option<usize>> =
        catalog.resources.iter().filter(|one| &*one.address.type_name == "package").map(|one| one.container).collect();
    let mut found = Vec::new();
    for resource in catalog.resources.iter().filter(|one| is_present_file(one)) {
        let Some((folder, _)) = resource.address.title.rsplit_once('/') else { continue };
        let folder = if folder.is_empty() { "/" } else { folder };
        if provided.contains(folder) || around(catalog, resource).any(|container| packaged.contains(&container)) {
            continue;
        }
        found.push(say(site, catalog, resource, folder));
    }
    found
}

fn is_present_file(resource: &Resource) -> bool {
    let gone = resource.attributes.get("ensure").and_then(Value::as_str) == Some("absent");
    &*resource.address.type_name == "file" && !gone
}

/// The containers that a resource stands in, the innermost first, and what stands in none.
fn around<'c>(catalog: &'c Catalog, resource: &Resource) -> impl Iterator<Item = Option<usize>> + use<'c> {
    let mut next = Some(resource.container);
    std::iter::from_fn(move || {
        let container = next?;
        next = container.map(|position| catalog.containers.get(position).and_then(|one| one.parent));
        Some(container)
    })
}

fn say(site: &Site, catalog: &Catalog, resource: &Resource, folder: &str) -> Diagnostic {
    let message = format!("nobody provides the folder {folder} of {}", resource.address);
    let mut diagnostic = Diagnostic::note(codes::UNPROVIDED_FOLDER, message);
    diagnostic.host = Some(catalog.host.clone());
    let diagnostic = match site.locate(catalog, resource.origin) {
        Some((file, span)) => diagnostic.at(&file, span, "this file"),
        None => diagnostic,
    };
    diagnostic.help(format!("declare it, `file \"{folder}\" ensure=directory`, or the package that brings it in the same module"))
}
