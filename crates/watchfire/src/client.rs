//! The command line's client of a running server.
//!
//! Invariants: credentials come from flags or environment and are never printed; a refusal keeps the server's status and message.
//! Not here: routes (`api`).

use crate::Exit;
use clap::Args;
use stdx::Value;

/// Where the server is and who asks.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// Address of the server's API.
    #[arg(long, env = "WATCHFIRE_URL", default_value = "http://127.0.0.1:5601", global = true)]
    pub url: String,
    /// Address of the Elasticsearch API (ingest).
    #[arg(long, env = "WATCHFIRE_ES_URL", default_value = "http://127.0.0.1:9200", global = true)]
    pub es_url: String,
    /// API key, `id:secret` in base64.
    #[arg(long, env = "WATCHFIRE_API_KEY", hide_env_values = true, global = true)]
    pub api_key: Option<String>,
    /// User name.
    #[arg(long, env = "WATCHFIRE_USER", default_value = "elastic", global = true)]
    pub user: String,
    /// Password.
    #[arg(long, env = "WATCHFIRE_PASSWORD", hide_env_values = true, global = true)]
    pub password: Option<String>,
    /// Space.
    #[arg(long, env = "WATCHFIRE_SPACE", default_value = "default", global = true)]
    pub space: String,
}

/// How a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server said no.
    #[error("the server refused ({status}): {message}")]
    Refused {
        /// Status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The server cannot be reached.
    #[error("`{url}` cannot be reached: {why}")]
    Unreachable {
        /// Address.
        url: String,
        /// Cause.
        why: String,
    },
    /// The answer cannot be read.
    #[error("the answer of `{url}` cannot be read: {why}")]
    Unreadable {
        /// Address.
        url: String,
        /// Cause.
        why: String,
    },
}

impl Failure {
    /// The exit code that scripts rely on.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Refused { .. } => Exit::Refused,
            Self::Unreachable { .. } | Self::Unreadable { .. } => Exit::Unreachable,
        }
    }
}

/// A client.
pub struct Client {
    http: reqwest::Client,
    server: Server,
}

impl Client {
    /// A client of `server`.
    pub fn new(server: &Server) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(120)).build()?;
        Ok(Self { http, server: server.clone() })
    }

    /// Sends a request with an optional JSON body to the Kibana-compatible API.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let space = if self.server.space == "default" { String::new() } else { format!("/s/{}", self.server.space) };
        let url = format!("{}{space}{path}", self.server.url.trim_end_matches('/'));
        let body = body.map(|b| ("application/json", stdx::json::text(b).into_bytes()));
        let (status, text) = self.send(method, &url, body).await?;
        self.read(&url, status, &text)
    }

    /// Sends a raw body to the Kibana-compatible API; the answer's bytes.
    pub async fn bytes(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Vec<u8>, Failure> {
        let space = if self.server.space == "default" { String::new() } else { format!("/s/{}", self.server.space) };
        let url = format!("{}{space}{path}", self.server.url.trim_end_matches('/'));
        let (status, bytes) = self.send_raw(method, &url, body).await?;
        if !(200..300).contains(&status) {
            self.read(&url, status, &String::from_utf8_lossy(&bytes))?;
        }
        Ok(bytes)
    }

    /// Sends a raw body to the Elasticsearch-compatible API; status and text come back whatever they are.
    pub async fn es(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<(u16, String), Failure> {
        let url = format!("{}{path}", self.server.es_url.trim_end_matches('/'));
        self.send(method, &url, body).await
    }

    async fn send(&self, method: &str, url: &str, body: Option<(&str, Vec<u8>)>) -> Result<(u16, String), Failure> {
        let (status, bytes) = self.send_raw(method, url, body).await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn send_raw(
        &self,
        method: &str,
        url: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let unreachable =
            |e: reqwest::Error| Failure::Unreachable { url: url.to_owned(), why: e.without_url().to_string() };
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or(reqwest::Method::GET);
        let mut request =
            self.http.request(method, url).header("kbn-xsrf", "watchfire").header("x-watchfire-channel", "cli");
        request = match (&self.server.api_key, &self.server.password) {
            (Some(key), _) => request.header("authorization", format!("ApiKey {key}")),
            (None, Some(password)) => request.basic_auth(&self.server.user, Some(password)),
            (None, None) => request,
        };
        if let Some((kind, bytes)) = body {
            request = request.header("content-type", kind).body(bytes);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(unreachable)?;
        Ok((status, bytes.into()))
    }

    fn read(&self, url: &str, status: u16, text: &str) -> Result<Value, Failure> {
        let value = if text.is_empty() { Ok(Value::Null) } else { stdx::json::parse(text) };
        if !(200..300).contains(&status) {
            let message = value
                .as_ref()
                .ok()
                .and_then(|v| v.get("message"))
                .and_then(Value::as_str)
                .map_or_else(|| stdx::bounded::truncate(text, 400).into_owned(), ToOwned::to_owned);
            return Err(Failure::Refused { status, message });
        }
        value.map_err(|e| Failure::Unreadable { url: url.to_owned(), why: e.to_string() })
    }
}

/// A path segment, percent-encoded.
pub fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
