//! Pushing a case to an outside service: what is sent, and what is recorded afterwards.
//!
//! Invariants: a push to the same connector updates the incident of the push before; comments that went unchanged are not sent again; with
//! `close-by-pushing` the case closes in the same commit.
//! Not here: sending (`engine`), connectors (`connector`).
//! Source: `reference/kibana-apis.md` §2.15; fields of each service: `reference/workflow-steps.md` §11.2, §3.3.

use crate::actor::{Actor, user_object};
use crate::alert;
use crate::case::{self, Case, Change, Stamp};
use crate::check::{invalid, object};
use crate::command::Refusal;
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// What a push sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// Connector that takes it.
    pub connector: Id,
    /// Operation, for example `jira.pushToService`.
    pub operation: Arc<str>,
    /// `{incident, comments}`.
    pub params: Value,
    /// Attachments that go with it.
    pub comments: Vec<Id>,
}

/// The push of a case object with its comments.
///
/// - returns: nothing for a case without a connector.
pub fn push(case: &Value) -> Option<Push> {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let connector = case.get("connector")?;
    let (id, kind) = (text(connector, "id"), text(connector, "type"));
    if id.is_empty() || id == "none" || kind == ".none" || kind.is_empty() {
        return None;
    }
    let service = case.get("external_service").filter(|s| text(s, "connector_id") == id);
    let pushed_at = service.and_then(|s| s.get("pushed_at")).and_then(Value::as_str).and_then(Time::parse);
    let (mut comments, mut ids) = (Vec::new(), Vec::new());
    for c in case.get("comments").and_then(Value::as_array).unwrap_or_default() {
        let changed =
            ["updated_at", "created_at"].iter().find_map(|k| c.get(k).and_then(Value::as_str).and_then(Time::parse));
        let known = c.get("pushed_at").is_some_and(|v| !v.is_null()) && changed <= pushed_at;
        let words = match &*text(c, "type") {
            "user" => text(c, "comment"),
            "actions" => text(c, "comment"),
            "alert" => {
                let n = c.get("alertId").and_then(Value::as_array).map_or(1, <[Value]>::len);
                format!("{n} alert{} attached", if n == 1 { " is" } else { "s are" })
            }
            _ => continue,
        };
        if known || words.is_empty() {
            continue;
        }
        let id = text(c, "id");
        let by = c.get("created_by").map(|u| text(u, "username")).unwrap_or_default();
        let words = if by.is_empty() { words } else { format!("{words}\n\nAdded by {by}.") };
        comments.push(Value::object([("comment", Value::from(words)), ("commentId", Value::from(id.clone()))]));
        ids.push(Id::from(id));
    }
    let mut incident = incident(case, &kind, connector.get("fields").unwrap_or(&Value::Null));
    incident.insert("externalId", service.and_then(|s| s.get("external_id")).cloned().unwrap_or_default());
    let params = Value::object([("incident", Value::from(incident)), ("comments", Value::from(comments))]);
    let operation = format!("{}.pushToService", kind.trim_start_matches('.')).into();
    Some(Push { connector: Id::from(id), operation, params, comments: ids })
}

