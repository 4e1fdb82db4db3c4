//! What clients and shippers ask before they write: the root, licence, health, nodes, `_cat`.
//!
//! Invariants: the version is that of the imitated API; the cluster's uuid is the log's lineage and so stable.
//! Source: `reference/elasticsearch-apis.md` §2, §8, §12.1.

use super::wire::{answer, blocking, expand, expression, store};
use crate::error::Result;
use crate::http::{Ctx, Reply};
use bytes::Bytes;
use index::IndexInfo;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Version of the imitated API.
pub const VERSION: &str = "9.4.0";
const BUILD_HASH: &str = "0000000000000000000000000000000000000000";
const BUILD_DATE: &str = "2026-01-01T00:00:00.000Z";
/// Body limit that `_nodes/http` announces.
pub const CONTENT_BYTES_MAX: usize = 100 << 20;

/// `GET /`.
pub(super) async fn root(cx: Ctx) -> Result<Reply> {
    let lineage = store(&cx).end().lineage.to_string();
    Ok(answer(
        &cx,
        json!({
            "name": &*cx.state.name, "cluster_name": "watchfire", "cluster_uuid": &lineage[..22],
            "version": {
                "number": VERSION, "build_flavor": "default", "build_type": "tar", "build_hash": BUILD_HASH, "build_date": BUILD_DATE,
                "build_snapshot": false, "lucene_version": "10.4.0", "minimum_wire_compatibility_version": "8.19.0",
                "minimum_index_compatibility_version": "8.0.0",
            },
            "tagline": "You Know, for Search",
        }),
    ))
}

/// `GET /_license`.
pub(super) async fn license(cx: Ctx) -> Result<Reply> {
    let uid = store(&cx).end().lineage.to_string();
    Ok(answer(
        &cx,
        json!({"license": {
            "status": "active", "uid": uid, "type": "basic", "issue_date": BUILD_DATE, "issue_date_in_millis": 1_767_225_600_000_i64,
            "max_nodes": null, "max_resource_units": null, "issued_to": "watchfire", "issuer": "elasticsearch", "start_date_in_millis": -1,
        }}),
    ))
}

/// `GET /_xpack`.
pub(super) async fn xpack(cx: Ctx) -> Result<Reply> {
    let uid = store(&cx).end().lineage.to_string();
    let on = json!({"available": true, "enabled": true});
    let off = json!({"available": false, "enabled": false});
    Ok(answer(
        &cx,
        json!({
            "build": {"hash": BUILD_HASH, "date": BUILD_DATE},
            "license": {"uid": uid, "type": "basic", "mode": "basic", "status": "active"},
            "features": {"data_streams": on, "security": on, "ilm": off, "eql": off, "esql": off, "sql": off, "enrich": off, "transform": off, "ml": off, "watcher": off},
            "tagline": "You know, for X",
        }),
    ))
}

/// `GET /_cluster/health[/{index}]`.
pub(super) async fn health(cx: Ctx) -> Result<Reply> {
    let n = store(&cx).names().len();
    Ok(answer(
        &cx,
        json!({
            "cluster_name": "watchfire", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
            "active_primary_shards": n, "active_shards": n, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
            "unassigned_primary_shards": 0, "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": 100.0,
        }),
    ))
}

/// `GET /_nodes`, `/_nodes/http`, `/_nodes/_all/http`.
pub(super) async fn nodes(cx: Ctx) -> Result<Reply> {
    let address = cx.header("host").unwrap_or("127.0.0.1:9200").to_owned();
    let ip = address.rsplit_once(':').map_or(address.as_str(), |(h, _)| h).to_owned();
    let lineage = store(&cx).end().lineage.to_string();
    Ok(answer(
        &cx,
        json!({
            "_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": "watchfire",
            "nodes": {&lineage[..22]: {
                "name": &*cx.state.name, "transport_address": "127.0.0.1:9300", "host": ip, "ip": ip, "version": VERSION,
                "build_flavor": "default", "build_type": "tar", "build_hash": BUILD_HASH, "roles": ["data", "ingest", "master"], "attributes": {},
                "http": {"bound_address": [address], "publish_address": address, "max_content_length_in_bytes": CONTENT_BYTES_MAX},
            }},
        }),
    ))
}

async fn infos(cx: &Ctx) -> Result<Vec<IndexInfo>> {
    let (index, target, expand) = (store(cx).clone(), cx.param("index").to_owned(), expand(&cx.query)?);
    blocking(move || {
        let names = index.resolve(&expression(&index, &target), expand)?;
        Ok(index.list()?.into_iter().filter(|i| names.contains(&i.name)).collect())
    })
    .await
}

