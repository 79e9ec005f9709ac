//! What each type and each relation does on a real host, seen from outside: a table of rows, each with
//! the exit code of every run and what is on the host afterwards.
//!
//! Some behaviours of Puppet's have no row. A resource that a schedule's `period` lets change once a day only: here
//! everything is looked at in every run, and what is done by the clock is a job or a timer. Other ways to compare
//! files than by all their bytes: reading them costs next to nothing. Sources behind `http://`: `archive` has them,
//! and a site's own files come with its catalog. `tidy`: systemd clears folders by age, with a file in
//! `/etc/tmpfiles.d`.

mod accounts;
mod commands;
mod files;
mod order;
mod settings;
mod system;
mod values;

use keel_tests::lab::{Image, Lab};

use crate::host::Host;

/// One row: what it shows, and the steps that show it.
pub(crate) struct Row {
    says: &'static str,
    steps: &'static [Step],
}

/// A row of the table.
pub(crate) const fn row(says: &'static str, steps: &'static [Step]) -> Row {
    Row { says, steps }
}

/// What is done in a row, in order.
pub(crate) enum Step {
    /// A script on the host that has to succeed.
    Sh(&'static str),
    /// From here on the site has these statements.
    Site(&'static str),
    /// keel with these arguments, the site and this exit code.
    Keel(&'static str, i32),
    /// The last run said this.
    Said(&'static str),
    /// The last run did not say this.
    NotSaid(&'static str),
}

/// A run of `keel apply` over these statements that ends with this code.
pub(crate) use Step::{Keel, NotSaid, Said, Sh, Site};

const APPLY: &str = "apply";

/// Goes through all rows on one host and names each that does not hold.
fn check(rows: &[Row], image: &Image) {
    let Some(lab) = Lab::for_test(&["n1"], image) else { return };
    let host = Host::new(&lab, "n1");
    host.sh("mkdir -p /root/site/inventory /root/site/manifests");
    host.sh("echo 'name = \"rows\"' >/root/site/keel.toml; echo '[hosts.n1]' >/root/site/inventory/hosts.toml");
    let wrong: Vec<String> =
        rows.iter().filter_map(|row| walk(&host, row).err().map(|error| format!("{}\n    {error}", row.says))).collect();
    assert!(wrong.is_empty(), "{} of {} rows do not hold:\n- {}", wrong.len(), rows.len(), wrong.join("\n- "));
}

fn walk(host: &Host, row: &Row) -> Result<(), String> {
    // What an earlier row left owed or enforced is no part of this one.
    host.sh("rm -rf /var/lib/keel /tmp/row; mkdir /tmp/row");
    let mut said = String::new();
    for step in row.steps {
        match step {
            Sh(script) => {
                let ran = host.node.shell(script).map_err(|error| error.to_string())?;
                if !ran.success() {
                    return Err(format!("`{script}` ended with {}: {}{}; keel said:\n{said}", ran.status, ran.stdout, ran.stderr));
                }
            }
            Site(statements) => {
                let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
                let file = folder.path().join("site.kdl");
                std::fs::write(&file, format!("group all {{\n{statements}\n}}\n")).map_err(|error| error.to_string())?;
                host.node.copy_in(&file, "/root/site/manifests/site.kdl").map_err(|error| error.to_string())?;
            }
            Keel(arguments, code) => {
                let mut words: Vec<&str> = arguments.split_whitespace().collect();
                words.insert(1, "/root/site");
                let ran = host.keel(&words);
                said = format!("{}{}", ran.stdout, ran.stderr);
                if ran.status != *code {
                    return Err(format!("`keel {arguments}` ended with {} and not {code}:\n{said}", ran.status));
                }
            }
            Said(text) if !said.contains(text) => return Err(format!("nothing said of {text:?}:\n{said}")),
            NotSaid(text) if said.contains(text) => return Err(format!("said something of {text:?}:\n{said}")),
            Said(_) | NotSaid(_) => {}
        }
    }
    Ok(())
}

#[test]
fn lab_order_refresh_and_noop() {
    check(&order::ROWS, &Image::bare());
}

#[test]
fn lab_users_and_groups() {
    check(&accounts::ROWS, &Image::bare());
}

#[test]
fn lab_files_and_commands() {
    check(&commands::ROWS, &Image::bare());
}

#[test]
fn lab_contents_sources_and_trees() {
    check(&files::ROWS, &Image::bare());
}

#[test]
fn lab_packages_services_and_tables() {
    check(&system::ROWS, &Image::bare());
}

#[test]
fn lab_names_keys_units_and_filters() {
    check(&settings::ROWS, &Image::bare());
}

#[test]
fn lab_files_that_other_programs_judge() {
    check(&values::ROWS, &Image::bare());
}
