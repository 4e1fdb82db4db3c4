//! What every Elasticsearch-compatible answer shares: index expressions, `filter_path`, `pretty`, errors of the store.
//!
//! Invariants: `filter_path` is applied to whatever a handler answers; alert indices have one name inside.
//! Source: `reference/elasticsearch-apis.md` §1.

use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Query, Reply};
use index::Index;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Patterns that `filter_path` may have.
const FILTERS_MAX: usize = 200;
/// Parts of an index expression that are looked at.
const PARTS_MAX: usize = 1_024;

/// An answer in the client's wishes: `filter_path`, `pretty`.
pub(super) fn answer(cx: &Ctx, body: Value) -> Reply {
    let body = match cx.query.get("filter_path") {
        Some(paths) => filter(body, paths),
        None => body,
    };
    if cx.query.has("pretty") && cx.query.get("pretty") != Some("false") {
        let text = serde_json::to_string_pretty(&body).unwrap_or_default();
        return Reply { body: crate::http::ReplyBody::JsonText((text + "\n").into()), ..Reply::ok(Value::Null) };
    }
    Reply::ok(body)
}

/// Keeps what the patterns name: `*` is one level, `**` any depth, a leading `-` leaves out.
pub(super) fn filter(body: Value, paths: &str) -> Value {
    let all: Vec<&str> = paths.split(',').map(str::trim).filter(|p| !p.is_empty()).take(FILTERS_MAX).collect();
    let split = |p: &str| p.split('.').map(str::to_owned).collect::<Vec<_>>();
    let keep: Vec<Vec<String>> = all.iter().filter(|p| !p.starts_with('-')).map(|p| split(p)).collect();
    let drop: Vec<Vec<String>> = all.iter().filter_map(|p| p.strip_prefix('-')).map(split).collect();
    let mut body = body;
    if !keep.is_empty() {
        let keep: Vec<&[String]> = keep.iter().map(Vec::as_slice).collect();
        body = included(&body, &keep).unwrap_or_else(|| json!({}));
    }
    if !drop.is_empty() {
        let drop: Vec<&[String]> = drop.iter().map(Vec::as_slice).collect();
        excluded(&mut body, &drop);
    }
    body
}

/// The patterns that go on below a key: `None` in the first place when one ends here.
fn below<'p>(patterns: &[&'p [String]], key: &str) -> (bool, Vec<&'p [String]>) {
    let mut whole = false;
    let mut next = Vec::new();
    for p in patterns {
        let mut at = vec![*p];
        while let Some(p) = at.pop() {
            let Some((head, rest)) = p.split_first() else { continue };
            if head == "**" {
                next.push(p);
                if rest.is_empty() {
                    whole = true;
                } else {
                    at.push(rest);
                }
            } else if index::names::matches(head, key) {
                if rest.is_empty() {
                    whole = true;
                } else {
                    next.push(rest);
                }
            }
        }
    }
    (whole, next)
}

