//! The case: its fields, its wire object, creation, change and deletion.
//!
//! Invariants: `closed_at`, `closed_by` and `duration` stand exactly while the case is closed; each change raises the version and
//! writes its user actions; with `settings.syncAlerts` the alerts of the case follow its status in the same commit.
//! Not here: attachments (`comment`), observables (`observable`), finding (`store`).
//! Source: `reference/kibana-apis.md` §2.2 – §2.11.

pub mod create;
pub mod fields;
pub mod patch;
pub mod single;
pub mod template;

use crate::actor::{Actor, user_object};
use crate::alert;
use crate::check::invalid;
use crate::command::{Refusal, RefusalKind};
use crate::comment::Attachment;
use crate::rows::{Rows, SpaceId};
use crate::user_action::{ACTIONS_MAX, UserAction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Object, Time, Value};

/// Longest title in characters.
pub const TITLE_CHARS_MAX: usize = 160;
/// Longest description in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 30_000;
/// Longest category in characters.
pub const CATEGORY_CHARS_MAX: usize = 50;
/// Most tags.
pub const TAGS_MAX: usize = 200;
/// Longest tag in characters.
pub const TAG_CHARS_MAX: usize = 256;
/// Most assignees.
pub const ASSIGNEES_MAX: usize = 10;
/// Most custom fields.
pub const CUSTOM_FIELDS_MAX: usize = 10;
/// Most alerts of a case.
pub const ALERTS_MAX: usize = 1000;
/// Most ids of one deletion.
pub const DELETE_MAX: usize = 100;
/// Most extended fields.
pub const EXTENDED_FIELDS_MAX: usize = 100;
/// Longest text of an extended field in characters.
pub const EXTENDED_CHARS_MAX: usize = 30_000;
/// Status words.
pub const STATUSES: [&str; 3] = ["open", "in-progress", "closed"];
/// Severity words in order.
pub const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// A person or run that did something at some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// When.
    pub at: Time,
    /// Who.
    pub by: Actor,
}

/// A case as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id.
    pub id: Id,
    /// Space.
    pub space: Arc<str>,
    /// Number within the space, from 1 (`incremental_id`).
    pub number: u64,
    /// Version, 1 at creation.
    pub version: u64,
    /// Title.
    pub title: Arc<str>,
    /// Description.
    pub description: Arc<str>,
    /// Tags in order.
    pub tags: Vec<Arc<str>>,
    /// Category.
    pub category: Option<Arc<str>>,
    /// `low`, `medium`, `high`, `critical`.
    pub severity: Arc<str>,
    /// `open`, `in-progress`, `closed`.
    pub status: Arc<str>,
    /// `securitySolution`, `cases`, `observability`.
    pub owner: Arc<str>,
    /// Uids.
    pub assignees: Vec<Arc<str>>,
    /// Whether its alerts follow its status.
    pub sync_alerts: bool,
    /// `settings.extractObservables`, kept as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract_observables: Option<bool>,
    /// `{id, name, type, fields}`.
    pub connector: Value,
    /// `[{key, type, value}]`.
    pub custom_fields: Vec<Value>,
    /// `[{id, typeKey, value, description, createdAt, updatedAt}]`.
    pub observables: Vec<Value>,
    /// Creation.
    pub created: Stamp,
    /// Last change.
    pub updated: Option<Stamp>,
    /// Closing, while closed.
    pub closed: Option<Stamp>,
    /// First time in progress since it was last opened.
    pub in_progress_at: Option<Time>,
    /// `external_service` of the last push.
    #[serde(default)]
    pub external_service: Value,
    /// `{<name>_as_<type>: text}` of a template's own fields.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extended_fields: Value,
    /// User comments.
    pub comments: u64,
    /// Attached alert ids.
    pub alerts: u64,
    /// Attached events.
    #[serde(default)]
    pub events: u64,
    /// Number of the last attachment.
    pub attachment_n: u64,
    /// Number of the last user action.
    pub action_n: u64,
}

