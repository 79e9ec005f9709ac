//! A small site, and places marked in texts, for the tests of what is said about places.

use std::sync::Arc;

use keel_manifests::cursor::Cursor;
use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};

/// The files of a site with one host, one group and one module.
pub(super) fn files() -> MemoryFiles {
    let module = "module web_server {\n doc \"Serves.\"\n param (port)port default=80 doc=\"Where.\"\n package nginx\n}\n";
    MemoryFiles::new([
        ("keel.toml", "name = \"t\"\n"),
        ("inventory/hosts.toml", "[hosts.web-1]\ngroups = [\"web\"]\n"),
        ("inventory/groups/web.toml", "[vars]\nworkers = 4\n"),
        ("manifests/site.kdl", "group web {\n use web_server port=80\n file \"/etc/x y\" content=x\n}\n"),
        ("modules/web_server/module.kdl", module),
    ])
}

/// That site.
pub(super) fn site() -> Site {
    Site::load(Arc::new(files()), LoadOptions::default(), keel_resources::declared()).0.unwrap()
}

/// The place that `|` marks in a text, as `find` sees it.
pub(super) fn at(marked: &str, find: impl Fn(&str, usize) -> Option<Cursor>) -> Cursor {
    find(&marked.replace('|', ""), marked.find('|').unwrap()).unwrap()
}
