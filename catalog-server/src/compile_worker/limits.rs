//! What a worker may use of the machine. It limits itself before it reads the first byte.

use nix::sys::resource::{Resource, setrlimit};

/// The address space of a worker, in bytes.
pub const MEMORY_BYTES: u64 = 1 << 30;
/// The most descriptors: three pipes, and what the runtime needs.
const DESCRIPTORS: u64 = 16;

/// Limits this process for good: address space, no files, no core dump that would hold facts.
///
/// # Errors
/// The kernel refuses; the worker must not start then.
pub(super) fn restrict(memory: u64) -> Result<(), String> {
    let limits =
        [(Resource::RLIMIT_AS, memory), (Resource::RLIMIT_FSIZE, 0), (Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_NOFILE, DESCRIPTORS)];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit).map_err(|error| format!("cannot limit {resource:?}: {error}"))?;
    }
    Ok(())
}
