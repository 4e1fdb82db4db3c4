//! `_bulk`: many operations in one request.
//!
//! Invariants: one item per operation in order; a line that cannot be read fails alone; what is answered with success is on disk.
//! Not here: deciding versions and conflicts (`index`).
//! Source: `reference/elasticsearch-apis.md` §5.2.

use super::wire::{blocking, canonical, filter, is_alerts, store};
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply, ReplyBody};
use bytes::Bytes;
use index::{Batch, ItemError, ItemResult, Op, OpKind, Outcome, Update};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

/// Most operations of one request.
pub const OPERATIONS_MAX: usize = 500_000;
/// Bytes of a request that are parsed on the async thread.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// What one operation came to before or after the store saw it.
enum Item {
    /// Sent to the store as its n-th operation.
    Sent,
    /// Refused here: status, type, reason.
    Refused(u16, &'static str, String),
}

struct Parsed {
    ops: Vec<Op>,
    items: Vec<(&'static str, Arc<str>, Option<String>, Item)>,
}

/// `POST|PUT /_bulk`, `/{index}/_bulk`.
pub(super) async fn bulk(cx: Ctx) -> Result<Reply> {
    let began = Instant::now();
    if cx.body.is_empty() {
        return Err(ApiError::invalid("request body is required").kind("parse_exception"));
    }
    if cx.body.last() != Some(&b'\n') {
        return Err(ApiError::invalid("The bulk request must be terminated by a newline [\\n]"));
    }
    let default: Option<Arc<str>> = Some(cx.param("index")).filter(|i| !i.is_empty()).map(|i| canonical(i).into());
    let body = cx.body.clone();
    let index = store(&cx).clone();
    index.accepts()?;
    let (tx, rx) = tokio::sync::oneshot::channel();
    let work = move || {
        let Parsed { ops, items } = parse(&body, default.as_ref())?;
        if ops.is_empty() {
            drop(tx.send(Ok(index::Appended { items: Vec::new(), number: 0 })));
        } else {
            index.append(Batch { ops, ..Batch::default() }, Box::new(move |r| drop(tx.send(r))))?;
        }
        Ok(items)
    };
    let items = if cx.body.len() > INLINE_BYTES_MAX { blocking(work).await? } else { work()? };
    let done = rx.await.map_err(|_| ApiError::from(index::Error::Closed))??;
    let brief = cx.query.get("filter_path") == Some("errors,items.*.error,items.*.status");
    let text = render(began.elapsed().as_millis(), &items, done.items, brief);
    if let (false, Some(paths)) = (brief, cx.query.get("filter_path")) {
        let whole: Value = serde_json::from_str(&text).map_err(ApiError::internal)?;
        return Ok(Reply::ok(filter(whole, paths)));
    }
    Ok(Reply { body: ReplyBody::JsonText(Bytes::from(text)), ..Reply::ok(Value::Null) })
}

fn parse(body: &Bytes, default: Option<&Arc<str>>) -> Result<Parsed> {
    let mut out = Parsed { ops: Vec::new(), items: Vec::new() };
    let mut lines = lines(body).peekable();
    while let Some((n, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        if out.items.len() >= OPERATIONS_MAX {
            return Err(ApiError::new(
                ErrorCode::TooLarge,
                format!("more than {OPERATIONS_MAX} operations in one request"),
            ));
        }
        let action = match action(&line, n) {
            Ok(a) => a,
            Err(why) => {
                // Its document follows, unless the next line is an operation itself.
                if lines.peek().is_some_and(|(n, next)| action_of(next, *n).is_err()) {
                    lines.next();
                }
                out.items.push((
                    "index",
                    default.cloned().unwrap_or_else(|| "".into()),
                    None,
                    Item::Refused(400, "illegal_argument_exception", why),
                ));
                continue;
            }
        };
        let document = if action.name == "delete" { None } else { lines.next().map(|(_, l)| l) };
        let index: Arc<str> = match (&action.index, default) {
            (Some(i), _) => canonical(i).into(),
            (None, Some(d)) => d.clone(),
            (None, None) => "".into(),
        };
        let refuse = |kind, why: &str| Item::Refused(400, kind, why.to_owned());
        let item = if index.is_empty() {
            refuse("action_request_validation_exception", "Validation Failed: 1: index is missing;")
        } else if is_alerts(&index) {
            Item::Refused(
                403,
                "security_exception",
                format!("alerts in [{index}] are changed through the alert routes, not by writing documents"),
            )
        } else if action.name != "delete" && document.as_ref().is_none_or(Bytes::is_empty) {
            refuse("illegal_argument_exception", &format!("the action on line [{n}] has no document"))
        } else {
            match kind(action.name, document) {
                Ok(kind) => {
                    let id = action.id.as_deref().map(stdx::Id::from);
                    out.ops.push(Op { index: index.clone(), id, kind, if_seq_no: action.if_seq_no });
                    Item::Sent
                }
                Err(why) => refuse("document_parsing_exception", &why),
            }
        };
        out.items.push((action.name, index, action.id, item));
    }
    Ok(out)
}

/// Lines without their ends, numbered from 1.
fn lines(body: &Bytes) -> impl Iterator<Item = (usize, Bytes)> + '_ {
    let mut at = 0;
    let mut n = 0;
    std::iter::from_fn(move || {
        if at >= body.len() {
            return None;
        }
        let end = body[at..].iter().position(|b| *b == b'\n').map_or(body.len(), |p| at + p);
        let stop = if end > at && body[end - 1] == b'\r' { end - 1 } else { end };
        let line = body.slice(at..stop);
        at = end + 1;
        n += 1;
        Some((n, line))
    })
}

struct Action {
    name: &'static str,
    index: Option<String>,
    id: Option<String>,
    if_seq_no: Option<u64>,
}

fn action(line: &Bytes, n: usize) -> std::result::Result<Action, String> {
    action_of(line, n)
}

fn action_of(line: &[u8], n: usize) -> std::result::Result<Action, String> {
    let malformed = |what: &str| format!("Malformed action/metadata line [{n}], {what}");
    let value: Value = serde_json::from_slice(line).map_err(|e| malformed(&format!("it is no JSON: {e}")))?;
    let object = value.as_object().ok_or_else(|| malformed("expected START_OBJECT"))?;
    let mut pairs = object.iter();
    let (Some((name, meta)), None) = (pairs.next(), pairs.next()) else {
        return Err(malformed("expected one action"));
    };
    let name = match name.as_str() {
        "index" => "index",
        "create" => "create",
        "update" => "update",
        "delete" => "delete",
        other => {
            return Err(malformed(&format!(
                "expected field [create], [delete], [index] or [update] but found [{other}]"
            )));
        }
    };
    let meta = meta.as_object().ok_or_else(|| malformed("expected START_OBJECT or END_OBJECT"))?;
    let text = |key: &str| match meta.get(key) {
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Number(n)) => Some(n.to_string()),
        _ => None,
    };
    for key in meta.keys() {
        // `_type` comes from old shippers and means nothing any more.
        const KNOWN: &[&str] = &[
            "_index",
            "_id",
            "_type",
            "routing",
            "version",
            "version_type",
            "if_seq_no",
            "if_primary_term",
            "pipeline",
            "require_alias",
            "require_data_stream",
            "dynamic_templates",
            "retry_on_conflict",
            "list_executed_pipelines",
        ];
        if !KNOWN.contains(&key.as_str()) {
            return Err(format!("Action/metadata line [{n}] contains an unknown parameter [{key}]"));
        }
    }
    Ok(Action {
        name,
        index: text("_index"),
        id: text("_id"),
        if_seq_no: meta.get("if_seq_no").and_then(Value::as_u64),
    })
}

fn kind(action: &str, document: Option<Bytes>) -> std::result::Result<OpKind, String> {
    Ok(match (action, document) {
        ("delete", _) => OpKind::Delete,
        ("create", Some(d)) => OpKind::Create(d),
        ("index", Some(d)) => OpKind::Index(d),
        (_, Some(d)) => OpKind::Update(Box::new(update(&d)?)),
        (_, None) => return Err("no document".into()),
    })
}

/// Reads the body of an `_update`.
pub(super) fn update(body: &[u8]) -> std::result::Result<Update, String> {
    let value = stdx::json::parse_slice(body).map_err(|e| format!("failed to parse: {e}"))?;
    let Some(object) = value.as_object() else {
        return Err("failed to parse: the update must be a JSON object".into());
    };
    for (k, _) in object.iter() {
        if k.as_ref() == "script" || k.as_ref() == "scripted_upsert" {
            return Err("updates by script are not supported; send [doc]".into());
        }
        if !["doc", "upsert", "doc_as_upsert", "detect_noop", "_source"].contains(&&**k) {
            return Err(format!("[UpdateRequest] unknown field [{k}]"));
        }
    }
    let flag = |k: &str, default| value.get(k).and_then(stdx::Value::as_bool).unwrap_or(default);
    let part = |k: &str| value.get(k).filter(|v| v.as_object().is_some()).cloned();
    let update = Update {
        doc: part("doc"),
        upsert: part("upsert"),
        doc_as_upsert: flag("doc_as_upsert", false),
        detect_noop: flag("detect_noop", true),
    };
    if update.doc.is_none() && update.upsert.is_none() {
        return Err("Validation Failed: 1: script or doc is missing;".into());
    }
    Ok(update)
}

/// Status, type and reason of a refused operation.
pub(super) fn item_error(e: &ItemError) -> (u16, &'static str, String) {
    let reason = e.to_string();
    match e {
        ItemError::Exists { .. } | ItemError::SeqConflict { .. } => (409, "version_conflict_engine_exception", reason),
        ItemError::Missing(_) => (404, "document_missing_exception", reason),
        ItemError::BadDocument(_) => (400, "document_parsing_exception", reason),
        ItemError::BadIndexName { .. } => (400, "invalid_index_name_exception", reason),
        ItemError::BadId(_) => (400, "illegal_argument_exception", reason),
        ItemError::TooLarge { .. } => (413, "content_too_long_exception", reason),
    }
}

fn render(
    took: u128,
    items: &[(&'static str, Arc<str>, Option<String>, Item)],
    results: Vec<ItemResult>,
    brief: bool,
) -> String {
    let mut list = String::with_capacity(items.len() * if brief { 32 } else { 200 });
    let mut errors = false;
    let mut results = results.into_iter();
    for (name, index, id, item) in items {
        if !list.is_empty() {
            list.push(',');
        }
        let refused = |status: u16, kind: &str, reason: &str, list: &mut String| {
            let error = json!({"type": kind, "reason": reason});
            // Writing into a string cannot fail.
            let _ = if brief {
                write!(list, r#"{{"{name}":{{"status":{status},"error":{error}}}}}"#)
            } else {
                write!(
                    list,
                    r#"{{"{name}":{{"_index":{},"_id":{},"status":{status},"error":{error}}}}}"#,
                    json!(&**index),
                    json!(id)
                )
            };
        };
        match item {
            Item::Refused(status, kind, reason) => {
                errors = true;
                refused(*status, kind, reason, &mut list);
            }
            Item::Sent => match results.next() {
                Some(Ok(w)) => {
                    let status = match w.outcome {
                        Outcome::Created => 201,
                        Outcome::NotFound => 404,
                        _ => 200,
                    };
                    let _ = if brief {
                        write!(list, r#"{{"{name}":{{"status":{status}}}}}"#)
                    } else {
                        write!(
                            list,
                            r#"{{"{name}":{{"_index":{},"_id":{},"_version":{},"result":"{}","_shards":{{"total":1,"successful":1,"failed":0}},"_seq_no":{},"_primary_term":1,"status":{status}}}}}"#,
                            json!(&*w.index),
                            json!(&*w.id),
                            w.version,
                            w.outcome.as_str(),
                            w.seq_no
                        )
                    };
                }
                Some(Err(e)) => {
                    errors = true;
                    let (status, kind, reason) = item_error(&e);
                    refused(status, kind, &reason, &mut list);
                }
                None => {
                    errors = true;
                    refused(500, "exception", "the store gave no result", &mut list);
                }
            },
        }
    }
    if brief {
        format!(r#"{{"errors":{errors},"items":[{list}]}}"#)
    } else {
        format!(r#"{{"took":{took},"errors":{errors},"items":[{list}]}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Vec<String> {
        let p = parse(&Bytes::copy_from_slice(body.as_bytes()), Some(&"d".into())).unwrap();
        let shown = |i: &Item| match i {
            Item::Sent => "sent".to_owned(),
            Item::Refused(s, _, r) => format!("{s} {r}"),
        };
        p.items
            .iter()
            .map(|(n, i, id, item)| format!("{n} {i} {} {}", id.as_deref().unwrap_or("-"), shown(item)))
            .collect()
    }

    #[test]
    fn malformed_lines_fail_alone() {
        let got = names(
            "{\"create\":{}}\n{\"a\":1}\nrubbish\n{\"b\":2}\n{\"nope\":{}}\n{\"index\":{\"_index\":\"x\",\"_id\":7}}\r\n{\"c\":3}\r\n\n{\"delete\":{\"_id\":\"z\"}}\n{\"update\":{\"_id\":\"u\"}}\n{\"script\":\"x\"}\n{\"create\":{\"_index\":\".alerts-security.alerts-default\"}}\n{}\n{\"create\":{}}\n",
        );
        assert_eq!(got.len(), 8, "{got:#?}");
        assert_eq!(got[0], "create d - sent");
        assert!(got[1].starts_with("index d - 400 Malformed action/metadata line [3]"));
        assert!(got[2].starts_with("index d - 400 Malformed action/metadata line [5], expected field"));
        assert_eq!(got[3], "index x 7 sent");
        assert_eq!(got[4], "delete d z sent");
        assert_eq!(got[5], "update d u 400 updates by script are not supported; send [doc]");
        assert!(got[6].contains("403 "));
        assert!(got[7].contains("has no document"));
    }

    #[test]
    fn answers_are_compact_and_in_order() {
        let items = vec![
            ("create", Arc::from("i"), None, Item::Sent),
            ("index", Arc::from("i"), Some("x".into()), Item::Refused(400, "t", "r".into())),
        ];
        let written =
            index::Written { index: "i".into(), id: "a".into(), version: 1, seq_no: 5, outcome: Outcome::Created };
        let text = render(3, &items, vec![Ok(written.clone())], false);
        assert_eq!(
            text,
            r#"{"took":3,"errors":true,"items":[{"create":{"_index":"i","_id":"a","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":5,"_primary_term":1,"status":201}},{"index":{"_index":"i","_id":"x","status":400,"error":{"type":"t","reason":"r"}}}]}"#
        );
        let whole: Value = serde_json::from_str(&text).unwrap();
        let brief = render(3, &items, vec![Ok(written)], true);
        assert_eq!(
            filter(whole, "errors,items.*.error,items.*.status"),
            serde_json::from_str::<Value>(&brief).unwrap()
        );
    }
}
