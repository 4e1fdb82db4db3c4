//! Attachments of a case: comments, alerts, references; Kibana calls all of them comments.
//!
//! Invariants: an alert is attached to a case at most once; every change of an attachment changes its case; numbers within a case grow.
//! Not here: the content of files (`api`), push (`push`).
//! Source: `reference/kibana-apis.md` §2.9, §2.11.

use crate::actor::{Actor, user_object};
use crate::alert;
use crate::case::{self, ALERTS_MAX, Case, Change, Stamp};
use crate::check::{bounded, invalid, object, required, text};
use crate::command::{Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// Longest comment in characters.
pub const COMMENT_CHARS_MAX: usize = 30_000;
/// Most references and persistable states of one case.
pub const REFERENCES_MAX: usize = 100;
/// Most attachments of one request.
pub const BULK_MAX: usize = 1000;
/// Most events of one case.
pub const EVENTS_MAX: u64 = 1000;
/// Member of a body that holds the content of a file, base64; it is stored beside the body.
pub const CONTENT: &str = "_content";
/// Kinds of attachments.
pub const KINDS: [&str; 6] = ["user", "alert", "actions", "externalReference", "persistableState", "event"];

/// An attachment as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Id.
    pub id: Id,
    /// Case.
    pub case: Id,
    /// Space.
    pub space: Arc<str>,
    /// Number within the case, from 1.
    pub n: u64,
    /// Version, 1 at creation.
    pub version: u64,
    /// One of [`KINDS`].
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Owner, that of the case.
    pub owner: Arc<str>,
    /// The other members of the request.
    pub body: Value,
    /// Our own links shown in the timeline; not part of Kibana's shape.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub watchfire: Value,
    /// Creation.
    pub created: Stamp,
    /// Last change.
    pub updated: Option<Stamp>,
    /// Last push to an outside service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Stamp>,
    /// Content of a file, base64; shown by its own route alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Arc<str>>,
}

impl Attachment {
    /// The wire object.
    pub fn to_api(&self) -> Value {
        let mut o = Object::new();
        o.insert("id", self.id.clone());
        o.insert("version", crate::version_text(self.version));
        o.insert("type", self.kind.clone());
        o.insert("owner", self.owner.clone());
        for (k, v) in self.body.as_object().into_iter().flat_map(Object::iter) {
            o.insert(k.clone(), v.clone());
        }
        o.insert("created_at", self.created.at.iso());
        o.insert("created_by", user_object(&self.created.by));
        o.insert("pushed_at", self.pushed.as_ref().map(|s| s.at.iso()));
        o.insert("pushed_by", self.pushed.as_ref().map_or(Value::Null, |s| user_object(&s.by)));
        o.insert("updated_at", self.updated.as_ref().map(|s| s.at.iso()));
        o.insert("updated_by", self.updated.as_ref().map_or(Value::Null, |s| user_object(&s.by)));
        if !self.watchfire.is_null() {
            o.insert("watchfire", self.watchfire.clone());
        }
        o.into()
    }
    /// Alert ids of an alert attachment.
    pub fn alert_ids(&self) -> Vec<Id> {
        if &*self.kind != "alert" {
            return Vec::new();
        }
        strings_of(self.body.get("alertId")).into_iter().map(Id::new).collect()
    }
    /// (alert id, index) of an alert attachment.
    pub fn alerts(&self) -> Vec<(Id, Arc<str>)> {
        let indices = strings_of(self.body.get("index"));
        self.alert_ids()
            .into_iter()
            .enumerate()
            .map(|(i, id)| (id, indices.get(i).cloned().unwrap_or_default()))
            .collect()
    }
}

fn strings_of(value: Option<&Value>) -> Vec<Arc<str>> {
    match value {
        Some(Value::Str(s)) => vec![s.clone()],
        Some(Value::Array(a)) => a.iter().filter_map(|v| v.as_str().map(Arc::from)).collect(),
        _ => Vec::new(),
    }
}

/// The alerts that a command would attach, for its reads.
pub(crate) fn alerts_named(body: &Value) -> Vec<Id> {
    strings_of(body.get("alertId")).into_iter().map(Id::new).collect()
}

/// An alert to attach.
struct Attach {
    id: Id,
    index: Arc<str>,
    rule: Value,
}

fn missing(id: &Id) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("This comment {id} does not exist anymore."))
}

