//! Extended attributes: ACLs, labels and what users attach, kept when a file's content is replaced.

use std::ffi::CStr;
use std::path::Path;

use keel_engine::resource::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr, openat};
use rustix::io::Errno;

use super::place::LastLink;
use super::{Host, fault};

/// Attributes that speak of the old content and would be wrong, or a danger, on new content.
const BOUND_TO_CONTENT: [&[u8]; 3] = [b"security.capability", b"security.ima", b"security.evm"];
/// The ACL that a new file may inherit from its folder.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";
/// The kernel's limits on the list of names and on one value.
const BYTES_MAX: usize = 64 << 10;

/// Gives a new file the extended attributes of the old one.
pub(super) fn copy(old: impl AsFd, new: impl AsFd) -> Result<(), Errno> {
    let mut has_access_list = false;
    for name in names(&old)? {
        let Ok(name) = CStr::from_bytes_with_nul(&name) else { continue };
        if BOUND_TO_CONTENT.contains(&name.to_bytes()) {
            continue;
        }
        has_access_list |= name == ACCESS_LIST;
        copy_one(&old, &new, name)?;
    }
    if !has_access_list {
        match fremovexattr(&new, ACCESS_LIST) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn names(file: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut small = [0u8; 512];
    let mut large;
    let list: &[u8] = match flistxattr(&file, &mut small[..]) {
        Ok(length) => small.get(..length).unwrap_or_default(),
        Err(Errno::RANGE) => {
            large = vec![0u8; BYTES_MAX];
            let length = flistxattr(&file, &mut large[..])?;
            large.get(..length).unwrap_or_default()
        }
        Err(Errno::OPNOTSUPP) => &[],
        Err(errno) => return Err(errno),
    };
    Ok(list.split_inclusive(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn copy_one(old: impl AsFd, new: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let mut value = vec![0u8; BYTES_MAX];
    let length = match fgetxattr(&old, name, &mut value[..]) {
        Ok(length) => length,
        Err(Errno::NODATA) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    match fsetxattr(&new, name, value.get(..length).unwrap_or_default(), XattrFlags::empty()) {
        // Without root nobody sets labels and trusted attributes; the system's default stands then.
        Err(Errno::PERM | Errno::OPNOTSUPP) if !name.to_bytes().starts_with(b"system.") => Ok(()),
        result => result,
    }
}

impl Host {
    /// The value of an extended attribute of a file or folder; a link is not followed. None if it has none.
    ///
    /// # Errors
    /// There is no such file, or its file system has no extended attributes.
    pub(crate) fn extended(&self, path: impl AsRef<Path>, name: &CStr) -> Result<Option<Vec<u8>>, Failure> {
        let path = path.as_ref();
        let file = self.open_for_extended(path)?;
        let mut value = vec![0u8; BYTES_MAX];
        match fgetxattr(&file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA) => Ok(None),
            Err(errno) => Err(fault::failure("read the extended attributes of", path, errno)),
        }
    }

    /// Sets an extended attribute, or removes it.
    ///
    /// # Errors
    /// As [`Host::extended`], or the system refuses.
    pub(crate) fn set_extended(&self, path: impl AsRef<Path>, name: &CStr, value: Option<&[u8]>) -> Result<(), Failure> {
        let path = path.as_ref();
        let file = self.open_for_extended(path)?;
        let result = match value {
            Some(value) => fsetxattr(&file, name, value, XattrFlags::empty()),
            None => fremovexattr(&file, name),
        };
        match result {
            Err(Errno::NODATA) if value.is_none() => Ok(()),
            result => result.map_err(|errno| fault::failure("set the extended attributes of", path, errno)),
        }
    }

    fn open_for_extended(&self, path: &Path) -> Result<OwnedFd, Failure> {
        let failed = |errno| fault::failure("open", path, errno);
        let place = self.find(path, LastLink::Kept)?.ok_or_else(|| failed(Errno::NOENT))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&place.folder, &place.name, flags, Mode::empty()).map_err(failed)
    }
}
