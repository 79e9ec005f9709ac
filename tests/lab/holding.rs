//! A lab that a person holds up: until ctrl-d where there is a terminal, or until somebody on the
//! machine takes it down.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Lab, LabError, Place, Result, lock, node};

const LOOK_INTERVAL: Duration = Duration::from_millis(250);

impl Lab {
    /// Holds the lab up until end of input on a terminal or [`take_down`] elsewhere, then takes it down.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn hold(self, place: &Place) -> Result<()> {
        let wish = place.wish();
        // One that is older than this lab was not about it.
        let _ = std::fs::remove_file(&wish);
        while !wish.exists() && !input_is_over()? {
            std::thread::sleep(LOOK_INTERVAL);
        }
        self.down();
        let _ = std::fs::remove_file(&wish);
        Ok(())
    }
}

/// Whether ctrl-d was pressed. Without a terminal there is nobody to press it.
fn input_is_over() -> Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    let mut polled = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut polled, PollTimeout::ZERO).map_err(|errno| LabError::new(format!("the terminal: {errno}")))?;
    Ok(ready > 0 && input.read_line(&mut String::new())? == 0)
}

/// Takes down the lab that another process of this machine holds up by hand, and waits until it is
/// gone; says whether there was one.
///
/// # Errors
/// When the machine refuses.
pub fn take_down(place: &Place) -> Result<bool> {
    place.make()?;
    let path = place.lock();
    let file = std::fs::File::options().create(true).append(true).open(&path).map_err(LabError::doing(path.display()))?;
    if let Ok(_held) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        node::clean_up(place)?;
        return Ok(false);
    }
    let wish = place.wish();
    std::fs::write(&wish, "").map_err(LabError::doing(wish.display()))?;
    drop(lock(place)?);
    Ok(true)
}
