//! An event: where it stands, its bytes, and a parse made on first use.
//!
//! Invariants: fields are found in nested and in dotted spelling; arrays are flattened; a body that is not a JSON object is `Error`.
//! Not here: other formats (`decoders`).

use crate::flat::Flat;
use crate::path::FieldPath;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use stdx::{Id, Time, Value};

/// Where an event stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// Concrete index or data stream name, for example `logs-system.auth-default`.
    pub index: Arc<str>,
    /// Document id.
    pub id: Id,
    /// Document version, from 1.
    pub version: u64,
    /// Number of the frame in the log; 0 where there is no log.
    pub seq: u64,
    /// When the log accepted it: the clock of every window.
    pub arrival: Time,
}

/// One leaf value of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// JSON null.
    Null,
    /// JSON boolean.
    Bool(bool),
    /// Integer of 64 bits.
    Int(i64),
    /// Other number.
    Float(f64),
    /// Text.
    Str(&'a str),
}

/// What can be wrong with an event's bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not JSON.
    #[error("malformed JSON: {0}")]
    Json(String),
    /// The bytes are JSON but not an object.
    #[error("the document must be a JSON object, found {0}")]
    NotObject(&'static str),
}

/// An event: its place, its bytes, a lazy parse.
#[derive(Debug)]
pub struct Event {
    /// Where it stands.
    pub meta: Meta,
    /// The bytes as they came, a JSON object.
    pub raw: Bytes,
    flat: OnceLock<Result<Flat, Error>>,
}

impl Event {
    /// Wraps bytes without looking at them.
    pub const fn new(meta: Meta, raw: Bytes) -> Self {
        Self { meta, raw, flat: OnceLock::new() }
    }

    fn flat(&self) -> Result<&Flat, &Error> {
        self.flat.get_or_init(|| Flat::parse(&self.raw)).as_ref()
    }

    /// Parses now if that has not happened; the error is the reason why no rule can see this event.
    pub fn check(&self) -> Result<(), &Error> {
        self.flat().map(|_| ())
    }

    /// The document as a value; `Null` when it does not parse. Made once, when an alert is raised.
    pub fn to_value(&self) -> Value {
        if self.check().is_err() {
            return Value::Null;
        }
        stdx::json::parse_slice(&self.raw).unwrap_or_default()
    }

    /// True when `test` holds for any leaf under `path` (arrays flattened, nested and dotted spelling, objects skipped).
    pub fn any(&self, path: &FieldPath, mut test: impl FnMut(Scalar<'_>) -> bool) -> bool {
        self.flat().is_ok_and(|flat| flat.any(path, &mut test))
    }

    /// True when any leaf under `path`, or below it where `path` names an object, is there and not null.
    pub fn exists(&self, path: &FieldPath) -> bool {
        self.flat().is_ok_and(|flat| flat.exists(path))
    }

    /// Every leaf with its dotted path, in document order; empty when the document does not parse.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, Scalar<'_>)> {
        self.flat().into_iter().flat_map(Flat::leaves)
    }

    /// As [`Event::leaves`], each with the hash of its path as [`FieldPath::hash`] gives it.
    pub fn hashed_leaves(&self) -> impl Iterator<Item = (u64, &str, Scalar<'_>)> {
        self.flat().into_iter().flat_map(Flat::hashed)
    }

    /// The first text under `path`, shared as an owned string.
    pub fn text(&self, path: &FieldPath) -> Option<String> {
        let mut found = None;
        self.any(path, |s| match s {
            Scalar::Str(t) => {
                found = Some(t.to_owned());
                true
            }
            _ => false,
        });
        found
    }
}

#[cfg(test)]
mod tests;
