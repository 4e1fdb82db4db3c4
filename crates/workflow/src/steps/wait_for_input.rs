//! `waitForInput`: asks a person for an object and waits for it.
//!
//! Invariants: the answer was checked against the schema by its row; only no answer in time fails the step; it guards nothing.
//! Not here: the row and who may answer it (`triage`, `api`).
//! Source: `reference/workflow-language.md` §4.8, Appendices B and D.

use super::wait_for_approval::MESSAGE_CHARS_MAX;
use super::{Ask, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::Class;
use stdx::{Duration, Object, Value};

/// The step type.
#[derive(Debug)]
pub(super) struct WaitForInput;
pub(super) static WAIT_FOR_INPUT: WaitForInput = WaitForInput;

static META: StepMeta = StepMeta {
    name: "waitForInput",
    title: "Ask for input",
    description: "asks a person for an object by a form and waits for it",
    group: "people",
    class: Class::None,
    schema: r#"{"type":"object","properties":{"message":{"type":"string","description":"the question"},"schema":{"type":"object","description":"JSON Schema of the answer"},"channels":{"type":"object"}},"additionalProperties":false}"#,
    output: r#"{"type":"object","properties":{"response":{"type":"object"},"respondedBy":{"type":"string"},"respondedAt":{"type":"string"},"channel":{"type":"string"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: ask\n  type: waitForInput\n  timeout: 24h\n  with:\n    message: \"Block {{ inputs.ip }}?\"\n    schema:\n      required: [decision]\n      properties:\n        decision: { type: string, enum: [block, ignore] }\n",
};

impl StepType for WaitForInput {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let message = super::text(&params, "message").unwrap_or_else(|| format!("{}: input wanted", cx.name).into());
        if message.chars().count() > MESSAGE_CHARS_MAX {
            return Next::fail("InvalidInput", format!("a message has at most {MESSAGE_CHARS_MAX} characters"));
        }
        let mut schema = params.get("schema").cloned().unwrap_or_default();
        if let Some(o) = schema.object_mut()
            && !o.contains_key("type")
        {
            o.insert("type", "object");
        }
        if schema.as_object().is_some()
            && let Err(e) = jsonschema::validator_for(&(&schema).into())
        {
            return Next::fail("InvalidInput", format!("`schema` is not a JSON Schema: {e}"));
        }
        let timeout =
            cx.timeout.map_or_else(|| (Duration::from_secs(72 * 3600), "72h".into()), |t| (t.length, t.text.clone()));
        Next::Ask(Box::new(Ask {
            message,
            approve_label: "Answer".into(),
            reject_label: "".into(),
            timeout,
            input: Some(schema),
        }))
    }
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, wake: Wake) -> Next {
        let Wake::Decided(d) = wake else { return Next::Done(Value::Null) };
        let mut out = Object::new();
        out.insert("response", d.input.clone().unwrap_or_else(|| Value::from(Object::new())));
        out.insert("respondedBy", d.by.clone());
        out.insert("respondedAt", Value::from(d.at.iso()));
        out.insert("channel", d.channel.clone());
        Next::Done(Value::from(out))
    }
}
