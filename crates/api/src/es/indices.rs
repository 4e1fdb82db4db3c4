//! Indices and data streams: make, look at, remove; mappings; refresh.
//!
//! Invariants: alert indices are made and removed by the server only; removing needs full names, no patterns.
//! Source: `reference/elasticsearch-apis.md` §3.1, §3.3, §11.

use super::search::target;
use super::wire::{answer, blocking, expand, expression, forbid_alerts, shards, store};
use crate::commit::Put;
use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use ::store::Noun;
use axum::http::StatusCode;
use bytes::Bytes;
use index::search::MappedField;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long `_refresh` may take before it answers with what there is.
const REFRESH_MAX: Duration = Duration::from_secs(30);
/// Bytes of the body of `PUT /{index}` that are kept.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Leaves an audit entry and a record of who made or removed an index last.
async fn record(cx: &Ctx, name: &str, action: &'static str) -> Result<()> {
    let body = [("index", name.into()), ("action", action.into()), ("at", cx.now.into())]
        .into_iter()
        .collect::<stdx::Object>();
    let id = stdx::Id::from(format!("event-index:{name}"));
    cx.put(Put { noun: Noun::Setting, id, expect: None, body: Some(body.into()), action }).await.map(|_| ())
}

/// `PUT /{index}`.
pub(super) async fn create(cx: Ctx) -> Result<Reply> {
    let name = target(&cx);
    forbid_alerts(&name, &cx.principal.user)?;
    let body = super::search::body(&cx)?;
    for key in body.as_object().into_iter().flat_map(Map::keys) {
        if !["settings", "mappings", "aliases"].contains(&key.as_str()) {
            return Err(ApiError::invalid(format!("unknown key [{key}] for create index")).kind("parse_exception"));
        }
    }
    if body.get("aliases").and_then(Value::as_object).is_some_and(|a| !a.is_empty()) {
        return Err(ApiError::invalid("[aliases] are not supported by this server").kind("illegal_argument_exception"));
    }
    if cx.body.len() > BODY_BYTES_MAX {
        return Err(ApiError::invalid(format!("settings and mappings of more than {BODY_BYTES_MAX} bytes")));
    }
    if !store(&cx).exists(&name) {
        record(&cx, &name, "index.create").await?;
    }
    let (index, kept, made) = (store(&cx).clone(), Bytes::from(body.to_string()), name.clone());
    if !blocking(move || Ok(index.create_index(&made, kept)?)).await? {
        let uuid = "_na_";
        return Err(ApiError::invalid(format!("index [{name}/{uuid}] already exists"))
            .kind("resource_already_exists_exception"));
    }
    Ok(answer(&cx, json!({"acknowledged": true, "shards_acknowledged": true, "index": name})))
}

/// `DELETE /{index}`, `DELETE /_data_stream/{index}`.
pub(super) async fn delete(cx: Ctx) -> Result<Reply> {
    let names: Vec<String> = target(&cx).split(',').map(str::to_owned).collect();
    for name in &names {
        if index::names::is_pattern(name) {
            return Err(ApiError::invalid("Wildcard expressions or all indices are not allowed"));
        }
        forbid_alerts(name, &cx.principal.user)?;
    }
    let index = store(&cx).clone();
    if let Some(missing) = names.iter().find(|n| !index.exists(n)) {
        return Err(index::Error::NoSuchIndex(missing.clone()).into());
    }
    for name in &names {
        record(&cx, name, "index.delete").await?;
    }
    blocking(move || names.iter().try_for_each(|n| index.drop_index(n)).map_err(ApiError::from)).await?;
    Ok(answer(&cx, json!({"acknowledged": true})))
}

/// Nested `properties` from dotted names.
fn properties(mapping: &BTreeMap<String, MappedField>) -> Value {
    let mut root = json!({});
    for (name, f) in mapping {
        let mut at = &mut root;
        let mut keys = name.split('.').peekable();
        while let Some(key) = keys.next() {
            let leaf = keys.peek().is_none();
            let Some(here) = at.as_object_mut() else { break };
            let entry = here.entry(key).or_insert_with(|| json!({}));
            if leaf {
                entry["type"] = json!(f.kind);
                if f.keyword {
                    entry["fields"] = json!({"keyword": {"type": "keyword", "ignore_above": 256}});
                }
                break;
            }
            at = &mut entry["properties"];
            if at.is_null() {
                *at = json!({});
            }
        }
    }
    root
}

async fn mappings(cx: &Ctx) -> Result<Vec<(index::IndexInfo, Value)>> {
    let (index, target, expand) = (store(cx).clone(), cx.param("index").to_owned(), expand(&cx.query)?);
    blocking(move || {
        let names = index.resolve(&expression(&index, &target), expand)?;
        let mut out = Vec::new();
        for info in index.list()?.into_iter().filter(|i| names.contains(&i.name)) {
            let mapping = index.mapping(&info.name, index::Expand { ignore_unavailable: true, hidden: true })?;
            out.push((info, properties(&mapping)));
        }
        Ok(out)
    })
    .await
}

