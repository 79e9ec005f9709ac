//! A host as hosts are: packages, services, users, groups, templated files and edited lines, with
//! relations between them, on a real Debian in the lab.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keel_tests::lab::{Image, Lab, why_not};

use crate::Result;
use crate::files::write_site;
use crate::measure::{cost, in_turns, loop_cost};
use crate::table::Row;

/// How old the files of an unchanged site are.
const SETTLED: Duration = Duration::from_secs(3);
const PACKAGES: usize = 50;
const SERVICES: usize = 20;
const ACCOUNTS: usize = 20;
const FILES: usize = 200;
const LINES: usize = 100;

/// Measures in a node of the lab; no row where there can be no lab.
pub(crate) fn rows(keel: &Path) -> Result<Vec<Row>> {
    if let Some(reason) = why_not() {
        std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: the mixed run: {reason}\n").as_bytes())?;
        return Ok(Vec::new());
    }
    let lab = Lab::up(&["n1"], &Image::bare())?;
    let node = lab.node("n1");
    node.copy_in(keel, "/usr/local/bin/keel")?;
    node.copy_in(&std::env::current_exe()?, "/usr/local/bin/bench")?;
    let status = node.inside()?.args(["bench", "mixed-here", "/usr/local/bin/keel"]).status()?;
    // The node has printed its own rows.
    if status.success() { Ok(Vec::new()) } else { Err("the mixed run failed".into()) }
}

/// Makes the site out of what this host has, converges it and measures.
pub(crate) fn rows_here(keel: &Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let site = folder.path().join("site");
    write_site(&site, &manifest()?)?;
    std::fs::create_dir_all(site.join("modules/mixed/templates"))?;
    std::fs::write(site.join("modules/mixed/module.kdl"), module())?;
    std::fs::write(site.join("modules/mixed/templates/file.j2"), "number = {{ i }}\n{% if i > 3 %}large = true\n{% endif %}")?;
    let (keel, site) = (keel.to_string_lossy(), site.to_string_lossy());
    let apply = || cost(&[&keel, "apply", &site, "--host", "bench"]);
    apply()?;
    // A site of this moment is compiled again by every run, because the times of its files could hide a change.
    std::thread::sleep(SETTLED);
    let mixed = in_turns(|| loop_cost("state", "/srv/mixed".as_ref(), &FILES.to_string()), apply)?;
    Ok(vec![Row::ratio("mixed no-op, against reading the same state", mixed, 5.0)])
}

fn manifest() -> Result<String> {
    let mut text = String::from("group all {\n    use mixed\n");
    let packages = said(&["dpkg-query", "-W", "-f", "${Package}\n"])?;
    for package in packages.lines().take(PACKAGES) {
        writeln!(text, "    package \"{package}\"")?;
    }
    let units = said(&["systemctl", "list-units", "--all", "--type=service", "--plain", "--no-legend"])?;
    for unit in units.lines().take(SERVICES) {
        let words: Vec<&str> = unit.split_whitespace().collect();
        let (Some(name), Some(active)) = (words.first(), words.get(2)) else { continue };
        // A unit as it is now: this measures looking at it.
        let ensure = if *active == "active" { "running" } else { "stopped" };
        writeln!(text, "    service \"{name}\" ensure={ensure}")?;
    }
    text.push_str("}\n");
    Ok(text)
}

fn module() -> String {
    format!(
        r##"module mixed {{
    for i in="range({ACCOUNTS})" {{
        group "team{{{{ i }}}}" gid="{{{{ 3000 + i }}}}"
        user "user{{{{ i }}}}" uid="{{{{ 3000 + i }}}}" gid="team{{{{ i }}}}" home="/home/user{{{{ i }}}}"
    }}
    file "/srv/mixed" ensure=directory
    for i in="range({FILES})" {{
        file "/srv/mixed/f{{{{ i }}}}" mode="0644" {{
            template "file.j2"
            require (group)team0
        }}
    }}
    for i in="range({LINES})" {{
        line "number {{{{ i }}}}" path="/srv/mixed/lines{{{{ i // 10 }}}}" line="number {{{{ i }}}}" create=#true
    }}
}}
"##
    )
}

fn said(command: &[&str]) -> Result<String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    Ok(String::from_utf8(Command::new(program).args(arguments).output()?.stdout)?)
}
