//! `cases.*`: the case file.
//!
//! Invariants: every change is internal and happens exactly once; bodies keep the shapes of Kibana's API, `triage` validates them;
//! single-case steps give `{case}`; `push-case` pushes after the change, and what it gives is the case of before the push.
//! Not here: limits and transitions of cases (`triage`), reads of many (`cases_read`), the push itself (`cases_push`).
//! Source: `reference/workflow-steps.md` §3.

use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake};
use crate::core::{Class, Fault};
use std::sync::{Arc, LazyLock};
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

/// Schema of a case object.
pub(super) const CASE_OBJECT: &str = r#"{"type":"object","required":["id","version","title","status","severity","owner"],"properties":{"id":{"type":"string"},"version":{"type":"string"},"incremental_id":{"type":"integer"},"title":{"type":"string"},"description":{"type":"string"},"status":{"enum":["open","in-progress","closed"]},"severity":{"enum":["low","medium","high","critical"]},"owner":{"enum":["securitySolution","observability","cases"]},"tags":{"type":"array","items":{"type":"string"}},"category":{"type":["string","null"]},"assignees":{"type":"array","items":{"type":"object","properties":{"uid":{"type":"string"}}}},"connector":{"type":"object"},"settings":{"type":"object"},"customFields":{"type":"array"},"observables":{"type":"array"},"comments":{"type":"array"},"external_service":{"type":["object","null"]},"totalAlerts":{"type":"integer"},"totalComment":{"type":"integer"},"totalEvents":{"type":"integer"},"total_observables":{"type":"integer"},"created_at":{"type":"string","format":"date-time"},"updated_at":{"type":["string","null"]},"closed_at":{"type":["string","null"]},"duration":{"type":["integer","null"]}}}"#;

