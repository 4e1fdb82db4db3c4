//! Single documents: `_doc`, `_create`, `_update`, `_source`, `_mget`.
//!
//! Invariants: a read sees every acknowledged write.
//! Source: `reference/elasticsearch-apis.md` §5.1.

use super::bulk::{item_error, update};
use super::search::source_filter;
use super::wire::{answer, blocking, canonical, forbid_alerts, store};
use crate::error::{ApiError, ErrorCode, Result};
use crate::http::{Ctx, Reply};
use axum::http::StatusCode;
use bytes::Bytes;
use index::{Batch, Op, OpKind, Outcome, Select, Written};
use serde_json::{Value, json};
use stdx::Id;

/// Documents of one `_mget`.
const MGET_MAX: usize = 10_000;

async fn write(cx: &Ctx, id: Option<&str>, kind: OpKind) -> Result<Written> {
    let name = canonical(cx.param("index"));
    forbid_alerts(&name, &cx.principal.user)?;
    let if_seq_no =
        match cx.query.get("if_seq_no") {
            Some(n) => Some(n.parse().map_err(|_| {
                ApiError::invalid(format!("failed to parse long parameter [if_seq_no] with value [{n}]"))
            })?),
            None => None,
        };
    let op = Op { index: name.into(), id: id.map(Id::from), kind, if_seq_no };
    let (tx, rx) = tokio::sync::oneshot::channel();
    store(cx).append(Batch { ops: vec![op], ..Batch::default() }, Box::new(move |r| drop(tx.send(r))))?;
    let mut done = rx.await.map_err(|_| ApiError::from(index::Error::Closed))??;
    match done.items.pop() {
        Some(Ok(w)) => Ok(w),
        Some(Err(e)) => {
            let (status, kind, reason) = item_error(&e);
            let code = match status {
                404 => ErrorCode::NotFound,
                409 => ErrorCode::Conflict,
                413 => ErrorCode::TooLarge,
                _ => ErrorCode::Invalid,
            };
            Err(ApiError::new(code, reason).kind(kind))
        }
        None => Err(ApiError::internal("the store gave no result")),
    }
}

fn written(cx: &Ctx, w: &Written) -> Reply {
    let mut body = json!({
        "_index": &*w.index, "_id": &*w.id, "_version": w.version, "result": w.outcome.as_str(),
        "_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": w.seq_no, "_primary_term": 1,
    });
    if cx.query.flag("refresh").is_ok_and(|r| r == Some(true)) {
        body["forced_refresh"] = json!(true);
    }
    let status = match w.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    answer(cx, body).status(status)
}

fn document(cx: &Ctx) -> Result<Bytes> {
    if cx.body.is_empty() {
        return Err(
            ApiError::invalid("Validation Failed: 1: source is missing;").kind("action_request_validation_exception")
        );
    }
    Ok(cx.body.clone())
}

fn id(cx: &Ctx) -> Option<&str> {
    Some(cx.param("id")).filter(|i| !i.is_empty())
}

/// `PUT|POST /{index}/_doc/{id}`, `POST /{index}/_doc`.
pub(super) async fn put(cx: Ctx) -> Result<Reply> {
    let body = document(&cx)?;
    let kind = if cx.query.get("op_type") == Some("create") { OpKind::Create(body) } else { OpKind::Index(body) };
    let w = write(&cx, id(&cx), kind).await?;
    Ok(written(&cx, &w))
}

/// `PUT|POST /{index}/_create/{id}`.
pub(super) async fn create(cx: Ctx) -> Result<Reply> {
    let w = write(&cx, id(&cx), OpKind::Create(document(&cx)?)).await?;
    Ok(written(&cx, &w))
}

/// `POST /{index}/_update/{id}`.
pub(super) async fn change(cx: Ctx) -> Result<Reply> {
    let name = canonical(cx.param("index"));
    if super::wire::is_alerts(&name) {
        return super::alert::update(cx, name).await;
    }
    let body = update(&cx.body).map_err(|why| ApiError::invalid(why).kind("x_content_parse_exception"))?;
    let w = write(&cx, id(&cx), OpKind::Update(Box::new(body))).await?;
    Ok(written(&cx, &w))
}

