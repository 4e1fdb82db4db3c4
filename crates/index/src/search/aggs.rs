//! Aggregations over what a search matched.
//!
//! Invariants: counts are exact; an aggregation never makes more than `BUCKETS_MAX` buckets.
//! Not here: their JSON (`api`).
//! Source: `reference/elasticsearch-apis.md` §9.4.

use super::columns::Columns;
use super::filter::Candidate;
use super::snapshot::{Matched, Place, Snapshot, TAIL};
use crate::error::Error;
use event::{FieldPath, Scalar};
use indexmap::IndexMap;
use lang::FieldType;
use lang::dsl::Query;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use stdx::{Time, Value};

/// Most buckets of one answer, as in Elasticsearch.
pub const BUCKETS_MAX: usize = 65_536;

/// An aggregation with what stands below it.
#[derive(Clone, Debug)]
pub struct Agg {
    /// What.
    pub kind: AggKind,
    /// For each bucket.
    pub aggs: IndexMap<String, Agg>,
}

/// What to aggregate.
#[derive(Clone, Debug)]
pub enum AggKind {
    /// The most frequent values.
    Terms {
        /// The field.
        field: String,
        /// How many.
        size: usize,
        /// Smallest count that is shown.
        min_doc_count: u64,
        /// By key instead of by count.
        by_key: bool,
        /// From small to great.
        ascending: bool,
        /// Stands for an absent value.
        missing: Option<Value>,
    },
    /// Counts per span of time.
    DateHistogram {
        /// The field.
        field: String,
        /// Width of a bucket in milliseconds.
        interval_ms: i64,
        /// Whether the width is a calendar month (1, 3 or 12 of them) instead.
        months: Option<u32>,
        /// Smallest count that is shown; 0 fills gaps.
        min_doc_count: u64,
    },
    /// What else satisfies a query.
    Filter(Box<Query>),
    /// The same by name.
    Filters(IndexMap<String, Query>),
    /// Documents without the field.
    Missing(String),
    /// A number over the values of a field.
    Metric {
        /// Which.
        kind: MetricKind,
        /// Of what.
        field: String,
    },
}

/// A number over values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Sum.
    Sum,
    /// Mean.
    Avg,
    /// How many values.
    Count,
    /// How many different values.
    Cardinality,
    /// Count, least, greatest, mean and sum at once.
    Stats,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its key; dates in milliseconds.
    pub key: Value,
    /// Its key as text, where that differs.
    pub key_text: Option<String>,
    /// Documents.
    pub count: u64,
    /// What stands below.
    pub aggs: IndexMap<String, AggResult>,
}

/// What came out.
#[derive(Clone, Debug)]
pub enum AggResult {
    /// Buckets in order, and the documents in none of them.
    Buckets {
        /// The buckets.
        buckets: Vec<Bucket>,
        /// Documents of values that did not fit.
        other: u64,
        /// True for `terms`.
        terms: bool,
    },
    /// One bucket.
    Single(Bucket),
    /// Named buckets.
    Keyed(IndexMap<String, Bucket>),
    /// A number; null when there were no values.
    Metric {
        /// Which.
        kind: MetricKind,
        /// The number.
        value: Option<f64>,
        /// True when the field holds dates.
        date: bool,
    },
    /// Count, least, greatest, sum.
    Stats {
        /// Values.
        count: u64,
        /// Least.
        min: Option<f64>,
        /// Greatest.
        max: Option<f64>,
        /// Sum.
        sum: f64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Bool(bool),
    Int(i64),
    /// Order-preserving bits of a float.
    Float(u64),
    Text(Arc<str>),
}

fn key_of(s: Scalar<'_>) -> Option<Key> {
    Some(match s {
        Scalar::Null => return None,
        Scalar::Bool(b) => Key::Bool(b),
        Scalar::Int(i) => Key::Int(i),
        Scalar::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Key::Int(f as i64),
        Scalar::Float(f) => {
            let bits = f.to_bits();
            Key::Float(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
        }
        Scalar::Str(t) => Key::Text(t.into()),
    })
}

fn shown(key: &Key, date: bool) -> (Value, Option<String>) {
    match key {
        Key::Bool(b) => (Value::Int((*b).into()), Some(b.to_string())),
        Key::Int(ms) if date => (Value::Int(*ms), Some(Time::from_ms(*ms).iso())),
        Key::Int(i) => (Value::Int(*i), None),
        Key::Float(bits) => {
            (Value::Float(f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })), None)
        }
        Key::Text(t) => (Value::Str(t.clone()), None),
    }
}

