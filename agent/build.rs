//! How the program is linked.

fn main() {
    // Packed relocations: the others are read at every start and stay in the memory of the agent, nearly a
    // mebibyte. They need glibc 2.36, which Debian has had since 12.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
}
