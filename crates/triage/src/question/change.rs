//! Answers with conditions: changed parameters, which are frozen and shown again under a new hash.
//!
//! Invariants: a change approves nothing; every answer given before is void, and kept in the history; only the request's members change,
//! never step, operation, class, connector, target or secrets; who changes must be one who may answer, and where nobody involved may
//! answer, is involved from then on.
//! Not here: whether the parameters fit the action's schema (`workflow::change`).
//! Source: `design/engine.md` §8.

use super::policy::{Before, Remark, RemarkKind};
use super::{COMMENT_CHARS_MAX, QuestionKind, QuestionRow, QuestionState, conflict, frozen_hash, get};
use crate::actor::Actor;
use crate::command::{Refusal, RefusalKind};
use crate::rows::Rows;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stdx::{Id, Time, Value};

/// Changes of one question at most.
pub const CHANGES_MAX: usize = 20;
/// Bytes of one changed request at most.
pub const CHANGED_BYTES_MAX: usize = 256 * 1024;
/// Nesting that is looked into.
const DEPTH_MAX: usize = 64;
/// How the text begins that stands where a secret was.
const SECRET: &str = "[secret:";

/// New parameters of one frozen action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Number of the action, from 1.
    pub index: u32,
    /// The whole request, literally.
    pub request: Value,
}

/// What somebody asks to change.
pub(crate) struct Wanted<'a> {
    /// Hash that the person saw.
    pub hash: &'a str,
    /// New requests.
    pub actions: &'a [Changed],
    /// Why.
    pub comment: &'a Arc<str>,
}

/// True where a request can be changed: an object that has no secret inside.
pub fn changeable(request: &Value) -> bool {
    matches!(request, Value::Object(_)) && !holds_secret(request, 0)
}

fn holds_secret(value: &Value, depth: usize) -> bool {
    match value {
        _ if depth > DEPTH_MAX => true,
        Value::Str(text) => text.contains(SECRET),
        Value::Array(list) => list.iter().any(|v| holds_secret(v, depth + 1)),
        Value::Object(o) => o.iter().any(|(_, v)| holds_secret(v, depth + 1)),
        _ => false,
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message)
}

/// Freezes new parameters: another hash, no answers.
pub(crate) fn change(rows: &mut Rows, now: Time, by: &Actor, id: &Id, wanted: &Wanted<'_>) -> Result<Value, Refusal> {
    let row = get(rows, id)?;
    let q = &row.question;
    if row.state != QuestionState::Open {
        return Err(conflict(format!("approval `{id}` is already {}", row.state.as_str())));
    }
    if q.expires_at.is_some_and(|at| now >= at) {
        return Err(conflict(format!("approval `{id}` is expired")));
    }
    if q.kind != QuestionKind::Question {
        return Err(invalid(format!("approval `{id}` guards nothing that could be changed")));
    }
    if *wanted.hash != *q.hash {
        return Err(conflict(format!("the hash of approval `{id}` is another one: what would run has changed")));
    }
    if let Some(why) = row.may_not(&by.user, rows.person(&by.user), now) {
        return Err(Refusal::new(RefusalKind::Forbidden, format!("{why}, so they cannot change what will run")));
    }
    if !(1..=COMMENT_CHARS_MAX).contains(&wanted.comment.trim().chars().count()) {
        return Err(invalid(format!("a change says why in 1 to {COMMENT_CHARS_MAX} characters")));
    }
    if row.changes() >= CHANGES_MAX {
        return Err(invalid(format!("a question is changed at most {CHANGES_MAX} times; reject it")));
    }
    let mut next = QuestionRow::clone(&row);
    let mut before = Vec::new();
    for new in wanted.actions {
        let at = (new.index as usize).checked_sub(1).filter(|i| *i < q.actions.len());
        let at = at.ok_or_else(|| invalid(format!("there is no action {}", new.index)))?;
        let old = &q.actions[at];
        if before.iter().any(|(i, _)| *i == new.index) {
            return Err(invalid(format!("action {} is changed twice", new.index)));
        }
        if !changeable(&old.request) || !changeable(&new.request) {
            let why = "it is no object, or a secret is inside";
            return Err(invalid(format!("action {} (`{}`) cannot be changed: {why}", new.index, old.step)));
        }
        if stdx::json::text(&new.request).len() > CHANGED_BYTES_MAX {
            return Err(invalid(format!("a changed request has at most {CHANGED_BYTES_MAX} bytes")));
        }
        if new.request != old.request {
            before.push((new.index, old.clone()));
            next.question.actions[at].request = new.request.clone();
        }
    }
    if before.is_empty() {
        return Err(Refusal::new(RefusalKind::Unchanged, "nothing would run otherwise than it is asked"));
    }
    next.question.hash = frozen_hash(&next.question.actions).into();
    let policy = &mut next.question.policy;
    if policy.forbid_self && !policy.involved.contains(&by.user) {
        policy.involved.push(by.user.clone());
    }
    let before = Before { hash: q.hash.clone(), actions: before, answers: std::mem::take(&mut next.answers) };
    next.remarks.push(Remark {
        by: by.clone(),
        at: now,
        kind: RemarkKind::Change,
        to: None,
        text: Some(wanted.comment.trim().into()),
        before: Some(Box::new(before)),
    });
    next.version += 1;
    let value = next.to_value();
    rows.questions.set(id.clone(), Some(next));
    Ok(value)
}

impl QuestionRow {
    /// How often what will run was changed.
    pub fn changes(&self) -> usize {
        self.remarks.iter().filter(|r| r.kind == RemarkKind::Change).count()
    }
}

#[cfg(test)]
mod tests;
