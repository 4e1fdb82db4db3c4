//! The product as a process: build it, start it, kill it, talk to it.
//!
//! Invariants: free loopback ports; every process started here is ended here.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Password used by campaigns; the servers live on loopback for seconds.
pub const PASSWORD: &str = "campaign-only-password";

/// A build of the product.
pub fn binary(release: bool) -> anyhow::Result<PathBuf> {
    if let Ok(path) = std::env::var("WATCHFIRE_BIN") {
        return Ok(path.into());
    }
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    build.args(["build", "--quiet", "-p", "watchfire"]);
    if release {
        build.arg("--release");
    }
    if !build.status()?.success() {
        bail!("the product does not build");
    }
    Ok(target_dir()?.join(if release { "release" } else { "debug" }).join("watchfire"))
}

/// Cargo's target folder.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = Command::new(cargo).args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let meta: Value = serde_json::from_slice(&out.stdout).context("cargo metadata")?;
    Ok(meta["target_directory"].as_str().context("no target directory")?.into())
}

/// A free loopback port.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A running server.
pub struct Server {
    /// Its process.
    pub child: Child,
    /// Address of the Kibana-compatible API.
    pub url: String,
    /// Address of the Elasticsearch-compatible API.
    pub es_url: String,
    /// From exec to the first authenticated answer.
    pub start: Duration,
    http: reqwest::Client,
    /// `Authorization` header.
    pub authorization: String,
}

/// How a server is started.
pub struct Serve<'a> {
    /// The binary.
    pub binary: &'a Path,
    /// Data folder.
    pub data: &'a Path,
    /// Ports of the two APIs.
    pub ports: (u16, u16),
    /// Allowed private targets.
    pub allow: &'a str,
    /// File for its log.
    pub log: &'a Path,
}

impl Server {
    /// Starts a server and waits until it answers with credentials.
    pub async fn start(serve: &Serve<'_>) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(serve.log)?;
        let begun = Instant::now();
        let child = Command::new(serve.binary)
            .args([
                "serve",
                "--listen",
                &format!("127.0.0.1:{}", serve.ports.0),
                "--es-listen",
                &format!("127.0.0.1:{}", serve.ports.1),
            ])
            .arg("--data")
            .arg(serve.data)
            .env("ELASTIC_PASSWORD", PASSWORD)
            .env("WATCHFIRE_EGRESS_ALLOW", serve.allow)
            .env("WATCHFIRE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("elastic:{PASSWORD}"));
        let mut server = Self {
            child,
            url: format!("http://127.0.0.1:{}", serve.ports.0),
            es_url: format!("http://127.0.0.1:{}", serve.ports.1),
            start: Duration::ZERO,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
            authorization: format!("Basic {basic}"),
        };
        loop {
            if let Ok((200, _)) = server.es("GET", "/", None).await {
                break;
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at start ({status}); its log is {}", serve.log.display());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                bail!("the server did not answer within 30 s");
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        server.start = begun.elapsed();
        Ok(server)
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        #[allow(clippy::cast_possible_wrap, reason = "process ids are small")]
        let pid = self.child.id() as i32;
        Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                self.kill()?;
                bail!("the server did not end within 20 s of SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }

    /// CPU seconds, user and system.
    pub fn cpu_s(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text.rsplit_once(')').context("no stat")?.1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / 100.0)
    }

    /// A call of the Kibana-compatible API: status and JSON.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        self.send(method, &format!("{}{path}", self.url), body.map(|b| ("application/json", b.to_string()))).await
    }

    /// A call that must succeed.
    pub async fn good(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let (status, value) = self.call(method, path, body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {value}");
        }
        Ok(value)
    }

    /// A call of the Elasticsearch-compatible API with a raw body.
    pub async fn es(&self, method: &str, path: &str, body: Option<(&str, String)>) -> anyhow::Result<(u16, Value)> {
        self.send(method, &format!("{}{path}", self.es_url), body).await
    }

    async fn send(&self, method: &str, url: &str, body: Option<(&str, String)>) -> anyhow::Result<(u16, Value)> {
        let mut request = self
            .http
            .request(method.parse()?, url)
            .header("authorization", &self.authorization)
            .header("kbn-xsrf", "xtask");
        if let Some((kind, text)) = body {
            request = request.header("content-type", kind).body(text);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((
            status,
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) },
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The doubles as a process of their own.
pub struct Doubles {
    child: Child,
    /// `{http, ssh, host_key, user, password}`.
    pub about: Value,
    /// The ledger.
    pub ledger: PathBuf,
}

impl Doubles {
    /// Starts them with a ledger.
    pub fn start(binary: &Path, ledger: PathBuf) -> anyhow::Result<Self> {
        let mut child = Command::new(binary)
            .args(["doubles", "--ledger"])
            .arg(&ledger)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let about = serde_json::from_str(&line).with_context(|| format!("the doubles said: {line}"))?;
        Ok(Self { child, about, ledger })
    }

    /// A text of `about`.
    pub fn get(&self, key: &str) -> &str {
        self.about[key].as_str().unwrap_or_default()
    }

    /// `host:port` pairs for the server's allow-list.
    pub fn allow(&self) -> String {
        format!("{},{}", self.get("http"), self.get("ssh"))
    }

    /// All lines of the ledger.
    pub fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let text = std::fs::read_to_string(&self.ledger)?;
        Ok(text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect())
    }

    /// Changes how they behave.
    pub async fn control(&self, wanted: Value) -> anyhow::Result<()> {
        let url = format!("http://{}/control", self.get("http"));
        let client = reqwest::Client::builder().no_proxy().build()?;
        client
            .post(url)
            .header("content-type", "application/json")
            .body(wanted.to_string())
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Sets up the connectors `soc-chat`, `response-host` and `model` on a server.
    pub async fn connect(&self, server: &Server) -> anyhow::Result<()> {
        let (host, port) = self.get("ssh").rsplit_once(':').context("no port")?;
        let http = self.get("http");
        for (id, kind, config, secrets) in [
            (
                "soc-chat",
                ".slack_api",
                json!({"apiUrl": format!("http://{http}/api")}),
                json!({"token": "xoxb-campaign-token"}),
            ),
            (
                "response-host",
                ".ssh",
                json!({"host": host, "port": port.parse::<u16>()?, "user": self.get("user"), "host_key": self.get("host_key")}),
                json!({"password": self.get("password")}),
            ),
            (
                "model",
                ".gen-ai",
                json!({"apiProvider": "Other", "apiUrl": format!("http://{http}/v1/chat/completions"), "defaultModel": "double"}),
                json!({"apiKey": "campaign-model-key"}),
            ),
        ] {
            let body = json!({"connector_type_id": kind, "name": id, "config": config, "secrets": secrets});
            server.good("POST", &format!("/api/actions/connector/{id}"), Some(body)).await?;
        }
        Ok(())
    }
}

impl Drop for Doubles {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
