//! `default`, JSON in both directions, and Elastic's `entries` and `pick`.
//!
//! Invariants: what is not of the expected kind comes back unchanged, as Elastic's filters do.

use super::arg;
use super::text::paid;
use crate::number::Num;
use crate::render::Renderer;
use crate::value::V;
use crate::{Error, ErrorKind, json as json_text};
use std::sync::Arc;
use stdx::{Object, Value};

/// Widest indent of `json`, as in `JSON.stringify`.
const INDENT_MAX: usize = 10;

pub(super) fn default(_: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let v = v.plain();
    let fallback = || arg(args, 0);
    if let Some(items) = v.array() {
        return Ok(if items.len() == 0 { fallback() } else { v });
    }
    if let Some(text) = v.as_str() {
        return Ok(if text.is_empty() { fallback() } else { v });
    }
    if matches!(v, V::Val(Value::Bool(false))) {
        let mut allow = V::Undef;
        for named in args.iter().skip(1) {
            let pair = named.array().ok_or_else(|| {
                let message = format!("Iterator value {} is not an entry object", named.js_text(crate::DateText::Iso));
                Error::new(ErrorKind::Render, message)
            })?;
            if pair.get(0).as_str() == Some("allow_false") {
                allow = pair.get(1);
            }
        }
        return Ok(if allow.js_truthy() { v } else { fallback() });
    }
    Ok(if v.truthy() { v } else { fallback() })
}
pub(super) fn raw(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(v)
}
pub(super) fn to_integer(_: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    Ok(V::num(v.number()))
}
pub(super) fn json(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let indent = match args.first() {
        Some(V::Val(Value::Str(s))) => s.chars().take(INDENT_MAX).collect(),
        Some(V::Val(n @ (Value::Int(_) | Value::Float(_)))) => {
            let n = n.as_f64().map_or(0, |n| Num::F(n).whole());
            " ".repeat(n.clamp(0, INDENT_MAX as i64) as usize)
        }
        _ => String::new(),
    };
    Ok(json_text::write(&v, &indent, &mut r.limits)?.map_or(V::Undef, V::str))
}
pub(super) fn json_parse(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    if v.as_str().is_none() {
        return Ok(v);
    }
    let text = paid(r, &v)?;
    // A value takes up to about eight times the room of its text.
    r.limits.memory(text.len())?;
    Ok(stdx::json::parse(&text).map_or(v, V::Val))
}
pub(super) fn entries(r: &mut Renderer<'_>, v: V, _: &[V]) -> Result<V, Error> {
    let pairs: Vec<(Arc<str>, V)> = match &v {
        V::Val(Value::Object(o)) => o.iter().map(|(k, v)| (Arc::clone(k), V::Val(v.clone()))).collect(),
        V::Map(m) => m.pairs.clone(),
        V::Nil | V::Empty | V::Blank => Vec::new(),
        _ => return Ok(v),
    };
    let mut items = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        items.push(r.map(vec![("key".into(), V::str(key)), ("value".into(), value)])?);
    }
    r.list(items)
}
pub(super) fn pick(r: &mut Renderer<'_>, v: V, args: &[V]) -> Result<V, Error> {
    let Some(Value::Object(object)) = v.clone().into_value(false) else { return Ok(v) };
    let mut out = Value::Null;
    let _ = out.object_mut();
    for names in args {
        for name in names.to_array().iter() {
            r.limits.memory(1)?;
            let name = name.text(r.opts.date_text);
            pick_one(&object, &name, &mut out);
        }
    }
    Ok(V::Val(out))
}

/// Copies the dotted path `name` of `from` into `into`.
fn pick_one(from: &Object, name: &str, into: &mut Value) {
    if let Some(found) = from.get(name) {
        if let Some(into) = into.object_mut() {
            into.insert(name, found.clone());
        }
        return;
    }
    let Some((head, tail)) = name.split_once('.') else { return };
    let Some(Value::Object(inner)) = from.get(head) else { return };
    if Value::Object(Arc::clone(inner)).path(&tail.split('.').collect::<Vec<_>>()).is_none() {
        return;
    }
    if let Some(into) = into.object_mut() {
        pick_one(inner, tail, into.0.entry(head.into()).or_insert(Value::Null));
    }
}
