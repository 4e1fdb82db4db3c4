//! Lists: order, ends, joining, sums.
//!
//! Invariants: a list is never changed in place; sorting is stable and follows JavaScript also where the order contradicts itself.

use super::arg;
use super::text::paid;
use crate::number::Num;
use crate::render::Renderer;
use crate::value::{self, Items, V, element};
use crate::{DateText, Error};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use stdx::Value;

fn paid_items(r: &mut Renderer<'_>, v: &V) -> Result<Items, Error> {
    let items = v.to_array();
    r.limits.memory(items.len())?;
    Ok(items)
}

pub(super) fn join(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    let separator = arg(args, 0).plain();
    let separator: Arc<str> = if separator.is_nil() { " ".into() } else { separator.text(r.opts.date_text) };
    r.limits.memory(separator.len().saturating_mul(items.len().saturating_sub(1)))?;
    let out = value::join(&items, &separator, r.opts.date_text);
    r.limits.memory(out.len())?;
    Ok(V::str(out))
}
/// The element of a list or the unit of a text; empty text for anything else.
fn end(v: V, at: i64) -> V {
    let v = v.plain();
    if let Some(items) = v.array() {
        return element(&items, at);
    }
    match v.as_str() {
        None => {}
        Some("") => return v,
        Some(text) => {
            let c = if at == 0 { text.chars().next() } else { text.chars().next_back() };
            return c.map_or(V::Undef, |c| V::str(c.encode_utf8(&mut [0; 4]) as &str));
        }
    }
    match v.own("length").map(|n| n.plain()) {
        // An object with a `length` passes for a list.
        Some(n @ V::Val(Value::Int(_) | Value::Float(_))) => {
            let at = if at < 0 { n.number().whole() + at } else { at };
            v.own(&at.to_string()).unwrap_or(V::Undef)
        }
        _ => V::str(""),
    }
}
pub(super) fn first(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(end(v, 0))
}
pub(super) fn last(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(end(v, -1))
}
pub(super) fn size(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let length = match &v {
        V::Loop(_) => v.member("length"),
        _ => v.own("length").unwrap_or(V::Undef),
    };
    Ok(if length.js_truthy() { length } else { V::Val(Value::Int(0)) })
}
pub(super) fn reverse(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list(items.iter().rev().collect())
}
pub(super) fn compact(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list(items.iter().filter(|v| !v.clone().plain().is_nil()).collect())
}
pub(super) fn concat(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let left = paid_items(r, &v)?;
    let right = match args.first() {
        Some(right) => paid_items(r, right)?,
        None => Items::None,
    };
    r.list(left.iter().chain(right.iter()).collect())
}
pub(super) fn push(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list(items.iter().chain([arg(args, 0)]).collect())
}
pub(super) fn unshift(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list([arg(args, 0)].into_iter().chain(items.iter()).collect())
}
pub(super) fn pop(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list(items.iter().take(items.len().saturating_sub(1)).collect())
}
pub(super) fn shift(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    r.list(items.iter().skip(1).collect())
}
pub(super) fn map(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    let path = arg(args, 0).text(r.opts.date_text);
    r.list(items.iter().map(|item| follow(&item, &path)).collect())
}
/// The value at a dotted path.
fn follow(item: &V, path: &str) -> V {
    path.split('.').fold(item.clone(), |at, name| at.member(name))
}
pub(super) fn sum(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    let property = args.first().filter(|p| p.js_truthy()).map(|p| p.text(r.opts.date_text));
    let mut total = Num::I(0);
    for item in items.iter() {
        let n = property.as_ref().map_or(item.clone(), |p| follow(&item, p)).number();
        total = total.add(n.or_zero());
    }
    Ok(V::num(total))
}

/// What makes two elements the same for `uniq` and for groups.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Undef,
    Literal(u8),
    Null,
    Bool(bool),
    Number(u64),
    Time(i64),
    Str(Arc<str>),
    Identity(usize),
}

/// The key of a value: primitives by value, lists and objects by identity.
pub(super) fn key(v: &V) -> Key {
    match v {
        V::Undef => Key::Undef,
        V::Nil => Key::Literal(0),
        V::Empty => Key::Literal(1),
        V::Blank => Key::Literal(2),
        V::Loop(l) => Key::Identity(Rc::as_ptr(l) as usize),
        V::List(l) => Key::Identity(Rc::as_ptr(l) as usize),
        V::Map(m) => Key::Identity(Rc::as_ptr(m) as usize),
        V::Val(v) => match v {
            Value::Null => Key::Null,
            Value::Bool(b) => Key::Bool(*b),
            Value::Int(i) => Key::Number((*i as f64).to_bits()),
            Value::Float(f) if *f == 0.0 => Key::Number(0),
            Value::Float(f) if f.is_nan() => Key::Number(f64::NAN.to_bits()),
            Value::Float(f) => Key::Number(f.to_bits()),
            Value::Time(t) => Key::Time(t.0),
            Value::Str(s) => Key::Str(Arc::clone(s)),
            Value::Array(a) => Key::Identity(Arc::as_ptr(a) as usize),
            Value::Object(o) => Key::Identity(Arc::as_ptr(o) as usize),
        },
    }
}
pub(super) fn uniq(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    let mut seen = BTreeSet::new();
    r.list(items.iter().filter(|item| seen.insert(key(item))).collect())
}

