//! Routers made from the tables: space prefix, authentication, privileges, `kbn-xsrf`, versions, limits, headers.
//!
//! Invariants: every row passes `dispatch`, so nothing is reachable without its access check; an in-process principal comes from a request
//! extension, which no header can set; a handler's panic is a 500 of that request.
//! Not here: what the routes do (`routes`, `es`), credentials (`auth`).
//! Source: `reference/kibana-apis.md` §1, `reference/elasticsearch-apis.md` §7.

use crate::auth::{Principal, Via};
use crate::error::{ApiError, ErrorCode, Result, Shape};
use crate::http::{Ctx, Query, Reply, ReplyBody, read_body};
use crate::state::State;
use crate::table::{Access, Method, Route};
use crate::{clock, es, routes, ui};
use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use engine::own::{OwnApi, OwnRequest, OwnResponse, OwnRouter};
use futures::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;

/// Version that both APIs announce.
pub const STACK_VERSION: &str = "9.4.0";
/// Public version of Kibana's API.
pub const PUBLIC_API_VERSION: &str = "2023-10-31";
/// The only space until spaces have their issue.
pub const DEFAULT_SPACE: &str = "default";

const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
connect-src 'self'; worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The Kibana-compatible API, our own routes and the web page.
pub fn kibana_router(state: State) -> Router {
    let mut table = router(&state, routes::all());
    table = table.fallback(unknown_kibana).method_not_allowed_fallback(unknown_kibana);
    let inner = table.layer(CompressionLayer::new());
    Router::new().fallback(move |request: Request| {
        let inner = inner.clone();
        async move {
            let response = match without_space(request) {
                Ok(request) => inner.oneshot(request).await.unwrap_or_else(|never| match never {}),
                Err(response) => response,
            };
            secured(response)
        }
    })
}

/// The Elasticsearch-compatible API.
pub fn es_router(state: State) -> Router {
    let unknown = state.clone();
    let unknown = move |request: Request| {
        let state = unknown.clone();
        async move { unknown_elasticsearch(&state, request).await }
    };
    let rows = es::ROUTES.iter().chain(routes::elasticsearch());
    let table = router(&state, rows).fallback(unknown.clone()).method_not_allowed_fallback(unknown);
    let table = table.layer(RequestDecompressionLayer::new()).layer(CompressionLayer::new());
    table.layer(axum::middleware::map_request(plain_head))
}

