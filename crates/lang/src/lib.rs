//! Query languages: KQL, Lucene, EQL and the Elasticsearch query DSL; text to tree to evaluator.
//!
//! Invariants: parsers are total (any text gives a tree or diagnostics, never a panic), bounded in size and depth; every language compiles to
//! one form, [`Predicate`]; nothing here reads a clock: *now* is the event's arrival or an argument.
//! Not here: which events a rule sees (`rule`), how a query runs on an index (`index`), the workflow context itself (`workflow`).

pub mod analysis;
pub mod date;
pub mod dsl;
pub mod eql;
pub mod kql;
pub mod lucene;
pub mod net;
pub mod pattern;
pub mod predicate;
mod span;
mod typed;

pub mod types;

pub use pattern::{Case, Pattern, Wildcard};

pub use predicate::{Leaf, Predicate, Test};
pub use types::{Ecs, FieldType, FieldTypes};

/// Longest query text in bytes that any parser here accepts.
pub const QUERY_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting that any parser here accepts; below what a 2 MiB stack holds in a debug build.
pub const DEPTH_MAX: usize = 128;
/// Most diagnostics that one parse reports.
pub const DIAGNOSTICS_MAX: usize = 50;
