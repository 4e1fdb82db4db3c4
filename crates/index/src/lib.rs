//! The event store: write-ahead log, tantivy buckets, search.
//!
//! Invariants: an acknowledged event is on disk, is found by search and is seen by every follower after any restart (INV-11).
//! Not here: the HTTP wire, rules, alerts' life.

pub mod error;
pub mod frame;
pub mod names;
pub mod op;
pub mod period;
pub mod search;

mod append;
mod bucket;
mod index;
mod indexer;
mod state;
mod wal;

pub use append::Done;
pub use error::{Error, ItemError};
pub use frame::{Doc, Frame, Kind, seq_of};
pub use index::{GotDoc, Index, IndexInfo, Listener, Options};
pub use names::Expand;
pub use op::{AlertVersion, Appended, Batch, ItemResult, Op, OpKind, Outcome, Provenance, Update, Written};
pub use period::Period;
pub use search::{Hit, SearchRequest, SearchResponse, Select, SortBy, SortKey};
pub use state::Counts;
pub use wal::{Faults, Lineage, Position};

#[cfg(test)]
mod tests;
