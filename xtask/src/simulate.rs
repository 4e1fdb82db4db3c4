//! `simulate`: the crash loop of `sim` over every golden run, and worlds with planted bugs.
//!
//! Invariants: a crash before and after each commit and each effect gives the outcome of the run without a crash; a planted bug is caught.
//! Not here: killing processes (`crash`).

/// Runs the crash loop over every golden run; true when every outcome is that of the run without a crash.
pub fn run() -> anyhow::Result<bool> {
    sim::campaign::run()
}

/// Runs worlds with planted bugs; true when each is caught.
pub fn planted() -> anyhow::Result<bool> {
    sim::campaign::planted()
}

/// Runs seeded worlds in bad weather; true when no invariant breaks and each planted bug is found.
pub fn worlds(n: u64, seed: u64) -> anyhow::Result<bool> {
    sim::campaign::worlds(n, seed)
}
