//! Which documents of a segment satisfy a predicate: from columns where they can tell, else by reading the document.
//!
//! Invariants: the outcome equals `Predicate::eval` over every document; every node gives a lower and an upper set, and only documents
//! between the two are read.
//! Not here: what a test means (`lang::predicate`).

use super::bits::Bits;
use super::columns::{Columns, Rest, names};
use crate::bucket::{ANY_PATH, Fields, TIME_TEXT};
use crate::error::Error;
use bytes::Bytes;
use event::{Event, FieldPath, Meta, Scalar};
use lang::date::{DateMath, Round};
use lang::pattern::Case;
use lang::predicate::{Leaf, Limits, Predicate, Range, Source, Test};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use tantivy::columnar::StrColumn;
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocSet, SegmentReader, TantivyDocument, Term};

/// A document as a search sees it: with its id and index as fields, and the search's clock.
pub(crate) struct Candidate<'a> {
    pub event: &'a Event,
    pub now: Time,
}

impl Source for Candidate<'_> {
    fn any(&self, path: &FieldPath, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
        match &*path.text {
            "_id" => test(Scalar::Str(&self.event.meta.id)),
            "_index" => test(Scalar::Str(&self.event.meta.index)),
            _ => self.event.any(path, test),
        }
    }
    fn exists(&self, path: &FieldPath) -> bool {
        matches!(&*path.text, "_id" | "_index") || self.event.exists(path)
    }
    fn any_leaf(&self, test: &mut dyn FnMut(&str, Scalar<'_>) -> bool) -> bool {
        self.event.leaves().any(|(name, value)| test(name, value))
    }
    fn now(&self) -> Time {
        self.now
    }
    fn value(&self) -> Value {
        self.event.to_value()
    }
}

/// What surely passes, and what may.
struct Sets {
    sure: Bits,
    may: Bits,
}

impl Sets {
    fn exact(b: Bits) -> Self {
        Self { sure: b.clone(), may: b }
    }
    fn unknown(len: u32) -> Self {
        Self { sure: Bits::none(len), may: Bits::all(len) }
    }
}

/// A segment with what evaluation needs.
pub(crate) struct Segment<'a> {
    pub reader: &'a SegmentReader,
    pub fields: &'a Fields,
    pub index: &'a Arc<str>,
    pub now: Time,
}

fn io(e: std::io::Error) -> Error {
    Error::Tantivy(e.to_string())
}

