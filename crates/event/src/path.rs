//! `FieldPath`: a dotted field name, split and hashed once.
//!
//! Invariants: `keys` joined with dots is `text`; at most `KEYS_MAX` keys are split off, the rest stays in the last one; `hash` is `hash_text(text)`.

use smallvec::SmallVec;
use std::sync::Arc;

/// Most keys that a path is split into.
pub const KEYS_MAX: usize = 32;

/// A dotted field name such as `process.parent.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    /// The whole dotted name.
    pub text: Arc<str>,
    /// Its parts between the dots.
    pub keys: SmallVec<[Arc<str>; 4]>,
    /// Hash of `text`, so that a look-up in an event hashes nothing.
    pub(crate) hash: u64,
}

impl FieldPath {
    /// Splits `text` at dots.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), keys: text.splitn(KEYS_MAX, '.').map(Arc::from).collect(), hash: hash_text(text) }
    }
    /// The hash of `text`, the same in every process.
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

impl From<&str> for FieldPath {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl std::hash::Hash for FieldPath {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A quick hash of a field name, eight bytes at a time; equality is always checked on the text.
pub fn hash_text(text: &str) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = (text.len() as u64).wrapping_mul(K);
    let mut words = text.as_bytes().chunks_exact(8);
    for word in &mut words {
        let mut b = [0u8; 8];
        b.copy_from_slice(word);
        h = (h.rotate_left(5) ^ u64::from_le_bytes(b)).wrapping_mul(K);
    }
    let rest = words.remainder();
    let mut b = [0u8; 8];
    b[..rest.len()].copy_from_slice(rest);
    h = (h.rotate_left(5) ^ u64::from_le_bytes(b)).wrapping_mul(K);
    h ^ (h >> 32)
}
