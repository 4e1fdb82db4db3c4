//! How calls look on the wire: `data` interprets connector files, the others are code for what data cannot say.
//!
//! Invariants: pure functions from a bound call to a request and from an answer to an output.

pub(crate) mod chat;
pub(crate) mod data;
pub(crate) mod http;
pub(crate) mod slack;
pub mod ssh;
pub mod winrm;
