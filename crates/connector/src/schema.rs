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
    let value = walk(schema, value.clone(), "", &mut problems);
    (value, problems)
}

fn walk(schema: &Value, value: Value, path: &str, problems: &mut Vec<Problem>) -> Value {
    let Some(schema) = schema.as_object() else { return value };
    let wanted = schema.get("type").and_then(Value::as_str);
    let value = wanted.map_or(value.clone(), |t| coerce(t, value));
    let mut problem = |message: String| problems.push(Problem { path: path.into(), message });
    if let Some(t) = wanted
        && !is(t, &value)
    {
        problem(format!("expected {t}, found {}", value.type_name()));
        return value;
    }
    let mut value = value;
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(&value)
    {
        let same = |v: &&Value| v.as_str().zip(value.as_str()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        if let Some(spelled) = allowed.iter().find(same) {
            value = spelled.clone();
        }
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(&value)
    {
        let list: Vec<_> = allowed.iter().map(json::text).collect();
        problem(format!("expected one of {}", list.join(", ")));
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(n) = value.as_f64()
        && (bound("minimum").is_some_and(|min| n < min) || bound("maximum").is_some_and(|max| n > max))
    {
        problem(format!("{n} is out of range"));
    }
    let length = |name: &str| schema.get(name).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    if let Value::Str(s) = &value {
        if length("minLength").is_some_and(|min| s.chars().count() < min) {
            problem("must not be empty".into());
        }
        if length("maxLength").is_some_and(|max| s.chars().count() > max) {
            problem("is too long".into());
        }
    }
    match &value {
        Value::Array(items) => {
            if length("maxItems").is_some_and(|max| items.len() > max) {
                problem(format!("has {} items, at most {}", items.len(), length("maxItems").unwrap_or(0)));
            }
            if length("minItems").is_some_and(|min| items.len() < min) {
                problem("has too few items".into());
            }
            match schema.get("items") {
                Some(each) => Value::array(
                    items
                        .iter()
                        .enumerate()
                        .map(|(at, v)| walk(each, v.clone(), &join(path, &at.to_string()), problems)),
                ),
                None => value,
            }
        }
        Value::Object(o) => Value::Object(Arc::new(members(schema, o, path, problems))),
        _ => value,
    }
}

fn members(schema: &Object, object: &Object, path: &str, problems: &mut Vec<Problem>) -> Object {
    let mut out = object.clone();
    for name in schema.get("required").and_then(Value::as_array).unwrap_or_default() {
        let name = name.as_str().unwrap_or_default();
        if object.get(name).is_none_or(Value::is_null) {
            problems.push(Problem { path: join(path, name), message: "is required".into() });
        }
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return out };
    for (name, of) in properties.iter() {
        match object.get(name) {
            Some(v) if !v.is_null() => {
                out.insert(Arc::clone(name), walk(of, v.clone(), &join(path, name), problems));
            }
            _ => {
                if let Some(default) = of.as_object().and_then(|of| of.get("default")) {
                    out.insert(Arc::clone(name), default.clone());
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

fn coerce(wanted: &str, value: Value) -> Value {
    let Value::Str(text) = &value else {
        return match (wanted, &value) {
            ("string", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => Value::from(json::text(&value)),
            _ => value,
        };
    };
    let parsed = match wanted {
        "integer" => text.trim().parse().ok().map(Value::Int),
        "number" => text.trim().parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float),
        "boolean" => text.trim().parse().ok().map(Value::Bool),
        "array" | "object" => json::parse(text).ok().filter(|v| v.type_name() == wanted),
        _ => None,
    };
    parsed.unwrap_or(value)
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
