//! Automation: tidy, codegen, conformance, benchmarks, acceptance.
fn main() {}
