//! Tags and assignees of alerts and attacks: `security.setAlertTags`, `security.assignAlert`, `kibana.SetAlertTags` and the attack family.
//!
//! Invariants: lists add and remove, they never replace; alerts change inside, exactly once, in slices of `ROWS_MAX` ids; attacks go to
//! the attack-discovery API.
//! Not here: the state of alerts (`alerts_status`), what may be a tag (`triage`).
//! Source: `reference/workflow-steps.md` §6.1, §5.2.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use std::sync::Arc;
use stdx::{Id, Object, Value};
use triage::command::ROWS_MAX;

/// Ids of one step at most.
const IDS_MAX: usize = 10_000;
/// Longest reason in characters.
const REASON_CHARS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Tags,
    Assignees,
}

/// The step types of alerts.
#[derive(Debug)]
pub(super) struct Alerts {
    meta: &'static StepMeta,
    what: What,
    ids: &'static str,
}
pub(super) static SET_ALERT_TAGS: Alerts = Alerts { meta: &KIBANA_TAGS_META, what: What::Tags, ids: "ids" };
pub(super) static SECURITY_TAGS: Alerts = Alerts { meta: &TAGS_META, what: What::Tags, ids: "alert_ids" };
pub(super) static SECURITY_ASSIGN: Alerts = Alerts { meta: &ASSIGN_META, what: What::Assignees, ids: "alert_ids" };

static KIBANA_TAGS_META: StepMeta = StepMeta {
    name: "kibana.SetAlertTags",
    title: "Tag alerts",
    description: "adds and removes tags of alerts",
    group: "security",
    class: Class::Internal,
    schema: r#"{"type":"object","required":["ids","tags"],"properties":{"ids":{"type":"array","items":{"type":"string"},"description":"ids of the alerts"},"tags":{"type":"object","description":"{tags_to_add, tags_to_remove}"}}}"#,
    output: r#"{"type":"object","required":["took","errors","items","total","updated"],"properties":{"took":{"type":"integer"},"errors":{"const":false},"items":{"type":"array","items":{"type":"object"}},"total":{"type":"integer"},"updated":{"type":"integer"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: tag\n  type: kibana.SetAlertTags\n  with:\n    ids: [\"{{ event.alerts[0]._id }}\"]\n    tags: { tags_to_add: [triaged], tags_to_remove: [] }\n",
};
static TAGS_META: StepMeta = StepMeta {
    name: "security.setAlertTags",
    title: "Tag alerts",
    description: "adds and removes tags of alerts",
    group: "security",
    class: Class::Internal,
    schema: r#"{"type":"object","required":["alert_ids"],"additionalProperties":false,"properties":{"alert_ids":{"description":"id or list of ids"},"tags_to_add":{"type":"array","items":{"type":"string"}},"tags_to_remove":{"type":"array","items":{"type":"string"}}}}"#,
    output: SUCCESS,
    connectors: &[],
    config: &[],
    example: "- name: tag\n  type: security.setAlertTags\n  with:\n    alert_ids: \"{{ event.alerts[0]._id }}\"\n    tags_to_add: [triaged]\n",
};
static ASSIGN_META: StepMeta = StepMeta {
    name: "security.assignAlert",
    title: "Assign alerts",
    description: "adds and removes assignees of alerts",
    group: "security",
    class: Class::Internal,
    schema: r#"{"type":"object","required":["alert_ids"],"additionalProperties":false,"properties":{"alert_ids":{"description":"id or list of ids"},"assignees_to_add":{"type":"array","items":{"type":"string"},"description":"profile uids"},"assignees_to_remove":{"type":"array","items":{"type":"string"}}}}"#,
    output: SUCCESS,
    connectors: &[],
    config: &[],
    example: "- name: assign\n  type: security.assignAlert\n  with:\n    alert_ids: \"{{ event.alerts[0]._id }}\"\n    assignees_to_add: [u_1]\n",
};

const SUCCESS: &str = r#"{"type":"object","required":["success","message"],"properties":{"success":{"const":true},"message":{"type":"string"}}}"#;

/// One id or a list of them.
fn ids(params: &Value, key: &str, kind: &str) -> Result<Vec<Value>, Fault> {
    let list: Vec<Value> = match params.get(key) {
        Some(Value::Array(a)) => a.iter().filter(|v| !v.is_null()).cloned().collect(),
        None | Some(Value::Null) => vec![],
        Some(v) => vec![v.clone()],
    };
    if list.is_empty() || list.iter().any(|v| crate::json::scalar_text(v).trim().is_empty()) {
        return Err(super::invalid(format!("`{kind}` needs ids in `with.{key}`")));
    }
    if list.len() > IDS_MAX {
        return Err(super::invalid(format!("`with.{key}` holds {} ids, at most {IDS_MAX} are allowed", list.len())));
    }
    Ok(list)
}

