//! `workflow.execute` and `workflow.executeAsync`: a run of another workflow, awaited or not.
//!
//! Invariants: the step names the workflow and its inputs, nothing more; lookup, limits and the start itself are the machine's.
//! Not here: finding and starting it (`decide::child`).
//! Source: `reference/workflow-language.md` §4.9.

use super::{Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::{Object, Value};

/// The step types.
#[derive(Debug)]
pub(super) struct Execute {
    meta: &'static StepMeta,
    awaited: bool,
}
pub(super) static EXECUTE: Execute = Execute { meta: &EXECUTE_META, awaited: true };
pub(super) static EXECUTE_ASYNC: Execute = Execute { meta: &ASYNC_META, awaited: false };

const SCHEMA: &str = r#"{"type":"object","properties":{"workflow-id":{"type":"string","description":"id or name of a workflow of the same space"},"inputs":{"type":"object","additionalProperties":true}},"required":["workflow-id"],"additionalProperties":false}"#;

static EXECUTE_META: StepMeta = StepMeta {
    name: "workflow.execute",
    title: "Run a workflow",
    description: "runs another workflow and waits for its output",
    group: "flow",
    class: Class::None,
    schema: SCHEMA,
    output: "{}",
    connectors: &[],
    config: &[],
    example: "- name: enrich\n  type: workflow.execute\n  with:\n    workflow-id: enrich-ip\n    inputs:\n      ip: \"{{ inputs.ip }}\"\n",
};

static ASYNC_META: StepMeta = StepMeta {
    name: "workflow.executeAsync",
    title: "Start a workflow",
    description: "starts another workflow and goes on",
    group: "flow",
    class: Class::None,
    schema: SCHEMA,
    output: r#"{"type":"object","properties":{"workflowId":{"type":"string"},"executionId":{"type":"string"},"awaited":{"const":false},"status":{"type":"string"},"startedAt":{"type":"string"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: report\n  type: workflow.executeAsync\n  with:\n    workflow-id: nightly-report\n",
};

impl StepType for Execute {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let workflow = match super::required(&params, "workflow-id", self.meta.name) {
            Ok(w) => w,
            Err(fault) => return Next::Fail(fault),
        };
        let inputs = match params.get("inputs") {
            None | Some(Value::Null) => Value::from(Object::new()),
            Some(v @ Value::Object(_)) => v.clone(),
            Some(_) => return Next::fail("InvalidInput", "`inputs` must be an object"),
        };
        Next::Child { workflow, inputs, awaited: self.awaited }
    }
}
