//! A connection to a WinRM service that has signed in.
//!
//! Invariants: NTLM lives on one connection, which is never replaced behind its back; no proxy, no redirect, no repeat; an answer that is not
//! sealed where it must be is none.
//! Not here: what is asked (`winrm`).

use super::super::egress::Egress;
use super::super::http::{self, Guarded};
use super::{NETWORK_SLACK, fault, timeout};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use connector::winrm::ntlm::{self, Credentials, Draws, Session};
use connector::winrm::sealed;
use connector::winrm::soap::{self, Ask, SoapError};
use connector::winrm::{ANSWER_BYTES_MAX, CERTIFICATE_SCHEME, CONTENT_TYPE, WinrmAuth, WinrmRequest};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use workflow::{Fault, Retry};

/// Longest wait for a connection over TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Microseconds between 1601 and 1970.
const EPOCH_1601_US: u64 = 11_644_473_600_000_000;

/// Why there is no answer.
pub(super) enum Failed {
    /// Not a byte of the request left.
    NotSent(Fault),
    /// The host wants a sign-in and did nothing.
    Refused(Fault),
    /// The request may have arrived.
    Lost(Fault),
    /// The answer is a fault, or cannot be read.
    Soap(SoapError),
}

impl Failed {
    pub fn fault(self, place: String) -> Fault {
        match self {
            Self::NotSent(fault) | Self::Refused(fault) | Self::Lost(fault) => fault,
            Self::Soap(error) => {
                let retry = if error.is_busy() { Retry::Backoff } else { Retry::Never };
                Fault::new("WinrmFault", format!("{place}: {error}")).retry(retry)
            }
        }
    }
}

/// An answer before its meaning.
struct Reply {
    status: u16,
    content_type: String,
    challenges: Vec<String>,
    body: Vec<u8>,
}

/// What carries requests.
enum Pipe {
    /// One connection over TCP.
    Plain { sender: SendRequest<Full<Bytes>>, driver: tokio::task::JoinHandle<()> },
    /// Connections over TLS.
    Tls(reqwest::Client),
}

/// A connection that has signed in.
pub(super) struct Link {
    pipe: Pipe,
    url: String,
    /// `host:port`.
    place: String,
    /// Sent with every request.
    authorization: Option<String>,
    session: Option<Session>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Pipe::Plain { driver, .. } = &self.pipe {
            driver.abort();
        }
    }
}

impl Link {
    /// Connects and signs in.
    pub async fn open(egress: &Arc<Egress>, request: &WinrmRequest) -> Result<Self, Fault> {
        let url = request.url();
        let bare = request.host.trim_start_matches('[').trim_end_matches(']');
        let place = url.split("//").nth(1).and_then(|rest| rest.strip_suffix("/wsman")).unwrap_or(bare).to_string();
        let addresses = egress.resolve(bare, request.port).await.map_err(|r| super::super::refusal(&r))?;
        let (pipe, authorization) = match &request.auth {
            WinrmAuth::Ntlm(_) => (dial(&addresses, &place).await?, None),
            WinrmAuth::Basic { user, password } => {
                let both = STANDARD.encode(format!("{user}:{password}"));
                (Pipe::Tls(client(egress, request, None)?), Some(format!("Basic {both}")))
            }
            WinrmAuth::Certificate { pem } => {
                // The library's words may quote the key, so they are not repeated.
                let identity = reqwest::Identity::from_pem(pem.as_bytes()).map_err(|_| {
                    fault("the client certificate and its key cannot be read; both must be PEM, the key unencrypted")
                })?;
                (Pipe::Tls(client(egress, request, Some(identity))?), Some(CERTIFICATE_SCHEME.to_string()))
            }
        };
        let mut link = Self { pipe, url, place, authorization, session: None };
        if let WinrmAuth::Ntlm(who) = &request.auth {
            link.sign_in(who).await?;
        }
        Ok(link)
    }