/// The case in the words of a service.
fn incident(case: &Value, kind: &str, fields: &Value) -> Object {
    let of = |key: &str| case.get(key).cloned().unwrap_or_default();
    let mut o = Object::new();
    match kind {
        ".jira" => {
            o.insert("summary", of("title"));
            o.insert("description", of("description"));
            // Jira's labels hold no spaces.
            let labels = of("tags");
            let labels = labels.as_array().unwrap_or_default().iter().filter_map(Value::as_str);
            o.insert(
                "labels",
                Value::array(labels.map(|t| Value::from(t.split_whitespace().collect::<Vec<_>>().join("_")))),
            );
        }
        ".servicenow" | ".servicenow-sir" => {
            o.insert("short_description", of("title"));
            o.insert("description", of("description"));
            o.insert("correlation_display", "Watchfire Case");
            o.insert("correlation_id", of("id"));
        }
        ".resilient" => {
            o.insert("name", of("title"));
            o.insert("description", of("description"));
        }
        ".swimlane" => {
            o.insert("caseId", of("id"));
            o.insert("caseName", of("title"));
            o.insert("severity", of("severity"));
            o.insert("description", of("description"));
        }
        ".thehive" => {
            let severity = of("severity");
            let rank = case::SEVERITIES.iter().position(|s| Some(*s) == severity.as_str()).unwrap_or(1) + 1;
            o.insert("title", of("title"));
            o.insert("description", of("description"));
            o.insert("severity", rank);
            o.insert("tlp", 2i64);
            o.insert("tags", of("tags"));
        }
        _ => {
            for key in ["title", "description", "tags", "id", "severity", "status"] {
                o.insert(key, of(key));
            }
        }
    }
    // The fields that the case holds for its connector are the service's own names, but for two spellings.
    for (k, v) in fields.as_object().into_iter().flat_map(Object::iter).filter(|(_, v)| !v.is_null()) {
        let name = match (kind, &**k) {
            (".servicenow-sir", "destIp") => "dest_ip",
            (".servicenow-sir", "sourceIp") => "source_ip",
            (".servicenow-sir", "malwareHash") => "malware_hash",
            (".servicenow-sir", "malwareUrl") => "malware_url",
            (".resilient", "severityCode") => "severityCode",
            (_, name) => name,
        };
        o.insert(name, v.clone());
    }
    o
}

/// Records a push.
pub(crate) fn pushed(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    connector: &Value,
    result: &Value,
    comments: &[Id],
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    object(result, "result")?;
    let of = |v: &Value, key: &str| v.get(key).cloned().unwrap_or_default();
    if of(result, "id").is_null() {
        return Err(invalid("the service did not say which incident it made"));
    }
    let config = rows.configs.get(&(case.space.clone(), case.owner.clone())).cloned().flatten();
    let closes = config.as_ref().and_then(|c| c.get("closure_type")).and_then(Value::as_str)
        == Some("close-by-pushing")
        && &*case.status != "closed";
    case.room_for_actions(2)?;
    let mut next = case.touched(now, by);
    let service = Value::object([
        ("connector_id", of(connector, "id")),
        ("connector_name", of(connector, "name")),
        ("external_id", of(result, "id")),
        ("external_title", of(result, "title")),
        ("external_url", of(result, "url")),
        ("pushed_at", Value::from(now.iso())),
        ("pushed_by", user_object(by)),
    ]);
    next.external_service = service.clone();
    let sent: Vec<_> = rows.attachments_of_case(&case.id).filter(|a| comments.contains(&a.id)).cloned().collect();
    for attachment in sent {
        let mut attachment = crate::comment::Attachment::clone(&attachment);
        attachment.pushed = Some(Stamp { at: now, by: by.clone() });
        rows.attachments.set((case.id.clone(), attachment.n), Some(attachment));
    }
    let payload = Value::object([("externalService", service)]);
    let change = Change {
        kind: "pushed",
        action: "push_to_service",
        payload,
        before: case.external_service.clone(),
        comment: None,
    };
    next.act(rows, now, by, change);
    if closes {
        close(rows, now, by, &case, &mut next);
    }
    let api = case::with_comments(rows, &next);
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

fn close(rows: &mut Rows, now: Time, by: &Actor, case: &Case, next: &mut Case) {
    next.status = "closed".into();
    next.closed = Some(Stamp { at: now, by: by.clone() });
    let payload = Value::object([("status", Value::from("closed"))]);
    next.act(rows, now, by, Change::update("status", payload, Value::from(case.status.clone())));
    if case.sync_alerts {
        let ids = case::alert_ids(rows, &case.id);
        alert::sync(rows, now, &case.space, &ids, alert::of_case_status("closed"), None);
    }
}
