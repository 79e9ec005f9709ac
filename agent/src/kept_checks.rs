//! What checks of a site came to, kept between commands: one file a site, behind the hash of its bytes.

use std::os::unix::fs::MetadataExt;

use keel_engine::digest::Digest;

use crate::cache_folder::{CacheFolder, CachedFile};

/// The bytes of a hash in the file.
const DIGEST_BYTES: usize = 32;

/// The file with the checks of a site.
pub struct KeptChecks {
    file: CachedFile,
}

impl KeptChecks {
    /// That in a folder.
    pub fn of(folder: &CacheFolder) -> Self {
        Self { file: folder.file("checks") }
    }

    /// What was kept. Whatever is wrong with the file, the answer is that nothing was.
    pub fn load(&self) -> Option<Vec<u8>> {
        let mut bytes = self.file.read()?;
        let kept = bytes.split_off(DIGEST_BYTES.min(bytes.len()));
        (Digest::of(&kept).as_bytes().as_slice() == bytes).then_some(kept)
    }

    /// Keeps something in its place. A failure only costs the next check the time of its compiles.
    pub fn store(&self, kept: &[u8]) {
        self.file.write(&[Digest::of(kept).as_bytes().as_slice(), kept].concat());
    }
}

/// Tells this program from others that may compile otherwise.
pub fn this_program() -> Option<Vec<u8>> {
    let program = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
    let times = (program.mtime(), program.mtime_nsec(), program.ctime(), program.ctime_nsec());
    postcard::to_stdvec(&(env!("CARGO_PKG_VERSION"), program.dev(), program.ino(), program.size(), times)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_was_never_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptChecks::of(&CacheFolder::of_one(&folder.path().join("cache")));
        let path = folder.path().join("cache/site.checks");
        assert_eq!(kept.load(), None);
        kept.store(b"checks");
        assert_eq!(kept.load().as_deref(), Some(&b"checks"[..]));
        let mut bytes = std::fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            bytes[position] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(kept.load(), None, "byte {position}");
            bytes[position] ^= 1;
        }
        std::fs::write(&path, &bytes[..10]).unwrap();
        assert_eq!(kept.load(), None);
    }
}
