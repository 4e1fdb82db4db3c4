//! The order of hits, and the window of them.
//!
//! Invariants: the order is total (ties by the number of the write), so `search_after` with unique sort values neither repeats nor skips; texts
//! sort by bytes behind numbers; missing values stand where `missing` says.
//! Source: `reference/elasticsearch-apis.md` §9.3 *sort*.

use super::SearchRequest;
use super::columns::Columns;
use super::snapshot::{Matched, Place, Snapshot, TAIL};
use crate::error::Error;
use event::{FieldPath, Scalar};
use lang::FieldType;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use stdx::{Time, Value};

/// Where documents without the field stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// Behind all others.
    Last,
    /// Before all others.
    First,
    /// As if they had this value.
    Value(Value),
}

/// What to sort by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// A field; the least of its values when ascending, else the greatest.
    Field(String),
    /// The order of writing (`_doc`, `_shard_doc`, `_seq_no`).
    Seq,
    /// The score, which is the same for all.
    Score,
}

/// One sort field.
#[derive(Clone, Debug, PartialEq)]
pub struct SortBy {
    /// What.
    pub key: SortKey,
    /// From great to small.
    pub descending: bool,
    /// Where documents without it stand.
    pub missing: Missing,
}

impl SortBy {
    /// In the order of writing.
    pub fn seq() -> Self {
        Self { key: SortKey::Seq, descending: false, missing: Missing::Last }
    }
    /// By a field.
    pub fn field(name: &str, descending: bool) -> Self {
        Self { key: SortKey::Field(name.into()), descending, missing: Missing::Last }
    }
}

/// A sort value.
#[derive(Clone, Debug)]
enum Key {
    Int(i64),
    Float(f64),
    Text(Arc<str>),
}

fn rank(k: &Key) -> u8 {
    u8::from(matches!(k, Key::Text(_)))
}

fn compare(a: &Key, b: &Key) -> Ordering {
    match (a, b) {
        (Key::Int(a), Key::Int(b)) => a.cmp(b),
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        (Key::Int(a), Key::Float(b)) => (*a as f64).total_cmp(b),
        (Key::Float(a), Key::Int(b)) => a.total_cmp(&(*b as f64)),
        (Key::Float(a), Key::Float(b)) => a.total_cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// The order of two optional values under one sort field: absent ones first or last whatever the direction.
fn order(by: &SortBy, a: Option<&Key>, b: Option<&Key>) -> Ordering {
    let absent_first = by.missing == Missing::First;
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if absent_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if absent_first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if by.descending => compare(b, a),
        (Some(a), Some(b)) => compare(a, b),
    }
}

fn key_of(value: &Value) -> Option<Key> {
    Some(match value {
        Value::Int(i) => Key::Int(*i),
        Value::Float(f) => Key::Float(*f),
        Value::Bool(b) => Key::Int((*b).into()),
        Value::Str(s) => Key::Text(s.clone()),
        Value::Time(t) => Key::Int(t.ms()),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

fn value_of(key: Option<&Key>) -> Value {
    match key {
        None => Value::Null,
        Some(Key::Int(i)) => Value::Int(*i),
        Some(Key::Float(f)) => Value::Float(*f),
        Some(Key::Text(t)) => Value::Str(t.clone()),
    }
}

/// Gives the sort value of documents of one segment or tail.
enum Reader {
    Seq,
    Score,
    Time(tantivy::columnar::Column<i64>),
    Columns { columns: Box<Columns>, date: bool },
    Tail { path: FieldPath, date: bool },
    Empty,
}

struct Hit<'a> {
    keys: Vec<Option<Key>>,
    seq: u64,
    place: Place,
    by: &'a [SortBy],
}

impl Hit<'_> {
    fn cmp_keys(&self, other: &Self) -> Ordering {
        for ((by, a), b) in self.by.iter().zip(&self.keys).zip(&other.keys) {
            let o = order(by, a.as_ref(), b.as_ref());
            if o.is_ne() {
                return o;
            }
        }
        self.seq.cmp(&other.seq).then(self.place.cmp(&other.place))
    }
}
impl PartialEq for Hit<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Hit<'_> {}
impl PartialOrd for Hit<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Hit<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_keys(other)
    }
}

