//! Answers made of schemas: what the outside of a run says, and what starts it.
//!
//! Invariants: an answer depends on the operation, its schema and its request; where a schema leaves open what is in a part, a part that the
//! document loops over is a list of one. The same request has the same answer.
//! Not here: the run (`world`).

use std::collections::BTreeMap;
use stdx::{Object, Value};
use workflow::{Call, Catalogue, Fault, Program, steps};

/// Parts of outputs that a document loops over: step to paths, each with whether it is parsed from text first.
pub(super) type Lists = BTreeMap<String, Vec<(Vec<String>, bool)>>;

/// Deepest schema.
const DEPTH_MAX: usize = 12;
/// Text where a schema asks for text and says no more: not empty, a number, and JSON.
const TEXT: &str = "1";

/// A value that fits a schema.
pub(super) fn sample(schema: &Value) -> Value {
    value(schema, 0)
}

fn value(schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    for key in ["const", "default"] {
        if let Some(v) = schema.get(key) {
            return v.clone();
        }
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(<[Value]>::first) {
        return first.clone();
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(<[Value]>::first) {
            return value(first, depth + 1);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or(""),
        Some(v) => v.as_str().unwrap_or(""),
        None if schema.get("properties").is_some() => "object",
        None => "",
    };
    match kind {
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => Value::from("2026-01-15T12:00:00.000Z"),
            Some("email") => Value::from("ann@example.org"),
            Some("ipv4") => Value::from("203.0.113.7"),
            Some("uri" | "url") => Value::from("https://stub.example/x"),
            _ => Value::from(TEXT),
        },
        "integer" | "number" => {
            schema.get("minimum").filter(|v| v.as_f64() > Some(1.0)).cloned().unwrap_or(Value::Int(1))
        }
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        "array" => match schema.get("items") {
            Some(items) => {
                let n = schema.get("minItems").and_then(Value::as_i64).unwrap_or(1).clamp(1, 8);
                Value::array((0..n).map(|_| value(items, depth + 1)))
            }
            None => Value::from(vec![]),
        },
        // No type says: anything; an object can be looked into.
        _ => {
            let mut out = Object::new();
            for (k, v) in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Object::iter) {
                out.insert(k.clone(), value(v, depth + 1));
            }
            out.into()
        }
    }
}

/// The inputs that a start of the program is given.
pub(super) fn inputs(program: &Program) -> Value {
    sample(&program.inputs.schema)
}

/// The parts of outputs that the `foreach` expressions of a document name.
pub(super) fn lists(source: &str) -> Lists {
    let mut out = Lists::new();
    for line in source.lines().filter(|l| l.contains("foreach:") && !l.trim_start().starts_with('#')) {
        for (_, rest) in line.match_indices("steps.").map(|(i, m)| line.split_at(i + m.len())) {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            let path: String = rest.chars().take_while(|c| word(*c)).collect();
            let mut segments = path.trim_end_matches('.').split('.');
            let (Some(step), Some("output")) = (segments.next(), segments.next()) else { continue };
            let path: Vec<String> = segments.map(str::to_owned).collect();
            if !path.is_empty() {
                out.entry(step.to_owned()).or_default().push((path, line.contains("json_parse")));
            }
        }
    }
    out
}

/// Puts a list of one where the schema said nothing and the document loops.
pub(super) fn fill(answer: &mut Value, paths: &[(Vec<String>, bool)]) {
    for (path, text) in paths {
        put(answer, path, *text);
    }
}

fn put(at: &mut Value, path: &[String], text: bool) {
    let Some((first, rest)) = path.split_first() else { return };
    if at.as_array().is_some() || at.as_str().is_some() {
        return;
    }
    let Some(o) = at.object_mut() else { return };
    let mut inner = o.get(first).cloned().unwrap_or_default();
    if !rest.is_empty() {
        put(&mut inner, rest, text);
    } else if inner.is_null() || inner.as_object().is_some_and(Object::is_empty) {
        let one = Value::array([Value::from(Object::new())]);
        inner = if text { Value::from(stdx::json::text(&one)) } else { one };
    }
    o.insert(first.as_str(), inner);
}

