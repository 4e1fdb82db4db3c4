//! `FieldPath`: a dotted field name, split once.
//!
//! Invariants: `keys` joined with dots is `text`; at most `KEYS_MAX` keys are split off, the rest stays in the last one.

use smallvec::SmallVec;
use std::sync::Arc;

/// Most keys that a path is split into.
pub const KEYS_MAX: usize = 32;

/// A dotted field name such as `process.parent.name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The whole dotted name.
    pub text: Arc<str>,
    /// Its parts between the dots.
    pub keys: SmallVec<[Arc<str>; 4]>,
}

impl FieldPath {
    /// Splits `text` at dots.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), keys: text.splitn(KEYS_MAX, '.').map(Arc::from).collect() }
    }
}

impl From<&str> for FieldPath {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}
