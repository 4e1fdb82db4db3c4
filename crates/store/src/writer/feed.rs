//! The feed records of a commit, read off what it changed.
//!
//! Invariants: each changed thing stands once per commit; a run's progress without a change of its status is shown but not kept.

use crate::batch::{Batch, Mark};
use crate::commit::{Committed, FeedKind, FeedRecord};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// `{enabled, was}` where a document was switched on or off.
fn enabled_change(was: Option<&Value>, is: Option<&Value>) -> Value {
    let flag = |v: Option<&Value>| v.and_then(|v| v.get("enabled")).and_then(Value::as_bool);
    match (flag(was), flag(is)) {
        (Some(was), Some(is)) if was != is => Value::object([("enabled", Value::Bool(is)), ("was", Value::Bool(was))]),
        _ => Value::Null,
    }
}

struct Draft {
    topic: &'static str,
    space: Arc<str>,
    id: Id,
    version: u64,
    kind: FeedKind,
    changed: Value,
    kept: bool,
}

const fn kind(before: bool, after: bool) -> FeedKind {
    match (before, after) {
        (false, _) => FeedKind::Created,
        (true, true) => FeedKind::Updated,
        (true, false) => FeedKind::Deleted,
    }
}

fn status_change(key: &'static str, was: Option<&str>, is: Option<&str>) -> Value {
    match (was, is) {
        (Some(was), Some(is)) if was != is => Value::object([(key, Value::from(is)), ("was", Value::from(was))]),
        (None, Some(is)) => Value::object([(key, Value::from(is))]),
        _ => Value::Null,
    }
}

/// Who changed something: user and, where it was a run, the run.
pub(super) type Changer = (Arc<str>, Option<Id>);

/// What changed of a case besides its status, for those who listen to it: owner, names of fields, comments, attachments by type.
fn case_changes(b: &Batch, mark: Mark, space: &Arc<str>, case: &Id, changed: Value) -> Value {
    let actions = b.rows.actions[mark.rows().lists[0]..].iter().filter(|a| a.case == *case && a.space == *space);
    let (mut fields, mut comments, mut attached): (Vec<Value>, Vec<Value>, Vec<(Arc<str>, Vec<Value>)>) =
        Default::default();
    let mut owner = None;
    for a in actions {
        owner = Some(a.owner.clone());
        match (&*a.kind, &*a.action) {
            ("comment", "create") => {
                let id = Value::from(a.comment.clone());
                let kind =
                    a.payload.get("comment").and_then(|c| c.get("type")).and_then(Value::as_str).unwrap_or("user");
                if kind == "user" {
                    comments.push(id.clone());
                }
                match attached.iter_mut().find(|(k, _)| **k == *kind) {
                    Some((_, ids)) => ids.push(id),
                    None => attached.push((kind.into(), vec![id])),
                }
            }
            ("create_case" | "delete_case" | "comment", _) => {}
            (field, _) => fields.push(field.into()),
        }
    }
    let mut object = changed.as_object().cloned().unwrap_or_default();
    let mut put = |key: &str, list: Vec<Value>| {
        if !list.is_empty() {
            object.insert(key, Value::array(list));
        }
    };
    put("fields", fields);
    put("comments", comments);
    let of_kind =
        |(kind, ids): (Arc<str>, Vec<Value>)| Value::object([("type", Value::from(kind)), ("ids", Value::array(ids))]);
    put("attached", attached.into_iter().map(of_kind).collect());
    if let Some(owner) = owner {
        object.insert("owner", owner);
    }
    if object.is_empty() { Value::Null } else { Value::from(object) }
}

