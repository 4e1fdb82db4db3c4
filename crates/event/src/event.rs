//! An event: where it stands, its bytes, and a parse made on first use.
//!
//! Invariants: fields are found in nested and in dotted spelling; arrays are flattened; a body that is not a JSON object is `Error`.
//! Not here: other formats (`decoders`).

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
    doc: OnceLock<Result<Value, Error>>,
}

impl Event {
    /// Wraps bytes without looking at them.
    pub const fn new(meta: Meta, raw: Bytes) -> Self {
        Self { meta, raw, doc: OnceLock::new() }
    }

    fn doc(&self) -> Result<&Value, &Error> {
        self.doc
            .get_or_init(|| match stdx::json::parse_slice(&self.raw) {
                Ok(v @ Value::Object(_)) => Ok(v),
                Ok(other) => Err(Error::NotObject(other.type_name())),
                Err(e) => Err(Error::Json(e.to_string())),
            })
            .as_ref()
    }

    /// Parses now if that has not happened; the error is the reason why no rule can see this event.
    pub fn check(&self) -> Result<(), &Error> {
        self.doc().map(|_| ())
    }

    /// The document as a value; `Null` when it does not parse. Made once, when an alert is raised.
    pub fn to_value(&self) -> Value {
        self.doc().cloned().unwrap_or_default()
    }

    /// True when `test` holds for any leaf under `path` (arrays flattened, nested and dotted spelling, objects skipped).
    pub fn any(&self, path: &FieldPath, mut test: impl FnMut(Scalar<'_>) -> bool) -> bool {
        fn leaf(value: &Value, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
            match value {
                Value::Null => test(Scalar::Null),
                Value::Bool(b) => test(Scalar::Bool(*b)),
                Value::Int(i) => test(Scalar::Int(*i)),
                Value::Float(f) => test(Scalar::Float(*f)),
                Value::Time(t) => test(Scalar::Str(&t.iso())),
                Value::Str(s) => test(Scalar::Str(s)),
                Value::Array(a) => a.iter().any(|v| leaf(v, test)),
                Value::Object(_) => false,
            }
        }
        fn walk(value: &Value, rest: &str, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
            match value {
                Value::Array(a) => a.iter().any(|v| walk(v, rest, test)),
                Value::Object(o) => {
                    if o.get(rest).is_some_and(|v| leaf(v, test)) {
                        return true;
                    }
                    rest.match_indices('.')
                        .any(|(at, _)| o.get(&rest[..at]).is_some_and(|v| walk(v, &rest[at + 1..], test)))
                }
                _ => false,
            }
        }
        self.doc().is_ok_and(|doc| walk(doc, &path.text, &mut test))
    }

    /// True when any leaf under `path`, or below it where `path` names an object, is there and not null.
    pub fn exists(&self, path: &FieldPath) -> bool {
        fn some(value: &Value) -> bool {
            match value {
                Value::Null => false,
                Value::Array(a) => a.iter().any(some),
                Value::Object(o) => o.iter().any(|(_, v)| some(v)),
                _ => true,
            }
        }
        self.doc().is_ok_and(|doc| {
            fn walk(value: &Value, rest: &str) -> bool {
                match value {
                    Value::Array(a) => a.iter().any(|v| walk(v, rest)),
                    Value::Object(o) => {
                        o.get(rest).is_some_and(some)
                            || rest
                                .match_indices('.')
                                .any(|(at, _)| o.get(&rest[..at]).is_some_and(|v| walk(v, &rest[at + 1..])))
                    }
                    _ => false,
                }
            }
            walk(doc, &path.text)
        })
    }
}
