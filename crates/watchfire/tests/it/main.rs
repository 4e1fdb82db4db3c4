//! The one integration binary: the real server as a process, the doubles as another, the main job and its bad days.
//!
//! Invariants: free loopback ports; every process started here is ended here; nothing waits longer than `WAIT_MAX`.
//! Not here: kills at random moments (`cargo xtask crash`), the page (`ui/tests`).

mod approval;
mod bad_days;
mod bad_input;
mod halt;
mod secrets;
mod stage;
mod winrm;
