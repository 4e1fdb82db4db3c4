//! `kibana.SetAlertsStatus` and `security.setAlertStatus`: the state of alerts.
//!
//! Invariants: by ids it is internal and happens exactly once, in slices of at most `triage::command::ROWS_MAX` ids; by query the ids are
//! read first.
//! Not here: the life cycle of alerts (`triage`).
//! Source: `reference/workflow-steps.md` §6.1; `design.md` *Classes*.

use super::{Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use std::sync::Arc;
use stdx::{Id, Object, Value};
use triage::command::ROWS_MAX;

/// Alerts that one step by query changes at most.
const BY_QUERY_MAX: i64 = 10_000;

/// The step types.
#[derive(Debug)]
pub(super) struct AlertsStatus {
    meta: &'static StepMeta,
    ids: &'static str,
    reason: &'static str,
}
pub(super) static SET_ALERTS_STATUS: AlertsStatus =
    AlertsStatus { meta: &KIBANA_META, ids: "signal_ids", reason: "reason" };
pub(super) static SECURITY_SET_ALERT_STATUS: AlertsStatus =
    AlertsStatus { meta: &SECURITY_META, ids: "alert_ids", reason: "close_reason" };

static KIBANA_META: StepMeta = StepMeta {
    name: "kibana.SetAlertsStatus",
    title: "Set alert status",
    description: "opens, acknowledges or closes alerts by id or by query",
    group: "security",
    class: Class::Internal,
    schema: r#"{"type":"object","required":["status"],"properties":{"signal_ids":{"type":"array","items":{"type":"string"}},"query":{"type":"object"},"status":{"type":"string","description":"open, acknowledged, in-progress or closed"},"reason":{"type":"string"},"conflicts":{"type":"string"}}}"#,
    output: r#"{"type":"object","properties":{"updated":{"type":"integer"},"total":{"type":"integer"},"failures":{"type":"array"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: close\n  type: kibana.SetAlertsStatus\n  with:\n    signal_ids: [\"{{ event.alerts[0]._id }}\"]\n    status: closed\n    reason: true_positive\n",
};

static SECURITY_META: StepMeta = StepMeta {
    name: "security.setAlertStatus",
    title: "Set alert status",
    description: "opens, acknowledges or closes alerts by id",
    group: "security",
    class: Class::Internal,
    schema: r#"{"type":"object","required":["alert_ids","status"],"additionalProperties":false,"properties":{"alert_ids":{"type":"array","items":{"type":"string"},"description":"ids of the alerts"},"status":{"type":"string","description":"open, acknowledged or closed"},"close_reason":{"type":"string"}}}"#,
    output: r#"{"type":"object","properties":{"success":{"type":"boolean"},"message":{"type":"string"}}}"#,
    connectors: &[],
    config: &[],
    example: "- name: close\n  type: security.setAlertStatus\n  with:\n    alert_ids: [\"{{ event.alerts[0]._id }}\"]\n    status: closed\n",
};

impl StepType for AlertsStatus {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let status = match super::required(&params, "status", self.meta.name) {
            Ok(s) => s,
            Err(fault) => return Next::Fail(fault),
        };
        if !["open", "acknowledged", "in-progress", "closed"].contains(&&*status) {
            return Next::Fail(super::invalid(format!("`{status}` is not a status of an alert")));
        }
        let reason = super::text(&params, self.reason);
        if let Some(reason) = &reason
            && let Err(fault) = super::alerts::reason_allowed(&status, reason, self.reason)
        {
            return Next::Fail(fault);
        }
        let mut memo = Object::new();
        memo.insert("status", status);
        memo.insert("reason", reason);
        memo.insert("updated", 0i64);
        memo.insert("at", 0i64);
        let ids = match params.get(self.ids) {
            Some(Value::Array(a)) => {
                Some(Value::array(a.iter().filter(|v| !v.is_null()).map(|v| Value::from(crate::json::scalar_text(v)))))
            }
            Some(Value::Str(s)) => Some(Value::array([Value::Str(s.clone())])),
            _ => None,
        };
        match (ids, params.get("query")) {
            (Some(ids), _) => {
                memo.insert("ids", ids);
                self.slice(cx, &Value::from(memo))
            }
            (None, Some(query)) => {
                let body = Value::object([
                    ("query", query.clone()),
                    ("size", Value::Int(BY_QUERY_MAX)),
                    ("_source", Value::Bool(false)),
                ]);
                let request = Value::object([
                    ("method", Value::from("POST")),
                    ("path", Value::from(format!("/.alerts-security.alerts-{}/_search", cx.start.space))),
                    ("body", body),
                ]);
                super::own_call("elasticsearch.request", request, Class::Read, Value::from(memo), false)
            }
            (None, None) => {
                Next::Fail(super::invalid(format!("`{}` needs `with.{}` or `with.query`", self.meta.name, self.ids)))
            }
        }
    }
    fn resume(&self, cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let answer = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => return Next::Fail(Fault::new("Error", "an alert step does not wait")),
        };
        let mut next = memo.as_object().cloned().unwrap_or_default();
        if memo.get("ids").is_none() {
            let hits = answer.path(&["hits", "hits"]).and_then(Value::as_array).unwrap_or_default();
            next.insert("ids", Value::array(hits.iter().filter_map(|h| h.get("_id").cloned())));
        } else {
            let number = |v: &Value, key: &str| v.get(key).and_then(Value::as_i64).unwrap_or(0);
            next.insert("updated", number(memo, "updated") + number(&answer, "updated"));
            next.insert("at", number(memo, "at") + ROWS_MAX as i64);
        }
        self.slice(cx, &Value::from(next))
    }
}

impl AlertsStatus {
    /// The next slice, or the end.
    fn slice(&self, _cx: &StepCx<'_>, memo: &Value) -> Next {
        let ids = memo.get("ids").and_then(Value::as_array).unwrap_or_default();
        let at = memo.get("at").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let text = |key: &str| memo.get(key).and_then(Value::as_str).map(Arc::<str>::from);
        let status = text("status").unwrap_or_else(|| "open".into());
        if at >= ids.len() {
            let updated = memo.get("updated").and_then(Value::as_i64).unwrap_or(0);
            let mut out = Object::new();
            if self.ids == "alert_ids" {
                out.insert("success", true);
                out.insert("message", format!("Successfully updated status to {status} for {updated} alert(s)"));
            } else {
                out.insert("total", ids.len());
                out.insert("updated", updated);
                out.insert("failures", Value::from(vec![]));
            }
            return Next::Done(Value::from(out));
        }
        let ids = ids[at..].iter().take(ROWS_MAX).map(|v| Id::from(crate::json::scalar_text(v))).collect();
        Next::Internal {
            command: Box::new(triage::Command::AlertStatus { ids, status, reason: text("reason") }),
            memo: memo.clone(),
        }
    }
}
