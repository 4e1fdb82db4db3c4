//! `data.parseJson` and `data.stringifyJson`.
//!
//! Invariants: a value that is no text is parsed already; at most [`TEXT_BYTES_MAX`] bytes.
//! Source: `reference/workflow-steps.md` §9.8.

use super::{Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::Value;

/// Longest text to parse.
const TEXT_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The step types.
#[derive(Debug)]
pub(super) struct DataJson {
    meta: &'static StepMeta,
}
pub(super) static PARSE: DataJson = DataJson { meta: &PARSE_META };
pub(super) static STRINGIFY: DataJson = DataJson { meta: &STRINGIFY_META };

static PARSE_META: StepMeta = StepMeta {
    name: "data.parseJson",
    title: "Parse JSON",
    description: "makes a value of JSON text",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object"}"#,
    output: r#"{"description":"the value"}"#,
    connectors: &[],
    config: &["source"],
    example: "- name: parsed\n  type: data.parseJson\n  source: \"{{ inputs.text }}\"\n",
};
static STRINGIFY_META: StepMeta = StepMeta {
    name: "data.stringifyJson",
    title: "Write JSON",
    description: "makes JSON text of a value",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","additionalProperties":false,"properties":{"pretty":{"type":"boolean"}}}"#,
    output: r#"{"type":"string"}"#,
    connectors: &[],
    config: &["source"],
    example: "- name: text\n  type: data.stringifyJson\n  source: \"${{ event }}\"\n  with: { pretty: true }\n",
};

impl StepType for DataJson {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let source = cx.config.get("source").cloned().unwrap_or_default();
        if self.meta.name == "data.stringifyJson" {
            return match params.get("pretty").and_then(Value::as_bool) {
                Some(true) => match serde_json::to_string_pretty(&serde_json::Value::from(&source)) {
                    Ok(text) => Next::Done(Value::from(text)),
                    Err(e) => Next::fail("Error", format!("Failed to stringify: {e}")),
                },
                _ => Next::Done(Value::from(stdx::json::text(&source))),
            };
        }
        match source {
            Value::Null => Next::fail("Error", "Source is null or undefined"),
            Value::Str(s) if s.len() > TEXT_BYTES_MAX => {
                Next::fail("Error", format!("Source has {} bytes, at most {TEXT_BYTES_MAX} can be parsed", s.len()))
            }
            Value::Str(s) => match stdx::json::parse(&s) {
                Ok(v) => Next::Done(v),
                Err(e) => Next::fail("Error", format!("Invalid JSON: {e}")),
            },
            other => Next::Done(other),
        }
    }
}
