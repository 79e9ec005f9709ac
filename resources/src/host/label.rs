//! The SELinux label of what is new. The kernel gives it one by the folder and by the name under which it
//! was made, which is a candidate's; the policy's own list says what belongs at the final path.

use std::path::Path;

use rustix::fd::AsFd;
use rustix::fs::{XattrFlags, fsetxattr};
use rustix::io::Errno;

use super::Host;

/// Is there only where SELinux is on.
const SWITCH: &str = "/sys/fs/selinux/enforce";
const ATTRIBUTE: &std::ffi::CStr = c"security.selinux";

/// What is labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labelled {
    File,
    Folder,
}

impl Labelled {
    fn word(self) -> &'static str {
        match self {
            Labelled::File => "file",
            Labelled::Folder => "dir",
        }
    }
}

/// Gives a new thing the label that belongs at its path. Without SELinux, or where the policy says
/// nothing of the path, it keeps the one that the kernel gave it.
pub(super) fn set(host: &Host, path: &Path, new: impl AsFd, what: Labelled) -> Result<(), Errno> {
    if !host.is_machine() || !Path::new(SWITCH).exists() {
        return Ok(());
    }
    let command = host.command("matchpathcon").arguments(["-n", "-m", what.word(), "--"]).argument(path.to_string_lossy());
    let said = command.run().ok().filter(super::output::Output::is_success).and_then(|output| output.text().ok());
    match said.as_deref().and_then(parse_label) {
        Some(label) => write(new, label),
        None => Ok(()),
    }
}

/// Reads what `matchpathcon -n` prints: a label, or `<<none>>`.
fn parse_label(text: &str) -> Option<&str> {
    let label = text.trim_end();
    (label.split(':').count() >= 3 && !label.contains(char::is_whitespace)).then_some(label)
}

fn write(new: impl AsFd, label: &str) -> Result<(), Errno> {
    let value = [label.as_bytes(), b"\0"].concat();
    match fsetxattr(new, ATTRIBUTE, &value, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_told_from_none() {
        assert_eq!(parse_label("system_u:object_r:etc_t:s0\n"), Some("system_u:object_r:etc_t:s0"));
        assert_eq!(parse_label("<<none>>\n"), None);
        assert_eq!(parse_label("matchpathcon: bad: a b:c:d\n"), None);
    }

    #[test]
    fn without_selinux_nothing_is_asked() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(set(&Host::new("/no/such/root"), Path::new("/etc/x"), &file, Labelled::File), Ok(()));
    }
}
