//! The audit trail's hash chain: headers, Merkle roots, links, checkpoints.
//!
//! Invariants: a header covers number, time, actor, action, subject, the digest of the body and the run's journal digest; a link
//! covers all headers of its batch and the link before; a body can go (salt and body set null) without breaking the chain.
//! Not here: verifying a database (`audit::verify`), who writes entries (`writer`).
//! Source: `design/engine.md` §12; Merkle trees as in RFC 6962 (leaf and node prefixes).

mod signatures;
pub mod verify;

#[cfg(test)]
mod tests;

use crate::batch::Digest;
use sha2::{Digest as _, Sha256};
use stdx::Time;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// How often a signed checkpoint is written.
pub const CHECKPOINT_EVERY_US: i64 = 60_000_000;

/// The members of a header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Number.
    pub seq: u64,
    /// Space.
    pub space: &'a str,
    /// When.
    pub at: Time,
    /// User, channel, run and step.
    pub actor: (&'a str, &'a str, Option<&'a str>, Option<&'a str>),
    /// Action.
    pub action: &'a str,
    /// Noun and id.
    pub of: (&'a str, &'a str),
    /// Digest of salt and body.
    pub digest: &'a [u8],
    /// `base` and digest of the run's journal row.
    pub run: Option<(u64, &'a [u8])>,
}

/// The text that is hashed: a JSON array without white space, binary members in hex. A script in any language can make it.
pub fn header_text(h: &Header<'_>) -> String {
    let (user, channel, execution, step) = h.actor;
    let fields = (
        "wf1",
        h.seq,
        h.space,
        h.at.0,
        user,
        channel,
        execution,
        step,
        h.action,
        h.of.0,
        h.of.1,
        hex::encode(h.digest),
        h.run.map(|r| r.0),
        h.run.map(|r| hex::encode(r.1)),
    );
    serde_json::to_string(&fields).expect("texts and numbers are always JSON")
}

/// Digest of salt and body.
pub fn body_digest(salt: &[u8], body: &str) -> Digest {
    Sha256::new().chain_update(salt).chain_update(body.as_bytes()).finalize().into()
}

/// Root over the headers' texts in order; an odd node moves up as it is.
pub fn merkle_root<'a>(headers: impl Iterator<Item = &'a str>) -> Digest {
    let mut level: Vec<Digest> =
        headers.map(|h| Sha256::new().chain_update([0u8]).chain_update(h.as_bytes()).finalize().into()).collect();
    if level.is_empty() {
        return Sha256::digest([]).into();
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [l, r] => Sha256::new().chain_update([1u8]).chain_update(l).chain_update(r).finalize().into(),
                [single, ..] => *single,
                [] => unreachable!("chunks are not empty"),
            })
            .collect();
    }
    level[0]
}

/// `h_n = SHA-256(h_{n-1} ‖ root)`.
pub fn link_hash(previous: &[u8], root: &[u8]) -> Digest {
    Sha256::new().chain_update(previous).chain_update(root).finalize().into()
}

/// Digest of a run's journal before its first row.
pub fn journal_seed(execution: &str) -> Digest {
    Sha256::new().chain_update(b"wf1 journal ").chain_update(execution.as_bytes()).finalize().into()
}

/// Digest of a journal row: the one before, its place, its facts, the payloads that came with it.
pub fn journal_digest<'a>(
    previous: &[u8],
    base: u64,
    count: u64,
    facts: &[u8],
    payloads: impl Iterator<Item = (u64, &'a str)>,
) -> Digest {
    let mut h = Sha256::new();
    h.update(previous);
    h.update(base.to_le_bytes());
    h.update(count.to_le_bytes());
    h.update((facts.len() as u64).to_le_bytes());
    h.update(facts);
    for (n, body) in payloads {
        h.update(n.to_le_bytes());
        h.update(Sha256::digest(body.as_bytes()));
    }
    h.finalize().into()
}

/// The text that a checkpoint signs.
pub fn checkpoint_text(n: u64, at: Time, heads: &str, previous: &[u8], key: &str) -> String {
    serde_json::json!(["wf1 checkpoint", n, at.0, heads, hex::encode(previous), key]).to_string()
}
