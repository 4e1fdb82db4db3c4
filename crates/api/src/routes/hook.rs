//! Inbound webhooks: a delivery starts the workflow that declares its path.
//!
//! Invariants: the sender is known by its signature or token, never by a session; an unknown path and a wrong signature tell nothing else.
//! Not here: signatures, replay, dedupe (`engine::hooks`).
//! Source: `product.md` A2.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use axum::http::StatusCode;
use engine::hooks::{DELIVERY_BYTES_MAX, Delivery, HookError};
use serde_json::json;

/// Rows.
pub const ROUTES: &[Route] = &[Route::change(
    Method::Post,
    "/api/watchfire/hooks/{*path}",
    Access::Signed,
    "Takes a delivery for a webhook trigger",
    h!(deliver),
)
.body(DELIVERY_BYTES_MAX)];

async fn deliver(cx: Ctx) -> Result<Reply> {
    let headers = cx
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let query = cx.query.keys().filter_map(|k| Some((k.to_owned(), cx.query.get(k)?.to_owned()))).collect();
    let path = cx.param("path").to_owned();
    let delivery = Delivery { space: cx.space.clone(), path: &path, headers, query, body: &cx.body, now: cx.now };
    let taken = cx.state.engine.deliver(delivery).await.map_err(|error| match error {
        HookError::NoSuchPath(_) => ApiError::not_found(error.to_string()),
        HookError::NotKnown | HookError::Stale => ApiError::new(ErrorCode::Unauthorized, error.to_string()),
        HookError::Dedupe(_) => ApiError::invalid(error.to_string()),
        HookError::Store(_) => ApiError::new(ErrorCode::Unavailable, error.to_string()),
    })?;
    let body = json!({"executionId": taken.execution, "duplicate": taken.duplicate});
    Ok(Reply::ok(body).status(if taken.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED }))
}
