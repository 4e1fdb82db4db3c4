//! Operations that arrive as data: `slack_api.postMessage`, `ssh.run` and whatever the catalogue names.
//!
//! Invariants: class, schema and connector type are the catalogue's; this file knows no vendor.
//! Not here: what the operation sends (`connector`).
//! Source: `reference/workflow-steps.md` §1.2–1.4.

use super::{CallSpec, Next, StepCx, StepMeta, StepType};
use crate::core::Class;
use stdx::Value;

/// The step type.
#[derive(Debug)]
pub(super) struct Connector;
pub(super) static CONNECTOR: Connector = Connector;

static META: StepMeta = StepMeta {
    name: "connector",
    title: "Connector operation",
    description: "an operation of the catalogue",
    group: "connectors",
    class: Class::None,
    schema: "{}",
    output: "{}",
    connectors: &[],
    config: &[],
    example: "",
};

impl StepType for Connector {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let Some(operation) = cx.operation else {
            return Next::fail("UnsupportedStepType", format!("the step type `{}` is not there yet", cx.kind));
        };
        if let Some(name) = operation
            .schema
            .get("required")
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .find(|name| params.get(name).is_none_or(Value::is_null))
        {
            return Next::Fail(super::invalid(format!("`{}` needs `with.{name}`", operation.name)));
        }
        let (connector, target, lane) = match (cx.connector, &operation.connector) {
            (Some(c), Some(kind)) if c.kind != *kind => {
                let message =
                    format!("Connector {} is of type `{}`, `{}` needs `{kind}`", c.name, c.kind, operation.name);
                return Next::fail("ConnectorExecutionError", message);
            }
            (Some(c), _) => (Some(c.id.clone()), c.target.clone(), c.id.clone()),
            (None, Some(_)) => return Next::fail("ConnectorExecutionError", "Connector ID is required"),
            (None, None) => (None, Value::Null, operation.name.clone()),
        };
        let call =
            CallSpec { operation: operation.name.clone(), connector, target, params, class: operation.class, lane };
        Next::Call { call: Box::new(call), memo: Value::Null, closes: true }
    }
}
