//! The small part of JSON Schema that connector files use: types, required members, enumerations, bounds, defaults.
//!
//! Invariants: a value that passes has the declared types; text that spells a number or boolean is taken as one, since templates give text.
//! Not here: full JSON Schema (`workflow` checks steps with it).

use std::sync::Arc;
use stdx::{Object, Value, json};

/// Something that a schema forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the member, dots between; empty for the value itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// The value with defaults filled in and scalars coerced, and what is wrong with it.
pub fn conform(schema: &Value, value: &Value) -> (Value, Vec<Problem>) {
    let mut problems = Vec::new();
    let changed = walk(schema, value, &At::Root, &mut problems);
    (changed.unwrap_or_else(|| value.clone()), problems)
}

/// Where a value stands; written out only where something is wrong with it.
enum At<'a> {
    Root,
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(of, name) => join(&of.path(), name),
            Self::Item(of, at) => join(&of.path(), &at.to_string()),
        }
    }
}

/// What the value becomes; `None` where it stays as it is.
fn walk(schema: &Value, value: &Value, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Value> {
    let schema = schema.as_object()?;
    let wanted = schema.get("type").and_then(Value::as_str);
    let mut changed = wanted.and_then(|t| coerce(t, value));
    let mut problem = |message: String| problems.push(Problem { path: at.path(), message });
    if let Some(t) = wanted
        && !is(t, changed.as_ref().unwrap_or(value))
    {
        problem(format!("expected {t}, found {}", changed.as_ref().unwrap_or(value).type_name()));
        return changed;
    }
    if let Some(Value::Array(allowed)) = schema.get("enum") {
        let now = changed.as_ref().unwrap_or(value);
        if !allowed.contains(now) {
            let same = |v: &&Value| v.as_str().zip(now.as_str()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
            match allowed.iter().find(same) {
                Some(spelled) => changed = Some(spelled.clone()),
                None => {
                    let list: Vec<_> = allowed.iter().map(json::text).collect();
                    problem(format!("expected one of {}", list.join(", ")));
                }
            }
        }
    }
    let now = changed.as_ref().unwrap_or(value);
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(n) = now.as_f64()
        && (bound("minimum").is_some_and(|min| n < min) || bound("maximum").is_some_and(|max| n > max))
    {
        problem(format!("{n} is out of range"));
    }
    let length = |name: &str| schema.get(name).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    if let Value::Str(s) = now {
        if length("minLength").is_some_and(|min| s.chars().count() < min) {
            problem("must not be empty".into());
        }
        if length("maxLength").is_some_and(|max| s.chars().count() > max) {
            problem("is too long".into());
        }
    }
    let inner = match now {
        Value::Array(items) => {
            if length("maxItems").is_some_and(|max| items.len() > max) {
                problem(format!("has {} items, at most {}", items.len(), length("maxItems").unwrap_or(0)));
            }
            if length("minItems").is_some_and(|min| items.len() < min) {
                problem("has too few items".into());
            }
            schema.get("items").and_then(|each| {
                let walked: Vec<_> =
                    items.iter().enumerate().map(|(n, v)| walk(each, v, &At::Item(at, n), problems)).collect();
                walked.iter().any(Option::is_some).then(|| {
                    Value::array(
                        walked.into_iter().zip(items.iter()).map(|(new, old)| new.unwrap_or_else(|| old.clone())),
                    )
                })
            })
        }
        Value::Object(o) => members(schema, o, at, problems).map(|o| Value::Object(Arc::new(o))),
        _ => None,
    };
    inner.or(changed)
}

fn members(schema: &Object, object: &Object, at: &At<'_>, problems: &mut Vec<Problem>) -> Option<Object> {
    let mut out = None;
    for name in schema.get("required").and_then(Value::as_array).unwrap_or_default() {
        let name = name.as_str().unwrap_or_default();
        if object.get(name).is_none_or(Value::is_null) {
            problems.push(Problem { path: At::Member(at, name).path(), message: "is required".into() });
        }
    }
    let mut put = |name: &Arc<str>, value: Value| {
        out.get_or_insert_with(|| object.clone()).insert(Arc::clone(name), value);
    };
    for (name, of) in schema.get("properties").and_then(Value::as_object)?.iter() {
        match object.get(name) {
            Some(v) if !v.is_null() => {
                if let Some(v) = walk(of, v, &At::Member(at, name), problems) {
                    put(name, v);
                }
            }
            _ => {
                if let Some(default) = of.as_object().and_then(|of| of.get("default")) {
                    put(name, default.clone());
                }
            }
        }
    }
    out
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn is(wanted: &str, value: &Value) -> bool {
    match wanted {
        "integer" => value.as_i64().is_some(),
        other => value.type_name() == other,
    }
}

/// What a scalar becomes; `None` where it stays as it is.
fn coerce(wanted: &str, value: &Value) -> Option<Value> {
    let Value::Str(text) = value else {
        return match (wanted, value) {
            ("string", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => Some(Value::from(json::text(value))),
            _ => None,
        };
    };
    match wanted {
        "integer" => text.trim().parse().ok().map(Value::Int),
        "number" => text.trim().parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float),
        "boolean" => text.trim().parse().ok().map(Value::Bool),
        "array" | "object" => json::parse(text).ok().filter(|v| v.type_name() == wanted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coerces_fills_and_complains() {
        let schema = json::parse(
            r#"{"type":"object","required":["a","z"],"properties":{"a":{"type":"integer","maximum":5},"b":{"type":"boolean","default":true},
                "c":{"type":"array","maxItems":1,"items":{"type":"string"}},"e":{"type":"string","enum":["x"]}}}"#,
        )
        .unwrap();
        let (v, problems) = conform(&schema, &json::parse(r#"{"a":"9","c":"[1,2]","e":"y","other":null}"#).unwrap());
        assert_eq!(json::text(&v), r#"{"a":9,"c":["1","2"],"e":"y","other":null,"b":true}"#);
        let problems: Vec<_> = problems.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        assert_eq!(
            problems,
            ["z: is required", "a: 9 is out of range", "c: has 2 items, at most 1", r#"e: expected one of "x""#]
        );
    }
}
