//! `wait`: pauses the run.
//!
//! Invariants: the deadline is fixed when the step starts; a restart never extends it.
//! Not here: timers (`engine`).
//! Source: `reference/workflow-language.md` §4.7, Appendix D.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::Class;
use crate::duration;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct Wait;
pub(super) static WAIT: Wait = Wait;

static META: StepMeta = StepMeta {
    name: "wait",
    title: "Wait",
    description: "pauses the run for a fixed time",
    group: "flow",
    class: Class::None,
    schema: r#"{"type":"object","required":["duration"],"additionalProperties":false,"properties":{"duration":{"type":"string","description":"how long, for example 30s or 2h"}}}"#,
    output: r#"{"type":"null"}"#,
    connectors: &[],
    config: &[],
    example: "- name: pause\n  type: wait\n  with:\n    duration: 5s\n",
};

impl StepType for Wait {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let text = super::text(&params, "duration").unwrap_or_else(|| "".into());
        match duration::duration(text.trim()) {
            Some(length) => Next::Until(cx.now + length),
            None => Next::fail("Error", duration::duration_error(&text)),
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, _wake: Wake) -> Next {
        Next::Done(Value::Null)
    }
}
