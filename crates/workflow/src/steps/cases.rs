//! `cases.*`: the case file.
//!
//! Invariants: every change is internal and happens exactly once; bodies keep the shapes of Kibana's API, `triage` validates them;
//! single-case steps give `{case}`.
//! Not here: limits and transitions of cases (`triage`).
//! Source: `reference/workflow-steps.md` §3.

use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use std::sync::Arc;
use stdx::{Id, Object, Value};
use triage::Command;
use triage::command::ROWS_MAX;

type Build = fn(&StepCx<'_>, Id, &Value) -> Result<Command, Fault>;

/// The step types.
#[derive(Debug)]
pub(super) struct Cases {
    meta: &'static StepMeta,
    build: Build,
}

const CASE: &str = r#"{"type":"object","properties":{"case":{"type":"object"}}}"#;

macro_rules! case_step {
    ($static:ident, $name:literal, $title:literal, $description:literal, $schema:literal, $example:literal, $build:expr) => {
        pub(super) static $static: Cases = Cases {
            meta: &StepMeta {
                name: $name,
                title: $title,
                description: $description,
                group: "cases",
                class: Class::Internal,
                schema: $schema,
                output: CASE,
                connectors: &[],
                config: &["push-case"],
                example: $example,
            },
            build: $build,
        };
    };
}

case_step!(
    CREATE_CASE,
    "cases.createCase",
    "Open a case",
    "opens a case",
    r#"{"type":"object","required":["title","description"],"additionalProperties":false,"properties":{"title":{"type":"string","description":"at most 160 characters"},"description":{"type":"string"},"owner":{"type":"string"},"severity":{"type":"string"},"tags":{"type":"array"},"category":{"type":"string"},"assignees":{"type":"array"},"settings":{"type":"object"},"customFields":{"type":"array"},"extended_fields":{"type":"object"},"connector":{"type":"object"}}}"#,
    "- name: open\n  type: cases.createCase\n  with:\n    owner: securitySolution\n    title: Odd login\n    description: opened by a workflow\n    severity: high\n",
    create
);
case_step!(
    UPDATE_CASE,
    "cases.updateCase",
    "Change a case",
    "changes fields of a case",
    r#"{"type":"object","required":["case_id","updates"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"version":{"type":"string"},"updates":{"type":"object"}}}"#,
    "- name: raise\n  type: cases.updateCase\n  with:\n    case_id: \"{{ inputs.case }}\"\n    updates: { severity: critical }\n",
    |cx, case, params| {
        let updates = params.get("updates").and_then(Value::as_object).filter(|o| !o.is_empty());
        let Some(updates) = updates else {
            return Err(super::invalid(format!("`{}` needs at least one field in `updates`", cx.kind)));
        };
        Ok(patch(&case, params, updates.iter().map(|(k, v)| (k.clone(), v.clone()))))
    }
);
case_step!(
    CLOSE_CASE,
    "cases.closeCase",
    "Close a case",
    "closes a case",
    r#"{"type":"object","required":["case_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: close\n  type: cases.closeCase\n  with:\n    case_id: \"{{ inputs.case }}\"\n",
    |_, case, params| Ok(patch(&case, params, [("status".into(), Value::from("closed"))]))
);
case_step!(
    SET_STATUS,
    "cases.setStatus",
    "Set case status",
    "sets the status of a case",
    r#"{"type":"object","required":["case_id","status"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"status":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: begin\n  type: cases.setStatus\n  with:\n    case_id: \"{{ inputs.case }}\"\n    status: in-progress\n",
    |cx, case, params| Ok(patch(
        &case,
        params,
        [("status".into(), Value::Str(super::required(params, "status", cx.kind)?))]
    ))
);
case_step!(
    SET_SEVERITY,
    "cases.setSeverity",
    "Set case severity",
    "sets the severity of a case",
    r#"{"type":"object","required":["case_id","severity"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"severity":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: raise\n  type: cases.setSeverity\n  with:\n    case_id: \"{{ inputs.case }}\"\n    severity: high\n",
    |cx, case, params| Ok(patch(
        &case,
        params,
        [("severity".into(), Value::Str(super::required(params, "severity", cx.kind)?))]
    ))
);
case_step!(
    ASSIGN_CASE,
    "cases.assignCase",
    "Assign a case",
    "replaces the assignees of a case",
    r#"{"type":"object","required":["case_id","assignees"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"assignees":{"type":"array"},"version":{"type":"string"}}}"#,
    "- name: assign\n  type: cases.assignCase\n  with:\n    case_id: \"{{ inputs.case }}\"\n    assignees: [{ uid: u_1 }]\n",
    |_, case, params| Ok(patch(
        &case,
        params,
        [("assignees".into(), params.get("assignees").cloned().unwrap_or_default())]
    ))
);
case_step!(
    ADD_TAGS,
    "cases.addTags",
    "Tag a case",
    "adds tags to a case",
    r#"{"type":"object","required":["case_id","tags"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"tags":{"type":"array"}}}"#,
    "- name: tag\n  type: cases.addTags\n  with:\n    case_id: \"{{ inputs.case }}\"\n    tags: [phishing]\n",
    |cx, case, params| {
        let add = list(params, "tags", cx.kind)?.iter().map(|v| crate::json::scalar_text(v).into()).collect();
        Ok(Command::CaseTags { case, add })
    }
);
case_step!(
    ADD_COMMENT,
    "cases.addComment",
    "Comment on a case",
    "writes a comment on a case",
    r#"{"type":"object","required":["case_id","comment"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"comment":{"type":"string","description":"markdown, at most 30000 characters"}}}"#,
    "- name: note\n  type: cases.addComment\n  with:\n    case_id: \"{{ inputs.case }}\"\n    comment: looked up\n",
    |cx, case, params| {
        let links = Value::object([
            ("execution", Value::from(cx.start.execution.clone())),
            ("step", Value::Str(cx.name.clone())),
        ]);
        let body = Value::object([
            ("type", Value::from("user")),
            ("comment", Value::Str(super::required(params, "comment", cx.kind)?)),
            ("watchfire", links),
        ]);
        Ok(Command::CommentAdd { case, id: cx.id("comment"), body })
    }
);
case_step!(
    ADD_OBSERVABLES,
    "cases.addObservables",
    "Add observables",
    "adds observables to a case",
    r#"{"type":"object","required":["case_id","observables"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"observables":{"type":"array"}}}"#,
    "- name: iocs\n  type: cases.addObservables\n  with:\n    case_id: \"{{ inputs.case }}\"\n    observables:\n      - { typeKey: observable-type-ipv4, value: 203.0.113.7 }\n",
    |cx, case, params| Ok(Command::ObservablesAdd {
        case,
        id: cx.id("observables"),
        observables: list(params, "observables", cx.kind)?.to_vec()
    })
);
case_step!(
    ADD_ALERTS,
    "cases.addAlerts",
    "Attach alerts",
    "attaches alerts to a case",
    r#"{"type":"object","required":["case_id","alerts"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"alerts":{"type":"array"}}}"#,
    "- name: evidence\n  type: cases.addAlerts\n  with:\n    case_id: \"{{ inputs.case }}\"\n    alerts: \"${{ event.alerts }}\"\n",
    |cx, case, params| Ok(Command::AlertsAttach {
        case,
        id: cx.id("alerts"),
        alerts: alerts(list(params, "alerts", cx.kind)?)?
    })
);
case_step!(
    GET_CASE,
    "cases.getCase",
    "Read a case",
    "reads a case",
    r#"{"type":"object","required":["case_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"include_comments":{"type":"boolean"}}}"#,
    "- name: read\n  type: cases.getCase\n  with:\n    case_id: \"{{ inputs.case }}\"\n",
    |_, _, _| Err(Fault::new("Error", "a read is a call"))
);

impl StepType for Cases {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn class_written(
        &self,
        _params: &crate::template::Params,
        _operation: Option<&crate::catalogue::OperationMeta>,
    ) -> Class {
        if self.meta.name == "cases.getCase" { Class::Read } else { Class::Internal }
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let case = if self.meta.name == "cases.createCase" {
            cx.id("case")
        } else {
            match super::required(&params, "case_id", self.meta.name) {
                Ok(id) => Id(id),
                Err(fault) => return Next::Fail(fault),
            }
        };
        if self.meta.name == "cases.getCase" {
            let call = CallSpec {
                operation: self.meta.name.into(),
                connector: None,
                target: Value::Null,
                params,
                class: Class::Read,
                lane: "own".into(),
            };
            return Next::Call { call: Box::new(call), memo: Value::Null, closes: false };
        }
        match (self.build)(cx, case.clone(), &params) {
            // What does not fit one command is worked off in slices; the memo holds the rest.
            Ok(Command::AlertsAttach { case, id, mut alerts }) => {
                let rest = alerts.split_off(alerts.len().min(ROWS_MAX));
                let memo = Value::object([("case", Value::from(case.clone())), ("rest", Value::from(rest))]);
                Next::Internal { command: Box::new(Command::AlertsAttach { case, id, alerts }), memo }
            }
            Ok(command) => Next::Internal { command: Box::new(command), memo: Value::Null },
            Err(fault) => Next::Fail(fault),
        }
    }
    fn resume(&self, cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        let case = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "a case step does not wait"),
        };
        let rest = memo.get("rest").and_then(Value::as_array).unwrap_or_default();
        if !rest.is_empty() {
            let id = Id::from(memo.get("case").map(crate::json::scalar_text).unwrap_or_default());
            let (now, later) = rest.split_at(rest.len().min(ROWS_MAX));
            let memo = Value::object([("case", Value::from(id.clone())), ("rest", Value::from(later.to_vec()))]);
            return Next::Internal {
                command: Box::new(Command::AlertsAttach { case: id, id: cx.id("alerts"), alerts: now.to_vec() }),
                memo,
            };
        }
        if case.get("case").is_some() { Next::Done(case) } else { Next::Done(Value::object([("case", case)])) }
    }
}