impl Segment<'_> {
    fn len(&self) -> u32 {
        self.reader.max_doc()
    }

    /// Live documents that satisfy the predicate.
    ///
    /// - `dead`: documents that the tail has replaced.
    pub fn filter(&self, predicate: &Predicate, dead: &[u32]) -> Result<Bits, Error> {
        let Sets { mut sure, mut may } = self.eval(predicate)?;
        let mut alive = Bits::all(self.len());
        if let Some(a) = self.reader.alive_bitset() {
            alive = Bits::none(self.len());
            a.iter_alive().for_each(|d| alive.set(d));
        }
        dead.iter().for_each(|d| alive.clear(*d));
        sure.and(&alive);
        may.and(&alive);
        may.minus(&sure);
        if may.is_empty() {
            return Ok(sure);
        }
        let store = self.reader.get_store_reader(8).map_err(io)?;
        for doc in may.iter() {
            let stored: TantivyDocument = store.get(doc)?;
            let raw = stored.get_first(self.fields.source).and_then(|v| v.as_bytes()).unwrap_or_default();
            let id = stored.get_first(self.fields.id).and_then(|v| v.as_str()).unwrap_or_default();
            let meta = Meta { index: self.index.clone(), id: Id::from(id), version: 1, seq: 0, arrival: self.now };
            let event = Event::new(meta, Bytes::copy_from_slice(raw));
            if predicate.eval(&Candidate { event: &event, now: self.now }) {
                sure.set(doc);
            }
        }
        Ok(sure)
    }

    fn eval(&self, p: &Predicate) -> Result<Sets, Error> {
        Ok(match p {
            Predicate::True => Sets::exact(Bits::all(self.len())),
            Predicate::False => Sets::exact(Bits::none(self.len())),
            Predicate::Not(inner) => {
                let Sets { mut sure, mut may } = self.eval(inner)?;
                sure.not();
                may.not();
                Sets { sure: may, may: sure }
            }
            Predicate::And(parts) => {
                let mut all = Sets::exact(Bits::all(self.len()));
                // A range of time rules most segments out before anything dear is looked at.
                let (time, other): (Vec<_>, Vec<_>) = parts.iter().partition(|p| is_time_range(p));
                for p in time.into_iter().chain(other) {
                    let s = self.eval(p)?;
                    all.sure.and(&s.sure);
                    all.may.and(&s.may);
                    if all.may.is_empty() {
                        break;
                    }
                }
                all
            }
            Predicate::Or(parts) => {
                let mut any = Sets::exact(Bits::none(self.len()));
                for p in parts {
                    let s = self.eval(p)?;
                    any.sure.or(&s.sure);
                    any.may.or(&s.may);
                }
                any
            }
            Predicate::AtLeast { count, parts } => {
                let sets = parts.iter().map(|p| self.eval(p)).collect::<Result<Vec<_>, _>>()?;
                let mut out = Sets::exact(Bits::none(self.len()));
                for d in 0..self.len() {
                    if sets.iter().filter(|s| s.sure.has(d)).count() >= *count {
                        out.sure.set(d);
                    }
                    if sets.iter().filter(|s| s.may.has(d)).count() >= *count {
                        out.may.set(d);
                    }
                }
                out
            }
            Predicate::Leaf(leaf) => self.leaf(leaf)?,
            Predicate::AnyField { fields, test } => self.any_field(test, &|name| fields.matches(name))?,
            Predicate::Nested { .. } | Predicate::Script(_) => Sets::unknown(self.len()),
        })
    }

    fn leaf(&self, leaf: &Leaf) -> Result<Sets, Error> {
        let path = &*leaf.field.text;
        match (path, &leaf.test) {
            ("_id", Test::Equals(t)) if t.case == Case::Sensitive => self.ids(&mut std::iter::once(&*t.value)),
            ("_id", Test::AnyOf(t)) if t.case == Case::Sensitive => self.ids(&mut t.values.iter().map(|v| &**v)),
            ("_id", Test::Exists) | ("_index", Test::Exists) => Ok(Sets::exact(Bits::all(self.len()))),
            ("_id", _) => Ok(Sets::unknown(self.len())),
            ("_index", test) if !matches!(test, Test::Compare { .. }) => {
                let all = test.passes(Scalar::Str(self.index), self.now);
                Ok(Sets::exact(if all { Bits::all(self.len()) } else { Bits::none(self.len()) }))
            }
            (_, Test::Compare { .. }) => Ok(Sets::unknown(self.len())),
            ("@timestamp", test) => self.time(test),
            (_, Test::Exists) => self.exists(path),
            (_, test) => {
                let mut sets = Sets::exact(Bits::none(self.len()));
                self.test(path, test, &mut sets)?;
                Rest::open(self.reader)?.of_field(path, |d| sets.may.set(d))?;
                Ok(sets)
            }
        }
    }

    fn ids(&self, ids: &mut dyn Iterator<Item = &str>) -> Result<Sets, Error> {
        let inverted = self.reader.inverted_index(self.fields.id)?;
        let mut out = Bits::none(self.len());
        for id in ids {
            let term = Term::from_field_text(self.fields.id, id);
            let Some(mut p) = inverted.read_postings(&term, IndexRecordOption::Basic).map_err(io)? else { continue };
            let mut d = p.doc();
            while d != tantivy::TERMINATED {
                out.set(d);
                d = p.advance();
            }
        }
        Ok(Sets::exact(out))
    }

    fn exists(&self, path: &str) -> Result<Sets, Error> {
        let mut out = Bits::none(self.len());
        for column in Columns::open_below(self.reader, path)? {
            let index = column.column_index();
            (0..self.len()).filter(|d| index.has_value(*d)).for_each(|d| out.set(d));
        }
        let below = |p: &str| p == path || p.strip_prefix(path).is_some_and(|r| r.starts_with('.'));
        let rest = Rest::open(self.reader)?;
        rest.each(|p| p != ANY_PATH && below(p), |d| out.set(d))?;
        let mut sets = Sets::exact(out);
        rest.each(|p| p == ANY_PATH, |d| sets.may.set(d))?;
        Ok(sets)
    }

    /// Tests on `@timestamp`, whose column holds microseconds.
    fn time(&self, test: &Test) -> Result<Sets, Error> {
        let column = self.reader.fast_fields().i64("_time")?;
        let mut out = Bits::none(self.len());
        let mut unsure = Vec::new();
        let rest = Rest::open(self.reader)?;
        rest.of_field("@timestamp", |d| unsure.push(d))?;
        match test {
            Test::Exists => (0..self.len()).filter(|d| column.first(*d).is_some()).for_each(|d| out.set(d)),
            Test::Range(Range::Date(limits)) => {
                let (low, high) = ends(limits, self.now);
                if low <= high && column.min_value() <= high && column.max_value() >= low {
                    let inside = |d: &u32| column.first(*d).is_some_and(|t| low <= t && t <= high);
                    (0..self.len()).filter(inside).for_each(|d| out.set(d));
                }
            }
            test => {
                rest.each(|p| p == TIME_TEXT, |d| unsure.push(d))?;
                for d in 0..self.len() {
                    if let Some(t) = column.first(d)
                        && test.passes(Scalar::Str(&Time(t).iso()), self.now)
                    {
                        out.set(d);
                    }
                }
            }
        }
        let mut sets = Sets::exact(out);
        for d in unsure {
            sets.sure.clear(d);
            sets.may.set(d);
        }
        Ok(sets)
    }

    /// Adds the documents of which a value in the field's columns passes.
    fn test(&self, path: &str, test: &Test, sets: &mut Sets) -> Result<(), Error> {
        let columns = Columns::open(self.reader, path)?;
        if let Some(c) = &columns.text {
            self.texts(c, test, sets)?;
        }
        let mut hit = |d: u32| {
            sets.sure.set(d);
            sets.may.set(d);
        };
        if let Some(c) = &columns.ints {
            for d in 0..self.len() {
                if c.values_for_doc(d).any(|v| test.passes(Scalar::Int(v), self.now)) {
                    hit(d);
                }
            }
        }
        if let Some(c) = &columns.bools {
            let (t, f) = (test.passes(Scalar::Bool(true), self.now), test.passes(Scalar::Bool(false), self.now));
            if t || f {
                (0..self.len()).filter(|d| c.values_for_doc(*d).any(|v| if v { t } else { f })).for_each(hit);
            }
        }
        if let Some(c) = &columns.floats {
            for d in 0..self.len() {
                for v in c.values_for_doc(d) {
                    let float = test.passes(Scalar::Float(v), self.now);
                    // A whole number among fractions stands in their column: it may have been written either way.
                    let int = if v.fract() == 0.0 && v.abs() <= 9e15 {
                        test.passes(Scalar::Int(v as i64), self.now)
                    } else {
                        float
                    };
                    if float && int {
                        sets.sure.set(d);
                    }
                    if float || int {
                        sets.may.set(d);
                    }
                }
            }
        }
        Ok(())
    }

    fn texts(&self, column: &StrColumn, test: &Test, sets: &mut Sets) -> Result<(), Error> {
        let dictionary = column.dictionary();
        let mut wanted = Vec::new();
        match test {
            Test::Equals(t) if t.case == Case::Sensitive => {
                wanted.extend(dictionary.term_ord(t.value.as_bytes()).map_err(io)?)
            }
            Test::AnyOf(set) if set.case == Case::Sensitive => {
                for v in &set.values {
                    wanted.extend(dictionary.term_ord(v.as_bytes()).map_err(io)?);
                }
            }
            test => {
                let mut stream = dictionary.stream().map_err(io)?;
                while stream.advance() {
                    if std::str::from_utf8(stream.key()).is_ok_and(|s| test.passes(Scalar::Str(s), self.now)) {
                        wanted.push(stream.term_ord());
                    }
                }
            }
        }
        let mut hit = |d: u32| {
            sets.sure.set(d);
            sets.may.set(d);
        };
        match wanted.as_slice() {
            [] => {}
            [one] => {
                let mut docs = Vec::new();
                column.ords().get_docids_for_value_range(*one..=*one, 0..self.len(), &mut docs);
                docs.into_iter().for_each(hit);
            }
            many => {
                let mut ords = Bits::none(column.num_terms() as u32);
                many.iter().for_each(|o| ords.set(*o as u32));
                for d in 0..self.len() {
                    if column.term_ords(d).any(|o| ords.has(o as u32)) {
                        hit(d);
                    }
                }
            }
        }
        Ok(())
    }

    fn any_field(&self, test: &Test, wanted: &dyn Fn(&str) -> bool) -> Result<Sets, Error> {
        if matches!(test, Test::Compare { .. }) {
            return Ok(Sets::unknown(self.len()));
        }
        let mut sets = Sets::exact(Bits::none(self.len()));
        let mut last = String::new();
        for (name, _) in names(self.reader)? {
            if name == last || !wanted(&name) {
                continue;
            }
            if matches!(test, Test::Exists) {
                let s = self.exists(&name)?;
                sets.sure.or(&s.sure);
                sets.may.or(&s.may);
            } else {
                self.test(&name, test, &mut sets)?;
            }
            last = name;
        }
        if wanted("@timestamp") {
            let s = self.time(test)?;
            sets.sure.or(&s.sure);
            sets.may.or(&s.may);
        }
        Rest::open(self.reader)?.each(|p| p == ANY_PATH || wanted(p), |d| sets.may.set(d))?;
        Ok(sets)
    }
}