type Compare = fn(&V, &V, DateText) -> Ordering;

fn ordered(a: &V, b: &V, dates: DateText) -> Ordering {
    match (a.is_nil(), b.is_nil()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.clone().plain().compare(&b.clone().plain(), dates).unwrap_or(Ordering::Equal),
    }
}
fn case_insensitive(a: &V, b: &V, dates: DateText) -> Ordering {
    match (a.is_nil(), b.is_nil()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => value::compare_text(&a.js_text(dates).to_lowercase(), &b.js_text(dates).to_lowercase()),
    }
}
fn sort_by(r: &mut Renderer<'_>, v: &V, args: &[V], compare: Compare) -> Result<V, Error> {
    let items = paid_items(r, v)?;
    let property = args.first().filter(|p| p.js_truthy()).map(|p| p.text(r.opts.date_text));
    let pairs: Vec<(V, V)> = items
        .iter()
        .map(|item| {
            let by = property.as_ref().map_or_else(|| item.clone(), |p| follow(&item, p));
            (item, by)
        })
        .collect();
    r.limits.operations(pairs.len() * (pairs.len().max(2).ilog2() as usize))?;
    let dates = r.opts.date_text;
    let sorted = merge_sort(pairs, &|a, b| compare(&a.1, &b.1, dates));
    r.list(sorted.into_iter().map(|(item, _)| item).collect())
}
pub(super) fn sort(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    sort_by(r, &v, args, ordered)
}
pub(super) fn sort_natural(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    sort_by(r, &v, args, case_insensitive)
}

/// Below this many elements JavaScript engines insert one by one; the result of a contradictory order depends on it.
const INSERTION_MAX: usize = 64;

/// A stable sort that never panics on an order that contradicts itself (mixed types do).
fn merge_sort<T: Clone>(items: Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < INSERTION_MAX {
        return insertion_sort(items, compare);
    }
    let mut left = items;
    let right = merge_sort(left.split_off(left.len() / 2), compare);
    let left = merge_sort(left, compare);
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (l.peek(), r.peek()) {
        out.extend(if compare(b, a) == Ordering::Less { r.next() } else { l.next() });
    }
    out.extend(l);
    out.extend(r);
    out
}

/// Finds the run at the start (reversed when strictly descending), then inserts the others by binary search.
fn insertion_sort<T: Clone>(mut items: Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let descending = compare(&items[1], &items[0]) == Ordering::Less;
    let mut run = 2;
    while run < items.len() && (compare(&items[run], &items[run - 1]) == Ordering::Less) == descending {
        run += 1;
    }
    if descending {
        items[..run].reverse();
    }
    for at in run..items.len() {
        let (mut left, mut right) = (0, at);
        while left < right {
            let middle = left + (right - left) / 2;
            if compare(&items[at], &items[middle]) == Ordering::Less {
                right = middle;
            } else {
                left = middle + 1;
            }
        }
        items[left..=at].rotate_right(1);
    }
    items
}

/// A random choice, from the seed of the options.
pub(super) fn sample(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let v = v.plain();
    if v.is_nil() {
        return r.list(Vec::new());
    }
    let mut pool: Vec<V> = match v.array() {
        Some(items) => items.iter().collect(),
        None => paid(r, &v)?.chars().map(|c| V::str(c.encode_utf8(&mut [0; 4]) as &str)).collect(),
    };
    r.limits.memory(pool.len())?;
    for at in (1..pool.len()).rev() {
        let other = r.rng.below(at as u64 + 1) as usize;
        pool.swap(at, other);
    }
    match args.first() {
        None | Some(V::Undef | V::Val(Value::Int(1))) => Ok(pool.into_iter().next().unwrap_or(V::Undef)),
        Some(count) => {
            let count = count.number().whole();
            let keep = if count < 0 { pool.len() as i64 + count } else { count };
            pool.truncate(usize::try_from(keep).unwrap_or(0));
            r.list(pool)
        }
    }
}

pub(super) fn array_to_sentence_string(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let items = paid_items(r, &v)?;
    let connector = match args.first() {
        None | Some(V::Undef) => "and".into(),
        Some(connector) => connector.text(r.opts.date_text),
    };
    let dates = r.opts.date_text;
    let out = match items.len() {
        0 => String::new(),
        1 => return Ok(items.get(0)),
        2 => format!("{} {connector} {}", items.get(0).js_text(dates), items.get(1).js_text(dates)),
        len => {
            let head: Vec<V> = items.iter().take(len - 1).collect();
            let head = r.list(head)?.join(", ", dates);
            format!("{head}, {connector} {}", items.get(len - 1).js_text(dates))
        }
    };
    r.limits.memory(out.len())?;
    Ok(V::str(out))
}
