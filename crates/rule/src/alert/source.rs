//! The event's part of an alert: values that would break ECS types dropped, `event.*` copied aside, dotted names expanded.
//!
//! Invariants: nothing is added; of an array only the offending items go; empty objects and arrays go.

use event::ecs::{self, FieldType};
use event::{Scalar, timestamp};
use std::net::IpAddr;
use std::sync::Arc;
use stdx::{Object, Value};

/// Deepest object that is prepared; events themselves are no deeper.
const DEPTH_MAX: usize = 128;

/// The event without reserved keys and without values that ECS types refuse.
pub fn prepared(source: &Value) -> Value {
    let mut out = Object::new();
    for (key, value) in source.as_object().into_iter().flat_map(Object::iter) {
        let top = key.split('.').next().unwrap_or_default();
        if matches!(top, "kibana" | "signal" | "threshold_result") {
            continue;
        }
        if let Some(value) = kept(key, value, 0) {
            out.insert(Arc::clone(key), value);
        }
    }
    out.into()
}

/// The value under the dotted `path`, or `None` when it must go.
fn kept(path: &str, value: &Value, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX || below_scalar(path) {
        return None;
    }
    let kind = ecs::field_type(path);
    match value {
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(|v| kept(path, v, depth + 1)).collect();
            (!items.is_empty()).then(|| items.into())
        }
        Value::Object(_) if kind.is_some_and(|k| !k.is_object()) => None,
        Value::Object(_) if kind == Some(FieldType::GeoPoint) => Some(value.clone()),
        Value::Object(o) => {
            let mut out = Object::new();
            for (key, inner) in o.iter() {
                if let Some(inner) = kept(&format!("{path}.{key}"), inner, depth + 1) {
                    out.insert(Arc::clone(key), inner);
                }
            }
            (!out.is_empty()).then(|| out.into())
        }
        scalar => kind.is_none_or(|k| fits(k, scalar)).then(|| scalar.clone()),
    }
}

/// True when a parent of `path` is a scalar in ECS.
fn below_scalar(path: &str) -> bool {
    path.match_indices('.').any(|(at, _)| ecs::field_type(&path[..at]).is_some_and(|k| !k.is_object()))
}

fn fits(kind: FieldType, value: &Value) -> bool {
    if value.is_null() {
        return true;
    }
    let text = value.as_str();
    match kind {
        FieldType::Keyword | FieldType::Wildcard | FieldType::Text | FieldType::MatchOnlyText | FieldType::GeoPoint => {
            true
        }
        FieldType::Ip => text.is_some_and(|t| t.parse::<IpAddr>().is_ok()),
        FieldType::Date => match value {
            Value::Str(t) => timestamp::parse(Scalar::Str(t)).is_some(),
            Value::Int(_) | Value::Float(_) | Value::Time(_) => true,
            _ => false,
        },
        FieldType::Long => {
            value.as_f64().is_some_and(|n| n.abs() < 9.3e18) || text.is_some_and(|t| t.trim().parse::<i64>().is_ok())
        }
        FieldType::Float => {
            value.as_f64().is_some() || text.is_some_and(|t| t.trim().parse::<f64>().is_ok_and(f64::is_finite))
        }
        FieldType::Boolean => value.as_bool().is_some() || matches!(text, Some("true" | "false" | "")),
        FieldType::Object | FieldType::Nested | FieldType::Flattened => false,
    }
}

/// Copies `event.*` and `data_stream.*` aside as `kibana.alert.original_…` and sets `event.kind`.
pub(super) fn split(source: Value) -> (Object, Vec<(String, Value)>) {
    let mut out = match source {
        Value::Object(o) => Arc::unwrap_or_clone(o),
        _ => Object::new(),
    };
    let mut original = Vec::new();
    for (key, value) in out.iter() {
        for (name, to) in
            [("event", "kibana.alert.original_event"), ("data_stream", "kibana.alert.original_data_stream")]
        {
            if &**key == name {
                flat(to, value, &mut original);
            } else if let Some(rest) = key.strip_prefix(name).and_then(|r| r.strip_prefix('.')) {
                flat(&format!("{to}.{rest}"), value, &mut original);
            }
        }
    }
    out.remove("event.kind");
    let mut inner = out.get("event").and_then(Value::as_object).cloned().unwrap_or_default();
    inner.insert("kind", "signal");
    out.insert("event", inner);
    (out, original)
}

fn flat(path: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(o) => o.iter().for_each(|(key, inner)| flat(&format!("{path}.{key}"), inner, out)),
        other => out.push((path.to_owned(), other.clone())),
    }
}

/// The document with dotted names expanded into objects; where a scalar stands in the way the dotted name stays.
pub fn expanded(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(expanded)),
        Value::Object(o) => {
            let mut out = Object::new();
            for (key, inner) in o.iter() {
                merge(&mut out, key, expanded(inner));
            }
            out.into()
        }
        other => other.clone(),
    }
}

/// Puts a value under a dotted key, objects merged.
fn merge(into: &mut Object, key: &str, value: Value) {
    if let Some((first, rest)) = key.split_once('.')
        && !first.is_empty()
        && !rest.is_empty()
    {
        let mut inner = match into.get(first) {
            None => Object::new(),
            Some(Value::Object(o)) => Object::clone(o),
            Some(_) => {
                into.insert(key, value);
                return;
            }
        };
        merge(&mut inner, rest, value);
        into.insert(first, inner);
        return;
    }
    match (into.get(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let mut both = Object::clone(old);
            for (k, v) in new.iter() {
                merge(&mut both, k, v.clone());
            }
            into.insert(key, both);
        }
        (_, value) => {
            into.insert(key, value);
        }
    }
}
