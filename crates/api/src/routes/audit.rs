//! The audit trail as a list, newest first.
//!
//! Invariants: reads only; an erased body is `null`.
//! Not here: verifying the chain (`store::audit`, offline).
//! Source: `docs/reference/ui-api.md` §10.

use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use crate::table::{Access, Method, Route, h};
use serde_json::{Value as Json, json};
use stdx::Id;
use store::{AuditFilter, AuditRow};

/// Entries of one page.
pub const SIZE_MAX: usize = 1_000;

/// Rows.
pub const ROUTES: &[Route] =
    &[Route::read(Method::Get, "/api/watchfire/audit", Access::Needs("audit:read"), "Lists the audit trail", h!(list))];

fn wire(entry: &AuditRow) -> Json {
    json!({
        "seq": entry.seq, "link": entry.link, "at": entry.at.iso(), "actor": entry.by.user, "channel": entry.by.channel,
        "execution": entry.by.execution, "step": entry.by.step, "action": entry.action,
        "of": format!("{} {}", entry.of.0, entry.of.1), "noun": entry.of.0, "id": entry.of.1,
        "body": entry.body.as_ref().map(Json::from),
    })
}

async fn list(cx: Ctx) -> Result<Reply> {
    let size = cx.query.number("size", 100, 1, SIZE_MAX)?;
    let before = match cx.query.get("cursor") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| ApiError::invalid("[request query.cursor]: not a cursor of this list"))?)
        }
    };
    let of = match (cx.query.get("noun"), cx.query.get("id")) {
        (Some(noun), Some(id)) => Some((noun.into(), Id::from(id))),
        (None, None) => None,
        _ => return Err(ApiError::invalid("[request query]: `noun` and `id` go together")),
    };
    let filter = AuditFilter {
        of,
        action: cx.query.get("action").map(Into::into),
        user: cx.query.get("user").map(Into::into),
        before,
        limit: size as u64,
    };
    let entries = cx.read(|r| r.audit_list(&filter))?;
    let cursor = entries.last().filter(|_| entries.len() == size).map(|e| e.seq.to_string());
    Ok(Reply::ok(json!({"entries": entries.iter().map(wire).collect::<Vec<_>>(), "cursor": cursor})))
}