/// Rows as `_cat` writes them: padded text, or a list of objects of texts.
fn table(cx: &Ctx, columns: &[&str], rows: Vec<Vec<String>>) -> Reply {
    let wanted = cx.query.comma_list("h");
    let picked: Vec<usize> = if wanted.is_empty() {
        (0..columns.len()).collect()
    } else {
        wanted
            .iter()
            .flat_map(|w| columns.iter().enumerate().filter(move |(_, c)| index::names::matches(w, c)).map(|(i, _)| i))
            .collect()
    };
    let json = cx.query.get("format") == Some("json") || cx.header("accept").is_some_and(|a| a.contains("json"));
    if json && cx.query.get("format") != Some("text") {
        let list = rows
            .iter()
            .map(|r| picked.iter().map(|i| (columns[*i].to_owned(), json!(r[*i]))).collect::<Map<_, _>>().into())
            .collect::<Vec<Value>>();
        return answer(cx, list.into());
    }
    let mut lines: Vec<Vec<&str>> = Vec::new();
    if cx.query.has("v") && cx.query.get("v") != Some("false") {
        lines.push(picked.iter().map(|i| columns[*i]).collect());
    }
    lines.extend(rows.iter().map(|r| picked.iter().map(|i| r[*i].as_str()).collect()));
    let widths: Vec<usize> =
        (0..picked.len()).map(|c| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing into a string cannot fail.
            let _ = write!(text, "{cell:width$} ");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    Reply::raw("text/plain; charset=UTF-8", Bytes::from(text))
}

fn size(bytes: u64) -> String {
    const UNITS: &[&str] = &["b", "kb", "mb", "gb", "tb"];
    let mut n = bytes as f64;
    let mut unit = 0;
    while n >= 1024.0 && unit + 1 < UNITS.len() {
        n /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}b") } else { format!("{n:.1}{}", UNITS[unit]) }
}

/// `GET /_cat/indices[/{index}]`.
pub(super) async fn cat_indices(cx: Ctx) -> Result<Reply> {
    const COLUMNS: &[&str] = &[
        "health",
        "status",
        "index",
        "uuid",
        "pri",
        "rep",
        "docs.count",
        "docs.deleted",
        "store.size",
        "pri.store.size",
        "dataset.size",
    ];
    let plain = cx.query.get("bytes") == Some("b");
    let rows = infos(&cx).await?.into_iter().map(|i| {
        let bytes = if plain { i.bytes.to_string() } else { size(i.bytes) };
        let uuid = i.uuid.replace('-', "").chars().take(22).collect();
        let fixed = |s: &str| s.to_owned();
        vec![
            fixed("green"),
            fixed("open"),
            i.name.to_string(),
            uuid,
            fixed("1"),
            fixed("0"),
            i.docs.to_string(),
            fixed("0"),
            bytes.clone(),
            bytes.clone(),
            bytes,
        ]
    });
    let rows = rows.collect();
    Ok(table(&cx, COLUMNS, rows))
}

/// `GET /_cat/count[/{index}]`.
pub(super) async fn cat_count(cx: Ctx) -> Result<Reply> {
    let n: u64 = infos(&cx).await?.iter().map(|i| i.docs).sum();
    let clock = cx.now.iso()[11..19].to_owned();
    Ok(table(&cx, &["epoch", "timestamp", "count"], vec![vec![(cx.now.ms() / 1000).to_string(), clock, n.to_string()]]))
}

/// `GET /_cat/health`.
pub(super) async fn cat_health(cx: Ctx) -> Result<Reply> {
    const COLUMNS: &[&str] = &[
        "epoch",
        "timestamp",
        "cluster",
        "status",
        "node.total",
        "node.data",
        "shards",
        "pri",
        "relo",
        "init",
        "unassign",
        "unassign.pri",
        "pending_tasks",
        "max_task_wait_time",
        "active_shards_percent",
    ];
    let n = store(&cx).names().len().to_string();
    let row = [
        &(cx.now.ms() / 1000).to_string(),
        &cx.now.iso()[11..19],
        "watchfire",
        "green",
        "1",
        "1",
        &n,
        &n,
        "0",
        "0",
        "0",
        "0",
        "0",
        "-",
        "100.0%",
    ];
    Ok(table(&cx, COLUMNS, vec![row.iter().map(|s| (*s).to_owned()).collect()]))
}
