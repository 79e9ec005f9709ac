//! The nudge: `keel-server notify`, run by a git hook, tells the server through a
//! socket to look at the repository, and hears what became of the push.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::tls::Stop;

const WORD: &[u8] = b"look\n";
const HEARD: &[u8] = b"heard\n";
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a caller is kept until it is known what became of the push.
const HOLD: Duration = Duration::from_secs(20);
/// How many callers are answered at once; the others come after them.
const CALLERS: usize = 16;
const UNDECIDED: &str = "the push is still being looked at; `keel status` says what comes of it\n";

/// Looks at the repository, and says what there is to say.
pub type Look = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// Tells the server that listens on a socket, and returns what it says of the push.
///
/// # Errors
/// Nobody listens there.
pub fn send(socket: &Path) -> Result<String> {
    let tell = || -> std::io::Result<BlockingStream> {
        let mut stream = BlockingStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(WORD)?;
        let mut answer = [0; HEARD.len()];
        stream.read_exact(&mut answer)?;
        stream.set_read_timeout(Some(HOLD + PATIENCE))?;
        Ok(stream)
    };
    let mut stream = tell().map_err(|error| {
        Error::trouble(format!("the server does not hear: {}: {error}", socket.display()))
            .hint("is `keel-server serve` running, with the same settings? It will see the push at its next look in any case")
    })?;
    let mut said = String::new();
    // It has heard; what became of the push can also be asked later.
    Ok(stream.read_to_string(&mut said).map_or_else(|_| UNDECIDED.to_owned(), |_| said))
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

/// Hears callers until the server stops.
pub async fn hear(listener: UnixListener, look: Look, mut stop: Stop) {
    let room = Arc::new(Semaphore::new(CALLERS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            let look = Arc::clone(&look);
            tokio::spawn(async move {
                // A caller who says nothing, or is gone, is nobody to answer.
                let _ = answer(stream, &look).await;
                drop(permit);
            });
        }
    }
}

async fn answer(mut stream: UnixStream, look: &Look) -> std::io::Result<()> {
    let mut word = [0; WORD.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut word)).await??;
    if word != WORD {
        return Err(ErrorKind::InvalidData.into());
    }
    stream.write_all(HEARD).await?;
    let said = tokio::time::timeout(HOLD, look()).await.unwrap_or_else(|_| UNDECIDED.to_owned());
    tokio::time::timeout(PATIENCE, stream.write_all(said.as_bytes())).await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::stop_channel;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_is_heard_and_answered() {
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("run/notify.sock");
        assert!(send(&socket).unwrap_err().to_string().contains("notify.sock"));
        let (sender, stop) = stop_channel();
        let look: Look = Arc::new(|| Box::pin(async { "main: accepted\n".to_owned() }));
        let task = tokio::spawn(hear(listen(&socket).unwrap(), look, stop));
        let silent = BlockingStream::connect(&socket).unwrap();
        let path = socket.clone();
        let said = tokio::task::spawn_blocking(move || send(&path)).await.unwrap().unwrap();
        assert_eq!(said, "main: accepted\n", "who says nothing does not hold up the others");
        drop(silent);
        sender.send(true).unwrap();
        task.await.unwrap();
    }
}
