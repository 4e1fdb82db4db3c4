//! Errors as clients see them: one closed code with one status, written in the shape that the route's API uses.
//!
//! Invariants: an HTTP status appears only here; external messages never carry internals; each internal error is logged once, where it stops.
//! Not here: the author's mistakes (`stdx::Diagnostic`), refusals of the store (`triage::Refusal`, translated here).
//! Source: `reference/kibana-apis.md` §1.5, `reference/elasticsearch-apis.md` (error bodies).

use axum::http::StatusCode;
use serde_json::{Value, json};
use triage::{Refusal, RefusalKind};

/// What went wrong, from which the status follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request is not well formed or names impossible values.
    Invalid,
    /// Nobody is signed in, or the credentials are wrong.
    Unauthorized,
    /// Signed in, but not allowed.
    Forbidden,
    /// The thing or the route does not exist.
    NotFound,
    /// The change changes nothing.
    NotAcceptable,
    /// The request's body did not arrive in time.
    Timeout,
    /// A stale version, a taken id, a decided question.
    Conflict,
    /// The body is larger than the route takes.
    TooLarge,
    /// The content type is not one that the route reads.
    Unsupported,
    /// Another system that the request needs failed.
    FailedDependency,
    /// Too many requests; come back later.
    TooMany,
    /// A mistake of ours.
    Internal,
    /// Not now: starting, stopping or read-only.
    Unavailable,
    /// The disk is full.
    Full,
}

impl ErrorCode {
    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::FailedDependency => StatusCode::FAILED_DEPENDENCY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
        }
    }
    /// Reason phrase as Kibana writes it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "Request Entity Too Large",
            _ => self.status().canonical_reason().unwrap_or("Error"),
        }
    }
    /// `error.type` of Elasticsearch's body where the handler names none.
    const fn elasticsearch(self) -> &'static str {
        match self {
            Self::Invalid | Self::NotAcceptable | Self::Unsupported | Self::Timeout => "illegal_argument_exception",
            Self::Unauthorized | Self::Forbidden => "security_exception",
            Self::NotFound => "resource_not_found_exception",
            Self::Conflict => "version_conflict_engine_exception",
            Self::TooLarge => "content_too_long_exception",
            Self::TooMany => "es_rejected_execution_exception",
            Self::FailedDependency | Self::Internal | Self::Unavailable | Self::Full => "exception",
        }
    }
}

/// Which API a route imitates; decides the shape of its errors and its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{statusCode, error, message, attributes?}`.
    Platform,
    /// The same, but `{message, status_code}` where the handler found or refused something.
    Detection,
    /// `{error: {type, reason, root_cause}, status}`.
    Elasticsearch,
}

/// An error on its way to a client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// What the client is told.
    pub message: String,
    /// Machine-readable members; `None` leaves them out.
    pub attributes: Option<Box<Value>>,
    /// Elasticsearch's `error.type`, where the code's default is not precise enough.
    pub kind: Option<&'static str>,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
}

/// What handlers return.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    /// An error of `code` with a message for the client.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), attributes: None, kind: None, retry_after_s: None }
    }
    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }
    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }
    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }
    /// 500; `cause` goes to the log, never to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(ErrorCode::Internal, "An internal server error occurred. Check the server's log for details.")
    }
    /// With machine-readable members.
    #[must_use]
    pub fn attributes(mut self, attributes: Value) -> Self {
        self.attributes = Some(Box::new(attributes));
        self
    }
    /// With Elasticsearch's error type.
    #[must_use]
    pub const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }
    /// With `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
    /// The body in the shape of `shape`.
    pub fn body(&self, shape: Shape) -> Value {
        let status = self.code.status().as_u16();
        match shape {
            Shape::Elasticsearch => {
                let kind = self.kind.unwrap_or_else(|| self.code.elasticsearch());
                let cause = json!({"type": kind, "reason": self.message});
                json!({"error": {"root_cause": [cause], "type": kind, "reason": self.message}, "status": status})
            }
            Shape::Detection if matches!(self.code, ErrorCode::NotFound | ErrorCode::Conflict) => {
                json!({"message": self.message, "status_code": status})
            }
            Shape::Platform | Shape::Detection => {
                let mut body = json!({"statusCode": status, "error": self.code.reason(), "message": self.message});
                if let (Some(attributes), Some(body)) = (&self.attributes, body.as_object_mut()) {
                    body.insert("attributes".into(), (**attributes).clone());
                }
                body
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.kind {
            RefusalKind::Invalid => ErrorCode::Invalid,
            RefusalKind::Forbidden => ErrorCode::Forbidden,
            RefusalKind::NotFound => ErrorCode::NotFound,
            RefusalKind::Conflict => ErrorCode::Conflict,
            RefusalKind::Unchanged => ErrorCode::NotAcceptable,
        };
        Self::new(code, refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(error: &ApiError, shape: Shape, expected: &Expect) {
        expected.assert_eq(&error.body(shape).to_string());
    }

    #[test]
    fn each_api_has_its_own_body() {
        let conflict = ApiError::conflict("taken").attributes(json!({"code": "x"}));
        check(
            &conflict,
            Shape::Platform,
            &expect![[r#"{"statusCode":409,"error":"Conflict","message":"taken","attributes":{"code":"x"}}"#]],
        );
        check(&conflict, Shape::Detection, &expect![[r#"{"message":"taken","status_code":409}"#]]);
        check(
            &ApiError::invalid("bad"),
            Shape::Detection,
            &expect![[r#"{"statusCode":400,"error":"Bad Request","message":"bad"}"#]],
        );
        check(
            &ApiError::not_found("no such index [x]").kind("index_not_found_exception"),
            Shape::Elasticsearch,
            &expect![[
                r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [x]"}],"type":"index_not_found_exception","reason":"no such index [x]"},"status":404}"#
            ]],
        );
        check(
            &ApiError::new(ErrorCode::TooLarge, "big"),
            Shape::Platform,
            &expect![[r#"{"statusCode":413,"error":"Request Entity Too Large","message":"big"}"#]],
        );
    }
}
