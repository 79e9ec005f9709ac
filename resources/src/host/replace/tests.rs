//! Replacing keeps its promises: whole files, nobody else's work lost, no way out through links.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn scratch() -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(folder.path());
    (folder, host)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_file_has_its_bytes_and_the_usual_mode() {
    let (root, host) = scratch();
    host.replace("/a", &NewFile::of(b"one\r\n")).unwrap();
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"one\r\n");
    assert_eq!(fs::metadata(root.path().join("a")).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(names(root.path()), ["a"]);
}

#[test]
fn a_replaced_file_keeps_mode_and_is_another_inode() {
    let (root, host) = scratch();
    let path = root.path().join("a");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o2750)).unwrap();
    let before = fs::metadata(&path).unwrap();
    host.replace("/a", &NewFile::of(b"new")).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.mode(), after.uid()), (before.mode(), before.uid()));
    assert_ne!(after.ino(), before.ino());
}

#[test]
fn a_refused_candidate_leaves_the_old_file_and_no_stray() {
    let (root, host) = scratch();
    fs::write(root.path().join("a"), "old").unwrap();
    let refuse = |candidate: &Path| {
        assert_eq!(fs::read(candidate).unwrap(), b"new", "the validator sees the whole candidate");
        Err(Failure::new("no"))
    };
    let new = NewFile { validate: Some(&refuse), ..NewFile::of(b"new") };
    assert_eq!(host.replace("/a", &new), Err(Failure::new("no")));
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"old");
    assert_eq!(names(root.path()), ["a"]);
}

#[test]
fn a_file_that_somebody_else_changed_is_not_replaced() {
    let (root, host) = scratch();
    fs::write(root.path().join("a"), "seen").unwrap();
    let seen = Seen::from(host.stat("/a").unwrap());
    fs::write(root.path().join("a"), "edited").unwrap();
    assert!(host.replace("/a", &NewFile { seen, ..NewFile::of(b"new") }).is_err());
    assert!(host.replace("/a", &NewFile { seen: Seen::Nothing, ..NewFile::of(b"new") }).is_err());
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"edited");
}

#[test]
fn strays_of_a_killed_run_go_and_files_of_others_stay() {
    let (root, host) = scratch();
    for name in [".keel-00000000-0123456789abcdef", ".keel-notes", "b"] {
        fs::write(root.path().join(name), "").unwrap();
    }
    fs::create_dir(root.path().join(".keel-00000001-0123456789abcdef")).unwrap();
    host.replace("/a", &NewFile::of(b"")).unwrap();
    assert_eq!(names(root.path()), [".keel-notes", "a", "b"]);
}

#[test]
fn a_link_is_replaced_and_an_edit_goes_through_it() {
    let (root, host) = scratch();
    fs::write(root.path().join("real"), "1").unwrap();
    symlink("/real", root.path().join("link")).unwrap();
    let written = host.edit("/link", &NewFile::of(b""), |old| Ok(Some([old.unwrap(), b"2"].concat()))).unwrap();
    assert!(written);
    assert_eq!(fs::read(root.path().join("real")).unwrap(), b"12", "an absolute target is below the root");
    host.replace("/link", &NewFile::of(b"3")).unwrap();
    assert_eq!(fs::read(root.path().join("real")).unwrap(), b"12");
    assert!(root.path().join("link").symlink_metadata().unwrap().is_file());
}

