//! Searching alerts: a few of them straight from the store, many through the event index.
//!
//! Invariants: an answer contains what was committed before the request; both ways give the same envelope.
//! Not here: the query language (`lang::dsl`), the index (`index`).
//! Source: `reference/kibana-apis.md` §4.6; `design/engine.md` §5 (*alerts by id come from the store*).

use crate::error::{ApiError, Result};
use crate::http::{Ctx, Reply};
use serde_json::{Value as Json, json};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Instant;
use stdx::{Id, Time, Value};
use store::{AlertEntity, AlertFilter, AlertSort};
use tower::ServiceExt;
use triage::Alert;

/// Alerts that are looked at one by one; beyond it the index answers.
pub const SCANNED_MAX: u64 = 500;
/// Hits of one answer.
pub const HITS_MAX: usize = 10_000;
/// Bytes of an answer of the index.
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Hits where the request says nothing.
const SIZE_DEFAULT: usize = 10;

/// Answers a search request over the alerts of the space.
pub async fn search(cx: &Ctx, body: &Json) -> Result<Reply> {
    let began = Instant::now();
    let query = body.get("query").filter(|q| !q.is_null());
    let has_aggs = body
        .get("aggs")
        .or_else(|| body.get("aggregations"))
        .is_some_and(|a| a.as_object().is_some_and(|a| !a.is_empty()));
    let filter = narrowed(cx, query);
    let few =
        !has_aggs && body.get("runtime_mappings").is_none() && cx.read(|r| r.alert_count(&filter))? <= SCANNED_MAX;
    if !few {
        return through_index(cx, body).await.map(Reply::ok);
    }
    let found = scan(cx, query, &filter)?;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Reply::ok(envelope(body, found, took)?))
}

/// Ids of the alerts that match a query.
///
/// - errors: 400 when more than `max` match.
pub async fn matching(cx: &Ctx, query: &Json, max: usize) -> Result<Vec<Id>> {
    let filter = narrowed(cx, Some(query));
    let ids: Vec<Id> = if cx.read(|r| r.alert_count(&filter))? <= SCANNED_MAX {
        scan(cx, Some(query), &filter)?.into_iter().map(|a| a.id).collect()
    } else {
        ids_through_index(cx, query, max + 1).await?
    };
    if ids.len() > max {
        return Err(ApiError::invalid(format!("the query matches more than {max} alerts; narrow it down")));
    }
    Ok(ids)
}

/// The same search over the event index, through the Elasticsearch-compatible route, which waits for the newest versions of alerts.
async fn through_index(cx: &Ctx, body: &Json) -> Result<Json> {
    let request = axum::extract::Request::post(format!("/{}/_search?ignore_unavailable=true", crate::ALERTS_ALIAS))
        .header("content-type", "application/json")
        .extension(cx.principal.reading_events())
        .body(axum::body::Body::from(body.to_string()));
    let request = request.map_err(ApiError::internal)?;
    let response = cx.state.es_router().clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.map_err(ApiError::internal)?;
    let answer: Json = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
    if status.is_success() {
        return Ok(answer);
    }
    let reason = answer["error"]["reason"].as_str().or_else(|| answer["error"].as_str()).unwrap_or("the search failed");
    if status.is_client_error() { Err(ApiError::invalid(reason)) } else { Err(ApiError::internal(reason)) }
}

async fn ids_through_index(cx: &Ctx, query: &Json, max: usize) -> Result<Vec<Id>> {
    let mut ids: Vec<Id> = Vec::new();
    let mut after: Option<Json> = None;
    loop {
        let mut body = json!({"query": query, "size": 1_000, "_source": false, "sort": ["kibana.alert.uuid"]});
        if let (Some(after), Some(o)) = (after.take(), body.as_object_mut()) {
            o.insert("search_after".into(), after);
        }
        let answer = through_index(cx, &body).await?;
        let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
        ids.extend(hits.iter().filter_map(|h| h["_id"].as_str()).map(Id::from));
        match hits.last().filter(|_| hits.len() == 1_000 && ids.len() < max) {
            Some(last) => after = Some(last["sort"].clone()),
            None => return Ok(ids),
        }
    }
}

/// Documents in the event store that are not alerts.
pub async fn events_stored(cx: &Ctx) -> Result<u64> {
    let index = cx.state.index().clone();
    let listed = tokio::task::spawn_blocking(move || index.list()).await.map_err(ApiError::internal)?;
    let infos = listed.map_err(ApiError::internal)?;
    Ok(infos.iter().filter(|i| !i.name.starts_with('.')).map(|i| i.docs).sum())
}

