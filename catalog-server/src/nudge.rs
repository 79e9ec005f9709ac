//! The nudge: `keel-server notify`, run by a git hook, tells the server through a socket to look at the repository.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::tls::Stop;

const WORD: &[u8] = b"look\n";
const HEARD: &[u8] = b"heard\n";
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the server that listens on a socket.
///
/// # Errors
/// Nobody listens there.
pub fn send(socket: &Path) -> Result<()> {
    let tell = || -> std::io::Result<()> {
        let mut stream = BlockingStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(WORD)?;
        let mut answer = [0; HEARD.len()];
        stream.read_exact(&mut answer)
    };
    tell().map_err(|error| {
        Error::trouble(format!("the server does not hear: {}: {error}", socket.display()))
            .hint("is `keel-server serve` running, with the same settings? It will see the push at its next look in any case")
    })
}

/// Listens on a socket, and passes on that somebody called.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(socket: &Path) -> Result<UnixListener> {
    let make = || -> std::io::Result<UnixListener> {
        if let Some(folder) = socket.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // One of a server that was killed; the database and the ports say whether another one runs.
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        // Whoever pushes is another user, and all that can be said here is "look".
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
        Ok(listener)
    };
    make().map_err(|error| Error::trouble(format!("cannot listen on {}: {error}", socket.display())).hint("set `run` in server.toml"))
}

/// Hears callers until the server stops. Many calls in a moment are one.
pub async fn hear(listener: UnixListener, called: Arc<Notify>, mut stop: Stop) {
    loop {
        let accepted = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        // A caller who says nothing is not waited for for long; the next one comes after it.
        if let Ok((stream, _)) = accepted
            && tokio::time::timeout(PATIENCE, answer(stream)).await.is_ok_and(|heard| heard.is_ok())
        {
            called.notify_one();
        }
    }
}

async fn answer(mut stream: UnixStream) -> std::io::Result<()> {
    let mut word = [0; WORD.len()];
    stream.read_exact(&mut word).await?;
    if word != WORD {
        return Err(ErrorKind::InvalidData.into());
    }
    stream.write_all(HEARD).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::stop_channel;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_is_heard() {
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("run/notify.sock");
        assert!(send(&socket).unwrap_err().to_string().contains("notify.sock"));
        let (called, (sender, stop)) = (Arc::new(Notify::new()), stop_channel());
        let task = tokio::spawn(hear(listen(&socket).unwrap(), Arc::clone(&called), stop));
        let path = socket.clone();
        tokio::task::spawn_blocking(move || send(&path)).await.unwrap().unwrap();
        called.notified().await;
        sender.send(true).unwrap();
        task.await.unwrap();
    }
}
