//! Hosts without recorded facts, in a site that uses facts.

use super::mentions::Mentions;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::selector::Selector;
use crate::site::Site;

/// How many hosts are named.
const NAMED_MAX: usize = 5;

pub(super) fn check(site: &Site, mentions: &Mentions) -> Vec<Diagnostic> {
    let without: Vec<&str> = site.hosts().filter(|host| site.data.facts.of(host).is_none()).collect();
    let used = mentions.have("facts") || site.selectors().any(Selector::reads_facts);
    let (Some(first), true) = (without.first(), used) else { return Vec::new() };
    let named = without.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let message = match without.len() {
        1 => format!("{named} has no recorded facts"),
        count if count <= NAMED_MAX => format!("{count} hosts have no recorded facts: {named}"),
        count => format!("{count} hosts have no recorded facts: {named} and {} more", count - NAMED_MAX),
    };
    let help = format!("on each, `keel facts > facts/{first}.json`; or let `profile = \"FILE\"` in keel.toml assume some");
    vec![Diagnostic::note(codes::MISSING_FACTS, message).help(help)]
}