fn is_time_range(p: &Predicate) -> bool {
    matches!(p, Predicate::Leaf(l) if &*l.field.text == "@timestamp" && matches!(l.test, Test::Range(_)))
}

/// First and last microsecond inside the limits.
pub(crate) fn ends(limits: &Limits<DateMath>, now: Time) -> (i64, i64) {
    let low = limits.lower.as_ref().map_or(i64::MIN, |b| match b.inclusive {
        true => b.value.resolve(now, Round::Down).0,
        false => b.value.resolve(now, Round::Up).0.saturating_add(1),
    });
    let high = limits.upper.as_ref().map_or(i64::MAX, |b| match b.inclusive {
        true => b.value.resolve(now, Round::Up).0,
        false => b.value.resolve(now, Round::Down).0.saturating_sub(1),
    });
    (low, high)
}

/// What the predicate demands of `@timestamp`, to leave buckets out; everything when it demands nothing.
pub(crate) fn time_bounds(p: &Predicate, now: Time) -> (i64, i64) {
    match p {
        Predicate::And(parts) => {
            parts.iter().map(|p| time_bounds(p, now)).fold((i64::MIN, i64::MAX), |a, b| (a.0.max(b.0), a.1.min(b.1)))
        }
        Predicate::Leaf(Leaf { field, test: Test::Range(Range::Date(limits)) }) if &*field.text == "@timestamp" => {
            ends(limits, now)
        }
        _ => (i64::MIN, i64::MAX),
    }
}
