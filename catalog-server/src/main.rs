//! The program `keel-server`.

fn main() {}
