//! `data.set`: names values.
//!
//! Invariants: the output is the rendered map; each key is also read as `variables.<key>`, later sets win.
//! Source: `reference/workflow-steps.md` §9.1.

use super::{Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct DataSet;
pub(super) static DATA_SET: DataSet = DataSet;

static META: StepMeta = StepMeta {
    name: "data.set",
    title: "Set variables",
    description: "names values; later steps read them as `variables.<name>`",
    group: "data",
    class: Class::None,
    schema: r#"{"type":"object","additionalProperties":true}"#,
    output: r#"{"type":"object","additionalProperties":true}"#,
    connectors: &[],
    config: &[],
    example: "- name: facts\n  type: data.set\n  with:\n    host: \"{{ inputs.host }}\"\n",
};

impl StepType for DataSet {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        match params {
            Value::Object(_) => Next::Done(params),
            _ => Next::fail("Error", "Input must be an object with key-value pairs"),
        }
    }
}
