//! `elasticsearch.*`: one type per endpoint and `elasticsearch.request`, all of them one request to our own event store.
//!
//! Invariants: every named endpoint goes through [`endpoint::Endpoint::map`]; what leaves is always an `elasticsearch.request`; an endpoint
//! that this server does not have is answered by the server, not guessed here.
//! Not here: the API (`api::es`), what it can search (`index`).
//! Source: `reference/workflow-steps.md` §4; names, methods, paths and query parameters of the endpoints as Elastic's Apache-2.0 client
//! for JavaScript 9.6 lists them.

use super::endpoint::{self, Endpoint};
use super::{CallSpec, Next, StepCx, StepMeta, StepType, Wake};
use crate::catalogue::OperationMeta;
use crate::core::{Class, Fault};
use crate::template::{Member, Params};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use stdx::{Object, Value};

/// The endpoints by name.
pub static ENDPOINTS: LazyLock<BTreeMap<&'static str, Endpoint>> =
    LazyLock::new(|| endpoint::table(include_str!("elasticsearch/endpoints.tsv")));

/// Endpoints that only POST and only read.
const READING: [&str; 13] = [
    "async_search.submit",
    "esql.async_query",
    "esql.query",
    "indices.disk_usage",
    "indices.simulate_index_template",
    "indices.simulate_template",
    "ml.evaluate_data_frame",
    "ml.estimate_model_memory",
    "ml.validate",
    "ml.validate_detector",
    "open_point_in_time",
    "search_application.render_query",
    "text_structure.find_structure",
];
/// Ends of paths that POST and only read.
const READING_PATHS: [&str; 19] = [
    "/_search",
    "/_query",
    "/_count",
    "/_msearch",
    "/_mget",
    "/_field_caps",
    "/_validate/query",
    "/_simulate",
    "/_explain",
    "/_analyze",
    "/_rank_eval",
    "/_termvectors",
    "/_mtermvectors",
    "/_suggest",
    "/_has_privileges",
    "/_sql",
    "/_refresh",
    "/_search_shards",
    "/_terms_enum",
];

