//! A whole site through the compiler: the manifest is the input, host, groups, variables and template are given.
#![no_main]

use std::sync::Arc;

use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};
use keel_manifests::sources::Extent;
use libfuzzer_sys::fuzz_target;

const SITE: [(&str, &str); 4] = [
    ("keel.toml", "name = \"fuzz\"\n"),
    ("inventory/hosts.toml", "[hosts.h]\naddress = \"10.0.0.1\"\ngroups = [\"db\"]\n[hosts.h.vars]\nlist = [1, 2]\n[hosts.i]\n"),
    ("inventory/groups/db.toml", "[groups.db]\ntier = \"custom\"\n[groups.db.vars]\nx = \"{{ host.name }}\"\n"),
    ("templates/t.j2", "{% for i in list %}{{ i }} {{ x }}\n{% endfor %}"),
];

fuzz_target!(|bytes: &[u8]| {
    let mut files = MemoryFiles::new(SITE);
    files.insert("manifests/site.kdl", bytes);
    let options = LoadOptions { extent: Extent::All, ..LoadOptions::default() };
    let (site, _) = Site::load(Arc::new(files), options, keel_resources::declared());
    let Some(site) = site else { return };
    for host in ["h", "i"] {
        let (one, other) = (site.compile(host), site.compile(host));
        let id = |compiled: &keel_manifests::compile::Compiled| compiled.catalog.as_ref().and_then(|catalog| catalog.id().ok());
        assert_eq!(id(&one), id(&other), "the same inputs make the same catalog");
    }
});
