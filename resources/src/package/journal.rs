//! dpkg's journal: what it has noted of packages and not yet written into its status file, as after a loss of power.

use std::borrow::Cow;
use std::collections::BTreeSet;

use keel_engine::resource::Failure;

use super::dpkg::{STATUS_FILE, addresses, paragraphs_without};
use crate::host::Host;

/// Where dpkg keeps its notes: files whose names are numbers, each with the paragraphs that take the place of the status file's.
const FOLDER: &str = "/var/lib/dpkg/updates";

/// What dpkg knows of all packages: its status file with its journal, as dpkg itself reads them.
///
/// # Errors
/// One of the files cannot be read.
pub(super) fn read_status(host: &Host) -> Result<Vec<u8>, Failure> {
    let mut status = host.read(STATUS_FILE)?.unwrap_or_default();
    let entries = host.list(FOLDER)?.unwrap_or_default();
    let names = entries.iter().map(|entry| entry.name.to_string_lossy());
    let notes: BTreeSet<Cow<'_, str>> = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect();
    for name in notes {
        let note = host.read(format!("{FOLDER}/{name}"))?.unwrap_or_default();
        status = merge(&status, &note);
    }
    Ok(status)
}

/// The status with the paragraphs of a note in place of those of the same packages.
fn merge(status: &[u8], note: &[u8]) -> Vec<u8> {
    let mut merged = paragraphs_without(status, &addresses(note));
    if !merged.is_empty() && !merged.ends_with(b"\n\n") {
        merged.extend_from_slice(b"\n\n");
    }
    merged.extend_from_slice(note);
    merged
}

#[cfg(test)]
mod tests {
    use super::super::dpkg::{State, look_up};
    use super::*;
    use crate::trial::Trial;

    fn paragraph(name: &str, status: &str, architecture: &str, version: &str) -> String {
        format!("Package: {name}\nStatus: {status}\nArchitecture: {architecture}\nVersion: {version}\n\n")
    }

    #[test]
    fn the_last_note_of_a_package_counts() {
        let trial = Trial::new();
        let ok = "install ok installed";
        trial.write(
            STATUS_FILE,
            &[
                paragraph("dpkg", ok, "amd64", "1"),
                paragraph("a", ok, "amd64", "1"),
                paragraph("a", ok, "i386", "1"),
                paragraph("b", ok, "all", "1"),
            ]
            .concat(),
        );
        trial.write(&format!("{FOLDER}/0001"), &paragraph("a", "install reinstreq half-installed", "amd64", "1"));
        trial.write(&format!("{FOLDER}/0002"), &paragraph("a", "install reinstreq unpacked", "amd64", "2"));
        trial.write(&format!("{FOLDER}/tmp.i"), &paragraph("b", "install ok unpacked", "all", "2"));
        let status = read_status(&trial.host).unwrap();
        let states: Vec<State> = look_up(&status, &["dpkg", "a", "a:i386", "b"]).into_iter().map(|known| known.state).collect();
        let installed = || State::Installed("1".to_owned());
        assert_eq!(states, [installed(), State::Broken("unpacked".to_owned()), installed(), installed()]);
    }

    #[test]
    fn without_notes_the_status_is_as_it_is() {
        let trial = Trial::new();
        assert!(read_status(&trial.host).unwrap().is_empty());
        trial.write(STATUS_FILE, "Package: a\nStatus: install ok installed");
        assert_eq!(read_status(&trial.host).unwrap(), b"Package: a\nStatus: install ok installed");
    }
}
