//! `workflow.output` and `workflow.fail`: end the whole run.
//!
//! Invariants: the record is checked against `outputs` before the run ends (`decide` does it, it knows the program).
//! Source: `reference/workflow-language.md` §4.9.

use super::{Next, StepCx, StepMeta, StepType};
use crate::core::{Class, Fault, Status};
use stdx::Value;

/// The step types.
#[derive(Debug)]
pub(super) struct End {
    meta: &'static StepMeta,
    fails: bool,
}
pub(super) static OUTPUT: End = End { meta: &OUTPUT_META, fails: false };
pub(super) static FAIL: End = End { meta: &FAIL_META, fails: true };

static OUTPUT_META: StepMeta = StepMeta {
    name: "workflow.output",
    title: "End with output",
    description: "ends the workflow and gives its result",
    group: "flow",
    class: Class::None,
    schema: r#"{"type":"object","additionalProperties":true}"#,
    output: r#"{"type":"object"}"#,
    connectors: &[],
    config: &["status"],
    example: "- name: done\n  type: workflow.output\n  with:\n    verdict: benign\n",
};

static FAIL_META: StepMeta = StepMeta {
    name: "workflow.fail",
    title: "End as failed",
    description: "ends the workflow as failed, with a message",
    group: "flow",
    class: Class::None,
    schema: r#"{"type":"object","properties":{"message":{"type":"string"},"reason":{"type":"string"}}}"#,
    output: r#"{"type":"object"}"#,
    connectors: &[],
    config: &[],
    example: "- name: give_up\n  type: workflow.fail\n  with:\n    message: nothing to do\n",
};

impl StepType for End {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let status =
            if self.fails { "failed" } else { cx.config.get("status").and_then(Value::as_str).unwrap_or("completed") };
        let message = super::text(&params, "message");
        match status {
            "completed" => Next::End { status: Status::Completed, output: params, error: None },
            "cancelled" => {
                let why = super::text(&params, "reason")
                    .or(message)
                    .unwrap_or_else(|| format!("Cancelled by step '{}'", cx.name).into());
                Next::End { status: Status::Cancelled, output: params, error: Some(Fault::new("Cancelled", why)) }
            }
            "failed" => {
                let why = message.unwrap_or_else(|| "Workflow terminated with failed status".into());
                Next::End { status: Status::Failed, output: params, error: Some(Fault::new("Error", why)) }
            }
            other => {
                Next::fail("InvalidInput", format!("`status` must be completed, cancelled or failed, not `{other}`"))
            }
        }
    }
}
