//! HTTP: one attempt of one request, redirects followed by hand.
//!
//! Invariants: no proxy, no cookie, no retry below the engine; each hop is checked by the guard and each connection dials only addresses that
//! were checked; a call that must not be sent twice uses a connection of its own and follows no redirect; another origin gets no credentials.
//! Not here: what a status means (`connector`).

use super::egress::{Egress, Refused};
use super::{Bounds, Sent};
use connector::{HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stdx::Value;
use tokio::time::Instant;
use workflow::{Fault, Retry};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Clients kept, one for each scheme, port and way to check certificates.
const CLIENTS_MAX: usize = 64;
/// Idle connections kept for one host.
const IDLE_PER_HOST_MAX: usize = 64;
/// How long a connection stays idle; shorter than servers usually allow, so that few requests meet a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer's headers that are kept.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// The HTTP transport.
#[derive(Clone, Debug)]
pub struct Http {
    egress: Arc<Egress>,
    clients: Arc<Mutex<BTreeMap<(bool, bool, u16), Client>>>,
}

/// Resolves names for one port through the guard, so that what is checked is what is dialled.
pub(super) struct Guarded {
    pub egress: Arc<Egress>,
    pub port: u16,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, port) = (Arc::clone(&self.egress), self.port);
        Box::pin(async move {
            let found = egress.resolve(name.as_str(), port).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// One hop of a request.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Http {
    /// Through `egress`.
    pub fn new(egress: Arc<Egress>) -> Self {
        // Another part of the process may have chosen the same before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { egress, clients: Arc::default() }
    }

    /// Makes one attempt.
    pub async fn send(&self, request: &HttpRequest, bounds: Bounds<'_>) -> Sent<HttpResponse> {
        let mut hop = match first_hop(request) {
            Ok(hop) => hop,
            Err(fault) => return Sent::NotSent(fault),
        };
        let timeout = request.timeout_ms.map_or(bounds.timeout, |ms| bounds.timeout.min(Duration::from_millis(ms)));
        let deadline = Instant::now() + timeout;
        let bytes_max = request.bytes_max.map_or(bounds.bytes_max, |max| bounds.bytes_max.min(max));
        if let Err(fault) = self.check(&hop.url) {
            return Sent::NotSent(fault);
        }
        match tokio::time::timeout_at(deadline, (bounds.gate)()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return Sent::NotSent(fault),
            Err(_) => return Sent::NotSent(timed_out(timeout)),
        }
        let mut redirects = 0;
        let begun_at = hop.url.origin();
        loop {
            // Unchecked certificates are for the place that was named, not for wherever it points to.
            let insecure = request.insecure && hop.url.origin() == begun_at;
            let response = match self.exchange(&hop, request.no_resend, insecure, deadline).await {
                Ok(response) => response,
                // The first hop was answered by its redirect; what follows is the answer's fault.
                Err(Failure::NotSent(fault)) if redirects > 0 => return Sent::Answered(Err(fault)),
                Err(Failure::NotSent(fault)) => return Sent::NotSent(fault),
                Err(Failure::Unknown(fault)) => return Sent::Unknown(fault),
            };
            let next =
                if request.no_resend || redirects >= request.redirects_max { None } else { next_hop(&hop, &response) };
            match next {
                Some(next) => {
                    if let Err(fault) = self.check(&next.url) {
                        return Sent::Answered(Err(fault));
                    }
                    hop = next;
                    redirects += 1;
                }
                None => return read(response, deadline, bytes_max, timeout).await,
            }
        }
    }

    /// Checks what the resolver never sees: the scheme, and addresses written into the URL.
    fn check(&self, url: &Url) -> Result<(), Fault> {
        let Some(port) = url.port_or_known_default().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            return Err(fault(format!("scheme `{}` is not allowed", url.scheme())));
        };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(ip) => self.egress.filter(host, port, vec![(ip, port).into()]).map(|_| ()).map_err(|r| refusal(&r)),
            Err(_) => Ok(()),
        }
    }

    fn client(&self, url: &Url, insecure: bool, fresh: Option<Duration>) -> Result<Client, Fault> {
        let https = url.scheme() == "https";
        let port = url.port_or_known_default().unwrap_or(0);
        if let Some(connect_timeout) = fresh {
            return build(&self.egress, (https, insecure), port, connect_timeout, 0);
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&(https, insecure, port)) {
            return Ok(client.clone());
        }
        let client = build(&self.egress, (https, insecure), port, CONNECT_TIMEOUT, IDLE_PER_HOST_MAX)?;
        if clients.len() >= CLIENTS_MAX {
            clients.pop_first();
        }
        clients.insert((https, insecure, port), client.clone());
        Ok(client)
    }

    async fn exchange(
        &self,
        hop: &Hop,
        no_resend: bool,
        insecure: bool,
        deadline: Instant,
    ) -> Result<reqwest::Response, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::NotSent(timed_out(left)));
        }
        // Half of what is left: then a connection that does not come about fails before the call as a whole does, and is known as not sent.
        let fresh = no_resend.then(|| CONNECT_TIMEOUT.min(left / 2));
        let client = self.client(&hop.url, insecure, fresh).map_err(Failure::NotSent)?;
        let mut request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        if !hop.body.is_empty() {
            request = request.body(hop.body.clone());
        }
        match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(e)) => Err(failure(&e, &hop.url)),
            Err(_) => Err(Failure::Unknown(timed_out(left))),
        }
    }
}

pub(super) enum Failure {
    NotSent(Fault),
    Unknown(Fault),
}

