//! A value that fits a JSON Schema: what a dry run or a stub answers where nobody said better.
//!
//! Invariants: the same schema gives the same value; depth and size are bounded; a schema that says nothing gives an empty object.
//! Not here: mocks and pins, which go before it (`decide::dry`).
//! Source: `design/engine.md` §2.6.

use stdx::{Object, Value};

/// Deepest nesting of a sample.
const DEPTH_MAX: u32 = 12;
/// Members and elements of a sample at most.
const NODES_MAX: usize = 2_000;

/// A value of the schema: constants, defaults, examples and enumerations as they are, every declared member present.
pub fn sample(schema: &Value) -> Value {
    let mut left = NODES_MAX;
    build(schema, schema, 0, &mut left)
}

fn build(root: &Value, schema: &Value, depth: u32, left: &mut usize) -> Value {
    if depth > DEPTH_MAX || *left == 0 {
        return Value::Null;
    }
    *left -= 1;
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return resolve(root, target).map_or(Value::Null, |s| build(root, s, depth + 1, left));
    }
    for key in ["const", "default", "example"] {
        if let Some(v) = schema.get(key).filter(|v| !v.is_null()) {
            return v.clone();
        }
    }
    for key in ["examples", "enum"] {
        if let Some(v) = schema.get(key).and_then(Value::as_array).and_then(|a| a.first()) {
            return v.clone();
        }
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        let mut out = Object::new();
        for part in all.iter().chain([&without(schema, "allOf")]) {
            if let Value::Object(o) = build(root, part, depth + 1, left) {
                o.iter().for_each(|(k, v)| drop(out.insert(k.clone(), v.clone())));
            }
        }
        return Value::from(out);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|a| a.first()) {
            return build(root, first, depth + 1, left);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Str(s)) => Some(&**s),
        Some(Value::Array(_)) => {
            let kinds = schema.get("type").and_then(Value::as_array).unwrap_or_default();
            kinds.iter().filter_map(Value::as_str).find(|k| *k != "null")
        }
        _ => None,
    };
    match kind {
        Some("string") => Value::from(text(schema)),
        Some("integer" | "number") => number(schema),
        Some("boolean") => Value::Bool(true),
        Some("null") => Value::Null,
        Some("array") => {
            let n = schema.get("minItems").and_then(Value::as_i64).unwrap_or(1).clamp(0, 16);
            match schema.get("items") {
                Some(items) => Value::array((0..n).map(|_| build(root, items, depth + 1, left))),
                None => Value::from(vec![]),
            }
        }
        _ => {
            let mut out = Object::new();
            for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Object::iter)
            {
                out.insert(name.clone(), build(root, member, depth + 1, left));
            }
            Value::from(out)
        }
    }
}

fn without(schema: &Value, key: &str) -> Value {
    let mut rest = schema.as_object().cloned().unwrap_or_default();
    rest.remove(key);
    Value::from(rest)
}

/// A local `#/…` reference.
fn resolve<'a>(root: &'a Value, target: &str) -> Option<&'a Value> {
    let mut at = root;
    for part in target.strip_prefix("#/")?.split('/') {
        at = at.get(&part.replace("~1", "/").replace("~0", "~"))?;
    }
    Some(at)
}

fn text(schema: &Value) -> String {
    let known = match schema.get("format").and_then(Value::as_str).unwrap_or("") {
        "date-time" => "2026-01-15T12:00:00.000Z",
        "date" => "2026-01-15",
        "time" => "12:00:00Z",
        "email" | "idn-email" => "sample@example.org",
        "hostname" | "idn-hostname" => "host.example.org",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "uri-reference" | "iri-reference" => "https://example.org/sample",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => "sample",
    };
    let min = schema.get("minLength").and_then(Value::as_i64).unwrap_or(0).clamp(0, 10_000) as usize;
    let max = schema.get("maxLength").and_then(Value::as_i64).unwrap_or(i64::MAX).max(0) as usize;
    let mut out: String = known.chars().take(max).collect();
    while out.chars().count() < min {
        out.push('x');
    }
    out
}

fn number(schema: &Value) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let low = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|n| n + 1.0));
    let high = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|n| n - 1.0));
    let wanted = low.unwrap_or(1.0).min(high.unwrap_or(f64::INFINITY));
    let step = bound("multipleOf").filter(|s| *s > 0.0).unwrap_or(0.0);
    let wanted = if step > 0.0 { (wanted / step).ceil() * step } else { wanted };
    if wanted.fract() == 0.0 && wanted.abs() < 9e15 { Value::Int(wanted as i64) } else { Value::Float(wanted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fit_their_schema() {
        for schema in [
            r#"{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"n":{"type":"integer","minimum":3}},"required":["id","n"]}"#,
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"required":["a"],"$defs":{"x":{"type":"array","minItems":2,"items":{"enum":["u","v"]}}}}"##,
            r#"{"anyOf":[{"type":"boolean"},{"type":"null"}]}"#,
            r#"{"type":["null","string"],"minLength":9,"maxLength":9}"#,
            r#"{"allOf":[{"properties":{"a":{"type":"number","exclusiveMinimum":0}},"required":["a"]},{"properties":{"b":{"const":7}},"required":["b"]}]}"#,
            r#"{"type":"number","maximum":-2,"multipleOf":0.5}"#,
        ] {
            let schema = stdx::json::parse(schema).unwrap();
            let value = sample(&schema);
            let validator = jsonschema::validator_for(&(&schema).into()).unwrap();
            assert!(
                validator.is_valid(&(&value).into()),
                "{}\n{}",
                stdx::json::text(&schema),
                stdx::json::text(&value)
            );
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema =
            stdx::json::parse(r##"{"type":"object","properties":{"next":{"$ref":"#"},"other":{"$ref":"#"}}}"##);
        assert!(crate::json::size(&sample(&schema.unwrap())) < 100_000);
    }
}