fn included(value: &Value, patterns: &[&[String]]) -> Option<Value> {
    match value {
        Value::Object(o) => {
            let mut out = Map::new();
            for (k, v) in o {
                let (whole, next) = below(patterns, k);
                let kept = if whole {
                    Some(v.clone())
                } else if next.is_empty() {
                    None
                } else {
                    included(v, &next)
                };
                if let Some(v) = kept {
                    out.insert(k.clone(), v);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        // Elements of lists count for no level.
        Value::Array(a) => {
            let out: Vec<Value> = a.iter().filter_map(|v| included(v, patterns)).collect();
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => None,
    }
}

fn excluded(value: &mut Value, patterns: &[&[String]]) {
    match value {
        Value::Object(o) => {
            o.retain(|k, _| !below(patterns, k).0);
            for (k, v) in o.iter_mut() {
                let (_, next) = below(patterns, k);
                if !next.is_empty() {
                    excluded(v, &next);
                }
            }
        }
        Value::Array(a) => a.iter_mut().for_each(|v| excluded(v, patterns)),
        _ => {}
    }
}

/// One name for an alert index, however it is spelled.
pub(super) use rule::alert::alias_of as canonical;

/// True for indices that only the server itself writes.
pub(super) fn is_alerts(name: &str) -> bool {
    name.starts_with(".alerts-") || name.starts_with(".internal.alerts-")
}

/// The index expression of a request in the store's words. An alert index that has no alert yet is empty, not missing.
pub(super) fn expression(index: &Index, text: &str) -> String {
    let mut parts = Vec::new();
    let mut left_out = false;
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()).take(PARTS_MAX) {
        let (sign, name) = part.strip_prefix('-').map_or(("", part), |n| ("-", n));
        let name = canonical(name);
        if is_alerts(&name) && !name.contains('*') && !index.exists(&name) {
            left_out = true;
            continue;
        }
        parts.push(format!("{sign}{name}"));
    }
    if parts.is_empty() && left_out {
        return ".alerts-none*".into();
    }
    parts.join(",")
}

/// `ignore_unavailable` and `expand_wildcards`.
pub(super) fn expand(query: &Query) -> Result<index::Expand> {
    let hidden =
        query.get("expand_wildcards").is_some_and(|w| w.split(',').any(|w| matches!(w.trim(), "all" | "hidden")));
    Ok(index::Expand { ignore_unavailable: query.flag("ignore_unavailable")?.unwrap_or(false), hidden })
}

/// The event store of the server.
pub(super) fn store(cx: &Ctx) -> &Arc<Index> {
    cx.state.index()
}

/// How long a search of alerts waits for their newest versions; after it, it answers with what there is.
const ALERTS_WITHIN: Duration = Duration::from_secs(1);

/// Waits until alerts that were committed before this request stand in the event store, where the expression may mean them.
pub(super) async fn alerts_settled(cx: &Ctx, target: &str) -> Result<()> {
    if !target.split(',').any(|p| p.starts_with('.')) {
        return Ok(());
    }
    let (head, began) = (cx.state.engine.alerts_head(), Instant::now());
    while store(cx).feed_position() < head && began.elapsed() < ALERTS_WITHIN {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Runs blocking work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}

impl From<index::Error> for ApiError {
    fn from(e: index::Error) -> Self {
        use index::Error as E;
        match &e {
            E::DiskFull => Self::new(ErrorCode::Full, "the disk is full; nothing was written").retry_after(5),
            E::Busy { retry_after_ms, .. } => {
                let seconds = u32::try_from(retry_after_ms.div_ceil(1_000)).unwrap_or(1).max(1);
                Self::new(ErrorCode::TooMany, format!("rejected execution: {e}"))
                    .kind("es_rejected_execution_exception")
                    .retry_after(seconds)
            }
            E::NoSuchIndex(name) => {
                Self::not_found(format!("no such index [{name}]")).kind("index_not_found_exception")
            }
            E::BadIndexName { name, why } => {
                Self::invalid(format!("Invalid index name [{name}], {why}")).kind("invalid_index_name_exception")
            }
            E::Unsupported(m) | E::BadRequest(m) => Self::invalid(m.clone()).kind("illegal_argument_exception"),
            E::Closed => Self::new(ErrorCode::Unavailable, "the server is stopping").retry_after(5),
            _ => Self::internal(e),
        }
    }
}

/// Writes to alert indices come from the server only.
pub(super) fn forbid_alerts(name: &str, user: &str) -> Result<()> {
    if !is_alerts(name) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Forbidden,
        format!("action [indices:data/write/bulk] is unauthorized for user [{user}] on restricted indices [{name}]: alerts are changed through the alert routes"),
    )
    .kind("security_exception"))
}

/// `_shards` of an answer.
pub(super) fn shards(total: usize) -> Value {
    json!({"total": total, "successful": total, "skipped": 0, "failed": 0})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_path_keeps_what_shippers_ask_for() {
        let body = json!({"took":1,"errors":false,"items":[{"create":{"_id":"a","status":201}},{"create":{"_id":"b","status":400,"error":{"type":"x"}}}]});
        let f = |p: &str| filter(body.clone(), p).to_string();
        assert_eq!(
            f("errors,items.*.error,items.*.status"),
            r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"x"}}}]}"#
        );
        assert_eq!(f("-items"), r#"{"took":1,"errors":false}"#);
        assert_eq!(f("**._id"), r#"{"items":[{"create":{"_id":"a"}},{"create":{"_id":"b"}}]}"#);
        assert_eq!(f("nope"), "{}");
        assert_eq!(
            f("items.*.*,-items.*.error,-**._id"),
            r#"{"items":[{"create":{"status":201}},{"create":{"status":400}}]}"#
        );
    }

    #[test]
    fn alert_indices_have_one_name() {
        assert_eq!(canonical(".internal.alerts-security.alerts-default-000001"), ".alerts-security.alerts-default");
        assert_eq!(canonical(".internal.alerts-security.alerts-*"), ".alerts-security.alerts-*");
        assert_eq!(canonical("logs-x-y"), "logs-x-y");
    }
}
