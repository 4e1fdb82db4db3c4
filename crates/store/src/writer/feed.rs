//! The feed records of a commit, read off what it changed.
//!
//! Invariants: each changed thing stands once per commit; a run's progress without a change of its status is shown but not kept.

use crate::batch::{Batch, Mark};
use crate::commit::{Committed, FeedKind, FeedRecord};
use std::sync::Arc;
use stdx::{Id, Time, Value};

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

/// Collects the records of one commit into its result and, where they are kept, into the batch.
pub(super) fn collect(b: &mut Batch, mark: Mark, now: Time, out: &mut Committed) {
    let mut drafts: Vec<Draft> = Vec::new();
    let rows = mark.rows().tables;
    for ((space, id), was, is) in b.rows.alerts.changed(rows[0]) {
        drafts.push(Draft {
            topic: "alert",
            space: space.clone(),
            id: id.clone(),
            version: is.map_or(0, |a| a.version),
            kind: kind(was.is_some(), is.is_some()),
            changed: status_change("status", was.map(|a| a.status()), is.map(|a| a.status())),
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
            changed: status_change("status", was.map(|c| &*c.status), is.map(|c| &*c.status)),
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
        };
        if d.kept {
            b.feed.push(record.clone());
        }
        out.feed.push(record);
    }
}
