//! Pushing cases to outside services: after a change with `push-case`, and `cases.pushCases`.
//!
//! Invariants: the case is read, sent, and the answer recorded, one after the other; after a change a push that fails fails the step
//! although the change has happened; `cases.pushCases` gives null for a case that could not be pushed and stays green.
//! Not here: what is sent (`triage::push`), the connectors.
//! Source: `reference/workflow-steps.md` §3.1, §3.4; `reference/kibana-apis.md` §2.15.

use super::cases::CASE_OBJECT;
use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake, endpoint};
use crate::core::{Class, Retry};
use std::sync::Arc;
use stdx::{Id, Object, Value};

/// Cases of one `cases.pushCases`.
const CASES_MAX: usize = 100;
/// Sendings of one case beyond the first, where the service may be back.
const RETRIES_MAX: i64 = 3;

/// The step type.
#[derive(Debug)]
pub(super) struct PushCases;
pub(super) static PUSH_CASES: PushCases = PushCases;

static META: StepMeta = StepMeta {
    name: "cases.pushCases",
    title: "Push cases",
    description: "sends cases to the service of their connector",
    group: "cases",
    class: Class::Write,
    schema: r#"{"type":"object","required":["case_ids"],"additionalProperties":false,"properties":{"case_ids":{"type":"array","items":{"type":"string"},"description":"at most 100 ids"}}}"#,
    output: "{}",
    connectors: &[],
    config: &[],
    example: "- name: push\n  type: cases.pushCases\n  with: { case_ids: [\"{{ inputs.case }}\"] }\n",
};

impl StepType for PushCases {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn output(&self) -> Option<Value> {
        let text = format!(
            r#"{{"type":"object","required":["cases"],"properties":{{"cases":{{"type":"array","items":{CASE_OBJECT}}}}}}}"#
        );
        stdx::json::parse(&text).ok()
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let ids = super::list_like(params.get("case_ids").cloned().unwrap_or_default());
        let ids = ids.as_array().unwrap_or_default();
        if ids.is_empty() || ids.len() > CASES_MAX {
            return Next::Fail(super::invalid(format!(
                "`{}` needs 1 to {CASES_MAX} ids in `with.case_ids`",
                META.name
            )));
        }
        begin(cx, ids.to_vec(), Value::Null)
    }
    fn resume(&self, cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        go_on(cx, memo, wake)
    }
}

/// Pushes cases one by one; `result` is what a change gives in the end, null collects the pushed cases.
pub(super) fn begin(cx: &StepCx<'_>, ids: Vec<Value>, result: Value) -> Next {
    let mut memo = Object::new();
    memo.insert("push", true);
    memo.insert("queue", ids);
    memo.insert("out", Value::from(vec![]));
    memo.insert("result", result);
    next_case(cx, memo)
}

/// True for a memo of this file.
pub(super) fn is_push(memo: &Value) -> bool {
    memo.get("push").is_some()
}

fn strict(memo: &Object) -> bool {
    memo.get("result").is_some_and(|r| !r.is_null())
}

/// Reads the next case, or ends.
fn next_case(cx: &StepCx<'_>, mut memo: Object) -> Next {
    let mut queue = memo.get("queue").and_then(Value::as_array).unwrap_or_default().to_vec();
    if queue.is_empty() {
        return Next::Done(match memo.get("result").filter(|r| !r.is_null()) {
            Some(result) => result.clone(),
            None => Value::object([("cases", memo.get("out").cloned().unwrap_or_default())]),
        });
    }
    let id = crate::json::scalar_text(&queue.remove(0));
    memo.insert("queue", queue);
    memo.insert("phase", "read");
    memo.insert("tries", 0i64);
    let mut request = Value::object([
        ("method", Value::from("GET")),
        ("path", Value::from(format!("/api/cases/{}", endpoint::encode(&id)))),
        ("query", Value::object([("includeComments", Value::Bool(true))])),
    ]);
    super::cases_read::in_space(cx, &mut request);
    super::own_call("kibana.request", request, Class::Read, Value::from(memo), false)
}

