//! A terminal that does not show what is typed.

use std::io::Stdin;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::error::{Error, Result};

/// As long as it lives, the terminal shows nothing. It is as before afterwards, also when a signal ends the program.
pub struct HiddenInput {
    before: Termios,
    signals: Handle,
}

impl HiddenInput {
    /// From now on nothing is shown.
    ///
    /// # Errors
    /// The terminal cannot be told.
    pub fn begin() -> Result<Self> {
        let failed = |error: std::io::Error| Error::host(format!("the terminal cannot be kept from showing what is typed: {error}"));
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(|errno| failed(errno.into()))?;
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).map_err(failed)?;
        let hidden = Self { before: before.clone(), signals: signals.handle() };
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                restore(&std::io::stdin(), &before);
                std::process::exit(128 + signal);
            }
        });
        let mut silent = hidden.before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.insert(LocalFlags::ECHONL);
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).map_err(|errno| failed(errno.into()))?;
        Ok(hidden)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        self.signals.close();
        restore(&std::io::stdin(), &self.before);
    }
}

/// A terminal that is gone needs nothing.
fn restore(stdin: &Stdin, before: &Termios) {
    let _ = tcsetattr(stdin, SetArg::TCSAFLUSH, before);
}
