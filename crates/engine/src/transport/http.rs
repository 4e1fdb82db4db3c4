//! HTTP calls to the outside: one client, the guard before every hop, caps on time and bytes.
//!
//! Invariants: `NotSent` means that no byte of the request left; redirects are followed by hand through the guard, never for destructive calls,
//! and a method-preserving redirect only for reads; no proxy of the environment is used; a body larger than the cap is cut off and is an error.
//! Not here: what the answer means (`connector`).

use crate::transport::egress::{Guard, Refused};
use crate::transport::{Failure, Limits};
use connector::{HttpRequest, HttpResponse};
use futures::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stdx::Value;
use workflow::{Class, Fault, Retry};

/// Longest wait for a connection.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Pinned clients kept at most (one per host, port and addresses).
const CLIENTS_MAX: usize = 256;

type Pinned = (String, u16, Vec<SocketAddr>);

/// The HTTP client.
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
    clients: Arc<Mutex<BTreeMap<Pinned, reqwest::Client>>>,
}

impl Client {
    /// A client behind `guard`.
    pub fn new(guard: Arc<Guard>) -> Result<Self, String> {
        let client = Self { guard, clients: Arc::default() };
        client.build(None).map_err(|e| e.to_string())?;
        Ok(client)
    }

    fn build(&self, pin: Option<&Pinned>) -> Result<reqwest::Client, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("watchfire/", env!("CARGO_PKG_VERSION")));
        if let Some((host, _, addresses)) = pin {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        builder.build()
    }

    /// The client that dials just these addresses for this host.
    fn pinned(&self, pin: Pinned) -> Result<reqwest::Client, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&pin) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let client = self.build(Some(&pin)).map_err(|e| e.to_string())?;
        clients.insert(pin, client.clone());
        Ok(client)
    }

    /// Sends a request and reads its whole answer.
    pub async fn send(&self, request: HttpRequest, limits: &Limits) -> Result<HttpResponse, Failure> {
        let mut left = limits.deadline.since(crate::clock::now()).std();
        if let Some(ms) = request.timeout_ms {
            left = left.min(Duration::from_millis(ms));
        }
        match tokio::time::timeout(left, self.hops(request, limits)).await {
            Ok(result) => result,
            Err(_) => {
                let fault = Fault::new("TimeoutError", "the request had no answer in time").retry(Retry::Backoff);
                // A read may simply be asked again; for the others bytes may have left.
                Err(if limits.class == Class::Read { Failure::Answered(fault) } else { Failure::Unknown(fault) })
            }
        }
    }

    async fn hops(&self, mut request: HttpRequest, limits: &Limits) -> Result<HttpResponse, Failure> {
        let mut limits = limits.clone();
        if let Some(bytes) = request.bytes_max {
            limits.bytes_max = limits.bytes_max.min(bytes);
        }
        for hop in 0.. {
            let response = self.one(&request, &limits, hop > 0).await?;
            let Some(location) = redirect(&response) else { return Ok(response) };
            if limits.class == Class::Destructive || hop >= request.redirects_max {
                return Ok(response);
            }
            let preserving = matches!(response.status, 307 | 308);
            if preserving && (limits.class != Class::Read || request.no_resend) {
                return Ok(response);
            }
            let base = reqwest::Url::parse(&request.url)
                .map_err(|e| Failure::Answered(bad_url(&request.url, &e.to_string())))?;
            let next = base.join(&location).map_err(|e| Failure::Answered(bad_url(&location, &e.to_string())))?;
            if next.origin() != base.origin() {
                let plain = ["accept", "accept-language", "content-type", "user-agent"];
                // Whatever else was set may be a credential of the first host.
                request.headers.retain(|(k, _)| plain.contains(&k.to_ascii_lowercase().as_str()));
            }
            if !preserving && request.method != "HEAD" {
                request.method = "GET".into();
                request.body.clear();
                limits.class = Class::Read;
            }
            request.url = next.into();
        }
        unreachable!("the loop ends at the limit of redirects")
    }

    async fn one(&self, request: &HttpRequest, limits: &Limits, redirected: bool) -> Result<HttpResponse, Failure> {
        let not_sent = |fault: Fault| if redirected { Failure::Answered(fault) } else { Failure::NotSent(fault) };
        let url = reqwest::Url::parse(&request.url).map_err(|e| not_sent(bad_url(&request.url, &e.to_string())))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(not_sent(bad_url(&request.url, "only http and https are spoken")));
        }
        let host = url.host_str().ok_or_else(|| not_sent(bad_url(&request.url, "no host")))?.to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let mut addresses = self.guard.resolve(&host, port).await.map_err(|e| {
            not_sent(match &e {
                Refused::Private { .. } => Fault::new("EgressRefused", e.to_string()),
                Refused::Unresolved { .. } => Fault::new("ENOTFOUND", e.to_string()).retry(Retry::Backoff),
            })
        })?;
        addresses.sort();
        let client = self
            .pinned((host.clone(), port, addresses))
            .map_err(|e| not_sent(Fault::new("UnknownHttpRequestError", e)))?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| not_sent(Fault::new("Error", format!("`{}` is not an HTTP method", request.method))))?;
        let mut headers = HeaderMap::new();
        for (k, v) in &request.headers {
            let name = HeaderName::from_bytes(k.as_bytes())
                .map_err(|_| not_sent(Fault::new("Error", format!("`{k}` is not a header name"))))?;
            let value = HeaderValue::from_str(v)
                .map_err(|_| not_sent(Fault::new("Error", format!("the value of header `{k}` cannot be sent"))))?;
            headers.append(name, value);
        }
        let mut builder = client.request(method, url).headers(headers);
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let response = builder.send().await.map_err(|e| {
            if e.is_connect() {
                let fault = Fault::new("ConnectionRefused", format!("Connection refused to {host}:{port}"))
                    .retry(Retry::Backoff);
                return not_sent(fault);
            }
            if e.is_builder() {
                return not_sent(Fault::new("UnknownHttpRequestError", e.to_string()));
            }
            let fault =
                Fault::new("UnknownHttpRequestError", format!("no answer from {host}:{port}: {}", e.without_url()))
                    .retry(Retry::Backoff);
            if limits.class == Class::Read { Failure::Answered(fault) } else { Failure::Unknown(fault) }
        })?;
        read(response, limits.bytes_max, limits.class).await
    }
}

