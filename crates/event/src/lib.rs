//! Events: raw bytes with a lazy parse, field paths, ECS names, decoders.
//!
//! Invariants: an event's bytes never change; parsing happens at most once; nothing here reads a clock or a file.
//! Not here: predicates over events (`lang`), storage (`index`).

pub mod decoders;
pub mod ecs;
pub mod event;
mod flat;
pub mod path;
pub mod timestamp;

pub use event::{Event, Meta, Scalar};
pub use flat::{DEPTH_MAX, LEAVES_MAX};
pub use path::FieldPath;
