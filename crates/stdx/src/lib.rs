//! Foundations that std might have had: values, time, ids, spans, diagnostics, random numbers, bounded collections.
//!
//! Invariants: no domain word, no clock, no I/O, no randomness of its own.
//! Not here: anything that knows what an event, a rule or a workflow is.

pub mod bounded;
pub mod diagnostic;
pub mod id;
pub mod json;
pub mod rng;
pub mod span;
pub mod time;
pub mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use id::Id;
pub use rng::Rng;
pub use span::{LineIndex, Position, Span};
pub use time::{Duration, Time};
pub use value::{Object, Value};

/// The name `design/engine.md` uses for [`Value`].
pub type Json = Value;