fn scan(cx: &Ctx, query: Option<&Json>, filter: &AlertFilter) -> Result<Vec<Alert>> {
    let parsed = query.map(|q| lang::dsl::parse(q).map_err(|found| wrong_query(&found))).transpose()?;
    let predicate = parsed.map(|q| q.to_predicate(&lang::Ecs));
    let rows = cx.read(|r| r.alert_list(filter))?;
    let ids: Vec<Id> = rows.into_iter().map(|r| r.id).collect();
    let mut alerts = cx.read(|r| r.alert_documents(&cx.space, &ids))?;
    if let Some(predicate) = predicate {
        alerts.retain(|a| predicate.matches(&crate::kql::event(&a.document, Some(&a.id), &a.index)));
    }
    Ok(alerts)
}

fn wrong_query(found: &[stdx::Diagnostic]) -> ApiError {
    let message = found.first().map_or_else(|| "the query is not valid".to_owned(), |d| d.message.clone());
    ApiError::invalid(message).kind("parsing_exception")
}

/// What the columns can say of a query; the whole query is still evaluated on what they leave.
fn narrowed(cx: &Ctx, query: Option<&Json>) -> AlertFilter {
    let mut filter =
        AlertFilter { space: cx.space.clone(), sort: AlertSort::Newest, limit: SCANNED_MAX, ..AlertFilter::default() };
    if let Some(query) = query {
        narrow(&mut filter, query);
    }
    filter
}

fn narrow(filter: &mut AlertFilter, query: &Json) {
    let Some((kind, inner)) = query.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next()) else { return };
    match kind.as_str() {
        "bool" => {
            for key in ["filter", "must"] {
                match inner.get(key) {
                    Some(Json::Array(parts)) => parts.iter().for_each(|p| narrow(filter, p)),
                    Some(part) => narrow(filter, part),
                    None => {}
                }
            }
        }
        "ids" => ids(filter, inner.get("values")),
        "term" | "terms" | "match" | "match_phrase" => {
            let Some((field, value)) = inner.as_object().into_iter().flatten().find(|(k, _)| k.as_str() != "boost")
            else {
                return;
            };
            let value = value.get("value").or_else(|| value.get("query")).unwrap_or(value);
            term(filter, field, value);
        }
        _ => {}
    }
}

fn term(filter: &mut AlertFilter, field: &str, value: &Json) {
    let one = || value.as_str().map(Arc::<str>::from);
    let list = || -> Vec<Arc<str>> {
        match value {
            Json::Array(items) => items.iter().filter_map(Json::as_str).map(Arc::from).collect(),
            Json::String(text) => vec![text.as_str().into()],
            _ => Vec::new(),
        }
    };
    match field {
        "_id" | "kibana.alert.uuid" => ids(filter, Some(value)),
        "kibana.alert.workflow_status" if filter.statuses.is_empty() => filter.statuses = list(),
        "kibana.alert.severity" if filter.severities.is_empty() => filter.severities = list(),
        "kibana.alert.rule.uuid" => filter.rule = one().or_else(|| filter.rule.take()),
        "host.name" if filter.entity.is_none() => filter.entity = one().map(|v| (AlertEntity::Host, v)),
        "user.name" if filter.entity.is_none() => filter.entity = one().map(|v| (AlertEntity::User, v)),
        "source.ip" if filter.entity.is_none() => filter.entity = one().map(|v| (AlertEntity::Source, v)),
        _ => {}
    }
}

fn ids(filter: &mut AlertFilter, values: Option<&Json>) {
    let ids: Vec<Id> = match values {
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).map(Id::from).collect(),
        Some(Json::String(id)) => vec![Id::from(id.as_str())],
        _ => return,
    };
    if filter.ids.is_empty() && !ids.is_empty() && ids.len() as u64 <= SCANNED_MAX {
        filter.ids = ids;
    }
}

/// One key of `sort`.
struct Key {
    field: String,
    descending: bool,
}

fn sort_keys(body: &Json) -> Vec<Key> {
    let one = |field: &str, order: &Json| {
        let order =
            order.get("order").unwrap_or(order).as_str().unwrap_or(if field == "_score" { "desc" } else { "asc" });
        Key { field: field.to_owned(), descending: order == "desc" }
    };
    let item = |item: &Json| -> Vec<Key> {
        match item {
            Json::String(field) => vec![one(field, &Json::Null)],
            Json::Object(fields) => fields.iter().map(|(f, o)| one(f, o)).collect(),
            _ => Vec::new(),
        }
    };
    match body.get("sort") {
        Some(Json::Array(items)) => items.iter().flat_map(item).collect(),
        Some(other) => item(other),
        None => Vec::new(),
    }
}