/// `GET /{index}`; HEAD comes here too.
pub(super) async fn get(cx: Ctx) -> Result<Reply> {
    let mut out = Map::new();
    for (info, properties) in mappings(&cx).await? {
        let uuid: String = info.uuid.replace('-', "").chars().take(22).collect();
        out.insert(
            info.name.to_string(),
            json!({
                "aliases": {}, "mappings": {"properties": properties},
                "settings": {"index": {
                    "uuid": uuid, "creation_date": info.created.ms().to_string(), "provided_name": &*info.name,
                    "number_of_shards": "1", "number_of_replicas": "0", "version": {"created": "9039000"},
                }},
            }),
        );
    }
    Ok(answer(&cx, out.into()))
}

/// `GET [/{index}]/_mapping`.
pub(super) async fn mapping(cx: Ctx) -> Result<Reply> {
    let all = mappings(&cx).await?;
    let out: Map<String, Value> = all
        .into_iter()
        .map(|(i, p)| {
            (i.name.to_string(), json!({"mappings": if p == json!({}) { json!({}) } else { json!({"properties": p}) }}))
        })
        .collect();
    Ok(answer(&cx, out.into()))
}

/// `GET|POST [/{index}]/_refresh`, `_flush`.
pub(super) async fn refresh(cx: Ctx) -> Result<Reply> {
    let (index, target, expand) = (store(&cx).clone(), cx.param("index").to_owned(), expand(&cx.query)?);
    let n = blocking(move || {
        let names = index.resolve(&expression(&index, &target), expand)?;
        let list: Vec<&str> = names.iter().map(|n| &**n).collect();
        if !list.is_empty() {
            index.refresh(&list, REFRESH_MAX);
        }
        Ok(list.len())
    })
    .await?;
    let mut body = shards(n);
    if let Some(o) = body.as_object_mut() {
        o.remove("skipped");
    }
    Ok(answer(&cx, json!({"_shards": body})))
}

/// `GET /_data_stream[/{index}]`.
pub(super) async fn streams(cx: Ctx) -> Result<Reply> {
    let (index, target) = (store(&cx).clone(), cx.param("index").to_owned());
    let hidden = index::Expand { ignore_unavailable: false, hidden: expand(&cx.query)?.hidden };
    let list = blocking(move || {
        let names = index.resolve(&expression(&index, &target), hidden)?;
        Ok(index.list()?.into_iter().filter(|i| i.stream && names.contains(&i.name)).collect::<Vec<_>>())
    })
    .await?;
    let streams: Vec<Value> = list
        .iter()
        .map(|i| {
            let uuid: String = i.uuid.replace('-', "").chars().take(22).collect();
            json!({
                "name": &*i.name, "timestamp_field": {"name": "@timestamp"},
                "indices": [{"index_name": &*i.name, "index_uuid": uuid, "prefer_ilm": false, "managed_by": "Unmanaged"}],
                "generation": 1, "status": "GREEN", "template": "logs", "next_generation_managed_by": "Unmanaged", "prefer_ilm": false,
                "hidden": i.name.starts_with('.'), "system": false, "allow_custom_routing": false, "replicated": false, "rollover_on_write": false,
            })
        })
        .collect();
    Ok(answer(&cx, json!({"data_streams": streams})))
}

/// `PUT /_data_stream/{index}`.
pub(super) async fn create_stream(cx: Ctx) -> Result<Reply> {
    let name = target(&cx);
    forbid_alerts(&name, &cx.principal.user)?;
    if !index::names::is_stream(&name) {
        return Err(ApiError::invalid(format!(
            "no matching index template found for data stream [{name}]; names like [logs-*-*] are data streams"
        )));
    }
    if !store(&cx).exists(&name) {
        record(&cx, &name, "index.create").await?;
    }
    let (index, made) = (store(&cx).clone(), name.clone());
    if !blocking(move || Ok(index.create_index(&made, Bytes::new())?)).await? {
        return Err(
            ApiError::invalid(format!("data_stream [{name}] already exists")).kind("resource_already_exists_exception")
        );
    }
    Ok(answer(&cx, json!({"acknowledged": true})).status(StatusCode::OK))
}

/// `GET /_resolve/index/{index}`.
pub(super) async fn resolve(cx: Ctx) -> Result<Reply> {
    let (index, target, expand) = (store(&cx).clone(), cx.param("index").to_owned(), expand(&cx.query)?);
    let names = blocking(move || Ok(index.resolve(&expression(&index, &target), expand)?)).await?;
    let (streams, plain): (Vec<_>, Vec<_>) = names.iter().partition(|n| index::names::is_stream(n));
    let indices: Vec<Value> =
        plain.iter().map(|n| json!({"name": &***n, "attributes": ["open"], "mode": "standard"})).collect();
    let streams: Vec<Value> = streams
        .iter()
        .map(|n| json!({"name": &***n, "backing_indices": [&***n], "timestamp_field": "@timestamp"}))
        .collect();
    Ok(answer(&cx, json!({"indices": indices, "aliases": [], "data_streams": streams})))
}