/// An answer to HEAD has no body, and one that says it is compressed breaks clients that unpack it.
async fn plain_head(mut request: Request) -> Request {
    if request.method() == axum::http::Method::HEAD {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    request
}

fn router(state: &State, rows: impl IntoIterator<Item = &'static Route>) -> Router {
    let mut paths: BTreeMap<&'static str, MethodRouter> = BTreeMap::new();
    for route in rows {
        let state = state.clone();
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        };
        let handler =
            move |params: std::result::Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
                  request: Request| {
                let state = state.clone();
                async move { dispatch(state, route, params.ok(), request).await }
            };
        let at = paths.remove(route.path).unwrap_or_default();
        paths.insert(route.path, at.merge(on(filter, handler)));
    }
    paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

/// Works one request off by its row.
async fn dispatch(
    state: State,
    route: &'static Route,
    params: Option<RawPathParams>,
    request: Request,
) -> Response<Body> {
    let vendor = vendor_type(request.headers());
    let name = state.name.clone();
    let work = AssertUnwindSafe(handle(state, route, params, request)).catch_unwind().await;
    let result = work.unwrap_or_else(|_| {
        Err(ApiError::internal(format!("a handler of {} {} panicked", route.method.as_str(), route.path)))
    });
    let reply = result.unwrap_or_else(|error| error_reply(&error, route.shape));
    respond(reply, route.shape, &name, vendor.as_ref())
}

async fn handle(state: State, route: &'static Route, params: Option<RawPathParams>, request: Request) -> Result<Reply> {
    let (mut parts, body) = request.into_parts();
    let now = clock::now();
    let principal = match parts.extensions.remove::<Principal>() {
        Some(principal) => principal,
        None => authenticate(&state, route, &parts.headers, now).await?,
    };
    allow(route, &principal)?;
    if route.changes && route.shape != Shape::Elasticsearch && route.access != Access::Signed {
        xsrf(&principal, &parts.headers)?;
    }
    if route.versioned {
        version(route, &parts.headers)?;
    }
    let params = params.ok_or_else(|| ApiError::invalid("the path is not valid UTF-8"))?;
    let params = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let body = read_body(&parts.headers, body, route.body_bytes_max).await?;
    let cx =
        Ctx { state, principal, space: DEFAULT_SPACE.into(), route, params, query, headers: parts.headers, body, now };
    (route.handler)(cx).await
}

async fn authenticate(state: &State, route: &Route, headers: &HeaderMap, now: stdx::Time) -> Result<Principal> {
    if route.access == Access::Signed {
        return Ok(Principal::nobody());
    }
    let found = state.auth.principal(headers, &state.records, now).await;
    match (route.access, found) {
        (_, Ok(Some(principal))) => Ok(principal),
        (Access::Open, Ok(None)) => Ok(Principal::nobody()),
        // An old cookie must not lock anybody out of the sign-in route; wrong credentials in a header are an error everywhere.
        (Access::Open, Err(_)) if !headers.contains_key(header::AUTHORIZATION) => Ok(Principal::nobody()),
        (_, Ok(None)) => {
            let place = if route.shape == Shape::Elasticsearch { "REST request" } else { "request" };
            Err(crate::auth::unauthorized(format!("missing authentication credentials for {place} [{}]", route.path))
                .kind("security_exception"))
        }
        (_, Err(error)) => Err(error),
    }
}

fn allow(route: &Route, principal: &Principal) -> Result<()> {
    match route.access {
        Access::Open | Access::Signed | Access::SignedIn => Ok(()),
        Access::Needs(privilege) => require(principal, privilege),
    }
}

/// 403 unless the principal holds `privilege`.
pub fn require(principal: &Principal, privilege: &str) -> Result<()> {
    if principal.may(privilege) {
        return Ok(());
    }
    let message = format!("user [{}] lacks the privilege [{privilege}]", principal.user);
    Err(ApiError::new(ErrorCode::Forbidden, message).attributes(serde_json::json!({"privilege": privilege})))
}

/// A browser sends cookies and remembered Basic credentials by itself, so a write needs a header that no form can send.
fn xsrf(principal: &Principal, headers: &HeaderMap) -> Result<()> {
    if matches!(principal.via, Via::ApiKey { .. } | Via::Run { .. })
        || headers.contains_key("kbn-xsrf")
        || headers.contains_key("kbn-version")
    {
        return Ok(());
    }
    Err(ApiError::invalid("Request must contain a kbn-xsrf header."))
}

fn version(route: &Route, headers: &HeaderMap) -> Result<()> {
    let Some(sent) = headers.get("elastic-api-version").and_then(|v| v.to_str().ok()) else { return Ok(()) };
    if sent == PUBLIC_API_VERSION || (route.path.starts_with("/internal/") && matches!(sent, "1" | "2")) {
        return Ok(());
    }
    let dated = sent.len() == 10
        && sent.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !dated {
        return Err(ApiError::invalid(format!(
            "Invalid version. Received \"{sent}\", expected a valid date string formatted as YYYY-MM-DD."
        )));
    }
    let method = route.method.as_str().to_lowercase();
    let message = format!(
        "No version \"{sent}\" available for [{method}] [{}]. Available versions are: [{PUBLIC_API_VERSION}]",
        route.path
    );
    Err(ApiError::invalid(message))
}

fn error_reply(error: &ApiError, shape: Shape) -> Reply {
    let mut reply = Reply::ok(error.body(shape)).status(error.code.status());
    if let Some(seconds) = error.retry_after_s {
        reply = reply.header("retry-after", &seconds.to_string());
    }
    if shape == Shape::Elasticsearch && error.code == ErrorCode::Unauthorized {
        // Not on Kibana's port: the browser would open its own dialog over the sign-in page.
        reply = reply.header("www-authenticate", "Basic realm=\"security\", charset=\"UTF-8\", ApiKey");
    }
    reply
}

/// `application/vnd.elasticsearch+json;compatible-with=N`, where the client asked for it.
fn vendor_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    let rest = accept.split("application/vnd.elasticsearch+json").nth(1)?;
    let version: String = rest.split("compatible-with=").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    HeaderValue::from_str(&format!("application/vnd.elasticsearch+json;compatible-with={version}")).ok()
}