/// Runs all aggregations over the matched documents.
pub(crate) fn run(
    snapshot: &Snapshot,
    matched: &[Matched],
    aggs: &IndexMap<String, Agg>,
) -> Result<IndexMap<String, AggResult>, Error> {
    let mut places = Vec::new();
    for m in matched {
        places.extend(m.iter().map(|doc| Place { part: m.part, segment: m.segment, doc }));
    }
    let mut budget = BUCKETS_MAX;
    below(snapshot, &places, aggs, &mut budget)
}

fn below(
    s: &Snapshot,
    places: &[Place],
    aggs: &IndexMap<String, Agg>,
    budget: &mut usize,
) -> Result<IndexMap<String, AggResult>, Error> {
    aggs.iter().map(|(name, agg)| Ok((name.clone(), one(s, places, agg, budget)?))).collect()
}

fn spend(budget: &mut usize, n: usize) -> Result<(), Error> {
    *budget = budget.checked_sub(n).ok_or_else(|| {
        Error::BadRequest(format!("Trying to create too many buckets. Must be less than or equal to: [{BUCKETS_MAX}]"))
    })?;
    Ok(())
}

/// Calls `f` with each value of the field in each document.
fn values(s: &Snapshot, places: &[Place], field: &str, f: &mut dyn FnMut(usize, Scalar<'_>)) -> Result<bool, Error> {
    let (path, kind) = s.types.of(&s.parts, field);
    let date = kind == FieldType::Date;
    let key = FieldPath::new(path);
    let mut buffer = String::new();
    let mut at = 0;
    while at < places.len() {
        let (part, segment) = (places[at].part, places[at].segment);
        let end =
            places[at..].iter().position(|p| (p.part, p.segment) != (part, segment)).map_or(places.len(), |n| at + n);
        let p = &s.parts[part as usize];
        if segment == TAIL {
            for (i, place) in places[at..end].iter().enumerate() {
                p.tail[place.doc as usize].doc().event.any(&key, |v| {
                    f(at + i, v);
                    false
                });
            }
        } else if let Some(searcher) = &p.searcher {
            let reader = searcher.segment_reader(segment);
            if path == "@timestamp" {
                let c = reader.fast_fields().i64("_time")?;
                for (i, place) in places[at..end].iter().enumerate() {
                    if let Some(t) = c.first(place.doc) {
                        f(at + i, Scalar::Int(Time(t).ms()));
                    }
                }
            } else {
                let columns = Columns::open(reader, path)?;
                for (i, place) in places[at..end].iter().enumerate() {
                    columns.each(place.doc, &mut buffer, &mut |v| f(at + i, v));
                }
            }
        }
        at = end;
    }
    Ok(date)
}

fn millis(v: Scalar<'_>) -> Option<i64> {
    match v {
        Scalar::Str(t) => lang::date::parse_time(t).or_else(|| event::timestamp::parse(v)).map(Time::ms),
        v => event::timestamp::parse(v).map(Time::ms),
    }
}

fn one(s: &Snapshot, places: &[Place], agg: &Agg, budget: &mut usize) -> Result<AggResult, Error> {
    let single = |places: &[Place], budget: &mut usize| -> Result<Bucket, Error> {
        spend(budget, 1)?;
        Ok(Bucket {
            key: Value::Null,
            key_text: None,
            count: places.len() as u64,
            aggs: below(s, places, &agg.aggs, budget)?,
        })
    };
    match &agg.kind {
        AggKind::Filter(q) => Ok(AggResult::Single(single(&filtered(s, places, q)?, budget)?)),
        AggKind::Filters(named) => {
            let mut out = IndexMap::new();
            for (name, q) in named {
                out.insert(name.clone(), single(&filtered(s, places, q)?, budget)?);
            }
            Ok(AggResult::Keyed(out))
        }
        AggKind::Missing(field) => {
            let mut has = vec![false; places.len()];
            values(s, places, field, &mut |i, v| has[i] |= v != Scalar::Null)?;
            let left: Vec<Place> = places.iter().zip(has).filter(|(_, h)| !h).map(|(p, _)| *p).collect();
            Ok(AggResult::Single(single(&left, budget)?))
        }
        AggKind::Metric { kind, field } => metric(s, places, *kind, field),
        AggKind::Terms { .. } => terms(s, places, agg, budget),
        AggKind::DateHistogram { .. } => histogram(s, places, agg, budget),
    }
}

fn filtered(s: &Snapshot, places: &[Place], q: &Query) -> Result<Vec<Place>, Error> {
    let predicate = q.to_predicate(&s.types.over(&s.parts));
    let mut kept = Vec::new();
    for place in places {
        let holds = if place.segment == TAIL {
            let e = &s.parts[place.part as usize].tail[place.doc as usize].doc().event;
            predicate.eval(&Candidate { event: e, now: s.now })
        } else {
            predicate.eval(&Candidate { event: &s.read(*place)?.event, now: s.now })
        };
        if holds {
            kept.push(*place);
        }
    }
    Ok(kept)
}

fn metric(s: &Snapshot, places: &[Place], kind: MetricKind, field: &str) -> Result<AggResult, Error> {
    if kind == MetricKind::Cardinality {
        let mut seen = HashSet::new();
        values(s, places, field, &mut |_, v| {
            seen.extend(key_of(v));
        })?;
        return Ok(AggResult::Metric { kind, value: Some(seen.len() as f64), date: false });
    }
    let is_date = s.types.of(&s.parts, field).1 == FieldType::Date;
    let (mut count, mut sum, mut min, mut max) = (0u64, 0.0f64, None::<f64>, None::<f64>);
    let date = values(s, places, field, &mut |_, v| {
        if kind == MetricKind::Count {
            count += u64::from(v != Scalar::Null);
            return;
        }
        let n = match v {
            Scalar::Int(i) => i as f64,
            Scalar::Float(f) => f,
            Scalar::Bool(b) => f64::from(u8::from(b)),
            Scalar::Str(_) if is_date => match millis(v) {
                Some(ms) => ms as f64,
                None => return,
            },
            Scalar::Str(t) => match t.parse() {
                Ok(n) => n,
                Err(_) => return,
            },
            Scalar::Null => return,
        };
        count += 1;
        sum += n;
        min = Some(min.map_or(n, |m| m.min(n)));
        max = Some(max.map_or(n, |m| m.max(n)));
    })?;
    let value = match kind {
        MetricKind::Min => min,
        MetricKind::Max => max,
        MetricKind::Sum => Some(sum),
        MetricKind::Avg => (count > 0).then(|| sum / count as f64),
        MetricKind::Count | MetricKind::Cardinality => Some(count as f64),
        MetricKind::Stats => return Ok(AggResult::Stats { count, min, max, sum }),
    };
    Ok(AggResult::Metric {
        kind,
        value,
        date: date && matches!(kind, MetricKind::Min | MetricKind::Max | MetricKind::Avg),
    })
}

fn group(places: &[Place], groups: &mut HashMap<Key, (u64, Vec<Place>, usize)>, key: Key, i: usize, keep: bool) {
    let g = groups.entry(key).or_insert((0, Vec::new(), usize::MAX));
    // A document counts once per value, however often it has it.
    if g.2 != i {
        g.2 = i;
        g.0 += 1;
        if keep {
            g.1.push(places[i]);
        }
    }
}

fn terms(s: &Snapshot, places: &[Place], agg: &Agg, budget: &mut usize) -> Result<AggResult, Error> {
    let AggKind::Terms { field, size, min_doc_count, by_key, ascending, missing } = &agg.kind else {
        return Err(Error::Unsupported("not a terms aggregation".into()));
    };
    let keep = !agg.aggs.is_empty();
    let mut groups: HashMap<Key, (u64, Vec<Place>, usize)> = HashMap::new();
    let mut has = vec![false; if missing.is_some() { places.len() } else { 0 }];
    let is_date = s.types.of(&s.parts, field).1 == FieldType::Date;
    let date = values(s, places, field, &mut |i, v| {
        let key = if is_date { millis(v).map(Key::Int) } else { key_of(v) };
        if let Some(key) = key {
            group(places, &mut groups, key, i, keep);
            if let Some(h) = has.get_mut(i) {
                *h = true;
            }
        }
    })?;
    if let Some(m) = missing {
        let key = match m {
            Value::Int(i) => Some(Key::Int(*i)),
            Value::Bool(b) => Some(Key::Bool(*b)),
            Value::Str(t) => Some(Key::Text(t.clone())),
            _ => None,
        };
        for (i, _) in has.iter().enumerate().filter(|(_, h)| !**h) {
            if let Some(key) = &key {
                group(places, &mut groups, key.clone(), i, keep);
            }
        }
    }
    let mut all: Vec<(Key, (u64, Vec<Place>, usize))> =
        groups.into_iter().filter(|(_, g)| g.0 >= (*min_doc_count).max(1)).collect();
    all.sort_by(|a, b| {
        let by = if *by_key { a.0.cmp(&b.0) } else { a.1.0.cmp(&b.1.0) };
        (if *ascending { by } else { by.reverse() }).then_with(|| a.0.cmp(&b.0))
    });
    let other = all.iter().skip(*size).map(|(_, g)| g.0).sum();
    all.truncate(*size);
    spend(budget, all.len())?;
    let mut buckets = Vec::with_capacity(all.len());
    for (key, (count, docs, _)) in all {
        let (key, key_text) = shown(&key, date);
        buckets.push(Bucket { key, key_text, count, aggs: below(s, &docs, &agg.aggs, budget)? });
    }
    Ok(AggResult::Buckets { buckets, other, terms: true })
}

fn histogram(s: &Snapshot, places: &[Place], agg: &Agg, budget: &mut usize) -> Result<AggResult, Error> {
    let AggKind::DateHistogram { field, interval_ms, months, min_doc_count } = &agg.kind else {
        return Err(Error::Unsupported("not a date_histogram aggregation".into()));
    };
    let width = (*interval_ms).max(1);
    let keep = !agg.aggs.is_empty();
    let mut groups: HashMap<Key, (u64, Vec<Place>, usize)> = HashMap::new();
    values(s, places, field, &mut |i, v| {
        if let Some(ms) = millis(v) {
            let slot = months
                .map_or_else(|| ms.div_euclid(width), |m| crate::period::months_of(ms).div_euclid(i64::from(m.max(1))));
            group(places, &mut groups, Key::Int(slot), i, keep);
        }
    })?;
    let mut slots: Vec<i64> = groups.keys().filter_map(|k| if let Key::Int(i) = k { Some(*i) } else { None }).collect();
    slots.sort_unstable();
    if *min_doc_count == 0
        && let (Some(a), Some(b)) = (slots.first().copied(), slots.last().copied())
    {
        spend(budget, usize::try_from(b.saturating_sub(a)).unwrap_or(usize::MAX))?;
        slots = (a..=b).collect();
    } else {
        spend(budget, slots.len())?;
    }
    let mut buckets = Vec::with_capacity(slots.len());
    for slot in slots {
        let (count, docs, _) = groups.remove(&Key::Int(slot)).unwrap_or_default();
        if count < *min_doc_count {
            continue;
        }
        let ms =
            months.map_or_else(|| slot.saturating_mul(width), |m| crate::period::month_ms(slot * i64::from(m.max(1))));
        buckets.push(Bucket {
            key: Value::Int(ms),
            key_text: Some(Time::from_ms(ms).iso()),
            count,
            aggs: below(s, &docs, &agg.aggs, budget)?,
        });
    }
    Ok(AggResult::Buckets { buckets, other: 0, terms: false })
}
