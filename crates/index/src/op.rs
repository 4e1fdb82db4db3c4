//! What callers ask the log to write, and what they get back.
//!
//! Invariants: an operation is checked before it is queued; a result is given only after its frame is on disk.
//! Not here: deciding version and conflict (`append`), bytes on disk (`frame`).

use crate::error::ItemError;
use bytes::Bytes;
use std::sync::Arc;
use stdx::{Id, Value};

/// Largest document, in bytes of JSON.
pub const DOC_BYTES_MAX: usize = 32 << 20;
/// Longest document id, as in Elasticsearch.
pub const ID_BYTES_MAX: usize = 512;

/// What to do with one document.
#[derive(Debug, Clone)]
pub enum OpKind {
    /// Writes, replacing what is there.
    Index(Bytes),
    /// Writes unless the id is there.
    Create(Bytes),
    /// Merges into what is there.
    Update(Box<Update>),
    /// Removes.
    Delete,
}

/// The body of an `_update`.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Merged deeply into the document; arrays are replaced.
    pub doc: Option<Value>,
    /// Written when there is no document.
    pub upsert: Option<Value>,
    /// `doc` is also the upsert.
    pub doc_as_upsert: bool,
    /// Give `noop` when nothing changes.
    pub detect_noop: bool,
}

/// One operation on one document.
#[derive(Debug, Clone)]
pub struct Op {
    /// Concrete index or data stream name.
    pub index: Arc<str>,
    /// Document id; made when absent (then the kind must be `Index` or `Create`).
    pub id: Option<Id>,
    /// What to do.
    pub kind: OpKind,
    /// Only if the document's last write had this number.
    pub if_seq_no: Option<u64>,
}

impl Op {
    /// A `create` with an id that the log makes.
    pub fn create(index: &str, source: impl Into<Bytes>) -> Self {
        Self { index: index.into(), id: None, kind: OpKind::Create(source.into()), if_seq_no: None }
    }
    /// With the given id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Id>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// Where a frame came from: what keeps rules over alerts from running in circles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Alert or execution that caused this write.
    pub cause: Option<Id>,
    /// Length of the chain of causes.
    pub depth: u8,
    /// Workflows that ran on the way.
    pub visited: Vec<Id>,
}

/// Operations that are written together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In order.
    pub ops: Vec<Op>,
    /// Where they come from.
    pub provenance: Provenance,
}

/// One version of an alert, from the feed of the store.
#[derive(Debug, Clone)]
pub struct AlertVersion {
    /// Alert index, for example `.alerts-security.alerts-default`.
    pub index: Arc<str>,
    /// Alert id.
    pub id: Id,
    /// Version of the alert in the store, from 1.
    pub version: u64,
    /// True for the first version: the only one that rules see.
    pub created: bool,
    /// When the alert was created; chooses its bucket, so that later versions find the first.
    pub created_at: stdx::Time,
    /// The whole document.
    pub source: Bytes,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// New.
    Created,
    /// Replaced or merged.
    Updated,
    /// Gone now.
    Deleted,
    /// Nothing changed.
    Noop,
    /// `Delete` of something that is not there.
    NotFound,
}

impl Outcome {
    /// The word of the wire: `created updated deleted noop not_found`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Noop => "noop",
            Self::NotFound => "not_found",
        }
    }
}

/// A done operation.
#[derive(Debug, Clone)]
pub struct Written {
    /// Index it went to.
    pub index: Arc<str>,
    /// Document id.
    pub id: Id,
    /// Version after it.
    pub version: u64,
    /// Number of this write, rising over the whole log.
    pub seq_no: u64,
    /// What became of the document.
    pub outcome: Outcome,
}

/// Result of one operation.
pub type ItemResult = Result<Written, ItemError>;

/// What an acknowledged batch gives back.
#[derive(Debug, Clone)]
pub struct Appended {
    /// One per operation, in order.
    pub items: Vec<ItemResult>,
    /// Number of the last frame that holds it: search and followers that have passed it have seen the batch.
    pub number: u64,
}
