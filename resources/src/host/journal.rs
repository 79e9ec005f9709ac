//! Where a run has made candidates, written down as it goes: the run after a killed one looks there.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::fd::OwnedFd;

/// The folders of one run, each ended by a zero byte, in a file that is opened for appending.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// A journal that goes on at the end of this file.
    pub fn new(file: File) -> Self {
        Self { file }
    }

    /// The folders that a journal names.
    pub fn folders(bytes: &[u8]) -> Vec<PathBuf> {
        // What a kill cut off at the end names nothing.
        let whole = bytes.split_inclusive(|byte| *byte == 0).filter_map(|entry| entry.strip_suffix(b"\0"));
        whole.map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))).collect()
    }

    /// Writes a folder down. Without the entry a killed run leaves a candidate, which harms nobody: no
    /// reason to stop.
    pub(super) fn add(&self, folder: &OwnedFd) {
        if let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())) {
            let entry = [path.as_os_str().as_bytes(), b"\0"].concat();
            let _ = (&self.file).write_all(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_back_and_half_an_entry_is_none() {
        assert_eq!(Journal::folders(b"/a\0/b c\n\0/d"), [PathBuf::from("/a"), PathBuf::from("/b c\n")]);
        assert!(Journal::folders(b"").is_empty());
    }
}
