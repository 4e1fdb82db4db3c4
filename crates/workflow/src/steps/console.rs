//! `console`: writes a line to the run's log.
//!
//! Invariants: the output is the rendered message itself, whatever its type.
//! Source: `reference/workflow-steps.md` §10.2.

use super::{Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct Console;
pub(super) static CONSOLE: Console = Console;

static META: StepMeta = StepMeta {
    name: "console",
    title: "Log",
    description: "writes a line to the run's log; its output is the message",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","properties":{"message":{"description":"what to write; any value"}}}"#,
    output: r#"{"description":"the message as it was rendered"}"#,
    connectors: &[],
    config: &[],
    example: "- name: say\n  type: console\n  with:\n    message: \"hello\"\n",
};

impl StepType for Console {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        Next::Done(params.get("message").cloned().unwrap_or_default())
    }
}
