//! One catalog of 500 templated files, compiled by `keel compile` and by Puppet on the same machine, each in a process of
//! its own. The two sites say the same: 50 modules with a parameter that is looked up, ten files each.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::fleet_site::write;
use crate::measure::{cost, in_turns};
use crate::table::{Row, say};

const MODULES: usize = 50;
const FILES: usize = 10;
const HOST: &str = "bench";

/// Compiles in turns; says so where there is no Puppet.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let [site, environments, state] = ["site", "environments", "state"].map(|name| scratch.path().join(name));
    write(&site, keel_site())?;
    write(&environments.join("production"), puppet_site())?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let program = text(keel);
    let own = || cost(&[&program, "compile", &text(&site), "--host", HOST]);
    let Some(puppet) = puppet() else {
        say("no Puppet on this machine (apt-get install puppet-agent, or KEEL_PUPPET=FILE): its catalog is not compiled")?;
        return Ok(Vec::new());
    };
    let [conf, var] = ["conf", "var"].map(|name| text(&state.join(name)));
    let (puppet, environments) = (text(&puppet), text(&environments));
    let peer = || {
        let places = ["--confdir", &conf, "--vardir", &var, "--environmentpath", &environments, "--environment", "production"];
        let words = [&[puppet.as_str(), "catalog", "compile", HOST, "--render-as", "json", "--log_level", "err"][..], &places[..]].concat();
        cost(&words)
    };
    Ok(vec![Row::ratio("a catalog of 500 templated files, against Puppet's compile", in_turns(peer, own)?, 0.1)])
}

/// The program that `KEEL_PUPPET` names, else the one on the path; none if it does not run.
fn puppet() -> Option<PathBuf> {
    let program = std::env::var_os("KEEL_PUPPET").map_or_else(|| PathBuf::from("puppet"), PathBuf::from);
    let tried = Command::new(&program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success()).then_some(program)
}

fn keel_site() -> Vec<(String, String)> {
    let ports: String = (0..MODULES).map(|number| format!("[vars.app{number}]\nport = {}\n", 9000 + number)).collect();
    let uses: String = (0..MODULES).map(|number| format!("    use app{number}\n")).collect();
    let mut files = vec![
        ("keel.toml".to_owned(), "name = \"bench\"\n".to_owned()),
        ("inventory/hosts.toml".to_owned(), format!("[hosts.{HOST}]\n")),
        ("inventory/groups/all.toml".to_owned(), ports),
        ("manifests/site.kdl".to_owned(), format!("host \"{HOST}\" {{\n{uses}}}\n")),
    ];
    for number in 0..MODULES {
        let each: String = (0..FILES)
            .map(|file| format!("    file \"/etc/app{number}/{file}.conf\" mode=\"0644\" {{\n        template \"app.conf.j2\"\n    }}\n"))
            .collect();
        let folder = format!("    file \"/etc/app{number}\" ensure=directory\n");
        files.push((format!("modules/app{number}/module.kdl"), format!("module app{number} {{\n    param (int)port\n{folder}{each}}}\n")));
        files.push((format!("modules/app{number}/templates/app.conf.j2"), "port {{ port }}\nhost {{ host.name }}\n".to_owned()));
    }
    files
}

fn puppet_site() -> Vec<(String, String)> {
    let ports: String = (0..MODULES).map(|number| format!("app{number}::port: {}\n", 9000 + number)).collect();
    let uses: String = (0..MODULES).map(|number| format!("  include app{number}\n")).collect();
    let hiera = "version: 5\nhierarchy:\n  - name: common\n    path: common.yaml\n    datadir: data\n    data_hash: yaml_data\n";
    let mut files = vec![
        ("hiera.yaml".to_owned(), hiera.to_owned()),
        ("data/common.yaml".to_owned(), format!("---\n{ports}")),
        ("manifests/site.pp".to_owned(), format!("node default {{\n{uses}}}\n")),
    ];
    for number in 0..MODULES {
        let each: String = (0..FILES)
            .map(|file| {
                format!("  file {{ '/etc/app{number}/{file}.conf': mode => '0644', content => template('app{number}/app.conf.erb') }}\n")
            })
            .collect();
        let folder = format!("  file {{ '/etc/app{number}': ensure => directory }}\n");
        files.push((format!("modules/app{number}/manifests/init.pp"), format!("class app{number} (Integer $port) {{\n{folder}{each}}}\n")));
        files.push((
            format!("modules/app{number}/templates/app.conf.erb"),
            "port <%= @port %>\nhost <%= @trusted['certname'] %>\n".to_owned(),
        ));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sites_have_the_same_files() {
        let count = |files: &[(String, String)], word: &str| files.iter().map(|(_, text)| text.matches(word).count()).sum::<usize>();
        assert_eq!(count(&keel_site(), "template \"app.conf.j2\""), MODULES * FILES);
        assert_eq!(count(&puppet_site(), "template('app"), MODULES * FILES);
        assert_eq!((count(&keel_site(), "ensure=directory"), count(&puppet_site(), "ensure => directory")), (MODULES, MODULES));
    }
}
