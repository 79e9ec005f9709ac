//! Signals as events of the agent's loop.

use std::io::ErrorKind;

use nix::sys::signal::Signal;
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;

use super::service::Event;
use crate::error::{Error, Result};

/// Hears TERM, INT and HUP from now on.
///
/// # Errors
/// The system refuses the handlers.
pub fn listen(events: &UnboundedSender<Event>) -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let failed = |error: std::io::Error| Error::host(format!("cannot listen for signals: {error}"));
        let (heard, told) = std::os::unix::net::UnixStream::pair()
            .and_then(|(heard, told)| {
                heard.set_nonblocking(true)?;
                Ok((UnixStream::from_std(heard)?, told))
            })
            .map_err(failed)?;
        signal_hook::low_level::pipe::register(signal as i32, told).map_err(failed)?;
        let events = events.clone();
        tokio::spawn(async move {
            let mut byte = [0; 1];
            while heard.readable().await.is_ok() {
                match heard.try_read(&mut byte) {
                    Ok(1) if events.send(Event::Signal(signal)).is_ok() => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
        });
    }
    Ok(())
}