/// The next phase of a push.
pub(super) fn go_on(cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
    let next = memo.as_object().cloned().unwrap_or_default();
    let phase = memo.get("phase").and_then(Value::as_str).unwrap_or("");
    let answer = match wake {
        Wake::Answered(a) => a,
        Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "a push does not wait for a person"),
    };
    match (phase, answer) {
        ("read", Ok(case)) => match triage::push::push(&case) {
            // Nothing to push to: the case as it is.
            None => collect(cx, next, case),
            Some(push) => {
                let mut next = next;
                next.insert("case", case);
                send(cx, next, push)
            }
        },
        ("send", Ok(result)) => record(next, &result),
        ("send", Err(fault)) if !strict(&next) && fault.retry != Retry::Never => {
            let tries = memo.get("tries").and_then(Value::as_i64).unwrap_or(0);
            let again = memo.get("case").and_then(triage::push::push).filter(|_| tries < RETRIES_MAX);
            match again {
                Some(push) => {
                    let mut next = next;
                    next.insert("tries", tries + 1);
                    send(cx, next, push)
                }
                None => collect(cx, next, Value::Null),
            }
        }
        ("record", Ok(case)) => collect(cx, next, case),
        (_, Ok(_)) => Next::fail("Error", "the push lost its place"),
        (_, Err(fault)) if strict(&next) => Next::Fail(fault),
        (_, Err(_)) => collect(cx, next, Value::Null),
    }
}

fn collect(cx: &StepCx<'_>, mut memo: Object, case: Value) -> Next {
    let mut out = memo.get("out").and_then(Value::as_array).unwrap_or_default().to_vec();
    if !strict(&memo) {
        out.push(case);
    }
    memo.insert("out", out);
    for key in ["case", "sent", "phase"] {
        memo.remove(key);
    }
    next_case(cx, memo)
}

fn send(cx: &StepCx<'_>, mut memo: Object, push: triage::push::Push) -> Next {
    let Some(connector) = cx.catalogue.connectors.get(&*push.connector.0) else {
        return refuse(cx, memo, format!("Connector {} not found", push.connector));
    };
    let operation = cx.catalogue.operation(&push.operation).cloned();
    let Some(operation) = operation.or_else(|| match crate::catalogue::vendor(&push.operation, cx.catalogue) {
        Some(crate::catalogue::Vendor::Known(o)) => Some(o.clone()),
        _ => None,
    }) else {
        return refuse(cx, memo, format!("connectors of type `{}` cannot take cases", connector.kind));
    };
    memo.insert("phase", "send");
    memo.insert(
        "connector",
        Value::object([("id", Value::from(connector.id.clone())), ("name", Value::from(connector.name.clone()))]),
    );
    memo.insert("sent", Value::array(push.comments.iter().cloned().map(Value::from)));
    let call = CallSpec {
        operation: push.operation,
        connector: Some(connector.id.clone()),
        target: connector.target.clone(),
        params: push.params,
        class: operation.class,
        lane: connector.id.clone(),
    };
    Next::Call { call: Box::new(call), memo: Value::from(memo), closes: false }
}

fn refuse(cx: &StepCx<'_>, memo: Object, message: String) -> Next {
    if strict(&memo) { Next::fail("ConnectorExecutionError", message) } else { collect(cx, memo, Value::Null) }
}

fn record(mut memo: Object, result: &Value) -> Next {
    let list = |key: &str| memo.get(key).and_then(Value::as_array).unwrap_or_default();
    let comments = list("sent").iter().map(|v| Id::from(crate::json::scalar_text(v))).collect();
    let case = memo.get("case").and_then(|c| c.get("id")).map(crate::json::scalar_text).unwrap_or_default();
    let connector = memo.get("connector").cloned().unwrap_or_default();
    let command = triage::Command::CasePushed { case: Id::from(case), connector, result: result.clone(), comments };
    memo.insert("phase", Arc::<str>::from("record"));
    // What was read and sent is not needed any more.
    for key in ["case", "sent"] {
        memo.remove(key);
    }
    Next::Internal { command: Box::new(command), memo: Value::from(memo) }
}
