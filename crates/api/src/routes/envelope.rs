//! The containment envelope: halts, never-touch lists, caps, levels, and what workflows in the shadow would have done.
//!
//! Invariants: a run changes nothing here, whoever started it; who may answer approvals may halt, lifting needs a privilege of its own; each
//! change has its audit entry.
//! Not here: what they hold back (`engine::envelope`).
//! Source: `design/engine.md` §9.

use crate::commit::Put;
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use engine::envelope::{Limits, SETTING, WINDOW};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Id, Value};
use store::envelope::NEVER_TOUCH_MAX;
use store::{AuditFilter, Commit, EnvelopeChange, Noun};

/// Characters of a reason, a kind or a value at most.
pub const TEXT_CHARS_MAX: usize = 500;
/// Attempts and records of the shadow that one answer names at most.
pub const LISTED_MAX: u64 = 1_000;

const READ: Access = Access::Needs("approvals:read");
const HALT: Access = Access::Needs("approvals:decide");
const WRITE: Access = Access::Needs("envelope:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(
        Method::Get,
        "/api/watchfire/envelope",
        READ,
        "Shows halts, never-touch lists, caps and levels",
        h!(get),
    ),
    Route::change(Method::Put, "/api/watchfire/envelope", WRITE, "Sets caps, waits and levels", h!(set)),
    Route::read(
        Method::Get,
        "/api/watchfire/envelope/shadow",
        READ,
        "Lists what workflows in the shadow would have done, and whether people agreed",
        h!(shadow),
    ),
    Route::change(Method::Post, "/api/watchfire/halt", HALT, "Stops every unsent destructive effect", h!(halt)),
    Route::change(Method::Delete, "/api/watchfire/halt", WRITE, "Lifts a halt", h!(lift)),
    Route::change(
        Method::Post,
        "/api/watchfire/never-touch",
        WRITE,
        "Adds an entry to the never-touch list",
        h!(touch_not),
    ),
    Route::change(
        Method::Delete,
        "/api/watchfire/never-touch",
        WRITE,
        "Removes an entry of the never-touch list",
        h!(touch),
    ),
];

/// A run that could lift a halt would be none.
fn by_person(cx: &Ctx) -> Result<()> {
    match cx.principal.via {
        crate::auth::Via::Run { .. } => {
            Err(ApiError::new(ErrorCode::Forbidden, "a run cannot change the envelope it runs in; a person must"))
        }
        _ => Ok(()),
    }
}

/// The space that is meant: that of the path, or all with `everywhere`.
fn space(cx: &Ctx, everywhere: bool) -> Arc<str> {
    if everywhere { "*".into() } else { cx.space.clone() }
}

fn text(body: &Json, key: &str) -> Result<Option<Arc<str>>> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(t)) if t.trim().is_empty() => Ok(None),
        Some(Json::String(t)) if t.chars().count() <= TEXT_CHARS_MAX => Ok(Some(t.trim().into())),
        Some(Json::String(_)) => {
            Err(ApiError::invalid(format!("[request body.{key}]: at most {TEXT_CHARS_MAX} characters")))
        }
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [string]"))),
    }
}

fn needed(body: &Json, key: &str) -> Result<Arc<str>> {
    text(body, key)?.ok_or_else(|| ApiError::invalid(format!("[request body.{key}]: expected value of type [string]")))
}

fn flag(body: &Json, key: &str) -> Result<bool> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::Bool(b)) => Ok(*b),
        Some(_) => Err(ApiError::invalid(format!("[request body.{key}]: expected value of type [boolean]"))),
    }
}

async fn change(cx: &Ctx, change: EnvelopeChange) -> Result<Reply> {
    by_person(cx)?;
    let commit = Commit { now: cx.now, envelope: vec![(cx.actor(), change)], ..Commit::default() };
    cx.state.engine.commit(commit).await?;
    Ok(Reply::ok(show(cx)?))
}

fn show(cx: &Ctx) -> Result<Json> {
    let halts = cx.read(|r| r.halt_list())?;
    let halts: Vec<_> = halts
        .iter()
        .filter(|h| *h.space == *cx.space || &*h.space == "*")
        .map(|h| json!({"space": h.space, "at": h.at.iso(), "by": h.by, "reason": h.reason}))
        .collect();
    let never: Vec<_> = cx
        .read(|r| r.never_touch_list(&cx.space))?
        .into_iter()
        .map(|(kind, value, reason)| json!({"kind": kind, "value": value, "reason": reason}))
        .collect();
    let stored = cx.read(|r| r.record_get(Noun::Setting, &cx.space, SETTING))?;
    let limits = match &stored {
        Some(record) => Json::from(&record.body),
        None => serde_json::to_value(Limits::default()).unwrap_or_default(),
    };
    let attempts = cx.read(|r| r.attempts_since(cx.now - WINDOW, LISTED_MAX))?;
    let attempts: Vec<_> = attempts
        .iter()
        .filter(|a| a.space == cx.space)
        .map(|a| {
            json!({"at": a.at.iso(), "action": a.operation, "target": a.target, "workflow": a.workflow,
                   "execution": a.execution, "step": a.step})
        })
        .collect();
    let held = cx.state.engine.figures().calls_held.load(std::sync::atomic::Ordering::Relaxed);
    Ok(json!({
        "halted": !halts.is_empty(), "halts": halts, "never_touch": never, "limits": limits,
        "attempts_last_hour": attempts, "held": held, "quarantined": cx.state.engine.quarantined(),
    }))
}

