//! Our own API called in process: `kibana.request`, `elasticsearch.*`, reads of cases.
//!
//! Invariants: a call carries the run's principal and its idempotency key; it never leaves the process.
//! Not here: the routes (`api`), which `watchfire` hands in as a service.

use futures::future::BoxFuture;
use std::sync::Arc;
use stdx::Value;

/// Which of our APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnApi {
    /// Kibana-compatible.
    Kibana,
    /// Elasticsearch-compatible.
    Elasticsearch,
}

/// A request in process.
#[derive(Clone, Debug)]
pub struct OwnRequest {
    /// Which API.
    pub api: OwnApi,
    /// Upper-case method.
    pub method: Arc<str>,
    /// Path with query, from `/`.
    pub path: String,
    /// Headers besides those the engine sets.
    pub headers: Vec<(String, String)>,
    /// Body: JSON text, or NDJSON.
    pub body: Option<String>,
    /// On whose behalf.
    pub principal: Arc<str>,
    /// Space of the run.
    pub space: Arc<str>,
    /// The run and step that ask: (execution, step path).
    pub execution: (Arc<str>, Arc<str>),
    /// Idempotency key.
    pub key: String,
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct OwnResponse {
    /// Status.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// The service.
pub type OwnRouter = Arc<dyn Fn(OwnRequest) -> BoxFuture<'static, OwnResponse> + Send + Sync>;

/// A call of a named step as a request of our own API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which API.
    pub api: OwnApi,
    /// Upper-case method.
    pub method: Arc<str>,
    /// Path with query.
    pub path: String,
    /// Headers that the step gives.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<String>,
}

/// What a call of a named step means as a request of our own API.
///
/// - errors: a parameter is missing or of the wrong kind; the message names it.
pub fn route(operation: &str, params: &Value) -> Result<Route, String> {
    let params = params.get("request").filter(|r| r.as_object().is_some()).unwrap_or(params);
    let text = |key: &str| params.get(key).and_then(Value::as_str);
    let headers: Vec<(String, String)> = params
        .get("headers")
        .and_then(Value::as_object)
        .map(|o| o.iter().filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_owned()))).collect())
        .unwrap_or_default();
    let body = params.get("body").filter(|b| !b.is_null()).map(|b| match b {
        Value::Str(s) => s.to_string(),
        other => stdx::json::text(other),
    });
    match operation {
        "kibana.request" | "elasticsearch.request" => {
            let method = text("method").unwrap_or("GET").to_ascii_uppercase();
            if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].contains(&method.as_str()) {
                return Err(format!("Invalid HTTP method \"{method}\". Valid values: GET, POST, PUT, PATCH, DELETE"));
            }
            let path = text("path").ok_or("parameter `path` is required")?;
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            let api = if operation == "kibana.request" { OwnApi::Kibana } else { OwnApi::Elasticsearch };
            let (mut headers, mut body) = (headers, body);
            if let Some(form) = params.get("form_data").and_then(Value::as_object) {
                let (text, boundary) = multipart(form);
                headers.retain(|(name, _): &(String, String)| !name.eq_ignore_ascii_case("content-type"));
                headers.push(("content-type".into(), format!("multipart/form-data; boundary={boundary}")));
                body = Some(text);
            }
            Ok(Route { api, method: method.into(), path: with_query(path, params.get("query")), headers, body })
        }
        // As runs of the first version froze it; steps ask with `elasticsearch.request` now.
        "elasticsearch.search" => {
            let mut body = params.get("body").cloned().unwrap_or_default();
            let target = body.object_mut().ok_or("parameter `body` must be an object")?;
            if let Some(object) = params.as_object() {
                for (k, v) in object.iter().filter(|(k, _)| !matches!(&***k, "index" | "body")) {
                    target.insert(k.clone(), v.clone());
                }
            }
            let index = match params.get("index") {
                Some(Value::Array(a)) => a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                Some(v) => v.as_str().ok_or("parameter `index` must be a string or a list of strings")?.to_owned(),
                None => String::new(),
            };
            let path = if index.is_empty() { "/_search".to_owned() } else { format!("/{}/_search", encode(&index)) };
            let body = Some(stdx::json::text(&body));
            Ok(Route { api: OwnApi::Elasticsearch, method: "POST".into(), path, headers, body })
        }
        "cases.getCase" => {
            let id = text("case_id").ok_or("parameter `case_id` is required")?;
            let comments = params.get("include_comments").and_then(Value::as_bool).unwrap_or(false);
            let path = format!("/api/cases/{}?includeComments={comments}", encode(id));
            Ok(Route { api: OwnApi::Kibana, method: "GET".into(), path, headers, body: None })
        }
        other => Err(format!("No connector definition found for {other}")),
    }
}