fn insert(rows: &mut Rows, now: Time, by: &Actor, case: &mut Case, new: New<'_>) {
    case.attachment_n += 1;
    let attachment = Attachment {
        id: new.id,
        case: case.id.clone(),
        space: case.space.clone(),
        n: case.attachment_n,
        version: 1,
        kind: new.kind.into(),
        owner: case.owner.clone(),
        body: new.body,
        watchfire: new.watchfire,
        created: Stamp { at: now, by: by.clone() },
        updated: None,
        pushed: None,
        content: new.content,
    };
    let mut payload = Object::new();
    payload.insert("type", attachment.kind.clone());
    payload.insert("owner", attachment.owner.clone());
    for (k, v) in attachment.body.as_object().into_iter().flat_map(Object::iter) {
        payload.insert(k.clone(), v.clone());
    }
    let comment = Some(attachment.id.clone());
    rows.attachments.set((case.id.clone(), attachment.n), Some(attachment));
    let payload = Value::object([("comment", Value::from(payload))]);
    case.act(rows, now, by, Change { kind: "comment", action: "create", payload, before: Value::Null, comment });
}

struct New<'a> {
    id: Id,
    kind: &'a str,
    body: Value,
    watchfire: Value,
    content: Option<Arc<str>>,
}

/// Adds many attachments, all or none. Result: the case with all attachments.
pub(crate) fn add_many(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    seed: &Id,
    items: &[Value],
) -> Result<Value, Refusal> {
    if items.is_empty() || items.len() > BULK_MAX {
        return Err(invalid(format!("The length of the field attachments must be between 1 and {BULK_MAX}.")));
    }
    let mut last = Value::Null;
    for (k, item) in items.iter().enumerate() {
        let id = if k == 0 { seed.clone() } else { stdx::id::uuid_v8(now, &[seed, "attachment", &k.to_string()]) };
        last = add(rows, now, by, key, &id, &plain(item)?)?;
    }
    Ok(last)
}

/// An attachment of the newer form (`comment`, `stack.alert`, `stack.event`) in the form that is stored.
fn plain(item: &Value) -> Result<Value, Refusal> {
    let o = object(item, "attachment")?;
    let kind = o.get("type").and_then(Value::as_str).unwrap_or("");
    let of = |path: &[&str]| item.path(path).cloned().unwrap_or_default();
    let ids = || match o.get("attachmentId") {
        Some(v @ Value::Array(_)) => v.clone(),
        Some(v) => Value::array([v.clone()]),
        None => Value::Null,
    };
    let indices = || match of(&["metadata", "index"]) {
        Value::Null => Value::Null,
        v @ Value::Array(_) => v,
        v => Value::array([v]),
    };
    let mut out = Object::new();
    match kind {
        "comment" => {
            out.insert("type", "user");
            out.insert("comment", of(&["data", "content"]));
        }
        "stack.alert" | "security.alert" => {
            out.insert("type", "alert");
            out.insert("alertId", ids());
            out.insert("index", indices());
            out.insert("rule", of(&["metadata", "rule"]));
        }
        "stack.event" | "security.event" => {
            out.insert("type", "event");
            out.insert("eventId", ids());
            out.insert("index", indices());
        }
        _ => return Ok(item.clone()),
    }
    Ok(out.into())
}

