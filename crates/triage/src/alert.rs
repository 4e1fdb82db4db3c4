//! The alert: insertion, workflow status, tags, assignees, and the cases it belongs to.
//!
//! Invariants: only the `kibana.alert.workflow_*` and `case_ids` members change after creation; each change raises the version.
//! Source: `reference/kibana-apis.md` §2.11, §4.6; `reference/detection.md` §1.

use crate::command::{Command, ROWS_MAX, Refusal, RefusalKind};
use crate::rows::{Rows, SpaceId};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Most tags and most assignees of one alert.
pub const LABELS_MAX: usize = 200;
/// Most cases of one alert.
pub const CASES_MAX: usize = 10;
/// Longest closing reason in characters.
pub const REASON_CHARS_MAX: usize = 1024;

/// `kibana.alert.workflow_status`.
pub const STATUS: &str = "kibana.alert.workflow_status";
/// `kibana.alert.workflow_status_updated_at`.
pub const STATUS_AT: &str = "kibana.alert.workflow_status_updated_at";
/// `kibana.alert.workflow_reason`.
pub const REASON: &str = "kibana.alert.workflow_reason";
/// `kibana.alert.workflow_tags`.
pub const TAGS: &str = "kibana.alert.workflow_tags";
/// `kibana.alert.workflow_assignee_ids`.
pub const ASSIGNEES: &str = "kibana.alert.workflow_assignee_ids";
/// `kibana.alert.workflow_user`.
pub const USER: &str = "kibana.alert.workflow_user";
/// `kibana.alert.case_ids`.
pub const CASE_IDS: &str = "kibana.alert.case_ids";

/// An alert as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `kibana.alert.uuid`.
    pub id: Id,
    /// Space.
    pub space: Arc<str>,
    /// Concrete index.
    pub index: Arc<str>,
    /// Version, 1 at creation.
    pub version: u64,
    /// When it was stored.
    pub created: Time,
    /// Last change.
    pub updated: Time,
    /// The whole document, flat keys for `kibana.alert.*`.
    pub document: Value,
}

impl Alert {
    /// The workflow status; `open` where the document has none.
    pub fn status(&self) -> &str {
        self.document.field(STATUS).and_then(Value::as_str).unwrap_or("open")
    }
    fn strings(&self, field: &str) -> Vec<Arc<str>> {
        match self.document.field(field) {
            Some(Value::Array(a)) => a.iter().filter_map(|v| v.as_str().map(Arc::from)).collect(),
            Some(Value::Str(s)) => vec![s.clone()],
            _ => Vec::new(),
        }
    }
    /// Ids of the cases it is attached to.
    pub fn case_ids(&self) -> Vec<Arc<str>> {
        self.strings(CASE_IDS)
    }
    /// Its tags.
    pub fn tags(&self) -> Vec<Arc<str>> {
        self.strings(TAGS)
    }
    /// Uids of its assignees.
    pub fn assignees(&self) -> Vec<Arc<str>> {
        self.strings(ASSIGNEES)
    }
    fn put(&mut self, field: &str, value: Value) {
        if let Some(o) = self.document.object_mut() {
            o.insert(field, value);
        }
    }
    fn put_strings(&mut self, field: &str, list: Vec<Arc<str>>) {
        self.put(field, Value::array(list.into_iter().map(Value::from)));
    }
    fn touched(&self, now: Time) -> Self {
        Self { version: self.version + 1, updated: now, ..self.clone() }
    }
}

/// Checks a status word and gives the stored one: `in-progress` is the old name of `acknowledged`.
pub fn status_word(word: &str) -> Result<&'static str, Refusal> {
    match word {
        "open" => Ok("open"),
        "acknowledged" | "in-progress" => Ok("acknowledged"),
        "closed" => Ok("closed"),
        other => {
            Err(Refusal::new(RefusalKind::Invalid, format!("[request body]: status: Invalid alert status `{other}`")))
        }
    }
}

