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
pub mod envelope;
pub mod figures;
pub mod handle;
pub mod hooks;
pub mod lanes;
mod listeners;
pub mod own;
mod perform;
pub mod poison;
mod programs;
mod pump;
mod schedules;
mod summaries;
mod timers;
pub mod transport;
mod triggers;
mod turns;

pub use handle::{Handle, RunRequest};
pub use programs::{Programs, operations};
pub use pump::{OpenError, Options, open};