/// Sorts and cuts the window.
pub(crate) fn pick(
    snapshot: &Snapshot,
    matched: &[Matched],
    request: &SearchRequest,
) -> Result<Vec<(Place, Vec<Value>)>, Error> {
    let keep = request.from + request.size;
    if keep == 0 {
        return Ok(Vec::new());
    }
    let by = &request.sort;
    let after: Option<Vec<Option<Key>>> = match &request.search_after {
        Some(values) => Some(by.iter().zip(values).map(|(b, v)| after_key(snapshot, b, v)).collect::<Result<_, _>>()?),
        None => None,
    };
    let mut heap: BinaryHeap<Hit<'_>> = BinaryHeap::with_capacity(keep.min(1024) + 1);
    let mut buffer = String::new();
    for m in matched {
        let part = &snapshot.parts[m.part as usize];
        let segment =
            (m.segment != TAIL).then(|| part.searcher.as_ref().map(|s| s.segment_reader(m.segment))).flatten();
        let seqs = segment.map(|s| s.fast_fields().u64("_seq")).transpose()?;
        let readers = by.iter().map(|b| reader(snapshot, b, segment)).collect::<Result<Vec<_>, _>>()?;
        for doc in m.iter() {
            let seq = match &seqs {
                Some(c) => c.first(doc).unwrap_or_default(),
                None => part.tail[doc as usize].doc().event.meta.seq,
            };
            let mut keys = Vec::with_capacity(by.len());
            let mut beaten = None;
            for (i, (b, r)) in by.iter().zip(&readers).enumerate() {
                let event = || &part.tail[doc as usize].doc().event;
                let key = read(r, b, doc, seq, &event, &mut buffer);
                // The first field decides for most documents: the others are not even read then.
                if i == 0
                    && heap.len() >= keep
                    && let Some(worst) = heap.peek()
                    && order(b, key.as_ref(), worst.keys[0].as_ref()).is_gt()
                {
                    beaten = Some(());
                    break;
                }
                keys.push(key);
            }
            if beaten.is_some() {
                continue;
            }
            if let Some(after) = &after
                && !is_after(by, &keys, after)
            {
                continue;
            }
            let hit = Hit { keys, seq, place: Place { part: m.part, segment: m.segment, doc }, by };
            if heap.len() < keep {
                heap.push(hit);
            } else if heap.peek().is_some_and(|worst| hit < *worst) {
                heap.pop();
                heap.push(hit);
            }
        }
    }
    let sorted = heap.into_sorted_vec();
    Ok(sorted
        .into_iter()
        .skip(request.from)
        .map(|h| (h.place, h.keys.iter().map(|k| value_of(k.as_ref())).collect()))
        .collect())
}

fn is_after(by: &[SortBy], keys: &[Option<Key>], after: &[Option<Key>]) -> bool {
    for ((b, k), a) in by.iter().zip(keys).zip(after) {
        match order(b, k.as_ref(), a.as_ref()) {
            Ordering::Equal => {}
            o => return o.is_gt(),
        }
    }
    false
}

fn is_date(snapshot: &Snapshot, field: &str) -> bool {
    snapshot.types.of(&snapshot.parts, field).1 == FieldType::Date
}

/// A `search_after` value: dates may be given as text.
fn after_key(snapshot: &Snapshot, by: &SortBy, value: &Value) -> Result<Option<Key>, Error> {
    if let (SortKey::Field(f), Value::Str(text)) = (&by.key, value)
        && is_date(snapshot, f)
    {
        let t = lang::date::parse_time(text).or_else(|| text.parse().ok().map(Time::from_ms));
        return match t {
            Some(t) => Ok(Some(Key::Int(t.ms()))),
            None => Err(Error::BadRequest(format!("failed to parse date field [{text}]"))),
        };
    }
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(Error::BadRequest("a search_after value must be a scalar".into()));
    }
    Ok(key_of(value))
}

fn reader(snapshot: &Snapshot, by: &SortBy, segment: Option<&tantivy::SegmentReader>) -> Result<Reader, Error> {
    let field = match &by.key {
        SortKey::Seq => return Ok(Reader::Seq),
        SortKey::Score => return Ok(Reader::Score),
        SortKey::Field(f) => f,
    };
    let (path, kind) = snapshot.types.of(&snapshot.parts, field);
    let date = kind == FieldType::Date;
    let Some(segment) = segment else { return Ok(Reader::Tail { path: FieldPath::new(path), date }) };
    if path == "@timestamp" {
        return Ok(Reader::Time(segment.fast_fields().i64("_time")?));
    }
    let columns = Columns::open(segment, path)?;
    Ok(if columns.is_empty() { Reader::Empty } else { Reader::Columns { columns: Box::new(columns), date } })
}

fn read<'e>(
    reader: &Reader,
    by: &SortBy,
    doc: u32,
    seq: u64,
    event: &dyn Fn() -> &'e event::Event,
    buffer: &mut String,
) -> Option<Key> {
    let mut best: Option<Key> = None;
    let mut offer = |k: Key| {
        let better = match &best {
            None => true,
            Some(b) if by.descending => compare(&k, b).is_gt(),
            Some(b) => compare(&k, b).is_lt(),
        };
        if better {
            best = Some(k);
        }
    };
    match reader {
        Reader::Seq => offer(Key::Int(seq as i64)),
        Reader::Score => offer(Key::Float(1.0)),
        Reader::Time(c) => {
            if let Some(t) = c.first(doc) {
                offer(Key::Int(Time(t).ms()));
            }
        }
        Reader::Columns { columns, date } => columns.each(doc, buffer, &mut |s| {
            if let Some(k) = scalar_key(s, *date) {
                offer(k);
            }
        }),
        Reader::Tail { path, date } => {
            event().any(path, |s| {
                if let Some(k) = scalar_key(s, *date) {
                    offer(k);
                }
                false
            });
        }
        Reader::Empty => {}
    }
    match (best, &by.missing) {
        (None, Missing::Value(v)) => key_of(v),
        (best, _) => best,
    }
}

fn scalar_key(s: Scalar<'_>, date: bool) -> Option<Key> {
    Some(match s {
        Scalar::Null => return None,
        Scalar::Bool(b) => Key::Int(b.into()),
        Scalar::Int(i) => Key::Int(i),
        Scalar::Float(f) => Key::Float(f),
        Scalar::Str(t) if date => Key::Int(event::timestamp::parse(s).or_else(|| lang::date::parse_time(t))?.ms()),
        Scalar::Str(t) => Key::Text(t.into()),
    })
}