fn respond(reply: Reply, shape: Shape, name: &str, vendor: Option<&HeaderValue>) -> Response<Body> {
    let json = match (shape, vendor) {
        (Shape::Elasticsearch, Some(vendor)) => vendor.clone(),
        (Shape::Elasticsearch, None) => HeaderValue::from_static("application/json"),
        _ => HeaderValue::from_static("application/json; charset=utf-8"),
    };
    let (kind, body) = match reply.body {
        ReplyBody::Empty => (None, Body::empty()),
        ReplyBody::Json(value) => (Some(json), Body::from(value.to_string())),
        ReplyBody::JsonText(text) => (Some(json), Body::from(text)),
        ReplyBody::Raw(kind, bytes) => (Some(kind), Body::from(bytes)),
        ReplyBody::Stream(kind, body) => (Some(kind), body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if shape == Shape::Elasticsearch {
        headers.insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    } else {
        if let Ok(name) = HeaderValue::from_str(name) {
            headers.insert("kbn-name", name);
        }
        headers.insert("elastic-api-version", HeaderValue::from_static(PUBLIC_API_VERSION));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache, no-store, must-revalidate"));
    }
    for (key, value) in reply.headers {
        headers.insert(key, value);
    }
    response
}

fn secured(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        response.headers_mut().entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Takes `/s/{space}` off and a slash at the end of API paths; 404 for other spaces.
fn without_space(mut request: Request) -> std::result::Result<Request, Response<Body>> {
    let uri = request.uri();
    let mut path = uri.path().to_owned();
    if let Some(rest) = path.strip_prefix("/s/") {
        let (space, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if space != DEFAULT_SPACE {
            let error = ApiError::not_found(format!("Saved object [space/{space}] not found"));
            return Err(respond(error_reply(&error, Shape::Platform), Shape::Platform, "watchfire", None));
        }
        path = format!("/{rest}");
    }
    let api = path.starts_with("/api/") || path.starts_with("/internal/");
    if api && path.ends_with('/') {
        path.pop();
    }
    if path != uri.path() {
        let whole = uri.query().map_or_else(|| path.clone(), |q| format!("{path}?{q}"));
        if let Ok(uri) = whole.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    Ok(request)
}

async fn unknown_kibana(request: Request) -> Response<Body> {
    let path = request.uri().path();
    let page = matches!(*request.method(), axum::http::Method::GET | axum::http::Method::HEAD);
    if page && !path.starts_with("/api/") && !path.starts_with("/internal/") {
        return ui::serve(path);
    }
    let error = ApiError::not_found("Not Found");
    respond(error_reply(&error, Shape::Platform), Shape::Platform, "watchfire", None)
}

async fn unknown_elasticsearch(state: &State, request: Request) -> Response<Body> {
    let vendor = vendor_type(request.headers());
    let (uri, method) = (request.uri().to_string(), request.method().clone());
    let found = match request.extensions().get::<Principal>() {
        Some(_) => Ok(()),
        None => match state.auth.principal(request.headers(), &state.records, clock::now()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                Err(crate::auth::unauthorized(format!("missing authentication credentials for REST request [{uri}]")))
            }
            Err(error) => Err(error),
        },
    };
    let reply = match found {
        Err(error) => error_reply(&error, Shape::Elasticsearch),
        Ok(()) => {
            let error = format!("no handler found for uri [{uri}] and method [{method}]");
            Reply::ok(serde_json::json!({"error": error, "status": 400})).status(StatusCode::BAD_REQUEST)
        }
    };
    respond(reply, Shape::Elasticsearch, "", vendor.as_ref())
}

/// Where a run's requests to our own API go: the same routers, without a socket.
#[derive(Clone)]
pub struct InProcess {
    kibana: Router,
    elasticsearch: Router,
    state: State,
}

/// The routers as a service for runs.
pub const fn in_process(state: State, kibana: Router, elasticsearch: Router) -> InProcess {
    InProcess { kibana, elasticsearch, state }
}

/// Bytes of an answer that a run gets; the step's own limit is below it.
const OWN_RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

impl InProcess {
    /// Calls a router on behalf of the run's principal, as the step of the run.
    ///
    /// - returns: 401 when the principal is gone or disabled; every other error as the route gives it.
    pub async fn call(&self, asked: OwnRequest) -> OwnResponse {
        let (api, shape) = match asked.api {
            OwnApi::Kibana => (&self.kibana, Shape::Platform),
            OwnApi::Elasticsearch => (&self.elasticsearch, Shape::Elasticsearch),
        };
        let refused = |error: &ApiError| OwnResponse {
            status: error.code.status().as_u16(),
            body: error.body(shape).to_string(),
        };
        let principal = match self.state.records.account(&asked.principal) {
            Ok(account) => account
                .principal(Via::Run { execution: asked.execution.0.as_ref().into(), step: asked.execution.1.clone() }),
            Err(error) => return refused(&error),
        };
        let request = match own_request(asked, principal) {
            Ok(request) => request,
            Err(error) => return refused(&error),
        };
        let response = api.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status().as_u16();
        match axum::body::to_bytes(response.into_body(), OWN_RESPONSE_BYTES_MAX).await {
            Ok(bytes) => OwnResponse { status, body: String::from_utf8_lossy(&bytes).into_owned() },
            Err(error) => refused(&ApiError::internal(error)),
        }
    }
}

/// The request with the principal as an extension; what a workflow writes into headers cannot replace it.
fn own_request(asked: OwnRequest, principal: Principal) -> Result<Request> {
    let wrong = |what: &str| ApiError::invalid(format!("the request has a {what} that cannot be sent"));
    let mut builder = Request::builder().method(&*asked.method).uri(&asked.path);
    for (name, value) in &asked.headers {
        let own = [
            "authorization",
            "cookie",
            "host",
            "content-length",
            "idempotency-key",
            "accept-encoding",
            "transfer-encoding",
        ];
        if !own.contains(&name.to_ascii_lowercase().as_str()) {
            builder = builder.header(name, value);
        }
    }
    builder = builder.header("idempotency-key", &asked.key);
    if asked.body.is_some() && !asked.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let mut request = builder.body(Body::from(asked.body.unwrap_or_default())).map_err(|_| wrong("path or header"))?;
    request.extensions_mut().insert(principal);
    Ok(request)
}

/// The service that the engine calls for `kibana.request` and `elasticsearch.*`.
pub fn own_router(state: &State, kibana: Router, elasticsearch: Router) -> OwnRouter {
    let service = in_process(state.clone(), kibana, elasticsearch);
    Arc::new(move |asked| {
        let service = service.clone();
        Box::pin(async move { service.call(asked).await })
    })
}
