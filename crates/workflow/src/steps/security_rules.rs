//! `security.enableRule` and `security.disableRule`: detection rules on and off, by ids or by query.
//!
//! Invariants: exactly one of `ids` and `query`, checked when it runs; the step fails only when every targeted rule failed.
//! Not here: the bulk action itself (`api::routes::rule`).
//! Source: `reference/workflow-steps.md` §6.2; `reference/kibana-apis.md` §4.4.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use stdx::{Object, Value};

/// The step types.
#[derive(Debug)]
pub(super) struct Rules {
    meta: &'static StepMeta,
    action: &'static str,
}
pub(super) static ENABLE: Rules = Rules { meta: &ENABLE_META, action: "enable" };
pub(super) static DISABLE: Rules = Rules { meta: &DISABLE_META, action: "disable" };

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{"ids":{"description":"ids of the rule objects (not rule_id)"},"query":{"type":"string","description":"KQL over rules, for example alert.attributes.tags: noisy"}}}"#;
const OUTPUT: &str = r#"{"type":"object","required":["succeeded","failed","skipped","total"],"properties":{"succeeded":{"type":"integer"},"failed":{"type":"integer"},"skipped":{"type":"integer"},"total":{"type":"integer"},"errors":{"type":"array","items":{"type":"object"}}}}"#;

static ENABLE_META: StepMeta = StepMeta {
    name: "security.enableRule",
    title: "Enable rules",
    description: "switches detection rules on",
    group: "security",
    class: Class::Write,
    schema: SCHEMA,
    output: OUTPUT,
    connectors: &[],
    config: &[],
    example: "- name: enable\n  type: security.enableRule\n  with: { ids: [\"{{ inputs.rule }}\"] }\n",
};
static DISABLE_META: StepMeta = StepMeta {
    name: "security.disableRule",
    title: "Disable rules",
    description: "switches detection rules off",
    group: "security",
    class: Class::Write,
    schema: SCHEMA,
    output: OUTPUT,
    connectors: &[],
    config: &[],
    example: "- name: disable\n  type: security.disableRule\n  with: { query: \"alert.attributes.tags: noisy\" }\n",
};

impl StepType for Rules {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let mut body = Object::new();
        body.insert("action", self.action);
        let ids: Vec<Value> = match params.get("ids") {
            Some(Value::Array(a)) => a.to_vec(),
            None | Some(Value::Null) => vec![],
            Some(v) => vec![v.clone()],
        };
        let query = super::text(&params, "query").filter(|q| !q.trim().is_empty());
        match (ids.is_empty(), query) {
            (false, None) => drop(body.insert("ids", Value::from(ids))),
            (true, Some(q)) => drop(body.insert("query", q)),
            _ => {
                return Next::Fail(super::invalid(format!(
                    "`{}` needs exactly one of `ids` and `query`",
                    self.meta.name
                )));
            }
        }
        let request = Value::object([
            ("method", Value::from("POST")),
            ("path", Value::from("/api/detection_engine/rules/_bulk_action")),
            ("body", Value::from(body)),
        ]);
        super::own_call("kibana.request", request, Class::Write, Value::Null, false)
    }
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(v)) => result(&v, None),
            // A partial failure has status 500 and the counts all the same.
            Wake::Answered(Err(fault)) => {
                let data = fault.details.get("data").cloned().unwrap_or_default();
                result(&data, Some(fault))
            }
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a rule step does not wait"),
        }
    }
}

fn result(answer: &Value, fault: Option<Fault>) -> Next {
    let Some(summary) = answer.path(&["attributes", "summary"]) else {
        return Next::Fail(match fault {
            Some(fault) => Fault { kind: "ApiError".into(), ..fault },
            None => Fault::new("ApiError", "the answer of the bulk action has no summary"),
        });
    };
    let count = |key: &str| summary.get(key).and_then(Value::as_i64).unwrap_or(0);
    let mut out = Object::new();
    for key in ["succeeded", "failed", "skipped", "total"] {
        out.insert(key, count(key));
    }
    let errors = answer.path(&["attributes", "errors"]).and_then(Value::as_array).unwrap_or_default();
    if !errors.is_empty() {
        out.insert("errors", errors.to_vec());
    }
    if count("succeeded") + count("skipped") > 0 || count("total") == 0 && fault.is_none() {
        return Next::Done(Value::from(out));
    }
    let why = errors.first().and_then(|e| e.get("message")).map(crate::json::scalar_text).unwrap_or_default();
    let message = format!("all {} rules failed: {why}", count("failed"));
    Next::Fail(Fault::new("ApiError", message).details(Value::from(out)))
}