/// Schemas of the endpoints that authors use most: name, parameters, output.
const SHAPES: [(&str, &str, &str); 13] = [
    (
        "search",
        r#"{"type":"object","properties":{"index":{"description":"index name or pattern"},"query":{"type":"object"},"size":{"type":"integer"},"from":{"type":"integer"},"sort":{},"aggs":{"type":"object"},"_source":{},"fields":{"type":"array"},"track_total_hits":{},"search_after":{"type":"array"},"collapse":{"type":"object"},"runtime_mappings":{"type":"object"},"body":{"type":"object"},"request":{"type":"object"}}}"#,
        r#"{"type":"object","required":["took","timed_out","hits"],"properties":{"took":{"type":"integer"},"timed_out":{"type":"boolean"},"hits":{"type":"object","required":["total","max_score","hits"],"properties":{"total":{"type":"object","required":["value","relation"],"properties":{"value":{"type":"integer"},"relation":{"const":"eq"}}},"max_score":{"type":"number"},"hits":{"type":"array","items":{"type":"object","required":["_index","_id","_score","_source"],"properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_score":{"type":"number"},"_source":{"type":"object"}}}}}},"aggregations":{"type":"object"}}}"#,
    ),
    (
        "esql.query",
        r#"{"type":"object","required":["query"],"properties":{"query":{"type":"string","description":"ES|QL"},"params":{"type":"array"},"filter":{"type":"object"},"columnar":{"type":"boolean"},"locale":{"type":"string"},"profile":{"type":"boolean"},"tables":{"type":"object"},"include_ccs_metadata":{"type":"boolean"},"format":{"type":"string","description":"json, csv, tsv, txt"},"delimiter":{"type":"string"},"drop_null_columns":{"type":"boolean"},"allow_partial_results":{"type":"boolean"}}}"#,
        r#"{"type":"object","required":["columns","values","took","is_partial"],"properties":{"columns":{"type":"array","items":{"type":"object","required":["name","type"],"properties":{"name":{"type":"string"},"type":{"type":"string"}}}},"values":{"type":"array","items":{"type":"array","items":{"type":["string","number","boolean","null"]}}},"took":{"type":"integer"},"is_partial":{"type":"boolean"},"documents_found":{"type":"integer"}}}"#,
    ),
    (
        "eql.search",
        r#"{"type":"object","required":["index","query"],"properties":{"index":{"description":"index name or pattern"},"query":{"type":"string","description":"EQL"},"filter":{"type":"object"},"size":{"type":"integer"},"fetch_size":{"type":"integer"},"event_category_field":{"type":"string"},"timestamp_field":{"type":"string"},"tiebreaker_field":{"type":"string"},"fields":{"type":"array"}}}"#,
        r#"{"type":"object","required":["took","timed_out","hits"],"properties":{"took":{"type":"integer"},"timed_out":{"type":"boolean"},"is_partial":{"type":"boolean"},"hits":{"type":"object","required":["total"],"properties":{"total":{"type":"object","required":["value","relation"],"properties":{"value":{"type":"integer"},"relation":{"const":"eq"}}},"events":{"type":"array","items":{"type":"object","properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_source":{"type":"object"}}}},"sequences":{"type":"array","items":{"type":"object","properties":{"join_keys":{"type":"array","items":{"type":"string"}},"events":{"type":"array","items":{"type":"object","properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_source":{"type":"object"}}}}}}}}}}}"#,
    ),
    (
        "index",
        r#"{"type":"object","required":["index"],"properties":{"index":{"type":"string","description":"index name"},"id":{"type":"string"},"document":{"type":"object"},"refresh":{},"pipeline":{"type":"string"},"op_type":{"type":"string"},"routing":{"type":"string"},"if_seq_no":{"type":"integer"},"if_primary_term":{"type":"integer"}}}"#,
        r#"{"type":"object","required":["_index","_id","_version","result"],"properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_version":{"type":"integer"},"result":{"enum":["created","updated"]},"_seq_no":{"type":"integer"},"_primary_term":{"type":"integer"}}}"#,
    ),
    (
        "update",
        r#"{"type":"object","required":["index","id"],"properties":{"index":{"type":"string"},"id":{"type":"string"},"doc":{"type":"object"},"doc_as_upsert":{"type":"boolean"},"script":{},"upsert":{"type":"object"},"scripted_upsert":{"type":"boolean"},"detect_noop":{"type":"boolean"},"refresh":{},"retry_on_conflict":{"type":"integer"},"routing":{"type":"string"}}}"#,
        r#"{"type":"object","required":["_index","_id","_version","result"],"properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_version":{"type":"integer"},"result":{"enum":["updated","created","noop"]}}}"#,
    ),
    (
        "delete",
        r#"{"type":"object","required":["index","id"],"properties":{"index":{"type":"string"},"id":{"type":"string"},"refresh":{},"routing":{"type":"string"}}}"#,
        r#"{"type":"object","required":["_index","_id","result"],"properties":{"_index":{"type":"string"},"_id":{"type":"string"},"_version":{"type":"integer"},"result":{"const":"deleted"}}}"#,
    ),
    (
        "get",
        r#"{"type":"object","required":["index","id"],"properties":{"index":{"type":"string"},"id":{"type":"string"},"_source":{},"routing":{"type":"string"}}}"#,
        r#"{"type":"object","required":["_index","_id","found","_source"],"properties":{"_index":{"type":"string"},"_id":{"type":"string"},"found":{"const":true},"_source":{"type":"object"}}}"#,
    ),
    (
        "count",
        r#"{"type":"object","properties":{"index":{},"query":{"type":"object"},"q":{"type":"string"}}}"#,
        r#"{"type":"object","required":["count"],"properties":{"count":{"type":"integer"},"_shards":{"type":"object"}}}"#,
    ),
    (
        "field_caps",
        r#"{"type":"object","properties":{"index":{},"fields":{},"index_filter":{"type":"object"}}}"#,
        r#"{"type":"object","required":["indices","fields"],"properties":{"indices":{"type":"array","items":{"type":"string"}},"fields":{"type":"object"}}}"#,
    ),
    (
        "bulk",
        r#"{"type":"object","properties":{"index":{"type":"string"},"operations":{"type":"array","description":"documents, or action and document in turn"},"body":{"description":"NDJSON text"},"refresh":{},"pipeline":{"type":"string"},"timeout":{"type":"string"},"routing":{"type":"string"},"require_alias":{"type":"boolean"}}}"#,
        r#"{"type":"object","required":["took","errors","items"],"properties":{"took":{"type":"integer"},"errors":{"const":false},"items":{"type":"array","items":{"type":"object"}}}}"#,
    ),
    (
        "indices.create",
        r#"{"type":"object","required":["index"],"properties":{"index":{"type":"string"},"mappings":{"type":"object"},"settings":{"type":"object"},"aliases":{"type":"object"}}}"#,
        r#"{"type":"object","required":["acknowledged","shards_acknowledged","index"],"properties":{"acknowledged":{"const":true},"shards_acknowledged":{"const":true},"index":{"type":"string"}}}"#,
    ),
    (
        "indices.delete",
        r#"{"type":"object","required":["index"],"properties":{"index":{},"ignore_unavailable":{"type":"boolean"},"allow_no_indices":{"type":"boolean"}}}"#,
        r#"{"type":"object","required":["acknowledged"],"properties":{"acknowledged":{"const":true}}}"#,
    ),
    (
        "indices.exists",
        r#"{"type":"object","required":["index"],"properties":{"index":{},"ignore_unavailable":{"type":"boolean"},"allow_no_indices":{"type":"boolean"}}}"#,
        r#"{"type":"boolean"}"#,
    ),
];