/// `DELETE /{index}/_doc/{id}`.
pub(super) async fn delete(cx: Ctx) -> Result<Reply> {
    let w = write(&cx, id(&cx), OpKind::Delete).await?;
    Ok(written(&cx, &w))
}

async fn read(cx: &Ctx, name: String, id: String) -> Result<Option<index::GotDoc>> {
    let store = store(cx).clone();
    blocking(move || match store.get(&name, &Id::from(id)) {
        Err(index::Error::NoSuchIndex(n)) if super::wire::is_alerts(&n) => Ok(None),
        other => Ok(other?),
    })
    .await
}

fn shown(got: &index::GotDoc, select: &Select) -> Result<Value> {
    let mut body = json!({"_index": rule::alert::index_of(&got.index), "_id": &*got.id, "_version": got.version, "_seq_no": got.seq_no, "_primary_term": 1, "found": true});
    if let Some(source) = source(&got.source, select)? {
        body["_source"] = source;
    }
    Ok(body)
}

fn source(raw: &Bytes, select: &Select) -> Result<Option<Value>> {
    Ok(match select {
        Select::None => None,
        Select::All => Some(serde_json::from_slice(raw).map_err(ApiError::internal)?),
        some => {
            let value = stdx::json::parse_slice(raw).map_err(ApiError::internal)?;
            some.apply(&value).map(|v| Value::from(&v))
        }
    })
}

/// `GET /{index}/_doc/{id}`; HEAD comes here too.
pub(super) async fn get(cx: Ctx) -> Result<Reply> {
    let (name, id) = (canonical(cx.param("index")), cx.param("id").to_owned());
    let select = source_filter(None, &cx.query)?;
    match read(&cx, name.clone(), id.clone()).await? {
        Some(got) => Ok(answer(&cx, shown(&got, &select)?)),
        None => Ok(answer(&cx, json!({"_index": name, "_id": id, "found": false})).status(StatusCode::NOT_FOUND)),
    }
}

/// `GET /{index}/_source/{id}`.
pub(super) async fn get_source(cx: Ctx) -> Result<Reply> {
    let (name, id) = (canonical(cx.param("index")), cx.param("id").to_owned());
    let select = source_filter(None, &cx.query)?;
    let got = read(&cx, name.clone(), id.clone()).await?;
    let got = got.ok_or_else(|| {
        ApiError::not_found(format!("Document not found [{name}]/[{id}]")).kind("resource_not_found_exception")
    })?;
    Ok(answer(&cx, source(&got.source, &select)?.unwrap_or_else(|| json!({}))))
}

/// `GET|POST [/{index}]/_mget`.
pub(super) async fn mget(cx: Ctx) -> Result<Reply> {
    let body = super::search::body(&cx)?;
    let default = cx.param("index").to_owned();
    let mut wanted: Vec<(String, String, Option<Value>)> = Vec::new();
    for d in body.get("docs").and_then(Value::as_array).into_iter().flatten() {
        let text = |k: &str| d.get(k).and_then(Value::as_str).map(str::to_owned);
        let id = text("_id").ok_or_else(|| {
            ApiError::invalid("Validation Failed: 1: id is missing;").kind("action_request_validation_exception")
        })?;
        wanted.push((text("_index").unwrap_or_else(|| default.clone()), id, d.get("_source").cloned()));
    }
    for i in body.get("ids").and_then(Value::as_array).into_iter().flatten() {
        wanted.push((default.clone(), i.as_str().map_or_else(|| i.to_string(), str::to_owned), None));
    }
    if wanted.is_empty() {
        return Err(
            ApiError::invalid("Validation Failed: 1: no documents to get;").kind("action_request_validation_exception")
        );
    }
    if wanted.len() > MGET_MAX {
        return Err(ApiError::invalid(format!("more than {MGET_MAX} documents in one request")));
    }
    let mut docs = Vec::new();
    for (name, id, select) in wanted {
        let name = canonical(&name);
        let select = source_filter(select.as_ref(), &cx.query)?;
        docs.push(match read(&cx, name.clone(), id.clone()).await {
            Ok(Some(got)) => shown(&got, &select)?,
            Ok(None) => json!({"_index": name, "_id": id, "found": false}),
            Err(e) => json!({"_index": name, "_id": id, "error": e.body(crate::error::Shape::Elasticsearch)["error"]}),
        });
    }
    Ok(answer(&cx, json!({"docs": docs})))
}