static CASE: LazyLock<Value> = LazyLock::new(|| {
    let text = format!(r#"{{"type":"object","required":["case"],"properties":{{"case":{CASE_OBJECT}}}}}"#);
    stdx::json::parse(&text).unwrap_or_default()
});

macro_rules! case_step {
    ($static:ident, $name:literal, $title:literal, $description:literal, $schema:literal, $example:literal, $build:expr) => {
        case_step!($static, $name, $title, $description, $schema, $example, &["push-case"], $build);
    };
    ($static:ident, $name:literal, $title:literal, $description:literal, $schema:literal, $example:literal, $config:expr, $build:expr) => {
        pub(super) static $static: Cases = Cases {
            meta: &StepMeta {
                name: $name,
                title: $title,
                description: $description,
                group: "cases",
                class: Class::Internal,
                schema: $schema,
                output: "{}",
                connectors: &[],
                config: $config,
                example: $example,
            },
            build: $build,
        };
    };
}

/// A change of one field, for the steps that set one.
fn set(cx: &StepCx<'_>, case: &Id, params: &Value, key: &'static str) -> Result<Command, Fault> {
    Ok(patch(case, params, [(key.into(), Value::Str(super::required(params, key, cx.kind)?))]))
}

/// Uids of `[{uid}]`, of a list of texts, or of one.
fn uids(value: &Value) -> Vec<Arc<str>> {
    let uid = |v: &Value| v.get("uid").and_then(Value::as_str).or_else(|| v.as_str()).map(Arc::from);
    match value {
        Value::Array(a) => a.iter().filter_map(uid).collect(),
        v => uid(v).into_iter().collect(),
    }
}

case_step!(
    FROM_TEMPLATE,
    "cases.createCaseFromTemplate",
    "Open a case from a template",
    "opens a case with the fields of a template",
    r#"{"type":"object","required":["case_template_id"],"additionalProperties":false,"properties":{"case_template_id":{"type":"string","description":"key of the template"},"owner":{"type":"string"},"overwrites":{"type":"object"}}}"#,
    "- name: open\n  type: cases.createCaseFromTemplate\n  with:\n    case_template_id: phish\n    overwrites: { severity: high }\n",
    |cx, id, params| Ok(Command::CaseFromTemplate {
        id,
        template: super::required(params, "case_template_id", cx.kind)?,
        owner: super::text(params, "owner").unwrap_or_else(|| "securitySolution".into()),
        overwrites: params.get("overwrites").cloned().unwrap_or_default(),
    })
);
case_step!(
    UPDATE_CASES,
    "cases.updateCases",
    "Change cases",
    "changes fields of up to 100 cases, all or none",
    r#"{"type":"object","required":["cases"],"additionalProperties":false,"properties":{"cases":{"type":"array","description":"[{case_id, version?, updates}]"}}}"#,
    "- name: raise\n  type: cases.updateCases\n  with:\n    cases: [{ case_id: \"{{ inputs.case }}\", updates: { severity: high } }]\n",
    |cx, _, params| {
        let mut cases = vec![];
        for item in list(params, "cases", cx.kind)? {
            let id = Id(super::required(item, "case_id", cx.kind)?);
            let updates = item.get("updates").and_then(Value::as_object).filter(|o| !o.is_empty());
            let updates = updates
                .ok_or_else(|| super::invalid(format!("`{}` needs at least one field in `updates`", cx.kind)))?;
            match patch(&id, item, updates.iter().map(|(k, v)| (k.clone(), v.clone()))) {
                Command::CasePatch { body } => cases.push(body),
                _ => unreachable!("a patch is a patch"),
            }
        }
        Ok(Command::CasesPatch { cases })
    }
);
case_step!(
    SET_TITLE,
    "cases.setTitle",
    "Set case title",
    "sets the title of a case",
    r#"{"type":"object","required":["case_id","title"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"title":{"type":"string","description":"at most 160 characters"},"version":{"type":"string"}}}"#,
    "- name: rename\n  type: cases.setTitle\n  with: { case_id: \"{{ inputs.case }}\", title: Confirmed phishing }\n",
    |cx, case, params| set(cx, &case, params, "title")
);
case_step!(
    SET_DESCRIPTION,
    "cases.setDescription",
    "Set case description",
    "sets the description of a case",
    r#"{"type":"object","required":["case_id","description"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"description":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: describe\n  type: cases.setDescription\n  with: { case_id: \"{{ inputs.case }}\", description: what is known }\n",
    |cx, case, params| set(cx, &case, params, "description")
);
case_step!(
    SET_CATEGORY,
    "cases.setCategory",
    "Set case category",
    "sets the category of a case",
    r#"{"type":"object","required":["case_id","category"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"category":{"type":"string","description":"at most 50 characters"},"owner":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: sort\n  type: cases.setCategory\n  with: { case_id: \"{{ inputs.case }}\", category: phishing }\n",
    |cx, case, params| set(cx, &case, params, "category")
);
case_step!(
    SET_FIELD,
    "cases.setCustomField",
    "Set a custom field",
    "sets one custom field of a case and keeps the others",
    r#"{"type":"object","required":["case_id","field_name"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"field_name":{"type":"string","description":"key of the field"},"value":{"description":"text, number, boolean or null"},"owner":{"type":"string"},"version":{"type":"string"}}}"#,
    "- name: ticket\n  type: cases.setCustomField\n  with: { case_id: \"{{ inputs.case }}\", field_name: ticket_ref, value: INC-1 }\n",
    |cx, case, params| Ok(Command::CaseField {
        case,
        field: super::required(params, "field_name", cx.kind)?,
        value: params
            .get("value")
            .cloned()
            .ok_or_else(|| super::invalid(format!("`{}` needs `with.value`; null empties the field", cx.kind)))?,
        version: super::text(params, "version"),
    })
);
case_step!(
    SET_EXTENDED,
    "cases.setExtendedFields",
    "Set extended fields",
    "merges fields of a template into a case",
    r#"{"type":"object","required":["case_id","fields"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"fields":{"type":"object","description":"<name>_as_<type> to text"},"version":{"type":"string"}}}"#,
    "- name: fields\n  type: cases.setExtendedFields\n  with: { case_id: \"{{ inputs.case }}\", fields: { impact_as_keyword: high } }\n",
    |cx, case, params| match params.get("fields").filter(|f| f.as_object().is_some_and(|o| !o.is_empty())) {
        Some(fields) => {
            Ok(Command::CaseExtendedFields { case, fields: fields.clone(), version: super::text(params, "version") })
        }
        None => Err(super::invalid(format!("`{}` needs fields in `with.fields`", cx.kind))),
    }
);
case_step!(
    REMOVE_TAGS,
    "cases.removeTags",
    "Untag a case",
    "removes tags from a case",
    r#"{"type":"object","required":["case_id","tags"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"tags":{"type":"array"}}}"#,
    "- name: untag\n  type: cases.removeTags\n  with: { case_id: \"{{ inputs.case }}\", tags: [new] }\n",
    |cx, case, params| {
        let remove = list(params, "tags", cx.kind)?.iter().map(|v| crate::json::scalar_text(v).into()).collect();
        Ok(Command::CaseUntag { case, remove })
    }
);
case_step!(
    UNASSIGN,
    "cases.unassignCase",
    "Unassign a case",
    "removes assignees from a case; an empty list or null removes all",
    r#"{"type":"object","required":["case_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"assignees":{"description":"[{uid}] to remove, [] or null for all"},"version":{"type":"string"}}}"#,
    "- name: free\n  type: cases.unassignCase\n  with: { case_id: \"{{ inputs.case }}\", assignees: [] }\n",
    |cx, case, params| {
        let Some(given) = params.get("assignees") else {
            return Err(super::invalid(format!("`{}` needs `with.assignees`; null removes all", cx.kind)));
        };
        let remove = Some(uids(given)).filter(|u| !u.is_empty());
        Ok(Command::CaseUnassign { case, remove, version: super::text(params, "version") })
    }
);
case_step!(
    ADD_EVENTS,
    "cases.addEvents",
    "Attach events",
    "attaches events to a case",
    r#"{"type":"object","required":["case_id","events"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"events":{"type":"array","description":"[{eventId, index}], at most 1000"}}}"#,
    "- name: events\n  type: cases.addEvents\n  with: { case_id: \"{{ inputs.case }}\", events: [{ eventId: e1, index: logs-1 }] }\n",
    |cx, case, params| {
        let given = list(params, "events", cx.kind)?;
        let member = |key: &str, other: &str| -> Result<Value, Fault> {
            let of = |e: &Value| [key, other].iter().find_map(|k| e.get(k)).filter(|v| !v.is_null()).cloned();
            given
                .iter()
                .map(of)
                .collect::<Option<Vec<_>>>()
                .map(Value::from)
                .ok_or_else(|| super::invalid("an event needs `eventId` and `index`".into()))
        };
        let body = Value::object([
            ("type", Value::from("event")),
            ("eventId", member("eventId", "_id")?),
            ("index", member("index", "_index")?),
        ]);
        Ok(Command::AttachmentsAdd { case, id: cx.id("events"), items: vec![body] })
    }
);
case_step!(
    ADD_ATTACHMENTS,
    "cases.addAttachments",
    "Add attachments",
    "adds comments, alerts, events and references to a case",
    r#"{"type":"object","required":["case_id","attachments"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"attachments":{"type":"array","description":"[{type: comment, data: {content}}, {type: stack.alert, attachmentId, metadata}]"}}}"#,
    "- name: notes\n  type: cases.addAttachments\n  with:\n    case_id: \"{{ inputs.case }}\"\n    attachments: [{ type: comment, data: { content: looked up } }]\n",
    |cx, case, params| Ok(Command::AttachmentsAdd {
        case,
        id: cx.id("attachments"),
        items: list(params, "attachments", cx.kind)?.to_vec(),
    })
);
case_step!(
    UPDATE_OBSERVABLE,
    "cases.updateObservable",
    "Change an observable",
    "changes value and description of an observable",
    r#"{"type":"object","required":["case_id","observable_id","value"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"observable_id":{"type":"string"},"value":{"type":"string"},"description":{"type":["string","null"]}}}"#,
    "- name: fix\n  type: cases.updateObservable\n  with: { case_id: \"{{ inputs.case }}\", observable_id: \"{{ inputs.observable }}\", value: 203.0.113.8 }\n",
    |cx, case, params| {
        let mut body = Object::new();
        body.insert("value", super::required(params, "value", cx.kind)?);
        if let Some(d) = params.get("description") {
            body.insert("description", d.clone());
        }
        let observable = Id(super::required(params, "observable_id", cx.kind)?);
        Ok(Command::ObservableUpdate { case, observable, body: Value::from(body) })
    }
);
case_step!(
    DELETE_OBSERVABLE,
    "cases.deleteObservable",
    "Remove an observable",
    "removes an observable from a case",
    r#"{"type":"object","required":["case_id","observable_id"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"observable_id":{"type":"string"}}}"#,
    "- name: drop\n  type: cases.deleteObservable\n  with: { case_id: \"{{ inputs.case }}\", observable_id: \"{{ inputs.observable }}\" }\n",
    &[],
    |cx, case, params| Ok(Command::ObservablesDelete {
        case,
        observables: vec![Id(super::required(params, "observable_id", cx.kind)?)],
    })
);
case_step!(
    DELETE_OBSERVABLES,
    "cases.bulkDeleteObservables",
    "Remove observables",
    "removes observables from a case, all or none",
    r#"{"type":"object","required":["case_id","observable_ids"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"observable_ids":{"type":"array"}}}"#,
    "- name: drop\n  type: cases.bulkDeleteObservables\n  with: { case_id: \"{{ inputs.case }}\", observable_ids: [\"{{ inputs.observable }}\"] }\n",
    &[],
    |cx, case, params| Ok(Command::ObservablesDelete {
        case,
        observables: list(params, "observable_ids", cx.kind)?
            .iter()
            .map(|v| Id::from(crate::json::scalar_text(v)))
            .collect(),
    })
);
case_step!(
    DELETE_CASES,
    "cases.deleteCases",
    "Delete cases",
    "deletes cases with everything that belongs to them, all or none",
    r#"{"type":"object","required":["case_ids"],"additionalProperties":false,"properties":{"case_ids":{"type":"array","items":{"type":"string"},"description":"1 to 100 ids"}}}"#,
    "- name: clean\n  type: cases.deleteCases\n  with: { case_ids: [\"{{ inputs.case }}\"] }\n",
    &[],
    |cx, _, params| Ok(Command::CaseDelete {
        ids: list(params, "case_ids", cx.kind)?.iter().map(|v| Id::from(crate::json::scalar_text(v))).collect(),
    })
);

case_step!(
    CREATE_CASE,
    "cases.createCase",
    "Open a case",
    "opens a case",
    r#"{"type":"object","required":["title","description"],"additionalProperties":false,"properties":{"title":{"type":"string","description":"at most 160 characters"},"description":{"type":"string"},"owner":{"type":"string"},"severity":{"enum":["low","medium","high","critical"]},"tags":{"type":"array"},"category":{"type":"string"},"assignees":{"type":"array"},"settings":{"type":"object"},"customFields":{"type":"array"},"extended_fields":{"type":"object"},"connector":{"type":"object"}}}"#,
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
    r#"{"type":"object","required":["case_id","severity"],"additionalProperties":false,"properties":{"case_id":{"type":"string"},"severity":{"enum":["low","medium","high","critical"]},"version":{"type":"string"}}}"#,
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
    |_, case, params| {
        let given = uids(params.get("assignees").unwrap_or(&Value::Null));
        let given = given.into_iter().map(|uid| Value::object([("uid", Value::Str(uid))]));
        Ok(patch(&case, params, [("assignees".into(), Value::array(given))]))
    }
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
    fn output(&self) -> Option<Value> {
        Some(match self.meta.name {
            "cases.updateCases" => Value::object([
                ("type", Value::from("object")),
                ("required", Value::array([Value::from("cases")])),
                ("properties", {
                    let list =
                        [("type", Value::from("array")), ("items", CASE.path(&["properties", "case"]).cloned()?)];
                    Value::object([("cases", Value::object(list))])
                }),
            ]),
            "cases.deleteObservable" => {
                let text = r#"{"type":"object","required":["case_id","observable_id"],"properties":{"case_id":{"type":"string"},"observable_id":{"type":"string"}}}"#;
                stdx::json::parse(text).ok()?
            }
            "cases.bulkDeleteObservables" => {
                let text = r#"{"type":"object","required":["case_id","observable_ids"],"properties":{"case_id":{"type":"string"},"observable_ids":{"type":"array","items":{"type":"string"}}}}"#;
                stdx::json::parse(text).ok()?
            }
            "cases.deleteCases" => {
                let text = r#"{"type":"object","required":["case_ids"],"properties":{"case_ids":{"type":"array","items":{"type":"string"}}}}"#;
                stdx::json::parse(text).ok()?
            }
            _ => CASE.clone(),
        })
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let case = match self.meta.name {
            "cases.createCase" | "cases.createCaseFromTemplate" => cx.id("case"),
            "cases.updateCases" | "cases.deleteCases" => Id::from(""),
            _ => match super::required(&params, "case_id", self.meta.name) {
                Ok(id) => Id(id),
                Err(fault) => return Next::Fail(fault),
            },
        };
        let pushes =
            cx.config.get("push-case").is_some_and(|v| v.as_bool() == Some(true) || v.as_str() == Some("true"));
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
                let memo = Value::object([
                    ("case", Value::from(case.clone())),
                    ("rest", Value::from(rest)),
                    ("pushes", Value::Bool(pushes)),
                ]);
                Next::Internal { command: Box::new(Command::AlertsAttach { case, id, alerts }), memo }
            }
            Ok(command) => {
                // What is given back is what was asked for, where nothing else can be.
                let echo = match &command {
                    Command::ObservablesDelete { .. } | Command::CaseDelete { .. } => params,
                    _ => Value::Null,
                };
                let mut memo = Object::new();
                if pushes {
                    memo.insert("pushes", true);
                }
                if !echo.is_null() {
                    memo.insert("echo", echo);
                }
                let memo = if memo.is_empty() { Value::Null } else { Value::from(memo) };
                Next::Internal { command: Box::new(command), memo }
            }
            Err(fault) => Next::Fail(fault),
        }
    }
    fn resume(&self, cx: &StepCx<'_>, memo: &Value, wake: Wake) -> Next {
        if super::cases_push::is_push(memo) {
            return super::cases_push::go_on(cx, memo, wake);
        }
        let case = match wake {
            Wake::Answered(Ok(v)) => v,
            Wake::Answered(Err(fault)) => return Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => return Next::fail("Error", "a case step does not wait"),
        };
        let rest = memo.get("rest").and_then(Value::as_array).unwrap_or_default();
        if !rest.is_empty() {
            let id = Id::from(memo.get("case").map(crate::json::scalar_text).unwrap_or_default());
            let (now, later) = rest.split_at(rest.len().min(ROWS_MAX));
            let pushes = memo.get("pushes").cloned().unwrap_or_default();
            let memo = Value::object([
                ("case", Value::from(id.clone())),
                ("rest", Value::from(later.to_vec())),
                ("pushes", pushes),
            ]);
            return Next::Internal {
                command: Box::new(Command::AlertsAttach { case: id, id: cx.id("alerts"), alerts: now.to_vec() }),
                memo,
            };
        }
        if let Some(echo) = memo.get("echo") {
            return Next::Done(echo.clone());
        }
        let many = self.meta.name == "cases.updateCases";
        let result = if many || case.get("case").is_some() { case } else { Value::object([("case", case)]) };
        if memo.get("pushes").and_then(Value::as_bool) != Some(true) {
            return Next::Done(result);
        }
        let changed: Vec<Value> = match result.get("cases") {
            Some(Value::Array(a)) => a.iter().filter_map(|c| c.get("id").cloned()).collect(),
            _ => result.path(&["case", "id"]).cloned().into_iter().collect(),
        };
        super::cases_push::begin(cx, changed, result)
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
    body.remove("connectorId");
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