fn sort_value(alert: &Alert, field: &str) -> Json {
    if matches!(field, "_id" | "_doc" | "_score" | "_shard_doc") {
        return json!(alert.id);
    }
    match alert.document.field(field) {
        Some(Value::Array(items)) => items.first().map_or(Json::Null, Json::from),
        Some(Value::Str(text)) => Time::parse(text)
            .filter(|_| text.len() >= 10 && text.as_bytes()[4] == b'-')
            .map_or_else(|| json!(text), |t| json!(t.ms())),
        Some(value) => Json::from(value),
        None => Json::Null,
    }
}

fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Null, Json::Null) => Ordering::Equal,
        // What has no value stands last, whatever the direction.
        (Json::Null, _) => Ordering::Greater,
        (_, Json::Null) => Ordering::Less,
        (Json::Number(a), Json::Number(b)) => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

fn compare_all(keys: &[Key], a: &[Json], b: &[Json]) -> Ordering {
    for ((key, a), b) in keys.iter().zip(a).zip(b) {
        let order = compare(a, b);
        let order = if key.descending && !a.is_null() && !b.is_null() { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn envelope(body: &Json, found: Vec<Alert>, took: u64) -> Result<Json> {
    let number = |key: &str, default: usize| -> Result<usize> {
        match body.get(key) {
            None | Some(Json::Null) => Ok(default),
            Some(v) => v
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| ApiError::invalid(format!("[{key}] must be a whole number"))),
        }
    };
    let (from, size) = (number("from", 0)?, number("size", SIZE_DEFAULT)?);
    if from.saturating_add(size) > HITS_MAX {
        return Err(ApiError::invalid(format!(
            "Result window is too large, from + size must be less than or equal to: [{HITS_MAX}]"
        )));
    }
    let keys = sort_keys(body);
    let total = found.len();
    let mut hits: Vec<(Vec<Json>, Alert)> =
        found.into_iter().map(|a| (keys.iter().map(|k| sort_value(&a, &k.field)).collect(), a)).collect();
    hits.sort_by(|a, b| compare_all(&keys, &a.0, &b.0));
    if let Some(after) = body.get("search_after").and_then(Json::as_array) {
        hits.retain(|(values, _)| compare_all(&keys, values, after) == Ordering::Greater);
    }
    let source = Source::read(body.get("_source"));
    let hits: Vec<Json> = hits
        .into_iter()
        .skip(from)
        .take(size)
        .map(|(values, alert)| hit(&keys, values, &alert, &source, body))
        .collect();
    Ok(json!({
        "took": took, "timed_out": false, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": total, "relation": "eq"}, "max_score": if keys.is_empty() && total > 0 { json!(1.0) } else { Json::Null }, "hits": hits},
    }))
}

fn hit(keys: &[Key], values: Vec<Json>, alert: &Alert, source: &Source, body: &Json) -> Json {
    let mut hit = json!({"_index": alert.index, "_id": alert.id, "_score": if keys.is_empty() { json!(1.0) } else { Json::Null }});
    if let Some(o) = hit.as_object_mut() {
        if let Some(document) = source.apply(&alert.document) {
            o.insert("_source".into(), document);
        }
        if let Some(fields) = body.get("fields").and_then(Json::as_array) {
            o.insert("fields".into(), fields_of(&alert.document, fields));
        }
        if !keys.is_empty() {
            o.insert("sort".into(), Json::Array(values));
        }
    }
    hit
}

/// `fields`: every value as a list; what does not exist is left out.
fn fields_of(document: &Value, wanted: &[Json]) -> Json {
    let mut out = serde_json::Map::new();
    let names = wanted.iter().filter_map(|f| f.as_str().or_else(|| f.get("field").and_then(Json::as_str)));
    for name in names {
        if let Some(value) = document.field(name) {
            let value = Json::from(value);
            out.insert(name.to_owned(), if value.is_array() { value } else { json!([value]) });
        }
    }
    Json::Object(out)
}

/// `_source`: all, nothing, or patterns to keep and to leave out.
enum Source {
    All,
    Nothing,
    Some(Vec<String>, Vec<String>),
}

impl Source {
    fn read(given: Option<&Json>) -> Self {
        let list = |v: Option<&Json>| -> Vec<String> {
            match v {
                Some(Json::String(s)) => vec![s.clone()],
                Some(Json::Array(a)) => a.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
                _ => Vec::new(),
            }
        };
        match given {
            None | Some(Json::Null | Json::Bool(true)) => Self::All,
            Some(Json::Bool(false)) => Self::Nothing,
            Some(v @ Json::Object(_)) => Self::Some(
                list(v.get("includes").or_else(|| v.get("include"))),
                list(v.get("excludes").or_else(|| v.get("exclude"))),
            ),
            Some(v) => Self::Some(list(Some(v)), Vec::new()),
        }
    }
    fn apply(&self, document: &Value) -> Option<Json> {
        match self {
            Self::All => Some(Json::from(document)),
            Self::Nothing => None,
            Self::Some(keep, drop) => Some(filtered(document, "", keep, drop).unwrap_or_else(|| json!({}))),
        }
    }
}

fn filtered(value: &Value, path: &str, keep: &[String], drop: &[String]) -> Option<Json> {
    let named = |patterns: &[String]| patterns.iter().any(|p| covers(p, path));
    if !path.is_empty() && named(drop) {
        return None;
    }
    if !path.is_empty() && named(keep) && drop.is_empty() {
        return Some(Json::from(value));
    }
    let Some(object) = value.as_object() else {
        return (keep.is_empty() || named(keep)).then(|| Json::from(value));
    };
    let inner: serde_json::Map<String, Json> = object
        .iter()
        .filter_map(|(k, v)| {
            let path = if path.is_empty() { k.to_string() } else { format!("{path}.{k}") };
            filtered(v, &path, keep, drop).map(|v| (k.to_string(), v))
        })
        .collect();
    (!inner.is_empty()).then_some(Json::Object(inner))
}

/// True when the pattern names the path or something above it; `*` stands for any text.
fn covers(pattern: &str, path: &str) -> bool {
    if !pattern.contains('*') {
        return path == pattern || path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'));
    }
    let mut rest = path;
    let parts: Vec<&str> = pattern.split('*').collect();
    for (i, part) in parts.iter().enumerate() {
        let at = if i == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || parts.last().is_some_and(|p| p.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, document: Json) -> Alert {
        Alert {
            id: Id::from(id),
            space: "default".into(),
            index: "i".into(),
            version: 1,
            created: Time(0),
            updated: Time(0),
            document: Value::from(document),
        }
    }

    #[test]
    fn hits_are_sorted_paged_and_filtered() {
        let all = || {
            vec![
                alert(
                    "a",
                    json!({"@timestamp": "2026-01-01T00:00:00.000Z", "kibana.alert.risk_score": 20, "host": {"name": "h"}}),
                ),
                alert("b", json!({"@timestamp": "2026-01-02T00:00:00.000Z", "kibana.alert.risk_score": 90})),
                alert("c", json!({"kibana.alert.risk_score": 50})),
            ]
        };
        let ids = |body: Json| -> Vec<String> {
            let answer = envelope(&body, all(), 0).unwrap();
            answer["hits"]["hits"].as_array().unwrap().iter().map(|h| h["_id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(json!({"sort": [{"@timestamp": "desc"}]})), ["b", "a", "c"]);
        assert_eq!(ids(json!({"sort": [{"kibana.alert.risk_score": {"order": "asc"}}], "size": 2})), ["a", "c"]);
        assert_eq!(ids(json!({"sort": ["kibana.alert.risk_score"], "search_after": [20]})), ["c", "b"]);
        let answer =
            envelope(&json!({"_source": ["kibana.alert.*", "host"], "fields": ["host.name"]}), all(), 0).unwrap();
        assert_eq!(answer["hits"]["total"]["value"], 3);
        assert_eq!(answer["hits"]["hits"][0]["_source"], json!({"kibana.alert.risk_score": 20, "host": {"name": "h"}}));
        assert_eq!(answer["hits"]["hits"][0]["fields"], json!({"host.name": ["h"]}));
        assert!(envelope(&json!({"from": 9_999, "size": 2}), all(), 0).is_err());
    }

    #[test]
    fn columns_narrow_what_is_read() {
        let mut f = AlertFilter::default();
        narrow(
            &mut f,
            &json!({"bool": {"filter": [{"term": {"kibana.alert.uuid": "a1"}}, {"terms": {"kibana.alert.workflow_status": ["open"]}}], "must_not": [{"term": {"host.name": "x"}}]}}),
        );
        assert_eq!(f.ids, [Id::from("a1")]);
        assert_eq!(f.statuses, [Arc::from("open")]);
        assert!(f.entity.is_none());
        let mut f = AlertFilter::default();
        narrow(&mut f, &json!({"bool": {"should": [{"term": {"host.name": "h"}}]}}));
        assert!(f.entity.is_none(), "one of several alternatives says nothing about all");
    }
}
