//! `_search`, `_count`, `_msearch`, `_field_caps`, `_validate/query`: bodies to requests, responses to bodies.
//!
//! Invariants: an unknown key is an error; what this store does not do is refused with a clear message, never ignored.
//! Not here: evaluating (`index::search`), query text (`lang::dsl`).
//! Source: `reference/elasticsearch-apis.md` §6, §9.3.

use super::aggs;
use super::wire::{alerts_settled, answer, blocking, canonical, expand, expression, shards, store};
use crate::error::{ApiError, Result, Shape};
use crate::http::{Ctx, Query, Reply};
use index::search::Missing;
use index::{Index, SearchRequest, SearchResponse, Select, SortBy, SortKey};
use serde_json::{Map, Value, json};
use std::time::Instant;
use stdx::Diagnostic;

/// Searches of one `_msearch`.
const MSEARCH_MAX: usize = 1_000;

/// The JSON body, or the `source` parameter; `{}` when there is none.
pub(super) fn body(cx: &Ctx) -> Result<Value> {
    let text = match (cx.body.is_empty(), cx.query.get("source")) {
        (true, Some(s)) => s.as_bytes(),
        _ => &cx.body,
    };
    if text.is_empty() {
        return Ok(json!({}));
    }
    parse(text)
}

fn parse(text: &[u8]) -> Result<Value> {
    let value: Value = serde_json::from_slice(text).map_err(|e| {
        ApiError::invalid(format!("request body is not valid JSON: {e}")).kind("x_content_parse_exception")
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(ApiError::invalid("request body must be a JSON object").kind("parsing_exception"))
    }
}

fn author(found: &[Diagnostic]) -> ApiError {
    let message = found.first().map_or_else(|| "the query is not valid".to_owned(), |d| d.message.replace('`', ""));
    ApiError::invalid(message).kind("parsing_exception")
}

/// Parses a query object.
pub(super) fn query(value: &Value) -> Result<lang::dsl::Query> {
    lang::dsl::parse(value).map_err(|found| author(&found))
}

/// `_source` of the body and its twins in the URL.
pub(super) fn source_filter(value: Option<&Value>, url: &Query) -> Result<Select> {
    let list = |v: &Value| -> Vec<String> {
        match v {
            Value::String(s) => vec![s.clone()],
            Value::Array(a) => a.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let mut select = match value {
        None | Some(Value::Bool(true) | Value::Null) => Select::All,
        Some(Value::Bool(false)) => Select::None,
        Some(v @ (Value::String(_) | Value::Array(_))) => Select::Some { includes: list(v), excludes: Vec::new() },
        Some(Value::Object(o)) => {
            let get = |a: &str, b: &str| o.get(a).or_else(|| o.get(b)).map(list).unwrap_or_default();
            Select::Some { includes: get("includes", "include"), excludes: get("excludes", "exclude") }
        }
        Some(_) => {
            return Err(ApiError::invalid("[_source] must be a boolean, a pattern, a list or an object")
                .kind("parsing_exception"));
        }
    };
    match url.get("_source") {
        Some("false") => select = Select::None,
        Some("true") | None => {}
        Some(_) => select = Select::Some { includes: url.comma_list("_source"), excludes: Vec::new() },
    }
    let (includes, excludes) = (url.comma_list("_source_includes"), url.comma_list("_source_excludes"));
    if !includes.is_empty() || !excludes.is_empty() {
        select = Select::Some { includes, excludes };
    }
    Ok(select)
}

fn sort_by(name: &str, options: &Value) -> Result<SortBy> {
    let key = match name {
        "_doc" | "_shard_doc" | "_seq_no" => SortKey::Seq,
        "_score" => SortKey::Score,
        field => SortKey::Field(field.to_owned()),
    };
    let direction = |text: &str| match text {
        "asc" => Ok(false),
        "desc" => Ok(true),
        other => Err(ApiError::invalid(format!(
            "No enum constant org.elasticsearch.search.sort.SortOrder.{}",
            other.to_uppercase()
        ))),
    };
    let default = key == SortKey::Score;
    let mut by = SortBy { key, descending: default, missing: Missing::Last };
    match options {
        Value::Null => {}
        Value::String(s) => by.descending = direction(s)?,
        Value::Object(o) => {
            for (k, v) in o {
                match (k.as_str(), v) {
                    ("order", Value::String(s)) => by.descending = direction(s)?,
                    ("missing", Value::String(s)) if s == "_last" => by.missing = Missing::Last,
                    ("missing", Value::String(s)) if s == "_first" => by.missing = Missing::First,
                    ("missing", v) => by.missing = Missing::Value(v.clone().into()),
                    ("unmapped_type" | "numeric_type" | "format" | "mode", _) => {}
                    (other, _) => {
                        return Err(ApiError::invalid(format!("[sort] unknown field [{other}]"))
                            .kind("x_content_parse_exception"));
                    }
                }
            }
        }
        _ => return Err(ApiError::invalid(format!("[sort] malformed options of [{name}]")).kind("parsing_exception")),
    }
    Ok(by)
}

fn sorts(value: &Value) -> Result<Vec<SortBy>> {
    let one = |v: &Value| -> Result<Vec<SortBy>> {
        match v {
            Value::String(s) => match s.rsplit_once(':') {
                Some((f, d @ ("asc" | "desc"))) => Ok(vec![sort_by(f, &json!(d))?]),
                _ => Ok(vec![sort_by(s, &Value::Null)?]),
            },
            Value::Object(o) => o.iter().map(|(f, options)| sort_by(f, options)).collect(),
            _ => {
                Err(ApiError::invalid("malformed sort format, expected a field or an object").kind("parsing_exception"))
            }
        }
    };
    match value {
        Value::Array(a) => Ok(a.iter().map(one).collect::<Result<Vec<_>>>()?.concat()),
        v => one(v),
    }
}

fn count(value: &Value, what: &str) -> Result<usize> {
    let n = value.as_u64().or_else(|| value.as_str().and_then(|s| s.parse().ok()));
    n.and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| ApiError::invalid(format!("[{what}] parameter cannot be negative, found [{value}]")))
}

fn names(value: &Value) -> Vec<String> {
    let one = |v: &Value| v.as_str().or_else(|| v.get("field").and_then(Value::as_str)).map(str::to_owned);
    match value {
        Value::Array(a) => a.iter().filter_map(one).collect(),
        v => one(v).into_iter().collect(),
    }
}

/// What of the answer is shaped by the request.
struct Shown {
    version: bool,
    seq_no: bool,
    total_as_int: bool,
    total: bool,
    typed_keys: bool,
}

/// Reads a search body with the URL's twins.
fn request(body: &Value, url: &Query) -> Result<(SearchRequest, Shown)> {
    let mut r = SearchRequest::default();
    let mut shown = Shown {
        version: url.flag("version")?.unwrap_or(false),
        seq_no: url.flag("seq_no_primary_term")?.unwrap_or(false),
        total_as_int: url.flag("rest_total_hits_as_int")?.unwrap_or(false),
        total: true,
        typed_keys: url.flag("typed_keys")?.unwrap_or(false),
    };
    let mut filters = Vec::new();
    let mut source = None;
    let track = |v: &Value, r: &mut SearchRequest, shown: &mut Shown| match v {
        Value::Bool(true) => r.track_total = None,
        Value::Bool(false) => shown.total = false,
        v => r.track_total = v.as_u64(),
    };
    for (key, v) in body.as_object().into_iter().flatten() {
        match key.as_str() {
            "query" => filters.push(query(v)?),
            "post_filter" if body.get("aggs").or_else(|| body.get("aggregations")).is_none() => filters.push(query(v)?),
            "from" => r.from = v.as_i64().map_or_else(|| count(v, "from"), |n| Ok(usize::try_from(n).unwrap_or(0)))?,
            "size" => r.size = count(v, "size")?,
            "sort" => r.sort = sorts(v)?,
            "search_after" => {
                let list = v.as_array().ok_or_else(|| ApiError::invalid("[search_after] must be an array"))?;
                r.search_after = Some(list.iter().cloned().map(stdx::Value::from).collect());
            }
            "_source" => source = Some(v),
            "fields" | "docvalue_fields" | "stored_fields" => r.fields.extend(names(v)),
            "aggs" | "aggregations" => r.aggs = aggs::parse(v)?,
            "track_total_hits" => track(v, &mut r, &mut shown),
            "version" => shown.version = v.as_bool().unwrap_or(false),
            "seq_no_primary_term" => shown.seq_no = v.as_bool().unwrap_or(false),
            // These change neither hits nor their order.
            "timeout" | "track_scores" | "explain" | "profile" | "stats" | "terminate_after" | "indices_boost"
            | "highlight" => {}
            "pit" | "scroll" | "slice" | "knn" | "rank" | "retriever" | "rescore" | "suggest" | "collapse"
            | "runtime_mappings" | "min_score" | "script_fields" | "post_filter" | "ext" => {
                return Err(ApiError::invalid(format!(
                    "[{key}] is not supported by this server; page with [sort] and [search_after]"
                )));
            }
            other => {
                return Err(
                    ApiError::invalid(format!("unknown key [{other}] in the search body")).kind("parsing_exception")
                );
            }
        }
    }
    if let Some(q) = url.get("q") {
        let operator = url.get("default_operator").unwrap_or("or");
        let mut options = json!({"query": q, "default_operator": operator});
        if let Some(df) = url.get("df") {
            options["default_field"] = json!(df);
        }
        filters = vec![query(&json!({"query_string": options}))?];
    }
    r.size = url.number("size", r.size, 0, usize::MAX)?;
    r.from = url.number("from", r.from, 0, usize::MAX)?;
    if url.has("sort") {
        r.sort = url.comma_list("sort").iter().map(|s| sorts(&json!(s))).collect::<Result<Vec<_>>>()?.concat();
    }
    match url.get("track_total_hits") {
        Some("true") => track(&json!(true), &mut r, &mut shown),
        Some("false") => track(&json!(false), &mut r, &mut shown),
        Some(n) => track(&json!(n.parse::<u64>().ok()), &mut r, &mut shown),
        None => {}
    }
    r.source = source_filter(source, url)?;
    r.query = lang::dsl::Query::all(filters);
    r.expand = expand(url)?;
    // One kind of request has more hits than the window allows and wants all: the count does not need them.
    Ok((r, shown))
}

fn render(out: SearchResponse, r: &SearchRequest, shown: &Shown, took: u128) -> Value {
    let sorted = !r.sort.is_empty();
    let score = if sorted { Value::Null } else { json!(1.0) };
    let mut hits = Vec::with_capacity(out.hits.len());
    for h in out.hits {
        let mut hit = json!({"_index": rule::alert::index_of(&h.index), "_id": &*h.id});
        if shown.version {
            hit["_version"] = json!(h.version);
        }
        if shown.seq_no {
            hit["_seq_no"] = json!(h.seq_no);
            hit["_primary_term"] = json!(1);
        }
        hit["_score"] = score.clone();
        if !h.ignored.is_empty() {
            hit["_ignored"] = json!(h.ignored);
        }
        if let Some(s) = &h.source {
            hit["_source"] = s.into();
        }
        if let Some(f) = &h.fields {
            hit["fields"] = f.into();
        }
        if sorted {
            hit["sort"] = h.sort.iter().map(Value::from).collect();
        }
        hits.push(hit);
    }
    let max = if sorted || hits.is_empty() { Value::Null } else { json!(1.0) };
    let mut inner = Map::new();
    if shown.total {
        let total = json!({"value": out.total, "relation": if out.total_exact { "eq" } else { "gte" }});
        inner.insert("total".into(), if shown.total_as_int { json!(out.total) } else { total });
    }
    inner.insert("max_score".into(), max);
    inner.insert("hits".into(), hits.into());
    let mut body = json!({"took": u64::try_from(took).unwrap_or(u64::MAX), "timed_out": false, "_shards": shards(out.buckets.max(1)), "hits": inner});
    if !out.aggs.is_empty() {
        body["aggregations"] = aggs::render(&out.aggs, shown.typed_keys);
    }
    body
}

fn run(index: &Index, target: &str, body: &Value, url: &Query) -> Result<Value> {
    let began = Instant::now();
    let (mut r, shown) = request(body, url)?;
    r.indices = expression(index, target);
    let out = index.search(&r)?;
    Ok(render(out, &r, &shown, began.elapsed().as_millis()))
}

/// `GET|POST [/{index}]/_search`.
pub(super) async fn search(cx: Ctx) -> Result<Reply> {
    if cx.query.has("scroll") {
        return Err(ApiError::invalid("[scroll] is not supported by this server; page with [sort] and [search_after]"));
    }
    let value = body(&cx)?;
    alerts_settled(&cx, cx.param("index")).await?;
    let (index, target, url) = (store(&cx).clone(), cx.param("index").to_owned(), cx.query.clone());
    let out = blocking(move || run(&index, &target, &value, &url)).await?;
    Ok(answer(&cx, out))
}

/// `GET|POST [/{index}]/_count`.
pub(super) async fn count_docs(cx: Ctx) -> Result<Reply> {
    let value = body(&cx)?;
    if let Some(key) = value.as_object().and_then(|o| o.keys().find(|k| *k != "query")) {
        return Err(ApiError::invalid(format!("request does not support [{key}]")).kind("parsing_exception"));
    }
    alerts_settled(&cx, cx.param("index")).await?;
    let (index, target, url) = (store(&cx).clone(), cx.param("index").to_owned(), cx.query.clone());
    let n = blocking(move || {
        let (r, _) = request(&value, &url)?;
        Ok(index.count(&expression(&index, &target), r.expand, &r.query)?)
    })
    .await?;
    Ok(answer(&cx, json!({"count": n, "_shards": shards(1)})))
}

/// `POST [/{index}]/_msearch`: header and body lines in turn.
pub(super) async fn msearch(cx: Ctx) -> Result<Reply> {
    let began = Instant::now();
    if cx.body.last() != Some(&b'\n') {
        return Err(ApiError::invalid("The msearch request must be terminated by a newline [\\n]"));
    }
    let lines: Vec<Vec<u8>> = cx.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
    if lines.len() > 2 * MSEARCH_MAX {
        return Err(ApiError::invalid(format!("more than {MSEARCH_MAX} searches in one request")));
    }
    if lines.is_empty() || !lines.len().is_multiple_of(2) {
        return Err(
            ApiError::invalid("Validation Failed: 1: no requests added;").kind("action_request_validation_exception")
        );
    }
    let (index, default, url) = (store(&cx).clone(), cx.param("index").to_owned(), cx.query.clone());
    let responses = blocking(move || {
        let mut out = Vec::new();
        for pair in lines.chunks_exact(2) {
            let one = || -> Result<Value> {
                let head = parse(&pair[0])?;
                let target = match head.get("index") {
                    Some(Value::String(s)) => s.clone(),
                    Some(Value::Array(a)) => a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                    _ => default.clone(),
                };
                run(&index, &target, &parse(&pair[1])?, &url)
            };
            out.push(match one() {
                Ok(mut body) => {
                    body["status"] = json!(200);
                    body
                }
                Err(e) => e.body(Shape::Elasticsearch),
            });
        }
        Ok(out)
    })
    .await?;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(answer(&cx, json!({"took": took, "responses": responses})))
}

/// `GET|POST [/{index}]/_validate/query`.
pub(super) async fn validate(cx: Ctx) -> Result<Reply> {
    let value = body(&cx)?;
    let found = value.get("query").map(query).transpose();
    let mut out = json!({"_shards": shards(1), "valid": found.is_ok()});
    if let Err(e) = found {
        out["error"] = json!(e.message);
    }
    Ok(answer(&cx, out))
}

/// `GET|POST [/{index}]/_field_caps`.
pub(super) async fn field_caps(cx: Ctx) -> Result<Reply> {
    let value = body(&cx)?;
    let mut patterns = cx.query.comma_list("fields");
    patterns.extend(value.get("fields").map(names).unwrap_or_default());
    if patterns.is_empty() {
        return Err(
            ApiError::invalid("Validation Failed: 1: no fields specified;").kind("action_request_validation_exception")
        );
    }
    let (index, target, url) = (store(&cx).clone(), cx.param("index").to_owned(), cx.query.clone());
    let (indices, mapping) = blocking(move || {
        let target = expression(&index, &target);
        let expand = expand(&url)?;
        Ok((index.resolve(&target, expand)?, index.mapping(&target, expand)?))
    })
    .await?;
    let mut fields = Map::new();
    let mut add = |name: &str, kind: &str| {
        if patterns.iter().any(|p| index::names::matches(p, name)) {
            let cap =
                json!({"type": kind, "metadata_field": false, "searchable": true, "aggregatable": kind != "text"});
            fields.insert(name.to_owned(), json!({ kind: cap }));
        }
    };
    for (name, f) in &mapping {
        add(name, f.kind);
        if f.keyword {
            add(&format!("{name}.keyword"), "keyword");
        }
    }
    let indices: Vec<&str> = indices.iter().map(|i| &**i).collect();
    Ok(answer(&cx, json!({"indices": indices, "fields": fields})))
}

/// Names given in a path, in the store's words.
pub(super) fn target(cx: &Ctx) -> String {
    canonical(cx.param("index"))
}
