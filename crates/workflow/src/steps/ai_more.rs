//! `ai.classify` and `ai.agent`: a label from a closed list, and a conversation with an agent.
//!
//! Invariants: a label outside the list fails the step, there is no second try; what an agent says is data and chooses nothing.
//! Not here: wire formats of models (`connector`); the Agent Builder API, which is not there yet: until then its 404 is the error of
//! `ai.agent`.
//! Source: `reference/workflow-steps.md` §8.3, §8.5; `reference/kibana-apis.md` §5.4.

use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use stdx::{Object, Value};

/// Categories at most.
const CATEGORIES_MAX: usize = 500;

/// The step types.
#[derive(Debug)]
pub(super) struct Classify;
pub(super) static CLASSIFY: Classify = Classify;
#[derive(Debug)]
pub(super) struct Agent;
pub(super) static AGENT: Agent = Agent;

static CLASSIFY_META: StepMeta = StepMeta {
    name: "ai.classify",
    title: "Classify",
    description: "has a model choose one or several of given categories",
    group: "ai",
    class: Class::Write,
    schema: r#"{"type":"object","required":["input","categories"],"properties":{"input":{"description":"text, list or object"},"categories":{"type":"array","items":{"type":"string"},"description":"labels to choose from"},"instructions":{"type":"string"},"allowMultipleCategories":{"type":"boolean"},"fallbackCategory":{"type":"string"},"includeRationale":{"type":"boolean"},"temperature":{"type":"number"},"connectorId":{"type":"string"}}}"#,
    output: r#"{"type":"object","required":["metadata"],"properties":{"category":{"type":"string"},"categories":{"type":"array","items":{"type":"string"}},"rationale":{"type":"string"},"metadata":{"type":"object"}}}"#,
    connectors: &super::ai::MODELS,
    config: &["inference-id"],
    example: "- name: kind\n  type: ai.classify\n  with:\n    input: \"${{ event.alerts[0] }}\"\n    categories: [benign, suspicious, malicious]\n",
};
static AGENT_META: StepMeta = StepMeta {
    name: "ai.agent",
    title: "Ask an agent",
    description: "sends a message to an agent of the Agent Builder",
    group: "ai",
    class: Class::Write,
    schema: r#"{"type":"object","required":["message"],"properties":{"message":{"type":"string","description":"what to ask"},"schema":{"type":"object"},"attachments":{"type":"array"},"conversation_id":{"type":"string"},"metadata":{"type":"object"},"configuration_overrides":{"type":"object"},"approvals":{"type":"object"},"agent_id":{"type":"string"}}}"#,
    output: r#"{"type":"object","required":["message"],"properties":{"message":{"type":"string"},"structured_output":{"type":"object"},"conversation_id":{"type":"string"},"metadata":{"type":"object"}}}"#,
    connectors: &super::ai::MODELS,
    config: &[
        "agent-id",
        "inference-id",
        "create-conversation",
        "connector-id-by-feature",
        "public-conversation",
        "plugin-id",
        "aggregate-by",
    ],
    example: "- name: verdict\n  type: ai.agent\n  agent-id: soc-triage\n  timeout: 10m\n  with:\n    message: \"Assess: {{ event.alerts[0] | json }}\"\n",
};

