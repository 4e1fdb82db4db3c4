//! `Source`: what a predicate is evaluated over, an event or a plain value.
//!
//! Invariants: both read fields the same way: nested and dotted spelling, arrays flattened.
//! Not here: the event's parse (`event`).

use super::{Predicate, Test};
use crate::pattern::Wildcard;
use event::{Event, FieldPath, Scalar};
use stdx::{Time, Value};

/// Deepest object that is enumerated for wildcard field names.
const DEPTH_MAX: usize = 64;

/// Something with fields.
pub trait Source {
    /// True when `test` holds for any value under `path`.
    fn any(&self, path: &FieldPath, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool;
    /// True when there is any value under `path` or below it.
    fn exists(&self, path: &FieldPath) -> bool;
    /// True when `test` holds for any leaf and its dotted name.
    fn any_leaf(&self, test: &mut dyn FnMut(&str, Scalar<'_>) -> bool) -> bool;
    /// The time that `now` in the condition means.
    fn now(&self) -> Time;
    /// The whole document.
    fn value(&self) -> Value;
}

impl Source for Event {
    fn any(&self, path: &FieldPath, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
        match &*path.text {
            "_id" => test(Scalar::Str(&self.meta.id)),
            "_index" => test(Scalar::Str(&self.meta.index)),
            _ => Self::any(self, path, test),
        }
    }
    fn exists(&self, path: &FieldPath) -> bool {
        matches!(&*path.text, "_id" | "_index") || Self::exists(self, path)
    }
    fn any_leaf(&self, test: &mut dyn FnMut(&str, Scalar<'_>) -> bool) -> bool {
        self.leaves().any(|(name, value)| test(name, value))
    }
    fn now(&self) -> Time {
        self.meta.arrival
    }
    fn value(&self) -> Value {
        self.to_value()
    }
}

/// A value with a clock.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The document, an object.
    pub value: &'a Value,
    /// What `now` means.
    pub now: Time,
}

impl Source for Document<'_> {
    fn any(&self, path: &FieldPath, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
        walk(self.value, &path.text, &mut |v| leaf(v, test))
    }
    fn exists(&self, path: &FieldPath) -> bool {
        walk(self.value, &path.text, &mut some)
    }
    fn any_leaf(&self, test: &mut dyn FnMut(&str, Scalar<'_>) -> bool) -> bool {
        leaves(self.value, &mut String::new(), 0, test)
    }
    fn now(&self) -> Time {
        self.now
    }
    fn value(&self) -> Value {
        self.value.clone()
    }
}

/// Calls `found` with every value that stands under the dotted name `rest`, until one call is true.
fn walk(value: &Value, rest: &str, found: &mut dyn FnMut(&Value) -> bool) -> bool {
    match value {
        Value::Array(a) => a.iter().any(|v| walk(v, rest, found)),
        Value::Object(o) => {
            o.get(rest).is_some_and(&mut *found)
                || rest
                    .match_indices('.')
                    .any(|(at, _)| o.get(&rest[..at]).is_some_and(|v| walk(v, &rest[at + 1..], found)))
        }
        _ => false,
    }
}

fn leaf(value: &Value, test: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
    match value {
        Value::Array(a) => a.iter().any(|v| leaf(v, test)),
        Value::Object(_) => false,
        Value::Null => test(Scalar::Null),
        Value::Bool(b) => test(Scalar::Bool(*b)),
        Value::Int(i) => test(Scalar::Int(*i)),
        Value::Float(f) => test(Scalar::Float(*f)),
        Value::Time(t) => test(Scalar::Str(&t.iso())),
        Value::Str(s) => test(Scalar::Str(s)),
    }
}

fn some(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(a) => a.iter().any(some),
        Value::Object(o) => o.iter().any(|(_, v)| some(v)),
        _ => true,
    }
}

/// True when a field whose dotted name matches has a value that passes.
pub(super) fn any_field<S: Source>(source: &S, fields: &Wildcard, test: &Test) -> bool {
    let now = source.now();
    source.any_leaf(&mut |name, value| fields.matches(name) && test.passes(value, now))
}

/// Calls `found` with every leaf below `value` and its dotted name, until one call is true.
fn leaves(value: &Value, name: &mut String, depth: usize, found: &mut dyn FnMut(&str, Scalar<'_>) -> bool) -> bool {
    match value {
        Value::Object(o) if depth < DEPTH_MAX => o.iter().any(|(key, inner)| {
            let before = name.len();
            if before > 0 {
                name.push('.');
            }
            name.push_str(key);
            let hit = leaves(inner, name, depth + 1, found);
            name.truncate(before);
            hit
        }),
        Value::Array(a) if depth < DEPTH_MAX => a.iter().any(|v| leaves(v, name, depth + 1, found)),
        Value::Object(_) | Value::Array(_) => false,
        other => leaf(other, &mut |scalar| found(name, scalar)),
    }
}

/// True when one object in the array at `path` satisfies `inner`.
pub(super) fn any_object<S: Source>(source: &S, path: &FieldPath, inner: &Predicate) -> bool {
    fn each(value: &Value, now: Time, inner: &Predicate) -> bool {
        match value {
            Value::Array(a) => a.iter().any(|v| each(v, now, inner)),
            Value::Object(_) => inner.eval(&Document { value, now }),
            _ => false,
        }
    }
    let now = source.now();
    walk(&source.value(), &path.text, &mut |v| each(v, now, inner))
}
