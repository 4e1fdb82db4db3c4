//! How long ended runs are kept.
//!
//! Invariants: one setting for all spaces; the audit trail and what people answered are not touched by it.
//! Not here: removing (`store::writer::upkeep`).

use crate::auth::EVERYWHERE;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::json;
use stdx::{Id, Value};
use store::{Commit, EXECUTIONS_DAYS_DEFAULT, EXECUTIONS_DAYS_MAX, Noun, RETENTION, RecordChange};

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(
        Method::Get,
        "/api/watchfire/retention",
        Access::Needs("executions:read"),
        "Says how long ended runs are kept",
        h!(get),
    ),
    Route::change(
        Method::Put,
        "/api/watchfire/retention",
        Access::Needs("users:write"),
        "Sets how long ended runs are kept",
        h!(set),
    ),
];

async fn get(cx: Ctx) -> Result<Reply> {
    let record = cx.read(|r| r.record_get(Noun::Setting, EVERYWHERE, RETENTION))?;
    let days = record.and_then(|r| r.body.get("executions_days").and_then(Value::as_i64));
    Ok(Reply::ok(json!({"executions_days": days.unwrap_or(EXECUTIONS_DAYS_DEFAULT)})))
}

async fn set(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let days = body.get("executions_days").and_then(serde_json::Value::as_i64);
    let Some(days) = days.filter(|d| (1..=EXECUTIONS_DAYS_MAX).contains(d)) else {
        let text = format!("[request body.executions_days]: expected a number between 1 and {EXECUTIONS_DAYS_MAX}");
        return Err(ApiError::invalid(text));
    };
    let change = RecordChange {
        noun: Noun::Setting,
        space: EVERYWHERE.into(),
        id: Id::from(RETENTION),
        expect: None,
        body: Some(Value::object([("executions_days", Value::Int(days))])),
        by: cx.actor(),
        action: "retention.update".into(),
    };
    cx.state.engine.commit(Commit { now: cx.now, records: vec![change], ..Commit::default() }).await?;
    Ok(Reply::ok(json!({"executions_days": days})))
}
