//! The binary: configuration and command line.
fn main() {}