/// Adds an attachment of any kind. Result: the case with all attachments.
pub(crate) fn add(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    id: &Id,
    body: &Value,
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let o = object(body, "request body")?;
    let kind = match o.get("type") {
        None => "user",
        Some(v) => text(v, "type")?,
    };
    let Some(kind) = KINDS.into_iter().find(|k| *k == kind) else {
        return Err(invalid(format!("Attachment type {kind} is not registered.")));
    };
    if let Some(owner) = o.get("owner")
        && text(owner, "owner")? != &*case.owner
    {
        return Err(invalid("The owner field of the comment must match the case"));
    }
    if rows.attachments_of_case(&case.id).any(|a| a.id == *id) {
        return Err(Refusal::new(RefusalKind::Conflict, format!("Saved object [cases-comments/{id}] conflict")));
    }
    if kind == "alert" {
        let alerts = alert_request(o)?;
        return attach_to(rows, now, by, &case, id, alerts);
    }
    let watchfire = o.get("watchfire").cloned().unwrap_or_default();
    let mut rest = o.clone();
    let content = rest.remove(CONTENT).and_then(|v| v.as_str().map(Arc::from)).filter(|_| kind == "externalReference");
    for member in ["type", "owner", "watchfire", "text", "id", "version"] {
        rest.remove(member);
    }
    if kind == "user" {
        let comment = o
            .get("comment")
            .or_else(|| o.get("text"))
            .ok_or_else(|| invalid("Invalid value \"undefined\" supplied to \"comment\""))?;
        rest = Object::new();
        rest.insert("comment", bounded(comment, "comment", COMMENT_CHARS_MAX, false)?);
    } else if matches!(kind, "externalReference" | "persistableState")
        && rows
            .attachments_of_case(&case.id)
            .filter(|a| matches!(&*a.kind, "externalReference" | "persistableState"))
            .count()
            >= REFERENCES_MAX
    {
        return Err(invalid(format!(
            "Case has reached the maximum allowed number ({REFERENCES_MAX}) of attached persistable state and external reference attachments."
        )));
    }
    let mut events = 0;
    if kind == "event" {
        events = new_events(rows, &case, &mut rest)?;
        if events == 0 {
            return Ok(case::with_comments(rows, &case));
        }
    }
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    if kind == "user" {
        next.comments += 1;
    }
    next.events += events;
    insert(rows, now, by, &mut next, New { id: id.clone(), kind, body: rest.into(), watchfire, content });
    let api = case::with_comments(rows, &next);
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

/// Leaves the events in `body` that the case does not have yet; how many.
fn new_events(rows: &Rows, case: &Case, body: &mut Object) -> Result<u64, Refusal> {
    if &*case.status == "closed" {
        return Err(invalid("Event cannot be attached to a closed case"));
    }
    let (ids, indices) = (strings_of(Some(required(body, "eventId")?)), strings_of(Some(required(body, "index")?)));
    if ids.is_empty() || ids.len() != indices.len() {
        return Err(invalid("Received an event comment with ids and indices arrays of different lengths"));
    }
    let there: BTreeSet<Arc<str>> = rows
        .attachments_of_case(&case.id)
        .filter(|a| &*a.kind == "event")
        .flat_map(|a| strings_of(a.body.get("eventId")))
        .collect();
    let (mut new, mut seen) = (Vec::new(), there.clone());
    for pair in ids.into_iter().zip(indices) {
        if seen.insert(pair.0.clone()) {
            new.push(pair);
        }
    }
    if case.events + new.len() as u64 > EVENTS_MAX {
        return Err(invalid(format!("Case has reached the maximum allowed number ({EVENTS_MAX}) of attached events.")));
    }
    body.insert("eventId", Value::array(new.iter().map(|(id, _)| Value::from(id.clone()))));
    body.insert("index", Value::array(new.iter().map(|(_, index)| Value::from(index.clone()))));
    Ok(new.len() as u64)
}

fn alert_request(o: &Object) -> Result<Vec<Attach>, Refusal> {
    let ids = strings_of(Some(required(o, "alertId")?));
    let indices = strings_of(o.get("index"));
    if o.contains_key("index") && ids.len() != indices.len() {
        let list = |l: &[Arc<str>]| stdx::json::text(&Value::array(l.iter().cloned().map(Value::from)));
        return Err(invalid(format!(
            "Received an alert comment with ids and indices arrays of different lengths ids: {} indices: {}",
            list(&ids),
            list(&indices)
        )));
    }
    let rule = rule_of(o.get("rule"));
    Ok(ids
        .into_iter()
        .enumerate()
        .map(|(i, id)| Attach {
            id: Id::new(id),
            index: indices.get(i).cloned().unwrap_or_default(),
            rule: rule.clone(),
        })
        .collect())
}

fn rule_of(value: Option<&Value>) -> Value {
    let member = |k: &str| value.and_then(|v| v.get(k)).cloned().unwrap_or_default();
    Value::object([("id", member("id")), ("name", member("name"))])
}

/// Attaches alerts given one by one. Result: the case with all attachments.
pub(crate) fn attach(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    id: &Id,
    alerts: &[Value],
) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    if alerts.len() > ALERTS_MAX {
        return Err(invalid(format!(
            "The length of the field alerts is too long. Array must be of length <= {ALERTS_MAX}."
        )));
    }
    let mut list = Vec::new();
    for alert in alerts {
        let o = object(alert, "request body.alerts")?;
        list.push(Attach {
            id: Id::from(text(required(o, "alertId")?, "alertId")?),
            index: o.get("index").and_then(Value::as_str).unwrap_or_default().into(),
            rule: rule_of(o.get("rule")),
        });
    }
    attach_to(rows, now, by, &case, id, list)
}

