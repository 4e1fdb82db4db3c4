//! A frame: the unit of the log, and its bytes.
//!
//! Invariants: `decode(encode(f)) == f`; a decoder never panics and never allocates more than its input; kinds are append-only and an
//! unknown kind is an error, never skipped.
//! Not here: files and checksums (`wal`).
//! Source: `design/engine.md` §5, §16.

use crate::op::{Outcome, Provenance};
use crate::period::Period;
use bytes::{BufMut, Bytes};
use event::{Event, Meta};
use std::sync::Arc;
use stdx::{Id, Time};

/// Largest body of a frame; a longer one is damage.
pub const FRAME_BYTES_MAX: usize = 64 << 20;
/// Most documents in a frame; the numbers of writes leave 16 bits for the place inside.
pub const FRAME_DOCS_MAX: usize = 1 << 16;

/// The number of the `k`-th write of a frame.
pub const fn seq_of(number: u64, k: usize) -> u64 {
    number << 16 | k as u64
}

/// One written document of a frame.
#[derive(Debug)]
pub struct Doc {
    /// Place and bytes; for a deletion the bytes are empty.
    pub event: Event,
    /// What the write did.
    pub outcome: Outcome,
    /// Bucket that it belongs to.
    pub period: Period,
}

/// What a frame says.
#[derive(Debug)]
pub enum Kind {
    /// Documents of clients and runs.
    Documents(Vec<Doc>),
    /// Versions of alerts, with the feed position they reach. Rules see those with `Outcome::Created` only.
    Alerts {
        /// Position in the feed of the store.
        feed: u64,
        /// One per alert version.
        docs: Vec<Doc>,
    },
    /// From here on rules of this generation.
    Rules {
        /// Generation of the rule set.
        generation: u64,
    },
    /// Time passed.
    Tick,
    /// An index came to be without a document; JSON of its settings.
    CreateIndex {
        /// Name.
        index: Arc<str>,
        /// JSON of `{settings, mappings, aliases}` as the client sent it.
        body: Bytes,
    },
    /// An index went with everything in it.
    DropIndex {
        /// Name.
        index: Arc<str>,
    },
}

/// A frame of the log.
#[derive(Debug)]
pub struct Frame {
    /// From 1, without gaps.
    pub number: u64,
    /// When the log accepted it; never falls.
    pub arrival: Time,
    /// Where it came from.
    pub provenance: Provenance,
    /// What it says.
    pub kind: Kind,
}

impl Frame {
    /// The documents, if it has some.
    pub fn docs(&self) -> &[Doc] {
        match &self.kind {
            Kind::Documents(docs) | Kind::Alerts { docs, .. } => docs,
            _ => &[],
        }
    }
    /// The documents that rules look at: all writes that left a document, of alerts the creations only.
    pub fn for_rules(&self) -> impl Iterator<Item = &Doc> {
        let alerts = matches!(self.kind, Kind::Alerts { .. });
        self.docs().iter().filter(move |d| match d.outcome {
            Outcome::Created => true,
            Outcome::Updated => !alerts,
            _ => false,
        })
    }
}

/// Writes a frame's body (everything behind number and arrival).
pub(crate) fn encode(out: &mut Vec<u8>, frame: &Frame) {
    let kind = match &frame.kind {
        Kind::Documents(_) => 1u8,
        Kind::Alerts { .. } => 2,
        Kind::Rules { .. } => 3,
        Kind::Tick => 4,
        Kind::CreateIndex { .. } => 5,
        Kind::DropIndex { .. } => 6,
    };
    out.put_u8(kind);
    out.put_u8(frame.provenance.depth);
    put_opt(out, frame.provenance.cause.as_deref());
    put_int(out, frame.provenance.visited.len() as u64);
    for v in &frame.provenance.visited {
        put(out, v.as_bytes());
    }
    match &frame.kind {
        Kind::Documents(docs) => put_docs(out, docs),
        Kind::Alerts { feed, docs } => {
            put_int(out, *feed);
            put_docs(out, docs);
        }
        Kind::Rules { generation } => put_int(out, *generation),
        Kind::Tick => {}
        Kind::CreateIndex { index, body } => {
            put(out, index.as_bytes());
            put(out, body);
        }
        Kind::DropIndex { index } => put(out, index.as_bytes()),
    }
}

fn put_docs(out: &mut Vec<u8>, docs: &[Doc]) {
    put_int(out, docs.len() as u64);
    let mut last: Option<&Arc<str>> = None;
    for d in docs {
        let m = &d.event.meta;
        // Bulk requests go to one index mostly: an empty name repeats the one before.
        if last.is_some_and(|l| *l == m.index) {
            put(out, b"");
        } else {
            put(out, m.index.as_bytes());
        }
        last = Some(&m.index);
        put(out, m.id.as_bytes());
        put_int(out, m.version);
        out.put_u8(match d.outcome {
            Outcome::Created => 1,
            Outcome::Updated => 2,
            Outcome::Deleted => 3,
            Outcome::Noop => 4,
            Outcome::NotFound => 5,
        });
        out.put_i32_le(d.period.0);
        put(out, &d.event.raw);
    }
}