fn words(params: &Value, key: &str) -> Value {
    match params.get(key) {
        Some(Value::Array(a)) => Value::array(a.iter().map(|v| Value::from(crate::json::scalar_text(v)))),
        None | Some(Value::Null) => Value::from(vec![]),
        Some(v) => Value::array([Value::from(crate::json::scalar_text(v))]),
    }
}

/// The lists to add and to remove; one of them must hold something, and none may be in both.
fn lists(params: &Value, (add, remove): (&str, &str)) -> Result<(Value, Value), Fault> {
    let (a, r) = (words(params, add), words(params, remove));
    let empty = |v: &Value| v.as_array().is_none_or(<[Value]>::is_empty);
    if empty(&a) && empty(&r) {
        return Err(super::invalid(format!("give at least one of `{add}` and `{remove}`")));
    }
    if let Some(both) = a.as_array().unwrap_or_default().iter().find(|x| r.as_array().unwrap_or_default().contains(x)) {
        let word = crate::json::scalar_text(both);
        return Err(super::invalid(format!("`{word}` is both in `{add}` and in `{remove}`")));
    }
    Ok((a, r))
}

impl StepType for Alerts {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        let ids = match ids(&params, self.ids, self.meta.name) {
            Ok(ids) => ids,
            Err(fault) => return Next::Fail(fault),
        };
        let nested = params.get("tags").cloned().unwrap_or_default();
        let from = if self.ids == "ids" { &nested } else { &params };
        let keys = match self.what {
            What::Tags => ("tags_to_add", "tags_to_remove"),
            What::Assignees => ("assignees_to_add", "assignees_to_remove"),
        };
        let (add, remove) = match lists(from, keys) {
            Ok(lists) => lists,
            Err(fault) => return Next::Fail(fault),
        };
        let memo = Value::object([
            ("ids", Value::from(ids)),
            ("add", add),
            ("remove", remove),
            ("at", Value::Int(0)),
            ("updated", Value::Int(0)),
        ]);
        self.slice(&memo)
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let answer = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(Fault { kind: "ApiError".into(), ..fault }),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "an alert step does not wait"),
        };
        let mut next = memo.as_object().cloned().unwrap_or_default();
        let number = |v: &Value, key: &str| v.get(key).and_then(Value::as_i64).unwrap_or(0);
        next.insert("updated", number(memo, "updated") + number(&answer, "updated"));
        next.insert("at", number(memo, "at") + ROWS_MAX as i64);
        self.slice(&Value::from(next))
    }
}

impl Alerts {
    /// The next slice, or the end.
    fn slice(&self, memo: &Value) -> Next {
        let all = memo.get("ids").and_then(Value::as_array).unwrap_or_default();
        let at = memo.get("at").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let updated = memo.get("updated").and_then(Value::as_i64).unwrap_or(0);
        if at >= all.len() {
            let what = if self.what == What::Tags { "tags" } else { "assignees" };
            let message = format!("Successfully updated {what} of {updated} alert(s)");
            return Next::Done(if self.ids == "ids" {
                Value::object([
                    ("took", Value::Int(0)),
                    ("errors", Value::Bool(false)),
                    ("items", Value::array(all.iter().map(|id| Value::object([("_id", id.clone())])))),
                    ("total", Value::from(all.len())),
                    ("updated", Value::Int(updated)),
                ])
            } else {
                Value::object([("success", Value::Bool(true)), ("message", Value::from(message))])
            });
        }
        let ids = all[at..].iter().take(ROWS_MAX).map(|v| Id::from(crate::json::scalar_text(v))).collect();
        let strings = |key: &str| -> Vec<Arc<str>> {
            let list = memo.get(key).and_then(Value::as_array).unwrap_or_default();
            list.iter().map(|v| crate::json::scalar_text(v).into()).collect()
        };
        let (add, remove) = (strings("add"), strings("remove"));
        let command = match self.what {
            What::Tags => triage::Command::AlertTags { ids, add, remove },
            What::Assignees => triage::Command::AlertAssignees { ids, add, remove },
        };
        Next::Internal { command: Box::new(command), memo: memo.clone() }
    }
}

/// The step types of attacks (attack discoveries).
#[derive(Debug)]
pub(super) struct Attacks {
    meta: &'static StepMeta,
    what: &'static str,
}
pub(super) static ATTACK_STATUS: Attacks = Attacks { meta: &ATTACK_STATUS_META, what: "status" };
pub(super) static ATTACK_TAGS: Attacks = Attacks { meta: &ATTACK_TAGS_META, what: "tags" };
pub(super) static ATTACK_ASSIGN: Attacks = Attacks { meta: &ATTACK_ASSIGN_META, what: "assignees" };

