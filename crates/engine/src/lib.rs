//! The shell: inputs, detection loop, executor, timers, transports, recovery.
//!
//! Invariants: only this crate performs effects; the core is synchronous, tokio only pumps.
//! Not here: routes and wire types (`api`), decisions (`workflow`, `triage`).

mod actions;
mod admission;
mod alert_writer;
mod bell;
pub mod clock;
pub mod core;
mod detect;
pub mod figures;
pub mod handle;
mod lanes;
pub mod own;
mod perform;
mod programs;
mod pump;
mod summaries;
mod timers;
pub mod transport;

pub use handle::{Handle, RunRequest};
pub use programs::{Programs, operations};
pub use pump::{OpenError, Options, open};