async fn get(cx: Ctx) -> Result<Reply> {
    Ok(Reply::ok(show(&cx)?))
}

async fn set(cx: Ctx) -> Result<Reply> {
    by_person(&cx)?;
    let body = Value::from(cx.json()?);
    let limits = Limits::from_value(&body).map_err(|why| ApiError::invalid(format!("[request body]: {why}")))?;
    let put = Put {
        noun: Noun::Setting,
        id: Id::from(SETTING),
        expect: None,
        body: Some(stdx::json::to_value(&limits)),
        action: "envelope.update",
    };
    cx.commit(Vec::new(), vec![put]).await?;
    Ok(Reply::ok(show(&cx)?))
}

async fn halt(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    let space = space(&cx, flag(&body, "everywhere")?);
    change(&cx, EnvelopeChange::Halt { space, reason: text(&body, "reason")? }).await
}

async fn lift(cx: Ctx) -> Result<Reply> {
    let space = space(&cx, cx.query.flag("everywhere")?.unwrap_or(false));
    change(&cx, EnvelopeChange::Lift { space }).await
}

async fn touch_not(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let listed = cx.read(|r| r.never_touch_list(&cx.space))?;
    if listed.len() as u64 >= NEVER_TOUCH_MAX {
        return Err(ApiError::invalid(format!("the never-touch list has at most {NEVER_TOUCH_MAX} entries")));
    }
    let (kind, value) = (needed(&body, "kind")?, needed(&body, "value")?);
    let entry = EnvelopeChange::NeverTouch { space: cx.space.clone(), kind, value, reason: text(&body, "reason")? };
    change(&cx, entry).await
}

async fn touch(cx: Ctx) -> Result<Reply> {
    let asked = |key: &str| {
        let given = cx.query.get(key).filter(|v| !v.is_empty());
        given
            .map(Arc::from)
            .ok_or_else(|| ApiError::invalid(format!("[request query.{key}]: expected value of type [string]")))
    };
    let (kind, value): (Arc<str>, Arc<str>) = (asked("kind")?, asked("value")?);
    let listed = cx.read(|r| r.never_touch_list(&cx.space))?;
    if !listed.iter().any(|(k, v, _)| **k == *kind && **v == *value) {
        return Err(ApiError::not_found(format!("`{value}` is not on the never-touch list")));
    }
    change(&cx, EnvelopeChange::MayTouch { space: cx.space.clone(), kind, value }).await
}

/// What was not sent, newest first, and how people answered the questions that were asked about it: what a promotion rests on.
async fn shadow(cx: Ctx) -> Result<Reply> {
    let of = cx.query.get("workflow").map(|id| (Arc::from("workflow"), Id::from(id)));
    let filter = AuditFilter { of, action: Some("effect.shadow".into()), limit: LISTED_MAX, ..AuditFilter::default() };
    let entries = cx.read(|r| r.audit_list(&filter))?;
    let mut records = Vec::new();
    let mut sums: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.space == cx.space) {
        let body = entry.body.as_ref();
        let member = |key: &str| body.and_then(|b| b.get(key)).map_or(Json::Null, Json::from);
        let approval = body.and_then(|b| b.get("approval")).and_then(Value::as_str);
        let state = match approval {
            Some(id) => cx.read(|r| r.question_get(id))?.map(|q| q.state.as_str()),
            None => None,
        };
        let sum = sums.entry(entry.of.1.to_string()).or_default();
        sum[0] += 1;
        match state {
            Some("approved") => sum[1] += 1,
            Some("rejected") => sum[2] += 1,
            _ => sum[3] += 1,
        }
        records.push(json!({
            "at": entry.at.iso(), "workflow": entry.of.1, "execution": entry.by.execution, "step": entry.by.step,
            "action": member("operation"), "target": member("target"), "request": member("request"),
            "approval": approval, "decision": state,
        }));
    }
    let workflows: Vec<_> = sums
        .into_iter()
        .map(|(id, [calls, approved, rejected, unanswered])| {
            let answered = approved + rejected;
            let agreement = (answered > 0).then(|| approved as f64 / answered as f64);
            json!({"workflow": id, "calls": calls, "approved": approved, "rejected": rejected,
                   "unanswered": unanswered, "agreement": agreement})
        })
        .collect();
    Ok(Reply::ok(json!({"records": records, "workflows": workflows})))
}
