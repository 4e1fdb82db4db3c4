//! `ai.prompt` and `ai.summarize`: a question to a model.
//!
//! Invariants: a model's answer is data, it never chooses what runs; without a model `ai.summarize` composes from what it was given and
//! says so, `ai.prompt` fails.
//! Not here: wire formats of models (`connector`).
//! Source: `reference/workflow-steps.md` §8.1, §8.2, §8.4; `design.md` *Without a model*.

use super::{CallSpec, Next, StepCx, StepMeta, StepType};
use crate::catalogue::ConnectorView;
use crate::core::{Class, Fault};
use std::fmt::Write as _;
use std::sync::Arc;
use stdx::{Object, Value};

/// Connector types that speak to a model.
pub(super) const MODELS: [&str; 4] = [".gen-ai", ".inference", ".bedrock", ".gemini"];
/// Lines of a composed summary at most.
const COMPOSED_LINES_MAX: usize = 24;
/// Bytes of one composed value at most.
const COMPOSED_VALUE_MAX: usize = 160;

/// The step types.
#[derive(Debug)]
pub(super) struct Ai {
    meta: &'static StepMeta,
    composes: bool,
}
pub(super) static PROMPT: Ai = Ai { meta: &PROMPT_META, composes: false };
pub(super) static SUMMARIZE: Ai = Ai { meta: &SUMMARIZE_META, composes: true };

static PROMPT_META: StepMeta = StepMeta {
    name: "ai.prompt",
    title: "Ask a model",
    description: "sends a prompt to a model; with a schema the answer is structured",
    group: "ai",
    class: Class::Write,
    schema: r#"{"type":"object","required":["prompt"],"properties":{"prompt":{"type":"string","description":"what to ask"},"systemPrompt":{"type":"string"},"schema":{"type":"object"},"outputSchema":{"type":"object"},"output_schema":{"type":"object"},"temperature":{"type":"number"},"connectorId":{"type":"string"}}}"#,
    output: r#"{"type":"object","properties":{"content":{},"metadata":{"type":"object"}}}"#,
    connectors: &MODELS,
    config: &["inference-id"],
    example: "- name: verdict\n  type: ai.prompt\n  with:\n    prompt: \"Is this malicious? {{ inputs.command }}\"\n",
};

static SUMMARIZE_META: StepMeta = StepMeta {
    name: "ai.summarize",
    title: "Summarise",
    description: "has a model summarise what it is given; without a model the summary is composed from it",
    group: "ai",
    class: Class::Write,
    schema: r#"{"type":"object","required":["input"],"properties":{"input":{"description":"text, list or object"},"instructions":{"type":"string"},"maxLength":{"type":"integer"},"temperature":{"type":"number"}}}"#,
    output: r#"{"type":"object","properties":{"content":{"type":"string"},"metadata":{"type":"object"}}}"#,
    connectors: &MODELS,
    config: &["inference-id"],
    example: "- name: summary\n  type: ai.summarize\n  with:\n    input: \"${{ event }}\"\n    maxLength: 600\n",
};

impl StepType for Ai {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, mut params: Value) -> Next {
        let needs = if self.composes { "input" } else { "prompt" };
        if params.get(needs).is_none_or(Value::is_null) {
            return Next::Fail(super::invalid(format!("`{}` needs `with.{needs}`", self.meta.name)));
        }
        let connector = match model(cx, &params) {
            Ok(Some(c)) => c,
            Ok(None) if self.composes => return Next::Done(compose(&params)),
            Ok(None) => return Next::fail("ConnectorExecutionError", "No default connector configured"),
            Err(fault) => return Next::Fail(fault),
        };
        if let Some(o) = params.object_mut() {
            o.remove("connectorId");
            for old in ["outputSchema", "output_schema"] {
                if let Some(schema) = o.remove(old) {
                    o.insert("schema", schema);
                }
            }
        }
        let call = CallSpec {
            operation: self.meta.name.into(),
            connector: Some(connector.id.clone()),
            target: connector.target.clone(),
            params,
            class: Class::Write,
            lane: connector.id.clone(),
        };
        Next::Call { call: Box::new(call), memo: Value::Null, closes: true }
    }
}

/// The model's connector: the one that is named, else the only default.
pub(super) fn model<'a>(cx: &StepCx<'a>, params: &Value) -> Result<Option<&'a ConnectorView>, Fault> {
    let all = || cx.catalogue.connectors.values().filter(|c| MODELS.contains(&&*c.kind));
    if let Some(c) = cx.connector {
        return Ok(Some(c));
    }
    if let Some(wanted) = super::text(params, "connectorId") {
        return match cx.catalogue.connector(&wanted) {
            Some(c) => Ok(Some(c)),
            None => {
                let known: Vec<&str> = all().map(|c| &*c.name).collect();
                let message =
                    format!("AI Connector '{wanted}' not found. Available AI connectors: {}", known.join(", "));
                Err(Fault::new("ConnectorExecutionError", message))
            }
        };
    }
    Ok(all().next())
}

/// A summary from the evidence alone, marked as such.
fn compose(params: &Value) -> Value {
    let input = params.get("input").cloned().unwrap_or_default();
    let mut lines = vec![];
    facts("", &input, &mut lines, 0);
    let mut content = String::new();
    let cut = lines.len().saturating_sub(COMPOSED_LINES_MAX);
    for line in lines.iter().take(COMPOSED_LINES_MAX) {
        let _ = writeln!(content, "{line}");
    }
    if cut > 0 {
        let _ = writeln!(content, "… and {cut} more");
    }
    let max = params.get("maxLength").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(4000);
    let content: Arc<str> = stdx::bounded::truncate(content.trim_end(), max.max(16)).into();
    let mut metadata = Object::new();
    metadata.insert("composed", true);
    metadata.insert("model", Value::Null);
    metadata.insert("note", "no model is set up: composed from the evidence");
    Value::object([("content", Value::Str(content)), ("metadata", Value::from(metadata))])
}

fn facts(name: &str, value: &Value, lines: &mut Vec<String>, depth: u32) {
    if lines.len() > 4 * COMPOSED_LINES_MAX || depth > 8 {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(o) => {
            for (k, v) in o.iter() {
                facts(&if name.is_empty() { k.to_string() } else { format!("{name}.{k}") }, v, lines, depth + 1);
            }
        }
        Value::Array(a) if a.iter().all(|v| v.as_object().is_none() && v.as_array().is_none()) => {
            let text = a.iter().map(crate::json::scalar_text).collect::<Vec<_>>().join(", ");
            if !text.is_empty() {
                lines.push(line(name, &text));
            }
        }
        Value::Array(a) => a.iter().enumerate().for_each(|(i, v)| facts(&format!("{name}[{i}]"), v, lines, depth + 1)),
        scalar => {
            let text = crate::json::scalar_text(scalar);
            if !text.trim().is_empty() {
                lines.push(line(name, &text));
            }
        }
    }
}

fn line(name: &str, text: &str) -> String {
    let text = stdx::bounded::truncate(text.trim(), COMPOSED_VALUE_MAX);
    if name.is_empty() { text.into_owned() } else { format!("{name}: {text}") }
}
