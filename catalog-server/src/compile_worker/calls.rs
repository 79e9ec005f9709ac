//! What a worker may ask of the kernel: memory, threads, its pipes, the time, and its end. Nothing else is there
//! for it: no file, no socket, no other process.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter};

/// The calls of a worker that has its program loaded.
const ALLOWED: &[c_long] = &[
    // Its pipes.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads.
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Seeds of hash maps, and the time.
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // Its end, by itself or by an abort.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_tgkill,
];

/// Takes all other calls from this thread and those that it starts, for good. They fail as if the kernel did not
/// know them: the C library then starts threads by `clone`, whose arguments can be looked at.
///
/// # Errors
/// The kernel refuses, or the processor is one that nobody tried; the worker must not start then.
pub(super) fn forbid_others() -> Result<(), String> {
    let program = program().map_err(|error| format!("cannot tell which system calls are allowed: {error}"))?;
    apply_filter(&program).map_err(|error| format!("cannot give up system calls: {error}"))
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let thread = libc::CLONE_THREAD as u64;
    let is_thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), thread)?;
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    /// What a worker has no business with, by whether it can be done.
    fn reach() -> [bool; 5] {
        [
            File::open("/etc/passwd").is_ok(),
            TcpListener::bind("127.0.0.1:0").is_ok(),
            UdpSocket::bind("127.0.0.1:0").is_ok(),
            UnixStream::pair().is_ok(),
            Command::new("/bin/true").status().is_ok(),
        ]
    }

    #[test]
    fn files_sockets_and_processes_are_out_of_reach_and_work_is_not() {
        let (mut from, mut to) = std::io::pipe().unwrap();
        let confined = std::thread::spawn(move || {
            let before = reach();
            forbid_others().unwrap();
            // What a compile does: threads, memory, hash maps, pipes.
            let sums: Vec<usize> = (0..4).map(|n| std::thread::spawn(move || vec![n; 1 << 20].len())).map(|t| t.join().unwrap()).collect();
            let seeded: std::collections::HashMap<usize, usize> = sums.into_iter().enumerate().collect();
            to.write_all(b"x").unwrap();
            let mut read = [0];
            from.read_exact(&mut read).unwrap();
            (before, reach(), std::thread::spawn(reach).join().unwrap(), seeded.len())
        });
        let (before, after, in_a_thread, seeded) = confined.join().unwrap();
        assert_eq!(before, [true; 5], "this machine can do it all");
        assert_eq!((after, in_a_thread), ([false; 5], [false; 5]));
        assert_eq!(seeded, 4);
        assert_eq!(reach(), [true; 5], "the other threads keep what they had");
    }
}
