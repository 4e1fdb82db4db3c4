//! Alerts as Kibana's detection engine shows them: search, status, tags, assignees.
//!
//! Invariants: a change by query is a read and then commands in slices; answers have the envelopes of Elasticsearch.
//! Not here: transitions (`triage::alert`), the query language (`lang::dsl`), the queue of the page (`queue`).
//! Source: `reference/kibana-apis.md` §4.6.

use crate::alerts;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Id, Value};
use triage::Command;
use triage::command::ROWS_MAX;

/// Alerts of one request that changes them.
pub const CHANGE_MAX: usize = 10_000;

const READ: Access = Access::Needs("alerts:read");
const WRITE: Access = Access::Needs("alerts:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::read(Method::Post, "/api/detection_engine/signals/search", READ, "Searches alerts", h!(search)).detection(),
    Route::change(Method::Post, "/api/detection_engine/signals/status", WRITE, "Sets the status of alerts", h!(status))
        .detection(),
    Route::change(
        Method::Post,
        "/api/detection_engine/signals/tags",
        WRITE,
        "Adds and removes tags of alerts",
        h!(tags),
    )
    .detection(),
    Route::change(Method::Post, "/api/detection_engine/signals/assignees", WRITE, "Assigns alerts", h!(assignees))
        .detection(),
];

async fn search(cx: Ctx) -> Result<Reply> {
    let body = cx.json_or_empty()?;
    alerts::search(&cx, &body).await
}

/// Ids from a list of the body.
fn ids(body: &Json, key: &str) -> Result<Vec<Id>> {
    let items = body
        .get(key)
        .and_then(Json::as_array)
        .ok_or_else(|| ApiError::invalid(format!("[request body]: {key}: Required")))?;
    if items.is_empty() || items.len() > CHANGE_MAX {
        return Err(ApiError::invalid(format!(
            "[request body]: {key}: Array must contain 1 to {CHANGE_MAX} element(s)"
        )));
    }
    let text = |v: &Json| v.as_str().filter(|s| !s.is_empty()).map(Id::from);
    items
        .iter()
        .map(|v| {
            text(v).ok_or_else(|| ApiError::invalid(format!("[request body]: {key}: Expected string, received {v}")))
        })
        .collect()
}

fn words(body: &Json, path: [&str; 2]) -> Result<Vec<Arc<str>>> {
    let Some(items) = body.get(path[0]).and_then(|o| o.get(path[1])) else { return Ok(Vec::new()) };
    let wrong = || ApiError::invalid(format!("[request body]: {}.{}: Expected array of strings", path[0], path[1]));
    items.as_array().ok_or_else(wrong)?.iter().map(|v| v.as_str().map(Arc::from).ok_or_else(wrong)).collect()
}

/// The envelope of an update by query.
fn updated(total: usize, updated: u64, took_ms: u64) -> Reply {
    Reply::ok(json!({
        "took": took_ms, "timed_out": false, "total": total, "updated": updated, "deleted": 0, "batches": 1, "version_conflicts": 0,
        "noops": 0, "retries": {"bulk": 0, "search": 0}, "throttled_millis": 0, "requests_per_second": -1,
        "throttled_until_millis": 0, "failures": [],
    }))
}

/// Works the ids off in slices, all of them in one commit.
async fn change(cx: &Ctx, ids: &[Id], command: impl Fn(Vec<Id>) -> Command) -> Result<Reply> {
    let began = std::time::Instant::now();
    let commands = ids.chunks(ROWS_MAX).map(|slice| command(slice.to_vec())).collect();
    let results = cx.commands(commands).await?;
    let done = results.iter().filter_map(|r| r.get("updated").and_then(Value::as_i64)).sum::<i64>();
    let done = u64::try_from(done).unwrap_or(0);
    Ok(updated(
        usize::try_from(done).unwrap_or(0),
        done,
        u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    ))
}

async fn status(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let status: Arc<str> = match body.get("status").and_then(Json::as_str) {
        Some(status) => status.into(),
        None => return Err(ApiError::invalid("[request body]: status: Required")),
    };
    let reason: Option<Arc<str>> = match body.get("reason") {
        None | Some(Json::Null) => None,
        Some(Json::String(reason)) => Some(reason.as_str().into()),
        Some(_) => return Err(ApiError::invalid("[request body]: reason: Expected string")),
    };
    let ids = match (body.get("signal_ids"), body.get("query")) {
        (Some(_), _) => ids(&body, "signal_ids")?,
        (None, Some(query)) => alerts::matching(&cx, query, CHANGE_MAX).await?,
        (None, None) => return Err(ApiError::invalid("[request body]: signal_ids: Required, or `query`")),
    };
    if ids.is_empty() {
        return Ok(updated(0, 0, 0));
    }
    change(&cx, &ids, |ids| Command::AlertStatus { ids, status: status.clone(), reason: reason.clone() }).await
}

async fn tags(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = ids(&body, "ids")?;
    let (add, remove) = (words(&body, ["tags", "tags_to_add"])?, words(&body, ["tags", "tags_to_remove"])?);
    change(&cx, &ids, |ids| Command::AlertTags { ids, add: add.clone(), remove: remove.clone() }).await
}

async fn assignees(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let ids = ids(&body, "ids")?;
    let (add, remove) = (words(&body, ["assignees", "add"])?, words(&body, ["assignees", "remove"])?);
    change(&cx, &ids, |ids| Command::AlertAssignees { ids, add: add.clone(), remove: remove.clone() }).await
}