fn build(
    egress: &Arc<Egress>,
    (https, insecure): (bool, bool),
    port: u16,
    connect_timeout: Duration,
    idle: usize,
) -> Result<Client, Fault> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("watchfire/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .dns_resolver(Guarded { egress: Arc::clone(egress), port });
    if https && insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if !https {
        // Plain HTTP needs no roots: a machine without certificates still reaches its neighbours.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|e| fault(format!("the HTTP client cannot start: {}", chain(&e))))
}

fn first_hop(request: &HttpRequest) -> Result<Hop, Fault> {
    request.check().map_err(super::fault_of)?;
    let url = Url::parse(&request.url).map_err(|_| Fault::new("UnknownHttpRequestError", "the URL is not valid"))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| Fault::new("UnknownHttpRequestError", format!("method `{}` is not valid", request.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let wrong = || Fault::new("UnknownHttpRequestError", format!("header `{name}` is not valid"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        // These belong to the connection.
        if matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade") {
            continue;
        }
        headers.insert(name.clone(), HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    headers.entry("accept").or_insert(HeaderValue::from_static("application/json, text/plain, */*"));
    Ok(Hop { method, url, headers, body: request.body.clone() })
}

/// Where a redirect leads, or nothing when the answer is none.
fn next_hop(hop: &Hop, response: &reqwest::Response) -> Option<Hop> {
    let status = response.status().as_u16();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get("location")?.to_str().ok()?;
    let url = hop.url.join(location).ok()?;
    let becomes_get = match status {
        303 => hop.method != Method::HEAD,
        301 | 302 => hop.method == Method::POST,
        _ => false,
    };
    let mut headers = hop.headers.clone();
    if url.origin() != hop.url.origin() {
        // Any header may carry a credential; another origin gets only what says nothing.
        let kept = ["accept", "content-type", "idempotency-key"];
        headers = headers
            .into_iter()
            .filter_map(|(n, v)| Some((n?, v)))
            .filter(|(n, _)| kept.contains(&n.as_str()))
            .collect();
    }
    let (method, body) = if becomes_get { (Method::GET, Vec::new()) } else { (hop.method.clone(), hop.body.clone()) };
    if becomes_get {
        headers.remove("content-type");
    }
    Some(Hop { method, url, headers, body })
}

async fn read(
    mut response: reqwest::Response,
    deadline: Instant,
    bytes_max: u64,
    timeout: Duration,
) -> Sent<HttpResponse> {
    let status = response.status().as_u16();
    let mut headers = Vec::new();
    let mut header_bytes = 0;
    for (name, value) in response.headers() {
        header_bytes += name.as_str().len() + value.len();
        if header_bytes > HEADER_BYTES_MAX {
            break;
        }
        headers.push((name.as_str().to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let declared = response.content_length();
    if let Some(declared) = declared.filter(|n| *n > bytes_max) {
        return Sent::Answered(Err(too_large(bytes_max, ("contentLengthBytes", declared))));
    }
    let mut body: Vec<u8> = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                if body.len() as u64 + chunk.len() as u64 > bytes_max {
                    let seen = body.len() as u64 + chunk.len() as u64;
                    return Sent::Answered(Err(too_large(bytes_max, ("actualBytes", seen))));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Ok(None)) => return Sent::Answered(Ok(HttpResponse { status, headers, body })),
            Ok(Err(e)) => {
                let of = declared.map_or(String::new(), |n| format!(" of {n}"));
                let message = format!("the answer was cut off after {}{of} bytes: {}", body.len(), chain(&e));
                let details = Value::object([("status", Value::from(i64::from(status)))]);
                return Sent::Unknown(fault(message).details(details).retry(Retry::Backoff));
            }
            Err(_) => return Sent::Unknown(timed_out(timeout)),
        }
    }
}

fn too_large(limit: u64, (what, bytes): (&str, u64)) -> Fault {
    let suggested = bytes.checked_next_power_of_two().unwrap_or(bytes);
    let details = Value::object([
        ("limitBytes", Value::from(limit)),
        (what, Value::from(bytes)),
        ("suggestedLimitBytes", Value::from(suggested)),
    ]);
    Fault::new("StepSizeLimitExceeded", format!("the answer has more than {limit} bytes")).details(details)
}

fn fault(message: String) -> Fault {
    Fault::new("ConnectorExecutionError", message)
}
fn refusal(refused: &Refused) -> Fault {
    super::refusal(refused)
}
fn timed_out(timeout: Duration) -> Fault {
    Fault::new("TimeoutError", format!("no answer within {} ms", timeout.as_millis())).retry(Retry::Backoff)
}

/// What a failed exchange means: whether a byte may have left, and in which words.
pub(super) fn failure(e: &reqwest::Error, url: &Url) -> Failure {
    let mut cause = e.source();
    while let Some(at) = cause {
        if let Some(refused) = at.downcast_ref::<Refused>() {
            return Failure::NotSent(refusal(refused));
        }
        cause = at.source();
    }
    let origin = url.origin().ascii_serialization();
    if e.is_builder() || e.is_request() && e.is_connect() || e.is_connect() {
        let text = chain(e);
        let kind = if text.contains("refused") { "ConnectionRefused" } else { "ConnectorExecutionError" };
        let message = if kind == "ConnectionRefused" {
            format!("Connection refused to {origin}")
        } else {
            format!("no connection to {origin}: {text}")
        };
        return Failure::NotSent(Fault::new(kind, message).retry(Retry::Backoff));
    }
    Failure::Unknown(fault(format!("no answer from {origin}: {}", chain(e))).retry(Retry::Backoff))
}

/// The innermost words of an error, without the address it was about.
pub(super) fn chain(e: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = e;
    while let Some(source) = at.source() {
        at = source;
    }
    if std::ptr::addr_eq(at, e) { "unusable answer".into() } else { at.to_string() }
}