impl StepType for Classify {
    fn meta(&self) -> &'static StepMeta {
        &CLASSIFY_META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let Some(input) = params.get("input").filter(|v| !v.is_null()) else {
            return Next::Fail(super::invalid("`ai.classify` needs `with.input`".into()));
        };
        let categories: Vec<String> = match super::list_like(params.get("categories").cloned().unwrap_or_default()) {
            Value::Array(a) => a.iter().map(crate::json::scalar_text).filter(|s| !s.is_empty()).collect(),
            _ => vec![],
        };
        if categories.is_empty() || categories.len() > CATEGORIES_MAX {
            return Next::Fail(super::invalid(format!(
                "`ai.classify` needs 1 to {CATEGORIES_MAX} labels in `with.categories`"
            )));
        }
        let connector = match super::ai::model(cx, &params) {
            Ok(Some(c)) => c,
            Ok(None) => return Next::fail("ConnectorExecutionError", "No default connector configured"),
            Err(fault) => return Next::Fail(fault),
        };
        let flag = |key: &str| params.get(key).and_then(Value::as_bool) == Some(true);
        let (many, rationale) = (flag("allowMultipleCategories"), flag("includeRationale"));
        let mut allowed = categories.clone();
        allowed.extend(super::text(&params, "fallbackCategory").map(|s| s.to_string()));
        let labels = Value::array(allowed.iter().map(|s| Value::from(s.as_str())));
        let one = Value::object([("type", Value::from("string")), ("enum", labels.clone())]);
        let (key, answer) = if many {
            ("categories", Value::object([("type", Value::from("array")), ("items", one)]))
        } else {
            ("category", one)
        };
        let mut properties = Object::new();
        properties.insert(key, answer);
        let mut needed = vec![Value::from(key)];
        if rationale {
            properties.insert("rationale", Value::object([("type", Value::from("string"))]));
            needed.push(Value::from("rationale"));
        }
        let schema = Value::object([
            ("type", Value::from("object")),
            ("properties", Value::from(properties)),
            ("required", Value::from(needed)),
        ]);
        let mut system = format!(
            "Sort the input into {} of these categories: {}. Use a category exactly as it is written.",
            if many { "one or more" } else { "exactly one" },
            categories.join(", ")
        );
        if let Some(fallback) = super::text(&params, "fallbackCategory") {
            system.push_str(&format!(" Where none fits, use {fallback}."));
        }
        if let Some(more) = super::text(&params, "instructions") {
            system.push('\n');
            system.push_str(&more);
        }
        let mut ask = Object::new();
        ask.insert("prompt", super::endpoint::joined_text(input));
        ask.insert("systemPrompt", system);
        ask.insert("schema", schema);
        if let Some(t) = params.get("temperature").filter(|v| !v.is_null()) {
            ask.insert("temperature", t.clone());
        }
        let memo = Value::object([("allowed", labels), ("many", Value::Bool(many))]);
        let call = CallSpec {
            operation: "ai.prompt".into(),
            connector: Some(connector.id.clone()),
            target: connector.target.clone(),
            params: Value::from(ask),
            class: Class::Write,
            lane: connector.id.clone(),
        };
        Next::Call { call: Box::new(call), memo, closes: false }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(v)) => match label(memo, &v) {
                Ok(out) => Next::Done(out),
                Err(fault) => Next::Fail(fault),
            },
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a question to a model does not wait for a person"),
        }
    }
}

/// The answer with labels that are allowed, or why not.
fn label(memo: &Value, answer: &Value) -> Result<Value, Fault> {
    let content = super::list_like(answer.get("content").cloned().unwrap_or_default());
    let allowed = memo.get("allowed").and_then(Value::as_array).unwrap_or_default();
    let wrong = |v: &Value| {
        Fault::new(
            "Error",
            format!("the model answered `{}`, which is not one of the categories", crate::json::scalar_text(v)),
        )
    };
    let mut out = Object::new();
    if memo.get("many").and_then(Value::as_bool) == Some(true) {
        let list = content.get("categories").and_then(Value::as_array);
        let list = list.ok_or_else(|| Fault::new("Error", "the model's answer has no list `categories`"))?;
        if let Some(v) = list.iter().find(|v| !allowed.contains(v)) {
            return Err(wrong(v));
        }
        out.insert("categories", list.to_vec());
    } else {
        let one = content.get("category").ok_or_else(|| Fault::new("Error", "the model's answer has no `category`"))?;
        if !allowed.contains(one) {
            return Err(wrong(one));
        }
        out.insert("category", one.clone());
    }
    if let Some(why) = content.get("rationale") {
        out.insert("rationale", why.clone());
    }
    out.insert("metadata", answer.get("metadata").cloned().unwrap_or_else(|| Value::from(Object::new())));
    Ok(out.into())
}