/// The step types: one raw, the named ones.
#[derive(Debug)]
pub(super) struct Elasticsearch {
    meta: &'static StepMeta,
}
pub(super) static REQUEST: Elasticsearch = Elasticsearch { meta: &REQUEST_META };
/// The code of every named endpoint.
pub(super) static NAMED: Elasticsearch = Elasticsearch { meta: &NAMED_META };

static REQUEST_META: StepMeta = StepMeta {
    name: "elasticsearch.request",
    title: "Event store request",
    description: "sends any request to the Elasticsearch-compatible API under the run's account",
    group: "elastic",
    class: Class::Write,
    schema: r#"{"type":"object","properties":{"method":{"type":"string"},"path":{"type":"string","description":"for example /logs-*/_search"},"body":{},"query":{"type":"object"},"headers":{"type":"object"},"request":{"type":"object"}}}"#,
    output: r#"{"description":"the body of the answer"}"#,
    connectors: &[],
    config: &[],
    example: "- name: raw\n  type: elasticsearch.request\n  with:\n    method: POST\n    path: /logs-*/_search\n    body: { size: 1 }\n",
};
static NAMED_META: StepMeta = StepMeta {
    name: "elasticsearch.*",
    title: "Event store endpoint",
    description: "calls an endpoint of the Elasticsearch-compatible API",
    group: "elastic",
    class: Class::None,
    schema: "{}",
    output: "{}",
    connectors: &[],
    config: &[],
    example: "",
};

/// The endpoint of a step type, in its newer or older spelling.
pub(super) fn endpoint_of(kind: &str) -> Option<&'static Endpoint> {
    let name = kind.strip_prefix("elasticsearch.")?;
    ENDPOINTS.get(name).or_else(|| {
        // `cat_indices` was written for `cat.indices` once.
        name.match_indices('_').find_map(|(i, _)| ENDPOINTS.get(format!("{}.{}", &name[..i], &name[i + 1..]).as_str()))
    })
}