/// Changes of one alert that hold only while it has `version`.
pub fn decide(
    rows: &mut Rows,
    now: Time,
    space: &Arc<str>,
    user: &str,
    id: &Id,
    version: u64,
    commands: &[Command],
) -> Result<Value, Refusal> {
    let key = (space.clone(), id.clone());
    let found = rows.alerts.get(&key).map(|a| a.version);
    let Some(found) = found else {
        return Err(Refusal::new(RefusalKind::NotFound, format!("alert `{id}` not found")));
    };
    if found != version {
        return Err(Refusal::new(RefusalKind::Conflict, "the alert was changed in the meantime"));
    }
    let mut result = Value::Null;
    for command in commands {
        let own = match command {
            Command::AlertStatus { ids, .. } | Command::AlertTags { ids, .. } | Command::AlertAssignees { ids, .. } => {
                ids.iter().all(|i| i == id)
            }
            _ => false,
        };
        if !own {
            return Err(Refusal::new(RefusalKind::Invalid, "a decision changes its own alert only"));
        }
        result = apply(rows, now, space, user, command)?;
    }
    Ok(result)
}

/// Inserts an alert unless its id exists: `{inserted}`.
pub fn raise(rows: &mut Rows, now: Time, key: SpaceId, index: &Arc<str>, document: &Value) -> Result<Value, Refusal> {
    if document.as_object().is_none() {
        return Err(Refusal::new(RefusalKind::Invalid, "an alert's document must be an object"));
    }
    let there = rows.alerts_present.contains(&key) || rows.alerts.get(&key).is_some();
    if !there {
        let (space, id) = key.clone();
        rows.alerts.set(
            key,
            Some(Alert {
                id,
                space,
                index: index.clone(),
                version: 1,
                created: now,
                updated: now,
                document: document.clone(),
            }),
        );
    }
    Ok(Value::object([("inserted", Value::from(!there))]))
}

fn each(
    rows: &mut Rows,
    now: Time,
    space: &Arc<str>,
    ids: &[Id],
    mut change: impl FnMut(&mut Alert) -> bool,
) -> Result<Value, Refusal> {
    if ids.is_empty() || ids.len() > ROWS_MAX {
        return Err(Refusal::new(RefusalKind::Invalid, format!("the number of alert ids must be 1 to {ROWS_MAX}")));
    }
    let mut updated = 0_u64;
    let mut missing = Vec::new();
    let mut versions = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            continue;
        }
        let key = (space.clone(), id.clone());
        let Some(alert) = rows.alerts.get(&key) else {
            missing.push(Value::from(id.clone()));
            continue;
        };
        // Setting a value again counts as processed, but writes nothing.
        updated += 1;
        let mut next = alert.touched(now);
        let version = if change(&mut next) {
            let version = next.version;
            rows.alerts.set(key, Some(next));
            version
        } else {
            alert.version
        };
        versions.push(Value::object([("id", Value::from(id.clone())), ("version", Value::from(version))]));
    }
    Ok(Value::object([
        ("updated", Value::from(updated)),
        ("missing", Value::from(missing)),
        ("alerts", Value::from(versions)),
    ]))
}

fn set_status(alert: &mut Alert, now: Time, status: &str, reason: Option<&str>, by: Option<&str>) -> bool {
    let same_reason = alert.document.field(REASON).and_then(Value::as_str) == reason;
    if alert.status() == status && (status != "closed" || same_reason) {
        return false;
    }
    alert.put(STATUS, Value::from(status));
    alert.put(STATUS_AT, Value::from(now.iso()));
    if let Some(by) = by {
        alert.put(USER, Value::from(by));
    }
    if alert.document.get("signal.status").is_some() {
        alert.put("signal.status", Value::from(status));
    }
    match reason.filter(|_| status == "closed") {
        Some(reason) => alert.put(REASON, Value::from(reason)),
        None => {
            if let Some(o) = alert.document.object_mut() {
                o.remove(REASON);
            }
        }
    }
    true
}

