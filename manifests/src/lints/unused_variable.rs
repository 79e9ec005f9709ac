//! A variable of the inventory that no manifest, template or expression mentions.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::mentions::Mentions;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::site::Site;

/// How many places of one variable are shown.
const PLACES_MAX: usize = 3;

/// A file, and where in it a variable is set.
type Setting = (Arc<str>, Range<usize>);

pub(super) fn check(site: &Site, mentions: &Mentions) -> Vec<Diagnostic> {
    let inventory = &site.data.inventory;
    let mut places: BTreeMap<&str, Vec<Setting>> = BTreeMap::new();
    let groups = inventory.groups().map(|group| (&group.vars, &group.source));
    let hosts = inventory.hosts().map(|host| (&host.vars, &host.place.source));
    for (vars, source) in groups.chain(hosts) {
        for (name, entry) in vars.iter().filter(|(name, _)| !mentions.have(name)) {
            places.entry(name).or_default().push((Arc::clone(&source.path), entry.key_span.clone()));
        }
    }
    places.into_iter().map(|(name, places)| say(name, &places)).collect()
}

fn say(name: &str, places: &[Setting]) -> Diagnostic {
    let diagnostic = Diagnostic::warning(codes::UNUSED_VARIABLE, format!("nothing uses the variable `{name}`"));
    let shown = places.iter().take(PLACES_MAX);
    let diagnostic = shown.fold(diagnostic, |diagnostic, (file, span)| diagnostic.at(file, span.clone(), "set here"));
    diagnostic.help("remove it, or look whether the name that a manifest uses is spelt otherwise")
}