/// What the catalogue says of an endpoint.
pub(super) fn operation(endpoint: &Endpoint) -> OperationMeta {
    let shape = SHAPES.iter().find(|(name, ..)| *name == endpoint.name);
    let parse = |text: &str| stdx::json::parse(text).unwrap_or_default();
    let output = match (shape, endpoint.methods.first()) {
        (Some((_, _, output)), _) => parse(output),
        (None, Some(&"HEAD")) => parse(r#"{"type":"boolean"}"#),
        (None, _) => parse(r#"{"description":"the body of the answer"}"#),
    };
    OperationMeta {
        name: format!("elasticsearch.{}", endpoint.name).into(),
        title: super::words(endpoint.name).into(),
        group: "elastic".into(),
        class: endpoint.class(&READING),
        schema: shape.map_or_else(|| endpoint.schema(), |(_, schema, _)| parse(schema)),
        output,
        connector: None,
        deliver_within_s: None,
        inverse: None,
    }
}

/// Class of a raw request to our own event store.
pub fn request_class(method: &str, path: &str) -> Class {
    let path = path.split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
    match method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" => Class::Read,
        "POST" if READING_PATHS.iter().any(|end| path.ends_with(end)) => Class::Read,
        _ => Class::Write,
    }
}

impl StepType for Elasticsearch {
    fn meta(&self) -> &'static StepMeta {
        self.meta
    }
    fn class_written(&self, params: &Params, operation: Option<&OperationMeta>) -> Class {
        let nested = match params.member("request") {
            Some(Member::Templated(p)) => Some(p),
            Some(Member::Const(v)) => {
                let text = |key: &str| v.get(key).and_then(Value::as_str);
                return request_class(text("method").unwrap_or("GET"), text("path").unwrap_or(""));
            }
            None => None,
        };
        if let (None, Some(operation)) = (nested, operation) {
            return operation.class;
        }
        let params = nested.unwrap_or(params);
        let text = |key: &str| match params.member(key) {
            None => Some(String::new()),
            Some(Member::Const(v)) => Some(v.as_str().unwrap_or("").to_owned()),
            Some(Member::Templated(Params::Text(t))) if key == "path" => Some(t.source.to_string()),
            Some(Member::Templated(_)) => None,
        };
        match (text("method"), text("path")) {
            (Some(m), Some(p)) => request_class(if m.is_empty() { "GET" } else { &m }, &p),
            _ => Class::Write,
        }
    }
    fn start(&self, cx: &StepCx<'_>, params: Value) -> Next {
        let nested = params.get("request").filter(|r| r.as_object().is_some());
        let request = match (nested, cx.operation.and_then(|o| endpoint_of(&o.name))) {
            (Some(request), _) => raw(request),
            (None, Some(endpoint)) => named(endpoint, &params, &|n| Some(cx.id(&format!("document {n}")).to_string())),
            (None, None) if self.meta.name == "elasticsearch.request" => raw(&params),
            (None, None) => {
                let message = format!("No connector definition found for {}", cx.kind);
                return Next::fail("Error", message);
            }
        };
        let request = match request {
            Ok(r) => r,
            Err(fault) => return Next::Fail(fault),
        };
        let (method, path) = (super::text(&request, "method"), super::text(&request, "path"));
        let (method, path) = (method.unwrap_or_else(|| "GET".into()), path.unwrap_or_else(|| "/".into()));
        let class = match cx.operation {
            Some(o) if nested.is_none() => o.class,
            _ => request_class(&method, &path),
        };
        let call = CallSpec {
            operation: "elasticsearch.request".into(),
            connector: None,
            target: Value::Null,
            params: request,
            class,
            lane: "own".into(),
        };
        // A HEAD request answers yes or no.
        Next::Call { call: Box::new(call), memo: Value::Null, closes: &*method != "HEAD" }
    }
    fn resume(&self, _cx: &StepCx<'_>, _memo: &Value, wake: Wake) -> Next {
        match wake {
            Wake::Answered(Ok(_)) => Next::Done(Value::Bool(true)),
            Wake::Answered(Err(f)) if f.details.get("status").and_then(Value::as_i64) == Some(404) => {
                Next::Done(Value::Bool(false))
            }
            Wake::Answered(Err(fault)) => Next::Fail(fault),
            Wake::Timer | Wake::Decided(_) => Next::fail("Error", "a request does not wait for a person"),
        }
    }
}