/// What changed of an alert: its status, and whether its tags or assignees did.
fn alert_changes(was: Option<&Arc<triage::Alert>>, is: Option<&Arc<triage::Alert>>) -> Value {
    let changed = status_change("status", was.map(|a| a.status()), is.map(|a| a.status()));
    let (Some(was), Some(is)) = (was, is) else { return changed };
    let mut object = changed.as_object().cloned().unwrap_or_default();
    if was.tags() != is.tags() {
        object.insert("tags", Value::array(is.tags().into_iter().map(Value::from)));
    }
    if was.assignees() != is.assignees() {
        object.insert("assignees", Value::array(is.assignees().into_iter().map(Value::from)));
    }
    if object.is_empty() { Value::Null } else { Value::from(object) }
}

/// Collects the records of one commit into its result and, where they are kept, into the batch.
pub(super) fn collect(b: &mut Batch, mark: Mark, now: Time, by: &Changer, out: &mut Committed) {
    let mut drafts: Vec<Draft> = Vec::new();
    let rows = mark.rows().tables;
    for ((space, id), was, is) in b.rows.alerts.changed(rows[0]) {
        drafts.push(Draft {
            topic: "alert",
            space: space.clone(),
            id: id.clone(),
            version: is.map_or(0, |a| a.version),
            kind: kind(was.is_some(), is.is_some()),
            changed: alert_changes(was, is),
            kept: true,
        });
    }
    for ((space, id), was, is) in b.rows.cases.changed(rows[1]) {
        drafts.push(Draft {
            topic: "case",
            space: space.clone(),
            id: id.clone(),
            version: is.map_or(0, |c| c.version),
            kind: kind(was.is_some(), is.is_some()),
            changed: case_changes(
                b,
                mark,
                space,
                id,
                status_change("status", was.map(|c| &*c.status), is.map(|c| &*c.status)),
            ),
            kept: true,
        });
    }
    for (id, was, is) in b.rows.questions.changed(rows[3]) {
        let Some(row) = is else { continue };
        drafts.push(Draft {
            topic: "question",
            space: row.question.space.clone(),
            id: id.clone(),
            version: row.version,
            kind: kind(was.is_some(), true),
            changed: status_change("state", was.map(|q| q.state.as_str()), Some(row.state.as_str())),
            kept: true,
        });
    }
    for (id, was, is) in b.runs.changed(mark.runs()) {
        let Some(run) = is else { continue };
        let changed = status_change("status", was.map(|r| r.status.as_str()), Some(run.status.as_str()));
        let progress = was.is_some_and(|w| w.facts != run.facts);
        if changed.is_null() && !progress {
            continue;
        }
        drafts.push(Draft {
            topic: "execution",
            space: run.space.clone(),
            id: id.clone(),
            version: run.facts,
            kind: kind(was.is_some(), true),
            kept: !changed.is_null(),
            changed,
        });
    }
    for ((noun, space, id), was, is) in b.records.changed(mark.records()) {
        drafts.push(Draft {
            topic: noun.as_str(),
            space: space.clone(),
            id: id.clone(),
            version: is.map_or(0, |r| r.version),
            kind: kind(was.is_some(), is.is_some()),
            changed: enabled_change(was.map(|r| &r.body), is.map(|r| &r.body)),
            kept: true,
        });
    }
    for (_, _, change) in &b.envelope[mark.envelope()..] {
        drafts.push(Draft {
            topic: "envelope",
            space: change.space().clone(),
            id: Id(change.space().clone()),
            version: 0,
            kind: FeedKind::Updated,
            changed: Value::Null,
            kept: true,
        });
    }
    for (i, d) in drafts.into_iter().enumerate() {
        let mut n = 0;
        if d.kept {
            b.feed_n += 1;
            n = b.feed_n;
        }
        let record = FeedRecord {
            n,
            at: now,
            commit: out.number,
            index: i as u32,
            topic: d.topic.into(),
            space: d.space,
            id: d.id,
            version: d.version,
            kind: d.kind,
            changed: d.changed,
            execution: by.1.clone(),
            by: by.0.clone(),
        };
        if d.kept {
            b.feed.push(record.clone());
        }
        out.feed.push(record);
    }
}
