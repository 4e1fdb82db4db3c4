//! `waitForApproval`: asks a person and waits for the answer.
//!
//! Invariants: a rejection is an answer, not a failure; only no answer in time fails the step.
//! Not here: what the question guards and freezes (`decide::approval`).
//! Source: `reference/workflow-language.md` §4.8.

use super::{Ask, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, DecisionVerdict};
use stdx::{Duration, Object, Value};

/// Characters of a message at most.
pub const MESSAGE_CHARS_MAX: usize = 10_240;
/// Characters of a label at most.
pub const LABEL_CHARS_MAX: usize = 256;

/// The step type.
#[derive(Debug)]
pub(super) struct WaitForApproval;
pub(super) static WAIT_FOR_APPROVAL: WaitForApproval = WaitForApproval;

static META: StepMeta = StepMeta {
    name: "waitForApproval",
    title: "Ask for approval",
    description: "asks a person; what it guards is frozen, shown, and runs exactly so",
    group: "people",
    class: Class::None,
    schema: r#"{"type":"object","properties":{"message":{"type":"string","description":"the question"},"approveLabel":{"type":"string"},"rejectLabel":{"type":"string"},"channels":{"type":"object"}},"additionalProperties":false}"#,
    output: r#"{"type":"object","properties":{"response":{"type":"object","properties":{"approved":{"type":"boolean"}}},"respondedBy":{"type":"string"},"respondedAt":{"type":"string"},"channel":{"type":"string"},"comment":{"type":["string","null"]}}}"#,
    connectors: &[],
    config: &["guards", "approvers", "quorum", "forbid-self", "passkey", "escalation"],
    example: "- name: ok\n  type: waitForApproval\n  timeout: 4h\n  with:\n    message: \"Isolate {{ inputs.host }}?\"\n    approveLabel: Isolate\n",
};

impl StepType for WaitForApproval {
    fn meta(&self) -> &'static StepMeta {
        &META
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let label = |key: &str, default: &str| super::text(&params, key).unwrap_or_else(|| default.into());
        let message = super::text(&params, "message").unwrap_or_else(|| format!("{}: go on?", cx.name).into());
        let (approve_label, reject_label) = (label("approveLabel", "Approve"), label("rejectLabel", "Decline"));
        if message.chars().count() > MESSAGE_CHARS_MAX
            || [&approve_label, &reject_label].iter().any(|l| l.chars().count() > LABEL_CHARS_MAX)
        {
            return Next::fail(
                "InvalidInput",
                format!("a message has at most {MESSAGE_CHARS_MAX} characters, a label {LABEL_CHARS_MAX}"),
            );
        }
        let timeout =
            cx.timeout.map_or_else(|| (Duration::from_secs(86_400), "24h".into()), |t| (t.length, t.text.clone()));
        Next::Ask(Box::new(Ask { message, approve_label, reject_label, timeout, input: None }))
    }
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, wake: Wake) -> Next {
        let Wake::Decided(d) = wake else { return Next::Done(Value::Null) };
        let mut out = Object::new();
        let approved = d.verdict == DecisionVerdict::Approved;
        out.insert("response", Value::object([("approved", Value::Bool(approved))]));
        out.insert("respondedBy", d.by.clone());
        out.insert("respondedAt", Value::from(d.at.iso()));
        out.insert("channel", d.channel.clone());
        out.insert("comment", d.comment.clone());
        Next::Done(Value::from(out))
    }
}