fn add_remove(alert: &mut Alert, field: &str, add: &[Arc<str>], remove: &[Arc<str>]) -> bool {
    let before = alert.strings(field);
    let mut after: Vec<_> = before.iter().filter(|t| !remove.contains(t)).cloned().collect();
    for tag in add {
        if !after.contains(tag) && after.len() < LABELS_MAX {
            after.push(tag.clone());
        }
    }
    let changed = after != before;
    if changed {
        alert.put_strings(field, after);
    }
    changed
}

/// Works an alert command off.
pub fn apply(rows: &mut Rows, now: Time, space: &Arc<str>, by: &str, command: &Command) -> Result<Value, Refusal> {
    match command {
        Command::AlertStatus { ids, status, reason } => {
            let status = status_word(status)?;
            if let Some(reason) = reason {
                if status != "closed" {
                    return Err(Refusal::new(
                        RefusalKind::Invalid,
                        "a reason is only possible with the status `closed`",
                    ));
                }
                if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
                    return Err(Refusal::new(
                        RefusalKind::Invalid,
                        format!("the reason must have 1 to {REASON_CHARS_MAX} characters"),
                    ));
                }
            }
            each(rows, now, space, ids, |alert| set_status(alert, now, status, reason.as_deref(), Some(by)))
        }
        Command::AlertTags { ids, add, remove } => {
            if let Some(both) = add.iter().find(|t| remove.contains(t)) {
                return Err(Refusal::new(
                    RefusalKind::Invalid,
                    format!("Duplicate tags [\"{both}\"] were found in the tags_to_add and tags_to_remove parameters."),
                ));
            }
            each(rows, now, space, ids, |alert| add_remove(alert, TAGS, add, remove))
        }
        Command::AlertAssignees { ids, add, remove } => {
            if let Some(both) = add.iter().find(|t| remove.contains(t)) {
                return Err(Refusal::new(
                    RefusalKind::Invalid,
                    format!("Duplicate assignees [\"{both}\"] were found in the add and remove parameters."),
                ));
            }
            each(rows, now, space, ids, |alert| add_remove(alert, ASSIGNEES, add, remove))
        }
        _ => unreachable!("dispatched in `apply`"),
    }
}

/// The alert status that a case's status means: `in-progress` is `acknowledged`.
pub fn of_case_status(status: &str) -> &str {
    if status == "in-progress" { "acknowledged" } else { status }
}

/// Sets the status of alerts of a case; alerts that do not exist or have it already stay. Returns how many changed.
pub fn sync(rows: &mut Rows, now: Time, space: &Arc<str>, ids: &[Id], status: &str, reason: Option<&str>) -> u64 {
    let mut changed = 0;
    for id in ids {
        let key = (space.clone(), id.clone());
        let Some(alert) = rows.alerts.get(&key) else { continue };
        if alert.status() == status {
            continue;
        }
        let mut next = alert.touched(now);
        if set_status(&mut next, now, status, reason, None) {
            rows.alerts.set(key, Some(next));
            changed += 1;
        }
    }
    changed
}

/// Adds the case to, or removes it from, `kibana.alert.case_ids`; with `status` the alert takes that status in the same version.
pub fn link(rows: &mut Rows, now: Time, key: &SpaceId, case: &Id, linked: bool, status: Option<&str>) {
    let Some(alert) = rows.alerts.get(key) else { return };
    let mut next = alert.touched(now);
    let mut ids = next.case_ids();
    let before = ids.len();
    if linked {
        if !ids.iter().any(|i| **i == *case.0) && ids.len() < CASES_MAX {
            ids.push(case.0.clone());
        }
    } else {
        ids.retain(|i| **i != *case.0);
    }
    let mut changed = ids.len() != before;
    if changed {
        next.put_strings(CASE_IDS, ids);
    }
    if let Some(status) = status {
        changed |= next.status() != status && set_status(&mut next, now, status, None, None);
    }
    if changed {
        rows.alerts.set(key.clone(), Some(next));
    }
}
