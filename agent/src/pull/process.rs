//! The agent's own process, whatever it was started from.

use nix::sys::stat::{Mode, umask};

/// Takes nothing over from whoever started the agent: the mask of new files is the usual one, the folder
/// is `/`, and open files beyond the three standard ones are closed. Call it before anything is opened.
pub fn normalise() {
    umask(Mode::from_bits_truncate(0o022));
    // Some folder is always there; staying in the old one harms nothing but its removal.
    let _ = std::env::set_current_dir("/");
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The one that the list was read through is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}
