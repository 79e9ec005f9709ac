//! Which machine speaks for a host: a copy of a machine has its certificate, too.

/// The header by which an agent says which start of which machine it runs on.
pub const MACHINE_HEADER: &str = "keel-machine";

/// Whether a text can be what stands in that header: what the kernel calls a start of a machine.
pub fn is_machine(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_kernel_says_is_a_machine() {
        assert!(is_machine("d3b07384-d9a0-4c9b-8f5e-2f6a7c1b9e10"));
        for odd in ["", "d3b07", "../../../etc/passwd", "d3b07384\n", &"a".repeat(65)] {
            assert!(!is_machine(odd), "{odd:?}");
        }
    }
}
