//! What the program says of itself is true: every command has an example, those on the pages of resource types
//! compile, and the words of other tools lead to attributes that exist.

use std::sync::Arc;

use keel_engine::resource::Types;
use keel_manifests::files::MemoryFiles;
use keel_manifests::foreign_words;
use keel_manifests::site::{LoadOptions, Site};

use crate::stage::Stage;

/// The examples of a doc comment: its indented paragraphs.
fn examples(doc: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in doc.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match line.strip_prefix("    ") {
            Some(code) if inside => found.iter_mut().last().unwrap().push_str(&format!("{code}\n")),
            Some(code) => found.push(format!("{code}\n")),
            None => {}
        }
        inside = line.starts_with("    ");
    }
    found
}

/// What is wrong with an example, in a site that has the files it speaks of.
fn complaints(example: &str) -> Vec<String> {
    let manifest = format!("group all {{\n{example}}}\n");
    let files = MemoryFiles::new([
        ("inventory/hosts.toml", "[hosts.h]\n"),
        ("manifests/site.kdl", manifest.as_str()),
        ("templates/app.conf.j2", "x = 1\n"),
        ("files/www/index.html", "x\n"),
        ("secrets/users.toml", "ada = 'age:AAAA'\n"),
        ("templates/firewall.nft.j2", "table inet a {\n}\n"),
        ("templates/logrotate.j2", "/var/log/x {\n}\n"),
        ("templates/sudoers.j2", "ada ALL=(ALL) ALL\n"),
        ("secrets/pki.toml", "ca-key = 'age:AAAA'\n"),
        ("secrets/pip.toml", "index-with-password = 'age:AAAA'\n"),
        ("secrets/git.toml", "deploy = 'age:AAAA'\n"),
        ("secrets/mysql.toml", "root = 'age:AAAA'\n"),
        ("secrets/shop.toml", "mysql = 'age:AAAA'\n"),
        ("secrets/db.toml", "replica = 'age:AAAA'\n"),
        ("secrets/nova.toml", "transport-url = 'age:AAAA'\n"),
    ]);
    let (site, mut found) = Site::load(Arc::new(files), LoadOptions::default(), keel_resources::declared());
    found.extend(site.unwrap().compile("h").diagnostics);
    found.into_iter().map(|diagnostic| format!("{}: {} {:?}", diagnostic.code, diagnostic.message, diagnostic.help)).collect()
}

#[test]
fn every_example_on_a_reference_page_compiles() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for schema in keel_resources::declared().schemas() {
        assert!(!examples(schema.doc).is_empty(), "the page of `{}` has no example", schema.name);
        for doc in std::iter::once(schema.doc).chain(schema.attributes.iter().map(|attribute| attribute.doc)) {
            for example in examples(doc) {
                seen += 1;
                wrong.extend(complaints(&example).into_iter().map(|complaint| format!("{}:\n{example}{complaint}", schema.name)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "{seen}");
}

#[test]
fn words_of_other_tools_lead_to_attributes() {
    let schemas = keel_resources::declared().schemas();
    for word in foreign_words::all().iter().filter(|word| !word.type_name.is_empty()) {
        let schema = schemas.iter().find(|schema| schema.name == word.type_name).unwrap_or_else(|| panic!("{word:?}"));
        assert!(word.here.is_none_or(|here| schema.attribute(here).is_some()), "{word:?}");
        for foreign in word.foreign {
            assert!(schema.attribute(foreign).is_none(), "`{}` has `{foreign}` itself", schema.name);
        }
    }
}

/// Commands that have no example in their help, by their names.
fn without_example(command: &clap::Command, names: &str, found: &mut Vec<String>) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        let names = format!("{names} {}", inner.get_name());
        let after = inner.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !after.starts_with(&format!("Example:\n  {names}")) && inner.get_subcommands().next().is_none() {
            found.push(names.clone());
        }
        without_example(inner, &names, found);
    }
}

#[test]
fn the_help_of_every_command_has_an_example_of_it() {
    let mut found = Vec::new();
    without_example(&keel_agent::cli::command(), "keel", &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_stock_module_has_a_page_with_its_parameters() {
    let stage = Stage::new("group g");
    for module in keel_manifests::library::modules() {
        let page = stage.keel(&["doc", module]).expect(0).out;
        assert!(page.starts_with(&format!("module {module}\n\n")) && page.contains("\n    "), "{page}");
    }
    let members = stage.keel(&["doc", "galera.members"]).expect(0).out;
    assert!(members.starts_with("members  map<string>, required\n    The address"), "{members}");
    let port = stage.keel(&["doc", "galera.report_port"]).expect(0).out;
    assert!(port.starts_with("report_port  port, default 4569\n"), "{port}");
    let odd = stage.keel(&["doc", "galera.member"]).expect(64).err;
    assert!(odd.contains("module galera has no parameter member") && odd.contains("members"), "{odd}");
    assert!(stage.keel(&["doc", "keepalive"]).expect(64).err.contains("keepalived"));
}