impl StepType for Agent {
    fn meta(&self) -> &'static StepMeta {
        &AGENT_META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let message = match super::required(&params, "message", AGENT_META.name) {
            Ok(m) => m,
            Err(fault) => return Next::Fail(fault),
        };
        let inference = super::text(cx.config, "inference-id");
        if cx.connector.is_some() && inference.is_some() {
            return Next::Fail(super::invalid("`connector-id` and `inference-id` exclude each other".into()));
        }
        let agent = super::text(cx.config, "agent-id").or_else(|| super::text(&params, "agent_id"));
        let mut body = Object::new();
        body.insert("agent_id", agent.unwrap_or_else(|| "elastic-ai-agent".into()));
        body.insert("input", message);
        if let Some(c) = cx.connector {
            body.insert("connector_id", c.id.clone());
        }
        if let Some(id) = inference {
            body.insert("inference_id", id);
        }
        for key in ["conversation_id", "configuration_overrides", "metadata", "approvals", "schema"] {
            if let Some(v) = params.get(key).filter(|v| !v.is_null()) {
                body.insert(key, v.clone());
            }
        }
        if let Some(list) = params.get("attachments").and_then(Value::as_array) {
            if list.iter().any(|a| a.get("data").is_none() && a.get("origin").is_none()) {
                return Next::Fail(super::invalid("an attachment needs `data` or `origin`".into()));
            }
            body.insert("attachments", list.to_vec());
        }
        let stored = params.get("conversation_id").is_some_and(|v| !v.is_null())
            || cx.config.get("create-conversation").and_then(Value::as_bool) == Some(true);
        let memo = Value::object([
            ("stored", Value::Bool(stored)),
            ("structured", Value::Bool(params.get("schema").is_some_and(|s| !s.is_null()))),
        ]);
        let request = Value::object([
            ("method", Value::from("POST")),
            ("path", Value::from("/api/agent_builder/converse")),
            ("body", Value::from(body)),
        ]);
        super::own_call("kibana.request", request, Class::Write, memo, false)
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(v)) => Next::Done(said(memo, &v)),
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "an agent does not wait for a person"),
        }
    }
}

fn said(memo: &Value, answer: &Value) -> Value {
    let is = |key: &str| memo.get(key).and_then(Value::as_bool) == Some(true);
    let message = answer.path(&["response", "message"]).cloned().unwrap_or_else(|| Value::from(""));
    let mut out = Object::new();
    if is("structured") {
        let given = answer.path(&["response", "structured_output"]).filter(|v| !v.is_null()).cloned();
        let structured = given.unwrap_or_else(|| super::list_like(message.clone()));
        out.insert("message", stdx::json::text(&structured));
        out.insert("structured_output", structured);
    } else {
        out.insert("message", message);
    }
    if is("stored")
        && let Some(id) = answer.get("conversation_id")
    {
        out.insert("conversation_id", id.clone());
    }
    if let Some(usage) = answer.get("model_usage") {
        let pick = |keys: [&str; 2]| keys.iter().find_map(|k| usage.get(k)).cloned();
        let mut u = Object::new();
        for (to, keys) in [
            ("connectorId", ["connector_id", "connectorId"]),
            ("inputTokens", ["input_tokens", "inputTokens"]),
            ("outputTokens", ["output_tokens", "outputTokens"]),
        ] {
            if let Some(v) = pick(keys) {
                u.insert(to, v);
            }
        }
        let sum = ["inputTokens", "outputTokens"].iter().filter_map(|k| u.get(k).and_then(Value::as_i64)).sum::<i64>();
        u.insert("totalTokens", sum);
        out.insert("metadata", Value::object([("usage", Value::from(u))]));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        stdx::json::parse(text).unwrap()
    }

    #[test]
    fn labels_must_be_allowed() {
        let memo = json(r#"{"allowed":["a","b"],"many":false}"#);
        let out = label(&memo, &json(r#"{"content":{"category":"a","rationale":"r"},"metadata":{"m":1}}"#)).unwrap();
        assert_eq!(stdx::json::text(&out), r#"{"category":"a","rationale":"r","metadata":{"m":1}}"#);
        assert!(label(&memo, &json(r#"{"content":{"category":"c"}}"#)).unwrap_err().message.contains("`c`"));
        assert!(label(&memo, &json(r#"{"content":"text"}"#)).is_err());
        let many = json(r#"{"allowed":["a","b"],"many":true}"#);
        assert!(label(&many, &json(r#"{"content":{"categories":["a","z"]}}"#)).is_err());
        assert!(label(&many, &json(r#"{"content":"{\"categories\":[\"b\"]}"}"#)).is_ok());
    }

    #[test]
    fn an_agents_answer() {
        let answer = json(
            r#"{"conversation_id":"c1","response":{"message":"{\"x\":1}"},"model_usage":{"connector_id":"m","input_tokens":3,"output_tokens":4}}"#,
        );
        let out = said(&json(r#"{"stored":false,"structured":true}"#), &answer);
        assert_eq!(
            stdx::json::text(&out),
            r#"{"message":"{\"x\":1}","structured_output":{"x":1},"metadata":{"usage":{"connectorId":"m","inputTokens":3,"outputTokens":4,"totalTokens":7}}}"#
        );
        let out = said(&json(r#"{"stored":true,"structured":false}"#), &answer);
        assert_eq!(out.get("conversation_id"), Some(&Value::from("c1")));
    }
}
