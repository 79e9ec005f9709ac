//! What the kernel's refusals mean for people.

use std::path::Path;

use keel_engine::resource::Failure;
use rustix::io::Errno;

/// A failure that says what could not be done, to which path and why, with advice where there is some.
pub(crate) fn failure(act: &str, path: &Path, errno: Errno) -> Failure {
    let reason = std::io::Error::from(errno);
    let failure = Failure::new(format!("cannot {act} {}: {}", path.display(), describe(&reason)));
    match advice(errno) {
        Some(advice) => failure.help(advice),
        None => failure,
    }
}

/// The same for an error of the standard library.
pub(crate) fn io_failure(act: &str, path: &Path, error: &std::io::Error) -> Failure {
    match Errno::from_io_error(error) {
        Some(errno) => failure(act, path, errno),
        None => Failure::new(format!("cannot {act} {}: {error}", path.display())),
    }
}

/// The system's words without the error number.
fn describe(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = words.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => text,
    }
}

fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::NOSPC | Errno::DQUOT => "make room on that file system; the old content is still in place",
        Errno::ROFS => "the file system is mounted read-only; see `findmnt` and the kernel's log",
        Errno::PERM => "if this runs as root, the file may be immutable: see `lsattr`",
        Errno::ACCESS => "run as root, or choose a path that this user may write",
        Errno::BUSY => "it is a mount point, as files of containers often are; manage it where it is mounted from",
        Errno::LOOP => "too many links lead to each other",
        Errno::IO => "the disk reports errors; see the kernel's log",
        _ => return None,
    })
}
