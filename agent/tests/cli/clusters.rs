//! Mistakes in what a site says of a cluster, which only the real types and the stock modules know.

use std::sync::Arc;

use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};

/// What a check says of one host with these statements: the code, the sentence and what to try.
fn said(body: &str) -> Vec<String> {
    let manifest = format!("group all {{\n{body}\n}}\n");
    let files = MemoryFiles::new([("inventory/hosts.toml", "[hosts.h]\n"), ("manifests/site.kdl", manifest.as_str())]);
    let (site, mut found) = Site::load(Arc::new(files), LoadOptions::default(), keel_resources::declared());
    found.extend(site.unwrap().compile("h").diagnostics);
    found.into_iter().map(|found| format!("{} {}; {}", found.code, found.message, found.help.join("; "))).collect()
}

#[test]
fn an_id_is_given_once_in_a_cluster_whatever_it_names() {
    let web = "pcmk_primitive web agent=\"systemd:nginx\"";
    let group = "pcmk_primitive vip agent=\"ocf:heartbeat:IPaddr2\"\n pcmk_group web { members vip; require (pcmk_primitive)web; }";
    assert_eq!(
        said(&format!("{web}\n{group}")),
        ["KE0704 pcmk_primitive \"web\" and pcmk_group \"web\" have the same id web, and all ids of a cluster are one name space; \
             give one of them another id"]
    );
    // What leaves makes room.
    assert_eq!(said(&format!("{web} ensure=absent\n{group}")), Vec::<String>::new());
    // A user's name is no id.
    assert_eq!(said(&format!("{web}\npcmk_acl web kind=user {{ roles r; }}\npcmk_acl r kind=role")), Vec::<String>::new());
}

#[test]
fn a_member_without_an_address_is_named_with_the_network_that_lacks_it() {
    let site = |links: &str| said(&format!("use corosync {{ ids {{ h 1; i 2; }}\n links {{ {links} }}\n}}"));
    assert_eq!(site("- h=\"10.0.0.1\" i=\"10.0.0.2\""), Vec::<String>::new());
    let found = site("- h=\"10.0.0.1\" i=\"10.0.0.2\"\n - h=\"10.0.1.1\"");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("i has a node id and no address in network 2 of `links`, in the cluster cluster"), "{found:?}");
}