/// The raw form: method, path, query, body, headers; a path without its first `/` is completed and not encoded again.
fn raw(params: &Value) -> Result<Value, Fault> {
    let method = super::text(params, "method").unwrap_or_else(|| "GET".into()).to_ascii_uppercase();
    if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].contains(&method.as_str()) {
        let message = format!("Invalid HTTP method \"{method}\". Valid values: GET, POST, PUT, PATCH, DELETE, HEAD");
        return Err(Fault::new("Error", message));
    }
    let path = super::required(params, "path", "elasticsearch.request")?;
    let path = path.trim();
    let mut out = Object::new();
    out.insert("method", method);
    out.insert("path", if path.starts_with('/') { path.to_owned() } else { format!("/{path}") });
    for key in ["query", "headers", "body"] {
        if let Some(v) = params.get(key).filter(|v| !v.is_null()) {
            out.insert(key, v.clone());
        }
    }
    if path.split('?').next().is_some_and(|p| p.ends_with("_bulk"))
        && let Some(body) = params.get("body")
    {
        lines(&mut out, body, &|_| None);
    }
    Ok(Value::from(out))
}

/// The request of a named endpoint; documents without an id get one of the run, so that sending again writes nothing twice.
fn named(endpoint: &Endpoint, params: &Value, id: &Ids<'_>) -> Result<Value, Fault> {
    let mut with_id = params.clone();
    if endpoint.name == "index"
        && params.get("id").is_none_or(|v| v.is_null() || v.as_str() == Some(""))
        && let (Some(id), Some(o)) = (id(0), with_id.object_mut())
    {
        o.insert("id", id);
    }
    let params = &with_id;
    let mut mapped = endpoint.map(params, &["document", "operations"])?;
    match endpoint.name {
        "index" | "create" => {
            if let Some(document) = params.get("document").filter(|v| !v.is_null()) {
                mapped.body = Some(document.clone());
            }
        }
        "bulk" => {
            let mut out = Object::new();
            let operations = params.get("operations").filter(|v| !v.is_null());
            let body = operations.or_else(|| params.get("body")).cloned().unwrap_or_default();
            mapped.body = None;
            if let Some(o) = super::endpoint::params(mapped).as_object() {
                out = o.clone();
            }
            lines(&mut out, &body, id);
            return Ok(Value::from(out));
        }
        _ => {
            for key in ["document", "operations"] {
                if let (Some(v), Some(body)) =
                    (params.get(key), mapped.body.get_or_insert_with(|| Value::from(Object::new())).object_mut())
                {
                    body.insert(key, v.clone());
                }
            }
            if mapped.body.as_ref().and_then(Value::as_object).is_some_and(Object::is_empty) {
                mapped.body = None;
            }
        }
    }
    Ok(super::endpoint::params(mapped))
}

/// The id of the n-th document that has none of its own.
type Ids<'a> = dyn Fn(usize) -> Option<String> + 'a;

