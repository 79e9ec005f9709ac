//! Stopping: the first INT or TERM lets what has begun be finished, a second one ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Whether somebody asked for a stop.
#[derive(Clone)]
pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Whether a signal came.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Listens for the signals from now on.
///
/// # Errors
/// The system refuses the handlers.
pub fn on_signals() -> Result<Stop> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first handler acts only when the flag is set already, so the order matters.
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
            .and_then(|_| flag::register(signal, Arc::clone(&asked)));
        registered.map_err(|error| Error::host(format!("cannot listen for signals: {error}")))?;
    }
    Ok(Stop { asked })
}
