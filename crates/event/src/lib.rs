//! Events: raw bytes with a lazy parse, field paths, ECS names, decoders.
//!
//! Invariants: an event's bytes never change; parsing happens at most once; nothing here reads a clock or a file.
//! Not here: predicates over events (`lang`), storage (`index`).

pub mod event;
pub mod path;

pub use event::{Event, Meta, Scalar};
pub use path::FieldPath;