/// Whole seconds between two times, never negative.
pub fn seconds(from: Time, to: Time) -> i64 {
    to.since(from).0.max(0) / 1_000_000
}

impl Case {
    /// The wire object; `comments` is left out when `None`. Times are text, so that a result reads back equal from a journal.
    pub fn to_api(&self, comments: Option<Vec<Value>>) -> Value {
        let stamp = |s: &Option<Stamp>| -> (Value, Value) {
            s.as_ref().map_or((Value::Null, Value::Null), |s| (Value::from(s.at.iso()), user_object(&s.by)))
        };
        let mut o = Object::new();
        o.insert("id", self.id.clone());
        o.insert("version", crate::version_text(self.version));
        o.insert("incremental_id", self.number);
        o.insert("title", self.title.clone());
        o.insert("description", self.description.clone());
        o.insert("tags", Value::array(self.tags.iter().cloned().map(Value::from)));
        o.insert("category", self.category.clone());
        o.insert("severity", self.severity.clone());
        o.insert("status", self.status.clone());
        o.insert("owner", self.owner.clone());
        o.insert("assignees", fields::assignees_value(&self.assignees));
        o.insert("settings", self.settings());
        o.insert("connector", self.connector.clone());
        o.insert("customFields", self.custom_fields.clone());
        o.insert("observables", self.observables.clone());
        o.insert("total_observables", self.observables.len());
        o.insert("created_at", self.created.at.iso());
        o.insert("created_by", user_object(&self.created.by));
        let (at, by) = stamp(&self.updated);
        o.insert("updated_at", at);
        o.insert("updated_by", by);
        let (at, by) = stamp(&self.closed);
        o.insert("closed_at", at);
        o.insert("closed_by", by);
        o.insert("duration", self.closed.as_ref().map(|c| seconds(self.created.at, c.at)));
        if let Some(at) = self.in_progress_at {
            o.insert("in_progress_at", at.iso());
            o.insert("time_to_acknowledge", seconds(self.created.at, at));
            if let Some(closed) = &self.closed {
                o.insert("time_to_investigate", seconds(at, closed.at));
            }
        }
        if let Some(closed) = &self.closed {
            o.insert("time_to_resolve", seconds(self.created.at, closed.at));
        }
        o.insert("external_service", self.external_service.clone());
        if !self.extended_fields.is_null() {
            o.insert("extended_fields", self.extended_fields.clone());
        }
        o.insert("totalComment", self.comments);
        o.insert("totalAlerts", self.alerts);
        o.insert("totalEvents", self.events);
        if let Some(comments) = comments {
            o.insert("comments", comments);
        }
        o.into()
    }
    /// The `settings` object.
    pub fn settings(&self) -> Value {
        let mut o = Object::new();
        o.insert("syncAlerts", self.sync_alerts);
        if let Some(extract) = self.extract_observables {
            o.insert("extractObservables", extract);
        }
        o.into()
    }
    /// The next state by `actor`: version raised, `updated` stamped.
    #[must_use]
    pub fn touched(&self, now: Time, actor: &Actor) -> Self {
        let mut next = self.clone();
        next.version += 1;
        next.updated = Some(Stamp { at: now, by: actor.clone() });
        next
    }
    /// Appends a user action; the caller checked the limit.
    pub(crate) fn act(&mut self, rows: &mut Rows, now: Time, by: &Actor, change: Change) {
        self.action_n += 1;
        let n = self.action_n;
        rows.actions.push(UserAction {
            id: stdx::id::uuid_v8(now, &[&self.id, "action", &n.to_string()]),
            case: self.id.clone(),
            space: self.space.clone(),
            n,
            kind: change.kind.into(),
            action: change.action.into(),
            payload: change.payload,
            before: change.before,
            owner: self.owner.clone(),
            comment: change.comment,
            by: by.clone(),
            at: now,
        });
    }
    /// Refuses when `more` user actions do not fit.
    pub(crate) fn room_for_actions(&self, more: u64) -> Result<(), Refusal> {
        if self.action_n + more > ACTIONS_MAX {
            return Err(invalid(format!(
                "The case with case id {} has reached the limit of {ACTIONS_MAX} user actions.",
                self.id
            )));
        }
        Ok(())
    }
}

