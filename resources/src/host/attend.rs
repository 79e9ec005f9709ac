//! Attends a running command: feeds it, reads what it writes, and ends it when its time is up.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::capture::Captured;
use super::output::End;
use super::process_tree::ProcessTree;

/// Longest wait between two looks at whether the process has ended.
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(20);
const LOOK_INTERVAL_MIN: Duration = Duration::from_micros(200);
/// How long output is still read after the command ended; a child in the background may go on for ever.
const DRAIN_MAX: Duration = Duration::from_millis(250);

/// Whether every command of this process is to end.
static ABANDONED: AtomicBool = AtomicBool::new(false);

/// Ends the commands that run now, with all they have begun, and those that are still to come: the
/// process was asked, not for the first time, to stop.
pub fn abandon_commands() {
    ABANDONED.store(true, Ordering::Relaxed);
}

/// Sleeps, and says whether it may go on: no longer if commands are abandoned.
pub(crate) fn pause(time: Duration) -> bool {
    let until = Instant::now() + time;
    while !ABANDONED.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK_INTERVAL_MAX));
    }
    false
}

/// How long a command may run, and how long what is left has between being asked to end and being ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
}

/// Sees a started command through to its end.
pub(crate) fn attend(
    child: &mut Child,
    input: Option<Vec<u8>>,
    captures: [Captured; 2],
    tree: &mut ProcessTree,
    patience: Patience,
) -> io::Result<(End, [Captured; 2])> {
    let leader = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let mut streams = Streams::new(child, input, captures)?;
    let deadline = patience.timeout.and_then(|time| Instant::now().checked_add(time));
    let status = wait(child, &mut streams, deadline)?;
    let end = match status {
        Some(status) => end_of(status),
        None => {
            tree.terminate(leader);
            let last = Instant::now() + patience.grace;
            while Instant::now() < last && !tree.is_empty(leader) {
                streams.serve(LOOK_INTERVAL_MAX)?;
            }
            tree.kill(leader);
            child.wait()?;
            match patience.timeout {
                Some(time) if !ABANDONED.load(Ordering::Relaxed) => End::TimedOut(time),
                _ => End::Abandoned,
            }
        }
    };
    let drained = Instant::now() + DRAIN_MAX;
    while streams.serve(Duration::ZERO)? && Instant::now() < drained {}
    Ok((end, streams.captures()))
}

/// The command's status, or none when the deadline came first or commands are abandoned.
fn wait(child: &mut Child, streams: &mut Streams, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    let mut pause = LOOK_INTERVAL_MIN;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if ABANDONED.load(Ordering::Relaxed) || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
        if streams.are_closed() {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOOK_INTERVAL_MAX);
        } else {
            streams.serve(LOOK_INTERVAL_MAX)?;
        }
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// A pipe that the command writes to, with what was read from it.
struct Outlet {
    pipe: Option<Box<dyn Pipe>>,
    captured: Captured,
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

/// The three pipes of a command.
struct Streams {
    input: Option<(ChildStdin, Vec<u8>, usize)>,
    outlets: [Outlet; 2],
}

impl Streams {
    fn new(child: &mut Child, input: Option<Vec<u8>>, captures: [Captured; 2]) -> io::Result<Self> {
        let input = child.stdin.take().zip(input).map(|(pipe, bytes)| (pipe, bytes, 0));
        if let Some((pipe, ..)) = &input {
            do_not_block(pipe.as_fd())?;
        }
        let [first, second] = captures;
        let outlets = [
            Outlet::new(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>), first)?,
            Outlet::new(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>), second)?,
        ];
        Ok(Self { input, outlets })
    }

    fn are_closed(&self) -> bool {
        self.input.is_none() && self.outlets.iter().all(|outlet| outlet.pipe.is_none())
    }

    fn captures(self) -> [Captured; 2] {
        self.outlets.map(|outlet| outlet.captured)
    }

    /// Waits until something can be moved, moves it, and says whether anything was.
    fn serve(&mut self, wait: Duration) -> io::Result<bool> {
        let mut polled = Vec::with_capacity(3);
        polled.extend(self.input.iter().map(|(pipe, ..)| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        let pipes = self.outlets.iter().filter_map(|outlet| outlet.pipe.as_ref());
        polled.extend(pipes.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut moved = self.feed();
        for outlet in &mut self.outlets {
            moved |= outlet.read();
        }
        Ok(moved)
    }

    /// Writes what the pipe takes. A command that does not read to the end is free to.
    fn feed(&mut self) -> bool {
        let Some((pipe, bytes, written)) = &mut self.input else { return false };
        match pipe.write(bytes.get(*written..).unwrap_or_default()) {
            Ok(count) if *written + count < bytes.len() => *written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            _ => self.input = None,
        }
        true
    }
}

impl Outlet {
    fn new(pipe: Option<Box<dyn Pipe>>, captured: Captured) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            do_not_block(pipe.as_fd())?;
        }
        Ok(Self { pipe, captured })
    }

    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let Some(pipe) = &mut self.pipe else { return false };
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => self.captured.push(buffer.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return false,
            Err(_) => self.pipe = None,
        }
        true
    }
}

fn do_not_block(pipe: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop).map_err(io::Error::from)
}
