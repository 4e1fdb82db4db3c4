//! Comments and other attachments of a case.
//!
//! Invariants: answers of changes carry the whole case with all attachments, oldest first.
//! Not here: validation and transitions (`triage::comment`).
//! Source: `reference/kibana-apis.md` §2.9.

use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::ids;
use crate::routes::case::{comments, load, paging};
use crate::table::{Access, Method, Route, h};
use serde_json::json;
use stdx::{Id, Value};
use triage::Command;

/// Attachments of one bulk request.
pub const BULK_MAX: usize = 100;

const READ: Access = Access::Needs("cases:read");
const WRITE: Access = Access::Needs("cases:write");

/// Rows.
pub const ROUTES: &[Route] = &[
    Route::change(Method::Post, "/api/cases/{id}/comments", WRITE, "Adds a comment or alerts to a case", h!(add)),
    Route::change(Method::Patch, "/api/cases/{id}/comments", WRITE, "Changes a comment", h!(patch)),
    Route::change(Method::Delete, "/api/cases/{id}/comments", WRITE, "Deletes all comments of a case", h!(delete_all)),
    Route::read(Method::Get, "/api/cases/{id}/comments", READ, "Lists the comments of a case", h!(list)),
    Route::read(Method::Get, "/api/cases/{id}/comments/_find", READ, "Finds the comments of a case", h!(find)),
    Route::read(Method::Get, "/api/cases/{id}/comments/{comment}", READ, "Gets a comment", h!(get)),
    Route::change(Method::Delete, "/api/cases/{id}/comments/{comment}", WRITE, "Deletes a comment", h!(delete)),
    Route::change(
        Method::Post,
        "/internal/cases/{id}/attachments/_bulk_create",
        WRITE,
        "Adds many attachments",
        h!(bulk_create),
    ),
];

/// Alerts may come with their id alone: the index is then the alias of the space.
fn with_defaults(mut body: Value) -> Value {
    if body.get("type").and_then(Value::as_str) != Some("alert") {
        return body;
    }
    let ids = match body.get("alertId") {
        Some(Value::Array(ids)) => ids.len(),
        Some(_) => 1,
        None => 0,
    };
    if body.get("index").is_none()
        && let Some(object) = body.object_mut()
    {
        object.insert("index", Value::array((0..ids).map(|_| Value::from(crate::ALERTS_ALIAS))));
    }
    body
}

async fn add(cx: Ctx) -> Result<Reply> {
    let body = with_defaults(Value::from(cx.json()?));
    let case = Id::from(cx.param("id"));
    let case = cx.command(Command::CommentAdd { case, id: ids::uuid(), body }).await?;
    Ok(Reply::value(&case))
}

async fn bulk_create(cx: Ctx) -> Result<Reply> {
    let body = cx.json()?;
    let items = body.as_array().ok_or_else(|| ApiError::invalid("[request body]: expected an array"))?;
    if items.len() > BULK_MAX {
        return Err(ApiError::invalid(format!(
            "The length of the field attachments is too long. Array must be of length <= {BULK_MAX}."
        )));
    }
    let case = Id::from(cx.param("id"));
    load(&cx, &case)?;
    let add = |body: &serde_json::Value| Command::CommentAdd {
        case: case.clone(),
        id: ids::uuid(),
        body: with_defaults(Value::from(body.clone())),
    };
    let mut results = cx.commands(items.iter().map(add).collect()).await?;
    match results.pop() {
        Some(case) => Ok(Reply::value(&case)),
        None => Ok(Reply::value(&load(&cx, &case)?.to_api(Some(comments(&cx, &case)?)))),
    }
}

async fn patch(cx: Ctx) -> Result<Reply> {
    let body = Value::from(cx.json()?);
    let case = cx.command(Command::CommentPatch { case: Id::from(cx.param("id")), body }).await?;
    Ok(Reply::value(&case))
}

async fn delete(cx: Ctx) -> Result<Reply> {
    let (case, comment) = (Id::from(cx.param("id")), Id::from(cx.param("comment")));
    cx.command(Command::CommentDelete { case, comment }).await?;
    Ok(Reply::no_content())
}

async fn delete_all(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?.id;
    let all = cx.read(|r| r.comment_list(&case))?;
    if all.is_empty() {
        return Err(ApiError::not_found(format!("No comments found for {case}.")));
    }
    let delete = |a: &triage::Attachment| Command::CommentDelete { case: case.clone(), comment: a.id.clone() };
    cx.commands(all.iter().map(delete).collect()).await?;
    Ok(Reply::no_content())
}

async fn list(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?.id;
    let all = Value::array(comments(&cx, &case)?);
    Ok(Reply::value(&all).header("warning", "299 Watchfire-9.4.0 \"use _find\""))
}

async fn find(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?.id;
    let (page, size) = paging(&cx)?;
    let mut all = comments(&cx, &case)?;
    if cx.query.get("sortOrder") != Some("asc") {
        all.reverse();
    }
    let total = all.len();
    let shown: Vec<_> =
        all.into_iter().skip((page - 1).saturating_mul(size)).take(size).map(|c| serde_json::Value::from(&c)).collect();
    Ok(Reply::ok(json!({"comments": shown, "page": page, "per_page": size, "total": total})))
}

async fn get(cx: Ctx) -> Result<Reply> {
    let case = load(&cx, cx.param("id"))?.id;
    let id = cx.param("comment");
    let found = cx.read(|r| r.comment_get(&case, id))?;
    found
        .map(|a| Reply::value(&a.to_api()))
        .ok_or_else(|| ApiError::not_found(format!("This comment {id} does not exist anymore.")))
}