/// What a user action says.
pub(crate) struct Change {
    /// `type`.
    pub kind: &'static str,
    /// `action`.
    pub action: &'static str,
    /// `payload`.
    pub payload: Value,
    /// Value before.
    pub before: Value,
    /// Comment.
    pub comment: Option<Id>,
}

impl Change {
    /// An `update` of one member.
    pub fn update(kind: &'static str, payload: Value, before: Value) -> Self {
        Self { kind, action: "update", payload, before, comment: None }
    }
}

/// The case, or Kibana's 404.
pub(crate) fn get<'a>(rows: &'a Rows, key: &SpaceId) -> Result<&'a Arc<Case>, Refusal> {
    rows.cases
        .get(key)
        .ok_or_else(|| Refusal::new(RefusalKind::NotFound, format!("Saved object [cases/{}] not found", key.1)))
}

/// The case object with all its attachments, oldest first.
pub(crate) fn with_comments(rows: &Rows, case: &Case) -> Value {
    case.to_api(Some(rows.attachments_of_case(&case.id).map(|a| a.to_api()).collect()))
}

/// Ids of the alerts attached to a case.
pub(crate) fn alert_ids(rows: &Rows, case: &Id) -> Vec<Id> {
    rows.attachments_of_case(case).flat_map(|a| Attachment::alert_ids(a)).collect()
}

/// Adds tags, keeping those the case has.
pub(crate) fn add_tags(
    rows: &mut Rows,
    now: Time,
    by: &Actor,
    key: &SpaceId,
    add: &[Arc<str>],
) -> Result<Value, Refusal> {
    let case = get(rows, key)?.clone();
    let given = Value::array(add.iter().cloned().map(Value::from));
    let add: Vec<_> = crate::check::words(&given, "tags", "tag", TAGS_MAX, TAG_CHARS_MAX)?
        .into_iter()
        .filter(|t| !case.tags.contains(t))
        .collect();
    if add.is_empty() {
        return Ok(case.to_api(Some(Vec::new())));
    }
    if case.tags.len() + add.len() > TAGS_MAX {
        return Err(invalid(format!(
            "The length of the field tags is too long. Array must be of length <= {TAGS_MAX}."
        )));
    }
    case.room_for_actions(1)?;
    let mut next = case.touched(now, by);
    let before = Value::array(case.tags.iter().cloned().map(Value::from));
    let payload = Value::object([("tags", Value::array(add.iter().cloned().map(Value::from)))]);
    next.tags.extend(add);
    next.act(rows, now, by, Change { kind: "tags", action: "add", payload, before, comment: None });
    let api = next.to_api(Some(Vec::new()));
    rows.cases.set(key.clone(), Some(next));
    Ok(api)
}

/// Deletes cases with everything that belongs to them; one missing id refuses all.
pub(crate) fn delete(rows: &mut Rows, now: Time, space: &Arc<str>, ids: &[Id]) -> Result<Value, Refusal> {
    if ids.is_empty() || ids.len() > DELETE_MAX {
        return Err(invalid(format!(
            "The length of the field ids is too long. Array must be of length <= {DELETE_MAX}."
        )));
    }
    for id in ids {
        get(rows, &(space.clone(), id.clone()))?;
    }
    let mut deleted = 0_u64;
    for id in ids {
        let key = (space.clone(), id.clone());
        if rows.cases.get(&key).is_none() {
            continue;
        }
        for alert in alert_ids(rows, id) {
            alert::link(rows, now, &(space.clone(), alert), id, false, None);
        }
        let attachments: Vec<_> = rows.attachments_of_case(id).map(|a| (a.case.clone(), a.n)).collect();
        for attachment in attachments {
            rows.attachments.set(attachment, None);
        }
        rows.cases.set(key.clone(), None);
        let actions = rows.actions.len();
        rows.erased.push((key, actions));
        deleted += 1;
    }
    Ok(Value::object([("deleted", Value::from(deleted))]))
}