/// One attachment per rule; alerts that are attached already are left out, and with nothing left the case stays as it is.
fn attach_to(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    case: &Arc<Case>,
    id: &Id,
    list: Vec<Attach>,
) -> Result<Value, Refusal> {
    if &*case.status == "closed" {
        return Err(invalid("Alert cannot be attached to a closed case"));
    }
    if let Some(remote) = list.iter().find(|a| a.index.contains(':')) {
        return Err(invalid(format!(
            "Cannot attach an alert from a linked project or remote cluster index: {}",
            remote.index
        )));
    }
    let mut there: BTreeSet<Id> = case::alert_ids(rows, &case.id).into_iter().collect();
    let mut groups: Vec<(Value, Vec<Attach>)> = Vec::new();
    for alert in list {
        if !there.insert(alert.id.clone()) {
            continue;
        }
        match groups.iter_mut().find(|(rule, _)| *rule == alert.rule) {
            Some((_, members)) => members.push(alert),
            None => groups.push((alert.rule.clone(), vec![alert])),
        }
    }
    if groups.is_empty() {
        return Ok(case::with_comments(rows, case));
    }
    if there.len() > ALERTS_MAX {
        return Err(invalid(format!("Case has reached the maximum allowed number ({ALERTS_MAX}) of attached alerts.")));
    }
    case.room_for_actions(groups.len() as u64)?;
    let mut next = case.touched(now, by);
    let status = case.sync_alerts.then(|| alert::of_case_status(&case.status));
    for (k, (rule, members)) in groups.into_iter().enumerate() {
        for member in &members {
            alert::link(rows, now, &(case.space.clone(), member.id.clone()), &case.id, true, status);
        }
        next.alerts += members.len() as u64;
        let body = Value::object([
            ("alertId", Value::array(members.iter().map(|m| Value::from(m.id.clone())))),
            ("index", Value::array(members.iter().map(|m| Value::from(m.index.clone())))),
            ("rule", rule),
        ]);
        let id = if k == 0 { id.clone() } else { stdx::id::uuid_v8(now, &[id, &k.to_string()]) };
        insert(rows, now, by, &mut next, New { id, kind: "alert", body, watchfire: Value::Null, content: None });
    }
    let api = case::with_comments(rows, &next);
    rows.cases.set((case.space.clone(), case.id.clone()), Some(next));
    Ok(api)
}

fn find(rows: &Rows, case: &Id, id: &Id) -> Result<Arc<Attachment>, Refusal> {
    rows.attachments_of_case(case).find(|a| a.id == *id).cloned().ok_or_else(|| missing(id))
}

/// Changes an attachment. Result: the case with all attachments.
pub(crate) fn patch(rows: &mut Rows, now: Time, by: &Actor, key: &SpaceId, body: &Value) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let o = object(body, "request body")?;
    let id = Id::from(text(required(o, "id")?, "id")?);
    let old = find(rows, &case.id, &id)?;
    if o.get("type").is_some_and(|t| t.as_str() != Some(&*old.kind)) {
        return Err(invalid("You cannot change the type of the comment."));
    }
    if o.get("owner").is_some_and(|t| t.as_str() != Some(&*old.owner)) {
        return Err(invalid("You cannot change the owner of the comment."));
    }
    if text(required(o, "version")?, "version")? != crate::version_text(old.version) {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "This case has been updated. Please refresh before saving additional updates.",
        ));
    }
    if &*old.kind == "alert" {
        return Err(invalid("The alerts of an attachment cannot be changed, delete it and attach others."));
    }
    let mut new = Attachment::clone(&old);
    let mut rest = o.clone();
    for member in ["type", "owner", "watchfire", "id", "version"] {
        rest.remove(member);
    }
    if &*old.kind == "user" {
        rest = Object::new();
        rest.insert("comment", bounded(required(o, "comment")?, "comment", COMMENT_CHARS_MAX, false)?);
    }
    case.room_for_actions(1)?;
    new.body = rest.into();
    new.version += 1;
    new.updated = Some(Stamp { at: now, by: by.clone() });
    let mut next = case.touched(now, by);
    let change = Change {
        kind: "comment",
        action: "update",
        payload: Value::object([("comment", new.body.clone())]),
        before: old.body.clone(),
        comment: Some(id),
    };
    rows.attachments.set((case.id.clone(), new.n), Some(new));
    next.act(rows, now, by, change);
    let api = case::with_comments(rows, &next);
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

/// Deletes an attachment. Result: the case.
pub(crate) fn delete(rows: &mut Rows, now: Time, by: &Actor, key: &SpaceId, id: &Id) -> Result<Value, Refusal> {
    let case = case::get(rows, key)?.clone();
    let old = find(rows, &case.id, id)?;
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    match &*old.kind {
        "user" => next.comments = next.comments.saturating_sub(1),
        "event" => {
            let n = strings_of(old.body.get("eventId")).len() as u64;
            next.events = next.events.saturating_sub(n);
        }
        "alert" => {
            for alert in old.alert_ids() {
                alert::link(rows, now, &(case.space.clone(), alert), &case.id, false, None);
                next.alerts = next.alerts.saturating_sub(1);
            }
        }
        _ => {}
    }
    rows.attachments.set((case.id.clone(), old.n), None);
    let payload = Value::object([("comment", old.body.clone())]);
    next.act(
        rows,
        now,
        by,
        Change { kind: "comment", action: "delete", payload, before: old.body.clone(), comment: Some(id.clone()) },
    );
    let api = next.to_api(Some(Vec::new()));
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}