/// A multipart body of `field → {content, filename?, content_type?}` or plain text, and its boundary.
fn multipart(form: &stdx::Object) -> (String, String) {
    let text = |v: &Value| match v {
        Value::Str(s) => s.to_string(),
        other => stdx::json::text(other),
    };
    let plain = |s: &str| s.replace(['\r', '\n', '"'], "_");
    let parts: Vec<(String, String)> = form
        .iter()
        .map(|(name, field)| {
            let content = field.get("content").map_or_else(|| text(field), text);
            let mut head = format!("Content-Disposition: form-data; name=\"{}\"", plain(name));
            let filename = field.get("filename").and_then(Value::as_str);
            if let Some(filename) = filename {
                head.push_str(&format!("; filename=\"{}\"", plain(filename)));
            }
            let kind = field.get("content_type").and_then(Value::as_str);
            if let Some(kind) = kind.or_else(|| filename.map(|_| "application/octet-stream")) {
                head.push_str(&format!("\r\nContent-Type: {}", plain(kind)));
            }
            (head, content)
        })
        .collect();
    let mut boundary = "watchfire-form".to_owned();
    while parts.iter().any(|(_, content)| content.contains(&boundary)) {
        boundary.push('-');
    }
    let mut body = String::new();
    for (head, content) in parts {
        body.push_str(&format!("--{boundary}\r\n{head}\r\n\r\n{content}\r\n"));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    (body, boundary)
}

fn encode(segment: &str) -> String {
    const KEEP: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*')
        .remove(b',')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(segment, &KEEP).to_string()
}

fn with_query(path: String, query: Option<&Value>) -> String {
    let Some(Value::Object(query)) = query else { return path };
    let mut pairs = Vec::new();
    for (k, v) in query.iter() {
        let one = |v: &Value| match v {
            Value::Str(s) => s.to_string(),
            other => stdx::json::text(other),
        };
        match v {
            Value::Null => {}
            Value::Array(a) => pairs.extend(a.iter().map(|v| format!("{}={}", encode(k), encode(&one(v))))),
            v => pairs.push(format!("{}={}", encode(k), encode(&one(v)))),
        }
    }
    if pairs.is_empty() {
        return path;
    }
    format!("{path}{}{}", if path.contains('?') { '&' } else { '?' }, pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Value {
        stdx::json::parse(json).unwrap()
    }

    #[test]
    fn forms_become_multipart() {
        let given = params(
            r#"{"method":"POST","path":"/api/detection_engine/rules/_import","form_data":{"file":{"content":"{}","filename":"r.ndjson"},"x":"watchfire-form"}}"#,
        );
        let r = route("kibana.request", &given).unwrap();
        assert_eq!(r.headers, [("content-type".into(), "multipart/form-data; boundary=watchfire-form-".into())]);
        let body = r.body.unwrap();
        assert!(body.starts_with("--watchfire-form-\r\nContent-Disposition: form-data; name=\"file\"; filename=\"r.ndjson\"\r\nContent-Type: application/octet-stream\r\n\r\n{}\r\n"), "{body}");
        assert!(body.ends_with("--watchfire-form---\r\n"));
    }

    #[test]
    fn search_takes_the_flat_form_and_body() {
        let given = params(r#"{"index":"logs-*","query":{"match_all":{}},"size":1,"body":{"sort":["a"]}}"#);
        let r = route("elasticsearch.search", &given).unwrap();
        assert_eq!((r.api, &*r.method, r.path.as_str()), (OwnApi::Elasticsearch, "POST", "/logs-*/_search"));
        assert_eq!(r.body.unwrap(), r#"{"sort":["a"],"query":{"match_all":{}},"size":1}"#);
    }

    #[test]
    fn request_keeps_query_and_checks_the_method() {
        let given = params(r#"{"path":"api/cases/_find","query":{"tags":["a","b c"],"x":null}}"#);
        assert_eq!(route("kibana.request", &given).unwrap().path, "/api/cases/_find?tags=a&tags=b%20c");
        assert!(route("kibana.request", &params(r#"{"method":"FLY","path":"/"}"#)).unwrap_err().contains("FLY"));
    }
}
