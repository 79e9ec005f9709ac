//! Runtime sockets: a daemon takes one line on a socket in the file system, answers with a text and hangs up.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use keel_engine::resource::{Failure, ObserveError};

use super::Host;

/// How long the daemon may take for the next part of its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// More than any answer is long: a few hundred bytes for each of some ten thousand servers.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

impl Host {
    /// What the daemon behind a socket answers to one line.
    ///
    /// # Errors
    /// Nobody listens there yet; or the answer does not come to its end.
    pub(crate) fn ask_runtime(&self, socket: &str, line: &str) -> Result<String, ObserveError> {
        let path = self.locate(socket);
        let mut stream = UnixStream::connect(&path).map_err(|error| not_open(&path, &error))?;
        converse(&mut stream, line).map_err(|error| {
            let failure = Failure::new(format!("the daemon behind {} does not answer: {error}", path.display()));
            failure.help("is it hung, or about to end? Its journal may say").into()
        })
    }
}

fn converse(stream: &mut UnixStream, line: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(io::Error::other("the answer has no end"));
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn not_open(path: &Path, error: &io::Error) -> ObserveError {
    let failure = Failure::new(format!("nobody answers on {}: {error}", path.display()));
    let help = "the service behind it has to run, and its settings have to name this socket";
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ObserveError::NotYet(failure.help(help)),
        _ => ObserveError::Failed(failure),
    }
}
