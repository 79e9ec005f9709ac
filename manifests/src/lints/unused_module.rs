//! A module of the site that nobody uses.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::library::LIBRARY_FOLDER;
use crate::site::Site;

pub(super) fn check(site: &Site) -> Vec<Diagnostic> {
    let unused = site.sources.unused.iter().filter_map(|name| site.sources.module(name));
    let own = unused.filter(|(place, _)| !place.folder.starts_with(LIBRARY_FOLDER));
    let found = own.filter_map(|(place, module)| {
        let source = site.sources.all.get(place.source)?;
        let diagnostic = Diagnostic::warning(codes::UNUSED_MODULE, format!("nobody uses the module `{}`", module.name.text));
        let help = format!("`use {}` for a host or a group, or remove it", module.name.text);
        Some(diagnostic.at(&source.path, module.name.span.into(), "declared here").help(help))
    });
    found.collect()
}
