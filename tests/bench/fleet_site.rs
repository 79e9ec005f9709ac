//! A site of 50 modules for a large fleet, as people have them: hosts in racks, and variables at every tier.

use std::fmt::Write;
use std::path::Path;

use crate::Result;

/// How many modules there are; every host uses all of them.
const MODULES: usize = 50;
/// How many hosts a rack holds.
const PER_RACK: usize = 200;

/// A part of what a host says of itself; the manifests ask for more than it has nowhere.
const FACTS: &str = "{ \"cpus\": 2, \"os\": { \"family\": \"debian\" } }\n";

/// The file of a rack's variables, of which a line is changed.
pub(crate) const RACK: &str = "inventory/groups/rack-0.toml";

/// All files of a site with so many hosts, by their paths; each host has 200 resources.
pub(crate) fn files(hosts: usize) -> Vec<(String, String)> {
    let racks = hosts.div_ceil(PER_RACK);
    let mut files = vec![
        ("keel.toml".to_owned(), "name = \"fleet\"\n".to_owned()),
        ("inventory/hosts.toml".to_owned(), inventory(hosts)),
        ("inventory/groups/all.toml".to_owned(), "[vars]\nword = \"fleet\"\nworkers = \"{{ facts.cpus * 2 }}\"\n".to_owned()),
        ("manifests/site.kdl".to_owned(), root()),
    ];
    files.extend((0..racks).map(|rack| (format!("inventory/groups/rack-{rack}.toml"), variables(rack))));
    files.extend((0..hosts).map(|number| (format!("facts/{}.json", host(number)), FACTS.to_owned())));
    for number in 0..MODULES {
        files.push((format!("modules/app{number}/module.kdl"), module(number)));
        files.push((format!("modules/app{number}/templates/app.conf.j2"), TEMPLATE.to_owned()));
    }
    files
}

/// Writes files below a folder.
pub(crate) fn write(folder: &Path, files: Vec<(String, String)>) -> Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn host(number: usize) -> String {
    format!("host-{number:05}")
}

fn inventory(hosts: usize) -> String {
    let mut text = String::new();
    for number in 0..hosts {
        let (rack, high, low) = (number / PER_RACK, number / 250, number % 250 + 1);
        // Writing to a string does not fail.
        let _ = writeln!(text, "[hosts.{}]\naddress = \"10.1.{high}.{low}\"\ngroups = [\"rack-{rack}\"]", host(number));
    }
    text
}

fn variables(rack: usize) -> String {
    format!("tier = \"idc\"\n[vars]\nresolver = \"10.2.{rack}.53\"\n")
}

fn root() -> String {
    let uses = (0..MODULES).map(|number| format!("    use app{number} port={}\n", 9000 + number));
    format!("group all {{\n{}}}\n", uses.collect::<String>())
}

fn module(number: usize) -> String {
    format!(
        "module app{number} {{\n    param (int)port\n    package app{number}\n    file \"/etc/app{number}.conf\" mode=\"0644\" {{\n        \
         template \"app.conf.j2\"\n        require (package)app{number}\n        notify (service)app{number}\n    }}\n    \
         file \"/etc/app{number}.own\" content=\"{{{{ host.name }}}} {{{{ host.address }}}}\\n\" mode=\"0644\"\n    \
         service app{number} ensure=running {{\n        require (package)app{number}\n    }}\n}}\n"
    )
}

const TEMPLATE: &str = "port {{ port }}\nresolver {{ resolver }}\nworkers {{ workers }}\nword {{ word }}\n";