/// A bulk body as NDJSON: text as it is, plain documents get an action line each, actions without an id get one.
fn lines(out: &mut Object, body: &Value, id: &Ids<'_>) {
    const ACTIONS: [&str; 4] = ["index", "create", "update", "delete"];
    let mut text = match body {
        Value::Str(s) => s.to_string(),
        Value::Array(rows) => {
            let plain = |row: &Value| row.as_object().is_none_or(|o| o.iter().any(|(k, _)| !ACTIONS.contains(&&**k)));
            let bare = rows.iter().all(plain);
            let mut text = String::new();
            let mut source = false;
            for (n, row) in rows.iter().enumerate() {
                let named = id(n).map(|id| Value::object([("_id", Value::from(id))]));
                if bare {
                    let action = named.clone().unwrap_or_else(|| Value::object::<&str>([]));
                    text.push_str(&stdx::json::text(&Value::object([("index", action)])));
                    text.push('\n');
                }
                // Action and document take turns; a deletion has no document.
                let action = row.as_object().filter(|o| !bare && !source && o.len() == 1).and_then(|o| o.iter().next());
                source = action.is_some_and(|(k, _)| &**k != "delete");
                if let (Some((kind @ ("index" | "create"), of)), Some(named)) = (action.map(|(k, v)| (&**k, v)), named)
                    && of.get("_id").is_none_or(Value::is_null)
                {
                    let mut with_id = of.as_object().cloned().unwrap_or_default();
                    with_id.insert("_id", named.get("_id").cloned().unwrap_or_default());
                    text.push_str(&stdx::json::text(&Value::object([(kind, Value::from(with_id))])));
                    text.push('\n');
                    continue;
                }
                match row {
                    Value::Str(s) => text.push_str(s),
                    row => text.push_str(&stdx::json::text(row)),
                }
                text.push('\n');
            }
            text
        }
        Value::Null => return,
        other => stdx::json::text(other),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut headers = out.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
    headers.insert("content-type", "application/x-ndjson");
    out.insert("headers", Value::from(headers));
    out.insert("body", Value::from(text));
}

/// The output of the endpoint that a raw request means, for stubs and forms.
pub fn output_of(method: &str, path: &str) -> Option<Value> {
    let fits = ENDPOINTS.values().find(|e| e.fits(method, path))?;
    Some(operation(fits).output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn of(kind: &str, params: &str) -> Value {
        let params = stdx::json::parse(params).unwrap();
        named(endpoint_of(kind).unwrap(), &params, &|_| None).unwrap()
    }

    #[test]
    fn named_endpoints_by_the_one_algorithm() {
        let mut got = String::new();
        for (kind, params) in [
            (
                "elasticsearch.search",
                r#"{"index":["logs-*","a b"],"query":{"match_all":{}},"size":1,"ignore_unavailable":true}"#,
            ),
            ("elasticsearch.search", r#"{"body":{"sort":["a"]},"from":2}"#),
            ("elasticsearch.index", r#"{"index":"x","id":"a/b","document":{"v":1},"refresh":"wait_for"}"#),
            ("elasticsearch.index", r#"{"index":"x","v":1}"#),
            ("elasticsearch.update", r#"{"index":"x","id":"1","doc":{"a":1},"retry_on_conflict":2}"#),
            ("elasticsearch.delete", r#"{"index":"x","id":"1"}"#),
            ("elasticsearch.esql.query", r#"{"query":"FROM x","format":"csv"}"#),
            ("elasticsearch.cat_indices", r#"{"h":["index","health"]}"#),
            ("elasticsearch.indices.exists", r#"{"index":"x"}"#),
            ("elasticsearch.ml.forecast", r#"{"job_id":"j","duration":"1d"}"#),
            ("elasticsearch.security.get_user", "{}"),
            ("elasticsearch.bulk", r#"{"index":"x","refresh":"true","operations":[{"a":1},{"b":2}]}"#),
            ("elasticsearch.bulk", r#"{"operations":[{"index":{"_id":"1"}},{"a":1},{"delete":{"_id":"2"}}]}"#),
            ("elasticsearch.bulk", r#"{"index":"x","body":"{\"index\":{}}\n{\"a\":1}"}"#),
        ] {
            let _ = writeln!(got, "{kind}: {}", stdx::json::text(&of(kind, params)));
        }
        let want = r#"elasticsearch.search: {"method":"POST","path":"/logs-*,a%20b/_search","query":{"ignore_unavailable":"true"},"body":{"query":{"match_all":{}},"size":1}}
elasticsearch.search: {"method":"POST","path":"/_search","body":{"sort":["a"],"from":2}}
elasticsearch.index: {"method":"POST","path":"/x/_doc/a%2Fb","query":{"refresh":"wait_for"},"body":{"v":1}}
elasticsearch.index: {"method":"POST","path":"/x/_doc","body":{"v":1}}
elasticsearch.update: {"method":"POST","path":"/x/_update/1","query":{"retry_on_conflict":"2"},"body":{"doc":{"a":1}}}
elasticsearch.delete: {"method":"DELETE","path":"/x/_doc/1"}
elasticsearch.esql.query: {"method":"POST","path":"/_query","query":{"format":"csv"},"body":{"query":"FROM x"}}
elasticsearch.cat_indices: {"method":"GET","path":"/_cat/indices","query":{"h":"index,health"}}
elasticsearch.indices.exists: {"method":"HEAD","path":"/x"}
elasticsearch.ml.forecast: {"method":"POST","path":"/_ml/anomaly_detectors/j/_forecast","body":{"duration":"1d"}}
elasticsearch.security.get_user: {"method":"GET","path":"/_security/user"}
elasticsearch.bulk: {"method":"POST","path":"/x/_bulk","query":{"refresh":"true"},"headers":{"content-type":"application/x-ndjson"},"body":"{\"index\":{}}\n{\"a\":1}\n{\"index\":{}}\n{\"b\":2}\n"}
elasticsearch.bulk: {"method":"POST","path":"/_bulk","headers":{"content-type":"application/x-ndjson"},"body":"{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n{\"delete\":{\"_id\":\"2\"}}\n"}
elasticsearch.bulk: {"method":"POST","path":"/x/_bulk","headers":{"content-type":"application/x-ndjson"},"body":"{\"index\":{}}\n{\"a\":1}\n"}
"#;
        assert_eq!(got, want);
    }

    #[test]
    fn documents_without_an_id_get_one_of_the_run() {
        let of = |kind: &str, text: &str| {
            let params = stdx::json::parse(text).unwrap();
            named(endpoint_of(kind).unwrap(), &params, &|n| Some(format!("r{n}"))).unwrap()
        };
        let path = |v: &Value| v.get("path").and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(path(&of("elasticsearch.index", r#"{"index":"x","document":{"v":1}}"#)), "/x/_doc/r0");
        assert_eq!(path(&of("elasticsearch.index", r#"{"index":"x","id":"own","document":{"v":1}}"#)), "/x/_doc/own");
        let body = |text: &str| of("elasticsearch.bulk", text).get("body").and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(
            body(r#"{"operations":[{"a":1},{"index":2,"b":1}]}"#),
            "{\"index\":{\"_id\":\"r0\"}}\n{\"a\":1}\n{\"index\":{\"_id\":\"r1\"}}\n{\"index\":2,\"b\":1}\n"
        );
        assert_eq!(
            body(
                r#"{"operations":[{"create":{"_index":"y"}},{"index":{}},{"delete":{"_id":"9"}},{"index":{"_id":"own"}},{"c":1}]}"#
            ),
            "{\"create\":{\"_index\":\"y\",\"_id\":\"r0\"}}\n{\"index\":{}}\n{\"delete\":{\"_id\":\"9\"}}\n{\"index\":{\"_id\":\"own\"}}\n{\"c\":1}\n"
        );
    }

    #[test]
    fn a_missing_part_of_the_path_is_named() {
        let given = stdx::json::parse(r#"{"index":"x"}"#).unwrap();
        let e = named(endpoint_of("elasticsearch.get").unwrap(), &given, &|_| None);
        assert_eq!(&*e.unwrap_err().message, "`get` needs `with.id`");
    }

    #[test]
    fn the_family_is_whole_and_classed() {
        assert!(ENDPOINTS.len() > 560, "{}", ENDPOINTS.len());
        for (kind, class) in [
            ("elasticsearch.search", Class::Read),
            ("elasticsearch.esql.query", Class::Read),
            ("elasticsearch.indices.exists", Class::Read),
            ("elasticsearch.bulk", Class::Write),
            ("elasticsearch.indices.delete", Class::Write),
        ] {
            assert_eq!(operation(endpoint_of(kind).unwrap()).class, class, "{kind}");
        }
        assert!(endpoint_of("elasticsearch.flying").is_none());
    }

    #[test]
    fn raw_paths_are_completed_and_classed() {
        let r =
            raw(&stdx::json::parse(r#"{"method":"post","path":"_ingest/pipeline/_simulate?verbose","body":{"a":1}}"#)
                .unwrap());
        assert_eq!(
            stdx::json::text(&r.unwrap()),
            r#"{"method":"POST","path":"/_ingest/pipeline/_simulate?verbose","body":{"a":1}}"#
        );
        assert_eq!(request_class("POST", "/x/_search?size=1"), Class::Read);
        assert_eq!(request_class("POST", "/x/_doc"), Class::Write);
        assert_eq!(request_class("DELETE", "/x"), Class::Write);
        assert!(output_of("POST", "/x/_search").is_some_and(|o| o.path(&["properties", "hits"]).is_some()));
    }
}
