//! `_update` of an alert's workflow fields over the Elasticsearch API: a command, not a write.
//!
//! Invariants: only `kibana.alert.workflow_status` and `kibana.alert.workflow_tags` can be changed; everything else is refused.
//! Source: `design/engine.md` §5 *Ids*.

use super::wire::{answer, blocking, store};
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use event::Scalar;
use serde_json::json;
use std::sync::Arc;
use stdx::{Id, Value};
use triage::Command;

const STATUS: &str = "kibana.alert.workflow_status";
const TAGS: &str = "kibana.alert.workflow_tags";

/// `POST /.alerts-…/_update/{id}`.
pub(super) async fn update(cx: Ctx, name: String) -> Result<Reply> {
    let body = super::bulk::update(&cx.body).map_err(|why| ApiError::invalid(why).kind("x_content_parse_exception"))?;
    let id = Id::from(cx.param("id"));
    let (index, of, at) = (store(&cx).clone(), name.clone(), id.clone());
    let current = blocking(move || match index.get(&of, &at) {
        Err(index::Error::NoSuchIndex(_)) => Ok(None),
        other => Ok(other?),
    })
    .await?;
    let current = current.and_then(|d| stdx::json::parse_slice(&d.source).ok());
    let current = current
        .ok_or_else(|| ApiError::not_found(format!("[{id}]: document missing")).kind("document_missing_exception"))?;
    let commands = commands(body.doc.as_ref(), &current, &id, &cx)?;
    cx.commands(commands).await?;
    Ok(answer(
        &cx,
        json!({"_index": name, "_id": &*id, "result": "updated", "_shards": {"total": 1, "successful": 1, "failed": 0}}),
    ))
}

fn commands(doc: Option<&Value>, current: &Value, id: &Id, cx: &Ctx) -> Result<Vec<Command>> {
    let mut out = Vec::new();
    let event = crate::kql::event(doc.unwrap_or(&Value::Null), None, "");
    let user = &cx.principal.user;
    crate::serve::require(&cx.principal, "alerts:write")?;
    let mut wanted: Vec<Arc<str>> = Vec::new();
    let mut tagged = false;
    for (path, leaf) in event.leaves() {
        match (path, leaf) {
            (STATUS, Scalar::Str(s)) => {
                out.push(Command::AlertStatus { ids: vec![id.clone()], status: s.into(), reason: None })
            }
            (TAGS, Scalar::Str(t)) => {
                tagged = true;
                wanted.push(t.into());
            }
            (field, _) => {
                let message = format!(
                    "action [indices:data/write/update] is unauthorized for user [{user}]: the field [{field}] of an alert cannot be changed"
                );
                return Err(ApiError::new(ErrorCode::Forbidden, message).kind("security_exception"));
            }
        }
    }
    if tagged {
        let before: Vec<Arc<str>> = match current.field(TAGS) {
            Some(Value::Array(a)) => a.iter().filter_map(|t| t.as_str().map(Arc::from)).collect(),
            Some(Value::Str(s)) => vec![s.clone()],
            _ => Vec::new(),
        };
        let add = wanted.iter().filter(|t| !before.contains(t)).cloned().collect();
        let remove = before.iter().filter(|t| !wanted.contains(t)).cloned().collect();
        out.push(Command::AlertTags { ids: vec![id.clone()], add, remove });
    }
    Ok(out)
}
