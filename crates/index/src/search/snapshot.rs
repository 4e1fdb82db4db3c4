//! One moment of the buckets that a search touches.
//!
//! Invariants: a document is in a bucket's searcher or in its tail, never counted in both.
//! Not here: order, aggregations.

use super::bits::Bits;
use super::filter::{Candidate, Segment, time_bounds};
use super::mapping::Types;
use crate::bucket::{self, Fields};
use crate::error::Error;
use crate::index::{Index, Shared};
use crate::names::{self, Expand};
use crate::op::Outcome;
use crate::period::Period;
use crate::state::{TailDoc, leaves};
use event::{Event, Meta};
use lang::dsl::Query;
use lang::predicate::Predicate;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;
use stdx::{Id, Time};
use tantivy::schema::Value as _;
use tantivy::{Searcher, TantivyDocument};

/// One bucket at that moment.
pub(crate) struct Part {
    pub index: Arc<str>,
    pub searcher: Option<Searcher>,
    pub tail: Arc<Vec<TailDoc>>,
    /// Tail documents that no later one replaces.
    pub live: Vec<u32>,
    /// Ids of which the searcher's document counts no more.
    replaced: Vec<Id>,
}

/// Where a found document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub part: u32,
    /// Segment, or `TAIL`.
    pub segment: u32,
    pub doc: u32,
}

/// The segment number that means the tail.
pub(crate) const TAIL: u32 = u32::MAX;

/// Found documents of one segment or tail.
pub(crate) struct Matched {
    pub part: u32,
    pub segment: u32,
    pub docs: Docs,
}

/// Document numbers.
pub(crate) enum Docs {
    Bits(Bits),
    List(Vec<u32>),
}

impl Matched {
    pub fn count(&self) -> u64 {
        match &self.docs {
            Docs::Bits(b) => b.count(),
            Docs::List(l) => l.len() as u64,
        }
    }
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match &self.docs {
            Docs::Bits(b) => Box::new(b.iter()),
            Docs::List(l) => Box::new(l.iter().copied()),
        }
    }
}

/// The buckets of a search.
pub(crate) struct Snapshot {
    pub parts: Vec<Part>,
    pub fields: Fields,
    pub predicate: Predicate,
    pub types: Types,
    pub now: Time,
}

/// A document read back.
pub(crate) struct Read {
    pub event: Event,
}

impl Snapshot {
    pub fn take(index: &Index, expression: &str, expand: Expand, query: &Query, now: Time) -> Result<Self, Error> {
        let shared: &Shared = &index.shared;
        let all = index.names();
        let all: Vec<&str> = all.iter().map(|n| &**n).collect();
        let names: HashSet<&str> = names::resolve(expression, &all, expand)?.into_iter().collect();
        let bounds = time_bounds(&query.to_predicate(&lang::Ecs), now);
        let wanted = |name: &str, period: Period| {
            let (a, b) = if names::is_hidden(name) { (i64::MIN, i64::MAX) } else { period.span() };
            names.contains(name) && a <= bounds.1 && b >= bounds.0
        };
        let mut parts = Vec::new();
        let mut bodies = Vec::new();
        // A bucket can be closed between opening and taking; the next round finds it open.
        for _ in 0..8 {
            shared.open_searchers(wanted)?;
            parts.clear();
            bodies.clear();
            let mut closed = false;
            let mut state = shared.state();
            for i in state.indices.values_mut().filter(|i| names.contains(&*i.name)) {
                bodies.push((i.name.clone(), i.body.clone()));
                for (p, b) in &mut i.buckets {
                    if !wanted(&i.name, *p) {
                        continue;
                    }
                    closed |= !b.opened;
                    b.last_search = Instant::now();
                    parts.push(Part {
                        index: i.name.clone(),
                        searcher: b.searcher.clone(),
                        tail: b.tail.clone(),
                        live: Vec::new(),
                        replaced: Vec::new(),
                    });
                }
            }
            drop(state);
            if !closed {
                parts.iter_mut().for_each(Part::settle);
                let types = Types::new(&parts, &bodies);
                let predicate = query.to_predicate(&types.over(&parts));
                return Ok(Self { parts, fields: bucket::fields(), predicate, types, now });
            }
        }
        Err(Error::Busy { what: "buckets being opened", retry_after_ms: 100 })
    }

    /// Everything that the predicate holds for.
    pub fn matched(&self) -> Result<Vec<Matched>, Error> {
        let mut out = Vec::new();
        for (part, p) in self.parts.iter().enumerate() {
            let part = part as u32;
            if let Some(searcher) = &p.searcher {
                let mut dead: Vec<Vec<u32>> = vec![Vec::new(); searcher.segment_readers().len()];
                for id in &p.replaced {
                    if let Some(f) = bucket::find(searcher, &self.fields, id)? {
                        dead[f.segment as usize].push(f.doc);
                    }
                }
                for (i, reader) in searcher.segment_readers().iter().enumerate() {
                    let segment = Segment { reader, fields: &self.fields, index: &p.index, now: self.now };
                    let bits = segment.filter(&self.predicate, &dead[i])?;
                    if !bits.is_empty() {
                        out.push(Matched { part, segment: i as u32, docs: Docs::Bits(bits) });
                    }
                }
            }
            let holds =
                |k: &u32| self.predicate.eval(&Candidate { event: &p.tail[*k as usize].doc().event, now: self.now });
            let list: Vec<u32> = p.live.iter().copied().filter(holds).collect();
            if !list.is_empty() {
                out.push(Matched { part, segment: TAIL, docs: Docs::List(list) });
            }
        }
        Ok(out)
    }

    /// Reads a document.
    pub fn read(&self, place: Place) -> Result<Read, Error> {
        let p = &self.parts[place.part as usize];
        if place.segment == TAIL {
            let e = &p.tail[place.doc as usize].doc().event;
            return Ok(Read { event: Event::new(e.meta.clone(), e.raw.clone()) });
        }
        let searcher = p.searcher.as_ref().ok_or(Error::Closed)?;
        let reader = searcher.segment_reader(place.segment);
        let fast = reader.fast_fields();
        let number = |name| fast.u64(name).map(|c| c.first(place.doc).unwrap_or_default());
        let doc: TantivyDocument = searcher.doc(tantivy::DocAddress::new(place.segment, place.doc))?;
        let raw = doc.get_first(self.fields.source).and_then(|v| v.as_bytes()).unwrap_or_default();
        let id = doc.get_first(self.fields.id).and_then(|v| v.as_str()).unwrap_or_default();
        let meta = Meta {
            index: p.index.clone(),
            id: id.into(),
            version: number("_version")?,
            seq: number("_seq")?,
            arrival: self.now,
        };
        Ok(Read { event: Event::new(meta, bytes::Bytes::copy_from_slice(raw)) })
    }
}

impl Part {
    /// Finds out which tail documents count.
    fn settle(&mut self) {
        if self.tail.iter().all(|t| t.doc().outcome == Outcome::Created) {
            self.live = (0..self.tail.len() as u32).collect();
            return;
        }
        let mut seen: HashSet<&str> = HashSet::new();
        for (k, t) in self.tail.iter().enumerate().rev() {
            let d = t.doc();
            if seen.insert(&d.event.meta.id) && leaves(d.outcome) {
                self.live.push(k as u32);
            }
            if d.outcome != Outcome::Created {
                self.replaced.push(d.event.meta.id.clone());
            }
        }
        self.live.reverse();
        self.replaced.sort();
        self.replaced.dedup();
    }
}