    /// The three messages of NTLM; nothing of the call is in them.
    async fn sign_in(&mut self, who: &Credentials) -> Result<(), Fault> {
        let place = self.place.clone();
        let words = |failed: Failed| match failed {
            Failed::NotSent(f) | Failed::Refused(f) | Failed::Lost(f) => f.retry(Retry::Backoff),
            failed @ Failed::Soap(_) => failed.fault(place.clone()),
        };
        let header = |message: &[u8]| format!("Negotiate {}", STANDARD.encode(message));
        let first = self.post(Some(header(&ntlm::negotiate())), CONTENT_TYPE, Vec::new()).await.map_err(words)?;
        let challenge = first.challenges.iter().find_map(|c| {
            let (scheme, token) = c.split_once(' ')?;
            let ours = ["negotiate", "ntlm"].contains(&scheme.to_ascii_lowercase().as_str());
            STANDARD.decode(token.trim()).ok().filter(|t| ours && t.len() <= ntlm::MESSAGE_BYTES_MAX)
        });
        let challenge = match challenge {
            Some(challenge) if first.status == 401 => challenge,
            _ if first.status == 401 => return Err(fault(&format!("{place} offers no sign-in by NTLM"))),
            _ => return Err(unexpected(&place, first.status)),
        };
        let draws = Draws { challenge: crate::clock::random(), session_key: crate::clock::random() };
        let now = u64::try_from(crate::clock::now().0).unwrap_or(0).saturating_add(EPOCH_1601_US).saturating_mul(10);
        let signed = ntlm::authenticate(who, &challenge, &draws, now);
        let (message, session) = signed.map_err(|e| fault(&format!("{place}: {e}")))?;
        let third = self.post(Some(header(&message)), CONTENT_TYPE, Vec::new()).await.map_err(words)?;
        match third.status {
            200 => {
                self.session = Some(session);
                Ok(())
            }
            401 => Err(fault(&format!("{place} does not accept the credentials of `{}`", named(who)))),
            status => Err(unexpected(&place, status)),
        }
    }

    /// Asks and waits for the envelope of the answer.
    pub async fn ask(&mut self, ask: &Ask<'_>, deadline: Instant) -> Result<Vec<u8>, Failed> {
        let message = soap::envelope(ask, &self.url, &crate::clock::new_id());
        let (kind, body) = match &mut self.session {
            Some(session) => (sealed::CONTENT_TYPE, sealed::seal(session, message.as_bytes())),
            None => (CONTENT_TYPE, message.into_bytes()),
        };
        let limit = Duration::from_secs(soap::OPERATION_S.into()) + NETWORK_SLACK;
        let deadline = deadline.min(Instant::now() + limit);
        let authorization = self.authorization.clone();
        let reply = match tokio::time::timeout_at(deadline, self.post(authorization, kind, body)).await {
            Ok(reply) => reply?,
            Err(_) => return Err(Failed::Lost(timeout(format!("no answer from {} in time", self.place)))),
        };
        match reply.status {
            401 => {
                let words =
                    if self.session.is_some() { "has lost the sign-in" } else { "does not accept the credentials" };
                return Err(Failed::Refused(fault(&format!("{} {words}", self.place))));
            }
            200 | 500 => {}
            status => return Err(Failed::Lost(unexpected(&self.place, status))),
        }
        match &mut self.session {
            // Nobody but the host can have written what opens with the keys of the session.
            Some(session) => sealed::unseal(session, &reply.content_type, &reply.body)
                .map_err(|e| Failed::Lost(fault(&format!("{}: {e}", self.place)))),
            None => Ok(reply.body),
        }
    }

    async fn post(&mut self, authorization: Option<String>, kind: &str, body: Vec<u8>) -> Result<Reply, Failed> {
        match &mut self.pipe {
            Pipe::Plain { sender, .. } => plain(sender, &self.place, authorization, kind, body).await,
            Pipe::Tls(client) => over_tls(client, &self.url, authorization, kind, body).await,
        }
    }
}

fn named(who: &Credentials) -> String {
    if who.domain.is_empty() { who.user.clone() } else { format!("{}\\{}", who.domain, who.user) }
}

