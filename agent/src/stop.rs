//! Stopping: the first INT or TERM lets what has begun be finished, a second one ends the commands that
//! run, a third one the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keel_engine::walk::Progress;
use keel_resources::host::abandon_commands;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::print_error;
use crate::error::{Error, Result};
use crate::render::paint::printable;

/// Whether somebody asked for a stop, and what a run is at.
#[derive(Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    current: Arc<Mutex<Option<String>>>,
}

impl Stop {
    /// Whether a signal came.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Remembers what is being changed, to say what a stop waits for.
    pub fn note(&self, progress: Progress<'_>) {
        let current = progress.current.map(ToString::to_string);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// What to do about the next signal, and what to say of it.
    fn ask(&self) -> (Step, String) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let current = current.map(|current| printable(&current));
        if !self.asked.swap(true, Ordering::Relaxed) {
            let waits = match current {
                Some(current) => format!("waiting for {current}; ask again to end it"),
                None => "what has begun is finished first".to_owned(),
            };
            return (Step::Finish, format!("asked to stop: {waits}"));
        }
        (Step::Abandon, format!("asked to stop again: ending {}", current.unwrap_or_else(|| "what runs".to_owned())))
    }
}

/// What a signal leads to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing new is begun.
    Finish,
    /// What runs is ended.
    Abandon,
}

/// Listens for the signals from now on.
///
/// # Errors
/// The system refuses the handlers.
pub fn on_signals() -> Result<Stop> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| Error::host(format!("cannot listen for signals: {error}")))?;
    let stop = Stop::default();
    let listener = stop.clone();
    std::thread::spawn(move || {
        let mut abandoned = false;
        for signal in &mut signals {
            if abandoned {
                std::process::exit(128 + signal);
            }
            let (step, text) = listener.ask();
            print_error(&format!("keel: {text}\n"));
            if step == Step::Abandon {
                abandon_commands();
                abandoned = true;
            }
        }
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keel_engine::address::Address;

    #[test]
    fn the_first_signal_waits_and_names_what_for_the_second_ends_it() {
        let stop = Stop::default();
        let address = Address::new("exec", "slow");
        stop.note(Progress { done: 0, total: 1, current: Some(&address), gate: None, guard: None });
        let (first, text) = stop.ask();
        assert!(stop.is_asked() && first == Step::Finish && text.contains("waiting for exec \"slow\""), "{text}");
        let (second, text) = stop.ask();
        assert!(second == Step::Abandon && text.contains("ending exec \"slow\""), "{text}");
    }
}