static ATTACK_STATUS_META: StepMeta = StepMeta {
    name: "security.setAttackStatus",
    title: "Set attack status",
    description: "opens, acknowledges or closes attacks, with their alerts where asked",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["ids","status"],"additionalProperties":false,"properties":{"ids":{"description":"id or list of ids"},"status":{"type":"string","enum":["open","acknowledged","closed"]},"reason":{"type":"string"},"update_related_alerts":{"type":"boolean"}}}"#,
    output: SUCCESS,
    connectors: &[],
    config: &[],
    example: "- name: close\n  type: security.setAttackStatus\n  with: { ids: [\"{{ inputs.attack }}\"], status: closed, reason: false_positive }\n",
};
static ATTACK_TAGS_META: StepMeta = StepMeta {
    name: "security.setAttackTags",
    title: "Tag attacks",
    description: "adds and removes tags of attacks",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["ids"],"additionalProperties":false,"properties":{"ids":{"description":"id or list of ids"},"tags_to_add":{"type":"array"},"tags_to_remove":{"type":"array"},"update_related_alerts":{"type":"boolean"}}}"#,
    output: SUCCESS,
    connectors: &[],
    config: &[],
    example: "- name: tag\n  type: security.setAttackTags\n  with: { ids: [\"{{ inputs.attack }}\"], tags_to_add: [seen] }\n",
};
static ATTACK_ASSIGN_META: StepMeta = StepMeta {
    name: "security.assignAttack",
    title: "Assign attacks",
    description: "adds and removes assignees of attacks",
    group: "security",
    class: Class::Write,
    schema: r#"{"type":"object","required":["ids"],"additionalProperties":false,"properties":{"ids":{"description":"id or list of ids"},"assignees_to_add":{"type":"array"},"assignees_to_remove":{"type":"array"},"update_related_alerts":{"type":"boolean"}}}"#,
    output: SUCCESS,
    connectors: &[],
    config: &[],
    example: "- name: assign\n  type: security.assignAttack\n  with: { ids: [\"{{ inputs.attack }}\"], assignees_to_add: [u_1] }\n",
};

impl StepType for Attacks {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, _cx: &StepCx<'_>, params: Value) -> Next {
        match self.request(&params) {
            Ok((request, message)) => {
                let memo = Value::object([("message", Value::from(message))]);
                super::own_call("kibana.request", request, Class::Write, memo, false)
            }
            Err(fault) => Next::Fail(fault),
        }
    }
    fn resume(&self, _cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(_)) => Next::Done(Value::object([
                ("success", Value::Bool(true)),
                ("message", memo.get("message").cloned().unwrap_or_default()),
            ])),
            Wake::Answered(Err(fault)) => Next::Fail(Fault { kind: "ApiError".into(), ..fault }),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "an attack step does not wait"),
        }
    }
}

impl Attacks {
    fn request(&self, params: &Value) -> Result<(Value, String), Fault> {
        let ids = ids(params, "ids", self.meta.name)?;
        let n = ids.len();
        let mut update = Object::new();
        update.insert("ids", Value::from(ids));
        let message = match self.what {
            "status" => {
                let status = super::required(params, "status", self.meta.name)?;
                if !["open", "acknowledged", "closed"].contains(&&*status) {
                    return Err(super::invalid(format!("`{status}` is not a status of an attack")));
                }
                if let Some(reason) = super::text(params, "reason") {
                    reason_allowed(&status, &reason, "reason")?;
                    update.insert("kibana_alert_workflow_reason", reason);
                }
                let message = format!("Successfully updated status to {status} for {n} attack(s)");
                update.insert("kibana_alert_workflow_status", status);
                message
            }
            what => {
                let keys = if what == "tags" {
                    ("tags_to_add", "tags_to_remove")
                } else {
                    ("assignees_to_add", "assignees_to_remove")
                };
                let (add, remove) = lists(params, keys)?;
                update.insert(what, Value::object([("add", add), ("remove", remove)]));
                format!("Successfully updated {what} of {n} attack(s)")
            }
        };
        if params.get("update_related_alerts").and_then(Value::as_bool) == Some(true) {
            update.insert("update_related_alerts", true);
        }
        let body = Value::object([("update", Value::from(update))]);
        let request = Value::object([
            ("method", Value::from("POST")),
            ("path", Value::from("/api/attack_discovery/_bulk")),
            ("body", body),
        ]);
        Ok((request, message))
    }
}

/// A closing reason stands with `closed` alone and is no longer than its limit.
pub(super) fn reason_allowed(status: &str, reason: &str, key: &str) -> Result<(), Fault> {
    if status != "closed" {
        return Err(super::invalid(format!("`with.{key}` is only allowed with status closed")));
    }
    if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(super::invalid(format!("`with.{key}` has 1 to {REASON_CHARS_MAX} characters")));
    }
    Ok(())
}
