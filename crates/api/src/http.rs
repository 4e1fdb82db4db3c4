//! What a handler gets and gives: the request as plain data, the reply as data.
//!
//! Invariants: a body never exceeds its route's limit, and never waits longer than `BODY_WAIT`; query strings are decoded once.
//! Not here: routing and authentication (`serve`), meaning of any body (`routes`).

use crate::auth::Principal;
use crate::error::{ApiError, ErrorCode, Result};
use crate::state::State;
use crate::table::Route;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stdx::Time;

/// Bytes of a request body where the route says nothing else; Kibana's `server.maxPayload`.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a body that carries workflow text (JSON escaping may double 1 MiB of YAML) .
pub const YAML_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of an import file.
pub const IMPORT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long the whole body may take to arrive.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// A refused body is read and thrown away up to this size, so that the client sees the answer instead of a broken pipe.
const DRAIN_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How long throwing away may take.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// Parameters in one query string.
const QUERY_PAIRS_MAX: usize = 2_000;

/// Parameters of the query string, decoded, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `raw` (`a=b&c=d`, `+` is a space); escapes that are not UTF-8 are an error.
    pub fn parse(raw: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|p| !p.is_empty()) {
            if pairs.len() == QUERY_PAIRS_MAX {
                return Err(ApiError::invalid(format!("more than {QUERY_PAIRS_MAX} query parameters")));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(key)?, decode(value)?));
        }
        Ok(Self(pairs))
    }
    /// The last value of `key`, if it is not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_str())
    }
    /// True when `key` was sent.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }
    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(k, _)| k.as_str())
    }
    /// Every value of `key` and of `key[]`: repeated keys, a JSON array string, or one bare value.
    pub fn list(&self, key: &str) -> Vec<String> {
        let bracketed = format!("{key}[]");
        let mut all = Vec::new();
        for (_, value) in self.0.iter().filter(|(k, v)| (k == key || *k == bracketed) && !v.is_empty()) {
            match serde_json::from_str::<Vec<Value>>(value) {
                Ok(items) if value.starts_with('[') => {
                    all.extend(items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)));
                }
                _ => all.push(value.clone()),
            }
        }
        all
    }
    /// As [`Query::list`], each value also split at commas.
    pub fn comma_list(&self, key: &str) -> Vec<String> {
        let split =
            |v: &String| v.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect::<Vec<_>>();
        self.list(key).iter().flat_map(split).collect()
    }
    /// `true`, `false` or absent.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key) {
            None if self.has(key) => Ok(Some(true)),
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(format!(
                "[request query.{key}]: expected value of type [boolean] but got [{other}]"
            ))),
        }
    }
    /// A whole number within `min..=max`, or `default`.
    pub fn number(&self, key: &str, default: usize, min: usize, max: usize) -> Result<usize> {
        let Some(text) = self.get(key) else { return Ok(default) };
        match text.parse::<usize>() {
            Ok(n) if (min..=max).contains(&n) => Ok(n),
            Ok(_) => Err(ApiError::invalid(format!("[request query.{key}]: Value must be between {min} and {max}."))),
            Err(_) => Err(ApiError::invalid(format!(
                "[request query.{key}]: expected value of type [number] but got [{text}]"
            ))),
        }
    }
}

fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| ApiError::invalid("the query string is not valid UTF-8"))
}

/// A request that passed authentication, privilege and size checks.
pub struct Ctx {
    /// Handles.
    pub state: State,
    /// Who asks.
    pub principal: Principal,
    /// Space of the path.
    pub space: Arc<str>,
    /// Row of the table.
    pub route: &'static Route,
    /// Parameters of the path, decoded.
    pub params: Vec<(String, String)>,
    /// Parameters of the query string.
    pub query: Query,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; empty when none was sent.
    pub body: Bytes,
    /// When the request was taken.
    pub now: Time,
}

impl Ctx {
    /// A parameter of the path; empty when the route has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v.as_str())
    }
    /// The body as JSON; 400 when it is none.
    pub fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Err(ApiError::invalid("[request body]: expected a JSON body"));
        }
        self.expect_json_type()?;
        parse_json(&self.body)
    }
    /// The body as a JSON object; an absent body is `{}`.
    pub fn json_or_empty(&self) -> Result<Value> {
        if self.body.is_empty() { Ok(Value::Object(serde_json::Map::new())) } else { self.json() }
    }
    fn expect_json_type(&self) -> Result<()> {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or("application/json");
        // `curl -d` says form; refusing it, as Kibana does, tells the user what to send.
        if kind.contains("json") {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Unsupported, "Unsupported Media Type"))
    }
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
    /// Who does it, for the audit trail.
    pub fn actor(&self) -> triage::Actor {
        self.principal.actor()
    }
}

