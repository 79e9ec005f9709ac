//! Follows a program by its system calls: a watcher sees each before it is made and may let it fail or
//! kill the program there.
//!
//! Calls are counted over all threads, which strace's own injection cannot do. The program's children are not
//! followed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use keel_tests::program::keel;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::Call;
use super::processes;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Go,
    /// The program is killed instead, and this becomes of what it began.
    Kill(Tools),
    /// It is not made, and the program is told this error.
    Fail(Errno),
}

/// What becomes of the processes that a killed program began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    /// They are killed too, as with a control group or when the power goes.
    Die,
    /// They come to their end before anything else happens.
    Finish,
}

/// Who looks on.
pub(crate) trait Watcher {
    /// A call that is about to be made.
    fn enter(&mut self, call: &Call) -> Verdict;
    /// A call that was made, with what it returned.
    fn leave(&mut self, _call: &Call, _result: i64) {}
}

impl<F: FnMut(&Call) -> Verdict> Watcher for F {
    fn enter(&mut self, call: &Call) -> Verdict {
        self(call)
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none if it was killed.
    pub(crate) code: Option<i32>,
    /// What it wrote to either stream.
    pub(crate) said: String,
}

#[allow(clippy::zombie_processes, reason = "whoever follows it waits for it")]
/// Runs a command line to its end under a watcher, with `said` as the file for its output.
pub(crate) fn follow(line: &[&str], said: &Path, watcher: &mut dyn Watcher) -> Ended {
    let output = File::create(said).unwrap();
    let mut command = Command::new("/bin/sh");
    // The shell waits until it is followed; the stop at its exec is where following begins.
    command.args(["-c", "read go; exec \"$@\"", "sh"]).args(line).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    let child = command.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output).spawn();
    let mut child = child.unwrap();
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let code = Following { leader, is_keel: false, inside: HashMap::new(), watcher }.follow();
    Ended { code, said: String::from_utf8_lossy(&std::fs::read(said).unwrap()).into_owned() }
}

/// A program that is being followed.
struct Following<'a> {
    leader: Pid,
    /// Whether it has become keel.
    is_keel: bool,
    /// The call that each thread is in.
    inside: HashMap<Pid, (Call, Verdict)>,
    watcher: &'a mut dyn Watcher,
}

impl Following<'_> {
    fn follow(mut self) -> Option<i32> {
        let any = Pid::from_raw(-1);
        loop {
            match waitpid(any, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap() {
                WaitStatus::Exited(pid, code) if pid == self.leader => return Some(code),
                WaitStatus::Signaled(pid, ..) if pid == self.leader => return None,
                WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
                WaitStatus::PtraceEvent(pid, _, event) if event == libc::PTRACE_EVENT_EXEC => {
                    // What leads to keel is nobody's concern.
                    self.is_keel |= is_keel(pid);
                    // What stops next is the end of the very call that began the program.
                    self.inside.insert(pid, (Call::of(pid, libc::SYS_execve, [0; 6]), Verdict::Go));
                    resume(pid, None);
                }
                WaitStatus::PtraceEvent(pid, ..) => resume(pid, None),
                WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
                _ => {}
            }
        }
    }

    fn at_call(&mut self, pid: Pid) {
        // A thread that was killed meanwhile has no registers any more.
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        match self.inside.remove(&pid) {
            None => {
                let r = &registers;
                let number = i64::from_ne_bytes(r.orig_rax.to_ne_bytes());
                let call = Call::of(pid, number, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]);
                let verdict = if self.is_keel { self.watcher.enter(&call) } else { Verdict::Go };
                match verdict {
                    Verdict::Go => {}
                    Verdict::Kill(tools) => {
                        let begun = processes::descendants(self.leader.as_raw());
                        kill(self.leader, Signal::SIGKILL).unwrap();
                        match tools {
                            Tools::Die => processes::end(&begun),
                            Tools::Finish => processes::wait_for(&begun),
                        }
                        return;
                    }
                    Verdict::Fail(_) => {
                        registers.orig_rax = u64::MAX;
                        let _ = ptrace::setregs(pid, registers);
                    }
                }
                self.inside.insert(pid, (call, verdict));
            }
            Some((call, verdict)) => {
                if let Verdict::Fail(errno) = verdict {
                    registers.rax = u64::from_ne_bytes((-i64::from(errno as i32)).to_ne_bytes());
                    let _ = ptrace::setregs(pid, registers);
                }
                self.watcher.leave(&call, i64::from_ne_bytes(registers.rax.to_ne_bytes()));
            }
        }
        resume(pid, None);
    }
}

/// Whether a process runs the program under test, whatever its path is there.
fn is_keel(pid: Pid) -> bool {
    let identity = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(Path::new(&format!("/proc/{pid}/exe"))).is_some_and(|running| Some(running) == identity(&keel()))
}

/// Lets a thread go on to its next stop; one that was killed meanwhile needs no leave.
fn resume(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}