#[test]
fn links_where_others_can_write_are_not_followed() {
    let (root, host) = scratch();
    fs::create_dir_all(root.path().join("open")).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::set_permissions(root.path().join("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("/etc", root.path().join("open/link")).unwrap();
    let error = host.replace("/open/link/passwd", &NewFile::of(b"x")).unwrap_err();
    assert!(error.message.contains("where others can write"), "{error}");
    assert!(host.read("/open/link/passwd").is_err());
    assert_eq!(names(&root.path().join("etc")), Vec::<String>::new());
    fs::set_permissions(root.path().join("open"), fs::Permissions::from_mode(0o755)).unwrap();
    host.replace("/open/link/passwd", &NewFile::of(b"x")).unwrap();
    assert_eq!(names(&root.path().join("etc")), ["passwd"]);
}

#[test]
fn a_full_folder_is_never_replaced_by_a_file() {
    let (root, host) = scratch();
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    assert!(host.replace("/a", &NewFile::of(b"")).is_err());
    assert_eq!(names(root.path()), ["a"]);
    fs::remove_dir(root.path().join("a/b")).unwrap();
    host.replace("/a", &NewFile::of(b"")).unwrap();
    assert!(root.path().join("a").is_file());
    host.create_folder("/a", Ownership { mode: Some(0o700), ..Ownership::default() }).unwrap();
    assert_eq!(fs::metadata(root.path().join("a")).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn many_threads_edit_one_file_without_losing_a_line() {
    let (root, host) = scratch();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let host = &host;
            scope.spawn(move || {
                host.edit("/a", &NewFile::of(b""), |old| Ok(Some([old.unwrap_or_default(), format!("{number}\n").as_bytes()].concat())))
                    .unwrap()
            });
        }
    });
    let text = fs::read_to_string(root.path().join("a")).unwrap();
    assert_eq!(text.lines().count(), 8);
}

#[test]
fn the_old_bytes_are_kept_in_the_store_or_beside() {
    let store = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path()).with_backups(super::super::Backups::new(store.path().join("backups"), "run-1"));
    fs::write(root.path().join("a"), "old").unwrap();
    host.replace("/a", &NewFile::of(b"new")).unwrap();
    let digest = keel_engine::digest::Digest::of(b"old");
    let kept = host.backups.as_ref().unwrap().locate(digest);
    assert_eq!(fs::read(&kept).unwrap(), b"old");
    let replaced = host.backups.as_ref().unwrap().replaced_in("run-1").unwrap();
    let [one] = replaced.as_slice() else { panic!("{replaced:?}") };
    let after = Some(keel_engine::digest::Digest::of(b"new"));
    assert_eq!((one.path.to_str(), one.before, one.after), (Some("/a"), Some(digest), after));
    host.replace("/a", &NewFile { backup: Backup::Suffix(".bak"), ..NewFile::of(b"newer") }).unwrap();
    assert_eq!(fs::read(root.path().join("a.bak")).unwrap(), b"new");
    host.replace("/a", &NewFile { backup: Backup::None, ..NewFile::of(b"newest") }).unwrap();
    assert_eq!(names(root.path()), ["a", "a.bak"]);
}

#[test]
fn extended_attributes_stay_and_what_speaks_of_the_old_bytes_goes() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let (root, host) = scratch();
    let path = root.path().join("a");
    fs::write(&path, "old").unwrap();
    if setxattr(&path, "user.note", b"kept", XattrFlags::empty()).is_err() {
        return;
    }
    // An access list for the user 4711 beside the usual three, as the kernel stores it.
    let list: Vec<u8> =
        [(2u32, 0u32, 0u32), (0x1, 6, u32::MAX), (0x2, 4, 4711), (0x4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 4, u32::MAX)]
            .iter()
            .enumerate()
            .flat_map(|(at, (tag, rights, id))| match at {
                0 => tag.to_le_bytes().to_vec(),
                _ => [(*tag as u16).to_le_bytes().as_slice(), (*rights as u16).to_le_bytes().as_slice(), id.to_le_bytes().as_slice()]
                    .concat(),
            })
            .collect();
    let has_lists = setxattr(&path, "system.posix_acl_access", &list, XattrFlags::empty()).is_ok();
    host.replace("/a", &NewFile::of(b"new")).unwrap();
    let value = |name: &str| {
        let mut value = vec![0u8; 256];
        getxattr(&path, name, &mut value[..]).ok().map(|length| value[..length].to_vec())
    };
    assert_eq!(value("user.note").as_deref(), Some(&b"kept"[..]));
    assert_eq!(value("system.posix_acl_access"), has_lists.then_some(list));
}