/// Parses JSON and says where it went wrong.
pub fn parse_json(bytes: &[u8]) -> Result<Value> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(ApiError::invalid("[request body]: the body is not valid UTF-8"));
    }
    serde_json::from_slice(bytes).map_err(|e| {
        ApiError::invalid(format!("[request body]: invalid JSON at line {} column {}: {e}", e.line(), e.column()))
    })
}

/// What a handler answers.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers beyond those that every answer of its API has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub body: ReplyBody,
}

/// Body of a reply.
pub enum ReplyBody {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// JSON that is already text.
    JsonText(Bytes),
    /// Bytes of a content type.
    Raw(HeaderValue, Bytes),
    /// A stream of a content type.
    Stream(HeaderValue, Body),
}

impl Reply {
    /// 200 with JSON.
    pub const fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: ReplyBody::Json(body) }
    }
    /// 200 with a value of our own.
    pub fn value(body: &stdx::Value) -> Self {
        let text = stdx::json::text(body);
        Self { status: StatusCode::OK, headers: Vec::new(), body: ReplyBody::JsonText(text.into()) }
    }
    /// 204.
    pub const fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: ReplyBody::Empty }
    }
    /// 200 with bytes of a content type.
    pub const fn raw(content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: ReplyBody::Raw(HeaderValue::from_static(content_type), bytes),
        }
    }
    /// With another status.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
    /// With a header; one that cannot stand in HTTP is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

/// Reads a whole body of at most `bytes_max` bytes.
///
/// - errors: 413 when it is larger, 400 when it ends before its `Content-Length`, 408 when it does not arrive.
pub async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes> {
    let too_large = || {
        let message = format!("Payload content length greater than maximum allowed: {bytes_max}");
        ApiError::new(ErrorCode::TooLarge, message)
    };
    let told: Option<usize> =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let mut stream = body.into_data_stream();
    if told.is_some_and(|n| n > bytes_max && !headers.contains_key(header::CONTENT_ENCODING)) {
        drain(stream).await;
        return Err(too_large());
    }
    let mut buffer = BytesMut::with_capacity(told.unwrap_or(0).min(bytes_max));
    let whole = async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| {
                tracing::debug!(error = %e, "body could not be read");
                ApiError::invalid(
                    "the request body ended early or could not be decoded; check Content-Length and Content-Encoding",
                )
            })?;
            if buffer.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            buffer.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_WAIT, whole).await {
        Ok(Ok(())) => Ok(buffer.freeze()),
        Ok(Err(error)) => {
            if error.code == ErrorCode::TooLarge {
                drain(stream).await;
            }
            Err(error)
        }
        Err(_) => {
            Err(ApiError::new(ErrorCode::Timeout, "the request body did not arrive in time; check Content-Length"))
        }
    }
}

async fn drain(mut stream: axum::body::BodyDataStream) {
    let mut seen = 0usize;
    let all = async {
        while let Some(Ok(chunk)) = stream.next().await {
            seen += chunk.len();
            if seen > DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    // Whether the rest came or not, the answer is the same.
    let _ = tokio::time::timeout(DRAIN_WAIT, all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_four_spellings() {
        let q = Query::parse("ids=%5B%22a%22%2C%22b%22%5D&t=x&t=y&c=a,b+c&one=abc").unwrap();
        assert_eq!(q.list("ids"), ["a", "b"]);
        assert_eq!(q.list("t"), ["x", "y"]);
        assert_eq!(q.comma_list("c"), ["a", "b c"]);
        assert_eq!(q.list("one"), ["abc"]);
        assert!(Query::parse("a=%FF").is_err());
    }

    #[test]
    fn numbers_and_flags_say_what_is_wrong() {
        let q = Query::parse("page=0&size=x&f=maybe&on=true").unwrap();
        assert_eq!(
            q.number("page", 1, 1, 10).unwrap_err().message,
            "[request query.page]: Value must be between 1 and 10."
        );
        assert!(q.number("size", 1, 1, 10).is_err());
        assert!(q.flag("f").is_err());
        assert_eq!(q.flag("on").unwrap(), Some(true));
        assert_eq!(q.number("absent", 20, 1, 100).unwrap(), 20);
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_413() {
        let body = Body::from(vec![b'x'; 11]);
        let error = read_body(&HeaderMap::new(), body, 10).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TooLarge);
        let body = Body::from(vec![b'x'; 10]);
        assert_eq!(read_body(&HeaderMap::new(), body, 10).await.unwrap().len(), 10);
    }

    #[test]
    fn invalid_utf8_is_named() {
        assert_eq!(parse_json(b"{\"a\":\"\xff\"}").unwrap_err().message, "[request body]: the body is not valid UTF-8");
    }
}