/// Reads a frame's body; the documents share the body's memory.
///
/// - errors: what was found in place of what was expected.
pub(crate) fn decode(number: u64, arrival: Time, body: &Bytes) -> Result<Frame, &'static str> {
    let mut r = Reader { body, at: 0 };
    let kind = r.u8()?;
    let depth = r.u8()?;
    let cause = r.opt()?.map(Id::from);
    let mut visited = Vec::new();
    for _ in 0..r.int()? {
        visited.push(Id::from(r.text()?));
    }
    let kind = match kind {
        1 => Kind::Documents(r.docs(number, arrival)?),
        2 => Kind::Alerts { feed: r.int()?, docs: r.docs(number, arrival)? },
        3 => Kind::Rules { generation: r.int()? },
        4 => Kind::Tick,
        5 => Kind::CreateIndex { index: r.text()?.into(), body: r.bytes()? },
        6 => Kind::DropIndex { index: r.text()?.into() },
        _ => return Err("a frame of an unknown kind"),
    };
    if r.at != body.len() {
        return Err("bytes behind the end of a frame");
    }
    Ok(Frame { number, arrival, provenance: Provenance { cause, depth, visited }, kind })
}

struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
}

const SHORT: &str = "a frame that is shorter than it says";

impl Reader<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], &'static str> {
        let end = self.at.checked_add(n).filter(|e| *e <= self.body.len()).ok_or(SHORT)?;
        let s = &self.body[self.at..end];
        self.at = end;
        Ok(s)
    }
    fn u8(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?[0])
    }
    fn int(&mut self) -> Result<u64, &'static str> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.u8()?;
            v |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Ok(v);
            }
        }
        Err("an endless integer")
    }
    fn bytes(&mut self) -> Result<Bytes, &'static str> {
        let n = usize::try_from(self.int()?).map_err(|_| SHORT)?;
        let start = self.at;
        self.take(n)?;
        Ok(self.body.slice(start..self.at))
    }
    fn text(&mut self) -> Result<String, &'static str> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| "text that is not UTF-8")
    }
    fn opt(&mut self) -> Result<Option<String>, &'static str> {
        let t = self.text()?;
        Ok((!t.is_empty()).then_some(t))
    }
    fn docs(&mut self, number: u64, arrival: Time) -> Result<Vec<Doc>, &'static str> {
        let n = self.int()? as usize;
        if n > FRAME_DOCS_MAX {
            return Err("a frame with too many documents");
        }
        let mut docs = Vec::with_capacity(n.min(self.body.len() / 8));
        let mut index: Arc<str> = "".into();
        for k in 0..n {
            let name = self.text()?;
            if !name.is_empty() {
                index = name.into();
            }
            let id = Id::from(self.text()?);
            let version = self.int()?;
            let outcome = match self.u8()? {
                1 => Outcome::Created,
                2 => Outcome::Updated,
                3 => Outcome::Deleted,
                4 => Outcome::Noop,
                5 => Outcome::NotFound,
                _ => return Err("an unknown outcome"),
            };
            let p = self.take(4)?;
            let period = Period(i32::from_le_bytes([p[0], p[1], p[2], p[3]]));
            let raw = self.bytes()?;
            let meta = Meta { index: index.clone(), id, version, seq: seq_of(number, k), arrival };
            docs.push(Doc { event: Event::new(meta, raw), outcome, period });
        }
        Ok(docs)
    }
}

fn put_int(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_opt(out: &mut Vec<u8>, text: Option<&str>) {
    put(out, text.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        let doc = |index: &str, id: &str, k: usize, outcome| Doc {
            event: Event::new(
                Meta { index: index.into(), id: id.into(), version: 3, seq: seq_of(9, k), arrival: Time(77) },
                Bytes::from_static(br#"{"a":1}"#),
            ),
            outcome,
            period: Period(20_000),
        };
        Frame {
            number: 9,
            arrival: Time(77),
            provenance: Provenance { cause: Some("c".into()), depth: 2, visited: vec!["w".into()] },
            kind: Kind::Alerts {
                feed: 1 << 40,
                docs: vec![
                    doc("a", "1", 0, Outcome::Created),
                    doc("a", "2", 1, Outcome::Deleted),
                    doc("b", "3", 2, Outcome::Updated),
                ],
            },
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        let mut out = Vec::new();
        let frame = sample();
        encode(&mut out, &frame);
        let back = decode(9, Time(77), &Bytes::from(out)).unwrap();
        assert_eq!(back.provenance, frame.provenance);
        assert_eq!(back.docs().len(), 3);
        for (a, b) in back.docs().iter().zip(frame.docs()) {
            assert_eq!(
                (&a.event.meta, &a.event.raw, a.outcome, a.period),
                (&b.event.meta, &b.event.raw, b.outcome, b.period)
            );
        }
        assert_eq!(back.for_rules().count(), 1);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_error_or_another_frame_but_never_a_panic() {
        let mut out = Vec::new();
        encode(&mut out, &sample());
        for cut in 0..out.len() {
            assert!(decode(9, Time(0), &Bytes::copy_from_slice(&out[..cut])).is_err(), "cut at {cut}");
        }
        for i in 0..out.len() {
            for bit in 0..8 {
                let mut bad = out.clone();
                bad[i] ^= 1 << bit;
                let _ = decode(9, Time(0), &Bytes::from(bad));
            }
        }
    }
}
