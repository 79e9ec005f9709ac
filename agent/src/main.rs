//! The program `keel`.

fn main() {}
