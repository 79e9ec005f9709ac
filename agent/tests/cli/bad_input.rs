//! Rows of the catalogue of bad input that only the real resource types know: each is refused with its code, before
//! anything is done.

use std::sync::Arc;

use keel_manifests::files::MemoryFiles;
use keel_manifests::site::{LoadOptions, Site};

/// The codes of what a check says of one host with these statements.
fn codes(body: &str) -> Vec<&'static str> {
    let manifest = format!("group all {{\n{body}\n}}\n");
    let files = MemoryFiles::new([("inventory/hosts.toml", "[hosts.h]\n"), ("manifests/site.kdl", manifest.as_str())]);
    let (site, mut found) = Site::load(Arc::new(files), LoadOptions::default(), keel_resources::declared());
    found.extend(site.unwrap().compile("h").diagnostics);
    found.into_iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn what_no_host_should_have_is_refused_with_its_code() {
    let long_component = format!("file \"/{}\"", "x".repeat(256));
    let long_path = format!("file \"{}\"", "/x".repeat(2049));
    let long_user = format!("user {} uid=1", "u".repeat(33));
    let rows: &[(&str, &str, &str)] = &[
        ("M19", "file \"/a\" mode=0o99", "KE0113"),
        ("M19", "file \"/a\" mode=644", "KE0241"),
        ("M20", "file \"/a\" mode=\"4755\"", "KE0215"),
        ("M20", "file \"/a\" mode=0o4755", "KE0215"),
        ("M59", "file relative", "KE0215"),
        ("M59", "file \"\"", "KE0229"),
        ("M59", "file \"/\" ensure=absent", "KE0215"),
        ("M59", "file \"/a/../b\"", "KE0215"),
        ("M59", &long_component, "KE0215"),
        ("M59", &long_path, "KE0215"),
        ("M60", "file \"/proc/sys/vm/swappiness\" content=\"1\"", "KE0215"),
        ("M60", "file \"/sys/x\" content=\"1\"", "KE0215"),
        ("M60", "file \"/dev/sda\" content=\"1\"", "KE0215"),
        ("M61", "file \"/var/lib/keel/state\" content=\"1\"", "KE0215"),
        ("M63", "user \"root\\n\" uid=1", "KE0229"),
        ("M63", "user \"-rf\" uid=1", "KE0215"),
        ("M63", "user \"../x\" uid=1", "KE0215"),
        ("M63", &long_user, "KE0215"),
        ("M64", "package \"nginx; rm -rf /\"", "KE0215"),
        ("M64", "package \"--force\"", "KE0215"),
        ("M65", "exec x command=\"/bin/true\"", "KE0215"),
        ("M66", "service a timeout=\"-1s\"", "KE0215"),
        ("M66", "service a timeout=1000000000", "KE0215"),
        ("M67", "line \"/a\" line=\"x\" match=\"(\\\\w{1000}){1000}\"", "KE0215"),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(row, body, code)| {
            let found = codes(body);
            (found != [*code]).then(|| format!("{row}: {body:.60}: {found:?}, not {code}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn puppet_s_words_are_told_apart_from_mistakes() {
    for good in [
        "line \"/etc/x\" line=\"x\" before=\"^y\"",
        "exec x command=\"/bin/true\" always=#true",
        "file \"/a\" mode=\"4755\" allow_setuid=#true",
    ] {
        assert_eq!(codes(good), [] as [&str; 0], "{good}");
    }
    for foreign in ["package nginx ensure=\"1.22.1-9\"", "service nginx ensure=started"] {
        assert_eq!(codes(foreign), ["KE0215"], "{foreign}");
    }
    assert_eq!(codes("file \"/a\" src=\"x\""), ["KE0214"]);
}