fn unexpected(place: &str, status: u16) -> Fault {
    let hint = match status {
        404 => "; nothing listens at /wsman there",
        403 => "; the account may not use WinRM",
        _ => "",
    };
    fault(&format!("{place} answered with status {status}, which WinRM does not{hint}"))
}

async fn dial(addresses: &[std::net::SocketAddr], place: &str) -> Result<Pipe, Fault> {
    let no_connection =
        |e: &dyn std::fmt::Display| fault(&format!("no connection to {place}: {e}")).retry(Retry::Backoff);
    let stream = TcpStream::connect(addresses).await.map_err(|e| no_connection(&e))?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| no_connection(&e))?;
    let driver = tokio::spawn(async move {
        // What breaks the connection is told to the request that meets it.
        let _ = connection.await;
    });
    Ok(Pipe::Plain { sender, driver })
}

async fn plain(
    sender: &mut SendRequest<Full<Bytes>>,
    place: &str,
    authorization: Option<String>,
    kind: &str,
    body: Vec<u8>,
) -> Result<Reply, Failed> {
    let lost =
        |e: &dyn std::fmt::Display| Failed::Lost(fault(&format!("no answer from {place}: {e}")).retry(Retry::Backoff));
    if let Err(e) = sender.ready().await {
        return Err(Failed::NotSent(fault(&format!("the connection to {place} is closed: {e}")).retry(Retry::Backoff)));
    }
    let mut request = hyper::Request::post("/wsman")
        .header("host", place)
        .header("user-agent", concat!("watchfire/", env!("CARGO_PKG_VERSION")))
        .header("content-type", kind)
        .header("content-length", body.len());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Failed::NotSent(fault("the request's headers are not valid")))?;
    let response = sender.send_request(request).await.map_err(|e| lost(&e))?;
    let (head, body) = response.into_parts();
    let text = |v: &hyper::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|e| lost(&e))?.to_bytes().to_vec();
    Ok(Reply {
        status: head.status.as_u16(),
        content_type: head.headers.get("content-type").map(text).unwrap_or_default(),
        challenges: head.headers.get_all("www-authenticate").iter().map(text).collect(),
        body,
    })
}

fn client(
    egress: &Arc<Egress>,
    request: &WinrmRequest,
    identity: Option<reqwest::Identity>,
) -> Result<reqwest::Client, Fault> {
    // Another part of the process may have chosen the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("watchfire/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .dns_resolver(Guarded { egress: Arc::clone(egress), port: request.port });
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    if let Some(ca) = &request.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes())
            .ok()
            .filter(|all| !all.is_empty())
            .ok_or_else(|| fault("`ca` holds no certificate in PEM"))?;
        builder = builder.tls_certs_only(certificates);
    }
    if request.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|e| fault(&format!("the HTTPS client cannot start: {}", http::chain(&e))))
}

async fn over_tls(
    client: &reqwest::Client,
    url: &str,
    authorization: Option<String>,
    kind: &str,
    body: Vec<u8>,
) -> Result<Reply, Failed> {
    let mut request = client.post(url).header("content-type", kind).body(body);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(e) => {
            let failure = reqwest::Url::parse(url).map(|url| http::failure(&e, &url));
            return Err(match failure {
                Ok(http::Failure::NotSent(fault)) => Failed::NotSent(fault),
                Ok(http::Failure::Unknown(fault)) => Failed::Lost(fault),
                Err(_) => Failed::NotSent(fault("the host's address is not valid")),
            });
        }
    };
    let status = response.status().as_u16();
    let text = |v: &hyper::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let content_type = response.headers().get("content-type").map(text).unwrap_or_default();
    let challenges = response.headers().get_all("www-authenticate").iter().map(text).collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err(Failed::Lost(fault(&format!("the answer has more than {ANSWER_BYTES_MAX} bytes"))));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Reply { status, content_type, challenges, body }),
            Err(e) => {
                let words = format!("the answer was cut off: {}", http::chain(&e));
                return Err(Failed::Lost(fault(&words).retry(Retry::Backoff)));
            }
        }
    }
}
