//! The shell: inputs, detection loop, executor, timers, transports, recovery.
//!
//! Invariants: only this crate performs effects; the core is synchronous, tokio only pumps.
//! Not here: routes and wire types (`api`), decisions (`workflow`, `triage`).

pub mod clock;
pub mod transport;
