//! Requests and responses as data.
//!
//! Invariants: `Debug` shows neither header values nor query strings nor bodies, since secrets are in them.
//! Not here: sockets (`engine::transport`).

use crate::{Fault, Retry};
use std::fmt;
use stdx::{Object, Value, json};

/// Redirects followed where nothing else is said.
pub const REDIRECTS_MAX: u8 = 5;

/// An HTTP request, ready to send.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Upper-case method.
    pub method: String,
    /// Whole address with query.
    pub url: String,
    /// Headers in order; names as given.
    pub headers: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
    /// Redirects to follow; 0 for none.
    pub redirects_max: u8,
    /// True when a redirect must never send the same method again (destructive calls).
    pub no_resend: bool,
    /// Milliseconds for the whole exchange, where the step says so.
    pub timeout_ms: Option<u64>,
    /// Bytes of the answer at most, where the step says so.
    pub bytes_max: Option<u64>,
    /// True where the certificate of the other side is not checked.
    pub insecure: bool,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(k, _)| k).collect();
        write!(f, "{} {} {names:?} ({} bytes)", self.method, origin(&self.url).unwrap_or_default(), self.body.len())
    }
}

impl HttpRequest {
    /// A request without headers or body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            redirects_max: REDIRECTS_MAX,
            no_resend: false,
            timeout_ms: None,
            bytes_max: None,
            insecure: false,
        }
    }
    /// Sets a header, whatever the case of its name.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
    }
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// Sets a body of JSON, or of text where the value is text.
    pub fn set_body(&mut self, body: &Value) {
        let (bytes, kind) = match body {
            Value::Null => return,
            Value::Str(s) if json::parse(s).is_ok() => (s.as_bytes().to_vec(), "application/json"),
            Value::Str(s) => (s.as_bytes().to_vec(), "text/plain; charset=utf-8"),
            other => (json::text(other).into_bytes(), "application/json"),
        };
        self.body = bytes;
        if self.header("content-type").is_none() {
            self.set_header("Content-Type", kind);
        }
    }
    /// Appends query parameters.
    pub fn add_query(&mut self, name: &str, value: &str) {
        let fragment = self.url.find('#').unwrap_or(self.url.len());
        self.url.truncate(fragment);
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&crate::template::component(name));
        self.url.push('=');
        self.url.push_str(&crate::template::component(value));
    }
    /// Refuses what would break out of a header or of the request line.
    pub fn check(&self) -> Result<(), Fault> {
        let token =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token(&self.method) {
            return Err(Fault::new("UnknownHttpRequestError", format!("method `{}` is not valid", self.method)));
        }
        for (name, value) in &self.headers {
            if !token(name) || value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
                return Err(Fault::new("UnknownHttpRequestError", format!("header `{name}` is not valid")));
            }
        }
        if origin(&self.url).is_none() {
            return Err(Fault::connector("URL is required"));
        }
        Ok(())
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HttpResponse {
    /// Status.
    pub status: u16,
    /// Headers in order, names lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decompressed.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The body as JSON where it parses, else as text.
    pub fn data(&self) -> Value {
        match json::parse_slice(&self.body) {
            Ok(v) => v,
            Err(_) => Value::from(String::from_utf8_lossy(&self.body).into_owned()),
        }
    }
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// `{status, statusText, headers, data}`.
    pub fn value(&self) -> Value {
        let mut headers = Object::new();
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            let joined = match headers.get(&name).and_then(Value::as_str) {
                Some(before) => format!("{before}, {value}"),
                None => value.clone(),
            };
            headers.insert(name, joined);
        }
        Value::object([
            ("status", Value::from(i64::from(self.status))),
            ("statusText", Value::from(reason(self.status))),
            ("headers", Value::from(headers)),
            ("data", self.data()),
        ])
    }
    /// True for 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
    /// What the status says about trying again.
    pub fn retry(&self) -> Retry {
        match self.status {
            429 | 503 => match self.header("retry-after").and_then(|s| s.trim().parse::<u64>().ok()) {
                Some(seconds) => Retry::After(seconds.saturating_mul(1000)),
                None => Retry::Backoff,
            },
            408 | 425 | 500 | 502 | 504 => Retry::Backoff,
            _ => Retry::Never,
        }
    }
    /// The fault of a status that is no success: `[404] Not Found: message of the body`.
    pub fn fault(&self) -> Fault {
        let data = self.data();
        let said =
            ["message", "error", "detail", "error_description"].iter().find_map(|name| match data.path(&[name]) {
                Some(Value::Str(s)) => Some(s.to_string()),
                Some(Value::Object(o)) => o.get("message").and_then(Value::as_str).map(str::to_string),
                _ => None,
            });
        let mut message = format!("[{}] {}", self.status, reason(self.status));
        if let Some(said) = said {
            message.push_str(": ");
            message.push_str(&stdx::bounded::truncate(&said, MESSAGE_BYTES_MAX));
        }
        Fault::connector(message).details(self.value()).retry(self.retry())
    }
}

/// So much of a service's own words goes into an error message.
const MESSAGE_BYTES_MAX: usize = 500;

/// `scheme://host[:port]`, lower case, without user and password; `None` where the address has none of `http` and `https`.
pub fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// The standard phrase of a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