fn create(cx: &StepCx<'_>, id: Id, params: &Value) -> Result<Command, Fault> {
    let mut body = params.as_object().cloned().unwrap_or_default();
    super::required(params, "title", cx.kind)?;
    if !body.contains_key("owner") {
        body.insert("owner", "securitySolution");
    }
    if !body.contains_key("tags") {
        body.insert("tags", Value::from(vec![]));
    }
    if let Some(c) = cx.connector {
        let connector = [
            ("id", Value::Str(c.id.clone())),
            ("name", Value::Str(c.name.clone())),
            ("type", Value::Str(c.kind.clone())),
            ("fields", Value::Null),
        ];
        body.insert("connector", Value::object(connector));
    } else if !body.contains_key("connector") {
        let none = [
            ("id", Value::from("none")),
            ("name", Value::from("none")),
            ("type", Value::from(".none")),
            ("fields", Value::Null),
        ];
        body.insert("connector", Value::object(none));
    }
    if !body.contains_key("settings") {
        body.insert("settings", Value::object([("syncAlerts", Value::Bool(true))]));
    }
    Ok(Command::CaseCreate { id, body: Value::from(body) })
}

fn patch(case: &Id, params: &Value, changes: impl IntoIterator<Item = (Arc<str>, Value)>) -> Command {
    let mut body = Object::new();
    body.insert("id", case.clone());
    if let Some(version) = super::text(params, "version") {
        body.insert("version", version);
    }
    for (k, v) in changes {
        body.insert(k, v);
    }
    Command::CasePatch { body: Value::from(body) }
}

fn list<'a>(params: &'a Value, key: &str, kind: &str) -> Result<&'a [Value], Fault> {
    match params.get(key).and_then(Value::as_array) {
        Some(a) if !a.is_empty() => Ok(a),
        _ => Err(super::invalid(format!("`{kind}` needs a list in `with.{key}`"))),
    }
}

/// Alerts as attachments; whole alert documents are accepted too.
fn alerts(given: &[Value]) -> Result<Vec<Value>, Fault> {
    given
        .iter()
        .map(|a| {
            let member = |keys: [&str; 2]| keys.iter().find_map(|k| a.get(k)).filter(|v| !v.is_null()).cloned();
            let (Some(id), Some(index)) = (member(["alertId", "_id"]), member(["index", "_index"])) else {
                return Err(super::invalid("an alert needs `alertId` and `index`".into()));
            };
            let rule = a.get("rule").filter(|r| r.get("id").is_some()).cloned().unwrap_or_else(|| {
                let of = |key: &str| a.field(&format!("kibana.alert.rule.{key}")).cloned().unwrap_or_default();
                Value::object([("id", of("uuid")), ("name", of("name"))])
            });
            Ok(Value::object([("alertId", id), ("index", index), ("rule", rule)]))
        })
        .collect()
}
