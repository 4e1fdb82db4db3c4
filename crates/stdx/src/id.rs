//! Ids made from given bytes: UUIDv7, UUIDv8, 20-character document ids.
//!
//! Invariants: nothing here draws randomness; callers pass it in, so the same inputs give the same id.
//! Source: RFC 9562 for the UUID layouts.

use crate::time::Time;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// An id as text; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub Arc<str>);

impl Id {
    /// Wraps text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::ops::Deref for Id {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl std::borrow::Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl From<&str> for Id {
    fn from(s: &str) -> Self {
        Self(s.into())
    }
}
impl From<String> for Id {
    fn from(s: String) -> Self {
        Self(s.into())
    }
}

fn uuid_text(mut b: [u8; 16], version: u8) -> String {
    b[6] = (b[6] & 0x0f) | (version << 4);
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = hex::encode(b);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

/// UUIDv7: 48 bits of milliseconds, then the given random bytes.
pub fn uuid_v7(now: Time, random: [u8; 10]) -> Id {
    let mut b = [0u8; 16];
    b[..6].copy_from_slice(&(now.ms().max(0) as u64).to_be_bytes()[2..]);
    b[6..].copy_from_slice(&random);
    Id::from(uuid_text(b, 7))
}

/// UUIDv8: 48 bits of the cause's time in milliseconds, then the head of SHA-256 over the parts (each length-prefixed).
pub fn uuid_v8(cause: Time, parts: &[&str]) -> Id {
    let digest = hash_parts(parts);
    let mut b = [0u8; 16];
    b[..6].copy_from_slice(&(cause.ms().max(0) as u64).to_be_bytes()[2..]);
    b[6..].copy_from_slice(&digest[..10]);
    Id::from(uuid_text(b, 8))
}

/// UUIDv4 layout over the given random bytes.
pub fn uuid_v4(random: [u8; 16]) -> Id {
    Id::from(uuid_text(random, 4))
}

/// 20 URL-safe characters over 15 bytes, as Elasticsearch's generated document ids.
pub fn document_id(bytes: [u8; 15]) -> Id {
    Id::from(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 over length-prefixed parts, so that no two lists of parts collide by concatenation.
pub fn hash_parts(parts: &[&str]) -> [u8; 32] {
    let mut h = Sha256::new();
    for p in parts {
        h.update((p.len() as u64).to_le_bytes());
        h.update(p.as_bytes());
    }
    h.finalize().into()
}

/// Lower-case hex of SHA-256 over the bytes.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let v7 = uuid_v7(Time::from_ms(0x0123_4567_89ab), [0xff; 10]);
        assert_eq!(v7.as_str(), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(uuid_v8(Time::from_ms(5), &["a", "b"]), uuid_v8(Time::from_ms(5), &["a", "b"]));
        assert_ne!(uuid_v8(Time::from_ms(5), &["a", "b"]), uuid_v8(Time::from_ms(5), &["ab"]));
        assert_eq!(document_id([7; 15]).len(), 20);
    }
}