/// Reads an answer up to the cap.
async fn read(response: reqwest::Response, bytes_max: u64, class: Class) -> Result<HttpResponse, Failure> {
    let status = response.status().as_u16();
    let mut headers = BTreeMap::new();
    for (k, v) in response.headers() {
        let text = String::from_utf8_lossy(v.as_bytes()).into_owned();
        headers
            .entry(k.as_str().to_owned())
            .and_modify(|old: &mut String| *old = format!("{old}, {text}"))
            .or_insert(text);
    }
    let announced = response.content_length();
    let too_large = |actual: Option<u64>| {
        let limit = i64::try_from(bytes_max).unwrap_or(i64::MAX);
        Failure::Answered(
            Fault::new("StepSizeLimitExceeded", format!("the response exceeds the limit of {bytes_max} bytes"))
                .details(Value::object([
                    ("limitBytes", Value::Int(limit)),
                    ("contentLengthBytes", Value::from(actual)),
                ])),
        )
    };
    if announced.is_some_and(|n| n > bytes_max) {
        return Err(too_large(announced));
    }
    let mut body = bytes::BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| {
            let fault = Fault::new("UnknownHttpRequestError", format!("the answer broke off: {}", e.without_url()))
                .retry(Retry::Backoff);
            // The status was read: the other side has worked; for a destructive call the outcome stays unknown.
            if class == Class::Destructive { Failure::Unknown(fault) } else { Failure::Answered(fault) }
        })?;
        if body.len() as u64 + chunk.len() as u64 > bytes_max {
            return Err(too_large(None));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers: headers.into_iter().collect(), body: body.to_vec() })
}

fn redirect(response: &HttpResponse) -> Option<String> {
    matches!(response.status, 301 | 302 | 303 | 307 | 308)
        .then(|| response.header(LOCATION.as_str()).map(ToOwned::to_owned))
        .flatten()
}

fn bad_url(url: &str, why: &str) -> Fault {
    Fault::new("Error", format!("`{url}` is not a URL that can be called: {why}"))
}
