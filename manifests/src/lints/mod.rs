//! Lints: what compiles and is probably not meant. One file each; `lints` in keel.toml says how seriously each
//! finding is taken, by its code.

mod clusters;
mod mentions;
mod missing_facts;
mod plain_secret;
mod shadowed_name;
mod unprovided_folder;
mod unused_module;
mod unused_variable;

use keel_engine::catalog::Catalog;

use crate::cluster_part::ClusterPart;
use crate::codes;
use crate::config::LintLevel;
use crate::diagnostic::{Diagnostic, Severity, did_you_mean, sort};
use crate::site::Site;
use mentions::Mentions;

/// Looks through the catalog of a host.
pub(crate) fn check_catalog(site: &Site, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut found = unprovided_folder::check(site, catalog);
    found.extend(plain_secret::check(site, catalog));
    found
}

/// Looks through a site.
pub(crate) fn check(site: &Site) -> Vec<Diagnostic> {
    let mentions = Mentions::of(site);
    let mut found = unused_module::check(site);
    found.extend(unused_variable::check(site, &mentions));
    found.extend(shadowed_name::check(site));
    found.extend(missing_facts::check(site, &mentions));
    found.extend(unknown_codes(site));
    sort(&mut found);
    found
}

/// Looks through what all hosts' catalogs say of clusters.
pub(crate) fn check_clusters(parts: &[(&str, &ClusterPart)]) -> Vec<Diagnostic> {
    clusters::check(parts)
}

/// Gives findings the levels that the site wants. An error stays one: it stands in the way of a catalog, and where the
/// site wants less, that is said.
pub(crate) fn levelled(site: &Site, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let lints = &site.data.config.lints;
    let level = |mut diagnostic: Diagnostic| {
        let wanted = lints.get(diagnostic.code);
        if diagnostic.is_error() && wanted.is_some_and(|level| *level != LintLevel::Error) {
            diagnostic.help.push(format!("what `lints` in keel.toml says of {} does not hold for an error", diagnostic.code));
        }
        diagnostic.severity = match wanted {
            _ if diagnostic.is_error() => Severity::Error,
            Some(LintLevel::Ignore) => return None,
            Some(LintLevel::Note) => Severity::Note,
            Some(LintLevel::Warning) => Severity::Warning,
            Some(LintLevel::Error) => Severity::Error,
            None => diagnostic.severity,
        };
        Some(diagnostic)
    };
    found.into_iter().filter_map(level).collect()
}

/// A level for a code that does not exist means nothing, and nobody would notice.
fn unknown_codes(site: &Site) -> impl Iterator<Item = Diagnostic> {
    let unknown = site.data.config.lints.keys().filter(|code| codes::find(code).is_none());
    unknown.map(|code| {
        let near = did_you_mean(code, codes::all().map(|known| known.code));
        let diagnostic = Diagnostic::warning(codes::UNKNOWN_KEY, format!("`lints` in keel.toml names {code}, which is no code"));
        diagnostic.help(near.unwrap_or_else(|| "codes look like KE0801, and stand in every message".to_owned()))
    })
}