/// The event of a start by an alert: one alert document with the fields that rules write.
pub(super) fn event() -> Value {
    let alert = r#"{"_id":"alert-1","_index":".internal.alerts-security.alerts-default-000001","@timestamp":"2026-01-15T11:59:00.000Z",
        "rule":{"id":"rule-1","name":"Sample rule"},"event":{"kind":"signal","category":["process"],"action":"exec","module":"endpoint","dataset":"endpoint.events.process"},
        "message":"sample","host":{"name":"host-1","hostname":"host-1","id":"h-1","ip":["198.51.100.4"],"os":{"name":"Linux","family":"linux","type":"linux","platform":"linux"}},
        "agent":{"id":"agent-1","type":"endpoint","name":"host-1"},"elastic":{"agent":{"id":"agent-1"}},
        "user":{"name":"ann","id":"1000","domain":"EXAMPLE","email":"ann@example.org"},
        "process":{"name":"sh","executable":"/bin/sh","pid":42,"entity_id":"p-1","command_line":"sh -c id","args":["sh","-c","id"],
            "hash":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","md5":"d41d8cd98f00b204e9800998ecf8427e"},
            "parent":{"name":"sshd","pid":1,"executable":"/usr/sbin/sshd"}},
        "file":{"name":"x.bin","path":"/tmp/x.bin","hash":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
        "source":{"ip":"203.0.113.7","port":50000},"destination":{"ip":"198.51.100.4","port":22},"url":{"full":"https://stub.example/x","domain":"stub.example"},
        "kibana":{"alert":{"uuid":"alert-1","original_time":"2026-01-15T11:58:00.000Z","severity":"high","risk_score":73,"reason":"sample","status":"active","workflow_status":"open","url":"https://stub.example/a",
            "rule":{"uuid":"rule-1","name":"Sample rule","rule_id":"sample","description":"sample","tags":["a"],"severity":"high","risk_score":73,"category":"Custom Query Rule",
            "threat":[{"framework":"MITRE ATT&CK","tactic":{"id":"TA0002","name":"Execution"},"technique":[{"id":"T1059","name":"Command and Scripting Interpreter"}]}]}}}}"#;
    let alert = stdx::json::parse(alert).unwrap_or_default();
    Value::object([
        ("alerts", Value::array([alert])),
        (
            "rule",
            Value::object([
                ("id", Value::from("rule-1")),
                ("name", Value::from("Sample rule")),
                ("tags", Value::array([Value::from("a")])),
                ("consumer", Value::from("siem")),
                ("producer", Value::from("siem")),
                ("ruleTypeId", Value::from("siem.queryRule")),
            ]),
        ),
        ("ruleUrl", Value::from("https://stub.example/rule")),
        ("spaceId", Value::from("default")),
        ("params", Value::from(Object::new())),
    ])
}

/// The answer to a call: from the schema of its operation, or of the endpoint that its request means.
pub(super) fn answer(call: &Call, catalogue: &Catalogue) -> Result<Value, Fault> {
    let params = call.params.value().cloned().unwrap_or_default();
    let text = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let any = || Value::from(Object::new());
    Ok(match &*call.operation {
        "kibana.request" => steps::kibana::output_of(&text("method"), &text("path")).map_or_else(any, |s| sample(&s)),
        "elasticsearch.request" => {
            steps::elasticsearch::output_of(&text("method"), &text("path")).map_or_else(any, |s| sample(&s))
        }
        "ai.prompt" => {
            let content = params.get("schema").filter(|s| !s.is_null()).map_or_else(|| Value::from(TEXT), sample);
            Value::object([("content", content), ("metadata", any())])
        }
        name => {
            let Some((code, operation, _)) = steps::find(name, catalogue) else {
                return Err(Fault::new("Error", format!("nothing answers `{name}`")));
            };
            let schema = operation.map_or_else(|| steps::output(code.meta()), |o| o.output.clone());
            let mut answer = sample(&schema);
            if name == "http"
                && let Some(o) = answer.object_mut()
            {
                o.insert("status", 200i64);
                o.insert("statusText", "OK");
            }
            answer
        }
    })
}
