//! Which machine this is, for a server that is not to take a copy of it for the same host.

use keel_engine::protocol::machine::is_machine;

/// Where the kernel says which of its starts this is. No two starts have the same, of this machine or of a copy.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// This start of this machine; none where the kernel does not say.
pub(super) fn machine() -> Option<String> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    Some(text.trim().to_owned()).filter(|text| is_machine(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_as_long_as_it_runs() {
        assert!(machine().is_some());
        assert_eq!(machine(), machine());
    }
}
