//! The step `http`: any request, with or without a connector.
//!
//! Invariants: with a connector the request never leaves the connector's origin, and the connector alone says whether certificates are
//! checked; the step's headers win over the connector's.
//! Source: `reference/workflow-steps.md` §10.1.

use super::data::pairs;
use crate::http::{REDIRECTS_MAX, origin, reason};
use crate::registry::Bound;
use crate::{Fault, HttpRequest, HttpResponse};
use stdx::Value;

/// The request of the step's parameters.
pub(crate) fn request(bound: &Bound<'_>) -> Result<HttpRequest, Fault> {
    let mut request = HttpRequest::new(&bound.text(&bound.operation.method)?, address(bound)?);
    for source in [bound.config.path(&["headers"]), bound.param("headers")].into_iter().flatten() {
        for (name, value) in pairs(source) {
            request.set_header(&name, value);
        }
    }
    if let Some(query) = bound.param("query") {
        for (name, value) in pairs(query) {
            request.add_query(&name, &value);
        }
    }
    if let Some(body) = bound.param("body") {
        request.set_body(body);
    } else if let Some(form) = bound.param("form_data") {
        multipart(&mut request, form, bound.idempotency_key);
    }
    let number = |path: &[&str]| bound.params.path(path).and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok());
    request.timeout_ms = number(&["timeout"]).filter(|ms| *ms > 0);
    request.bytes_max = number(&["fetcher", "max_content_length"]).filter(|bytes| *bytes > 0);
    let follows = bound.params.path(&["fetcher", "follow_redirects"]).and_then(Value::as_bool).unwrap_or(true);
    let redirects = number(&["fetcher", "max_redirects"]).and_then(|n| u8::try_from(n).ok()).unwrap_or(REDIRECTS_MAX);
    request.redirects_max = if follows { redirects } else { 0 };
    let skip = bound.params.path(&["fetcher", "skip_ssl_verification"]).and_then(Value::as_bool) == Some(true);
    // Where a connector's credentials travel, the connector decides, not whoever writes a step.
    request.insecure = match bound.instance {
        Some(_) => bound.config_text("verificationMode") == Some("none"),
        None => skip,
    };
    if skip && !request.insecure {
        return Err(Fault::connector(
            "`fetcher.skip_ssl_verification` is the connector's to say: set its verification mode to `none`",
        ));
    }
    Ok(request)
}

fn address(bound: &Bound<'_>) -> Result<String, Fault> {
    let base = bound.config_text("url");
    let url = match (base, bound.param_text("url")) {
        (None, None) => return Err(Fault::connector("URL is required")),
        (None, Some(url)) => url,
        // A whole address beside a connector keeps its path where it means the same place.
        (Some(base), Some(url)) if bound.param_text("path").is_none() && origin(base) == origin(url) => url,
        (Some(base), _) => base,
    };
    Ok(match bound.param_text("path") {
        Some(path) => {
            let (url, query) = url.split_once('?').map_or((url, None), |(u, q)| (u, Some(q)));
            let joined = format!("{}/{}", url.trim_end_matches('/'), path.trim_start_matches('/'));
            match query {
                Some(query) if joined.contains('?') => format!("{joined}&{query}"),
                Some(query) => format!("{joined}?{query}"),
                None => joined,
            }
        }
        None => url.to_string(),
    })
}

fn multipart(request: &mut HttpRequest, form: &Value, key: &str) {
    let plain = |s: &str| s.replace(['\r', '\n', '"'], "_");
    let text = |v: &Value| match v {
        Value::Str(s) => s.to_string(),
        other => stdx::json::text(other),
    };
    let fields: Vec<(String, String)> = form
        .as_object()
        .into_iter()
        .flat_map(stdx::Object::iter)
        .filter(|(_, v)| !v.is_null())
        .map(|(name, field)| {
            // A file is `{content, filename?, content_type?}`.
            let content = field.get("content").map_or_else(|| text(field), text);
            let filename = field.get("filename").and_then(Value::as_str);
            let kind = field.get("content_type").and_then(Value::as_str);
            let mut head = format!("Content-Disposition: form-data; name=\"{}\"", plain(name));
            if let Some(filename) = filename {
                head.push_str(&format!("; filename=\"{}\"", plain(filename)));
            }
            if let Some(kind) = kind.or_else(|| filename.map(|_| "application/octet-stream")) {
                head.push_str(&format!("\r\nContent-Type: {}", plain(kind)));
            }
            (head, content)
        })
        .collect();
    let mut boundary = format!("watchfire-{key}");
    while fields.iter().any(|(_, v)| v.contains(&boundary)) {
        boundary.push('-');
    }
    let mut body = String::new();
    for (head, content) in &fields {
        body.push_str(&format!("--{boundary}\r\n{head}\r\n\r\n{content}\r\n"));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    request.body = body.into_bytes();
    request.set_header("Content-Type", format!("multipart/form-data; boundary={boundary}"));
}

/// `{status, statusText, headers, data}`; any status but 2xx is a fault with the same in `details`.
pub(crate) fn response(bound: &Bound<'_>, answer: &HttpResponse) -> Result<Value, Fault> {
    if answer.is_success() {
        return Ok(answer.value());
    }
    let mut fault = answer.fault();
    if bound.instance.is_none() {
        fault.kind = "HttpRequestError";
        fault.message = match reason(answer.status) {
            "" => format!("Request failed with status code {}", answer.status),
            text => format!("Request failed with status code {} ({text})", answer.status),
        };
    }
    Err(fault)
}
