//! What stands at a path, as the attributes that a manifest keeps it by.

use keel_engine::attributes::Attributes;
use keel_engine::resource::{Described, Failure};
use keel_engine::value::{Map, Value};

use super::File;
use crate::host::{FileKind, Host, Stat};

/// More than this of a text belongs into a file of the site.
const CONTENT_BYTES_MAX: u64 = 64 * 1024;
/// The permission bit of a file that everybody may read.
const READ_BY_ALL: u32 = 0o004;
/// The bits that lend a program the rights of its owner or group.
const SETUID: u32 = 0o6000;

/// The file, directory or link at a path; none where nothing is, or nothing that manifests may keep.
///
/// The text of a file is part of it where everybody may read it anyway: whatever is for a few may be a secret.
pub(super) fn listing(host: &Host, path: &str) -> Result<Option<Described>, Failure> {
    let Some(stat) = host.stat(path)? else { return Ok(None) };
    let mut attributes = Map::new();
    let mut say = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    match stat.kind {
        FileKind::Link => {
            let target = host.read_link(path)?.map(|target| target.to_string_lossy().into_owned());
            say("target", Value::from(target.unwrap_or_default()));
        }
        FileKind::File | FileKind::Folder => {
            if stat.kind == FileKind::Folder {
                say("ensure", Value::from("directory"));
            }
            let accounts = host.accounts()?;
            say("owner", Value::from(accounts.user_name(stat.uid)));
            say("group", Value::from(accounts.group_name(stat.gid)));
            say("mode", Value::from(format!("{:04o}", stat.mode)));
            if stat.kind == FileKind::File && stat.mode & SETUID != 0 {
                say("allow_setuid", Value::Bool(true));
            }
            if let Some(text) = text(host, path, &stat)? {
                say("content", Value::from(text));
            }
        }
        FileKind::Fifo | FileKind::Socket | FileKind::Device => return Ok(None),
    }
    let is_sayable = File::from_attributes(path, &attributes).is_ok();
    Ok(is_sayable.then(|| Described { title: path.to_owned(), attributes }))
}

fn text(host: &Host, path: &str, stat: &Stat) -> Result<Option<String>, Failure> {
    if stat.kind != FileKind::File || stat.mode & READ_BY_ALL == 0 || stat.size > CONTENT_BYTES_MAX {
        return Ok(None);
    }
    let text = host.read(path)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.filter(|text| !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::FileType;
    use crate::trial::Trial;

    #[test]
    fn what_stands_there_is_kept_as_it_is() {
        let trial = Trial::new();
        trial.write("/etc/motd", "Welcome {{ you }}.\n");
        trial.write("/etc/shadow", "root:secret\n");
        trial.write("/etc/blob", "\u{1}x");
        std::os::unix::fs::symlink("motd", trial.path("/etc/link")).unwrap();
        let mode = |path: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(trial.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode("/etc/motd", 0o644);
        mode("/etc/shadow", 0o640);
        mode("/etc/blob", 0o4755);
        let names = |path: &str| {
            let found = listing(&trial.host, path).unwrap().unwrap_or_else(|| panic!("{path} is not listed"));
            let attributes: Vec<(&str, Value)> = found.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(trial.plan(&FileType, path, &attributes).unwrap(), [""; 0], "{path}");
            found.attributes.keys().cloned().collect::<Vec<String>>().join(" ")
        };
        assert_eq!(names("/etc/motd"), "owner group mode content");
        assert_eq!(names("/etc/shadow"), "owner group mode");
        assert_eq!(names("/etc/blob"), "owner group mode allow_setuid");
        assert_eq!(names("/etc/link"), "target");
        assert_eq!(names("/etc"), "ensure owner group mode");
        assert_eq!(listing(&trial.host, "/none").unwrap(), None);
    }
}
