//! A server, the doubles, and what tests ask of them.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
const BIN: &str = env!("CARGO_BIN_EXE_watchfire");
const PASSWORD: &str = "integration-password";

/// A child process that ends with its owner.
pub struct Ended(pub Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Size of the small file system of [`Stage::open_on_a_small_disk`], and of the file in it that can be removed to make room.
const SMALL_DISK: (&str, &str) = ("72m", "24M");

/// One server with doubles and connectors to them.
pub struct Stage {
    server: Option<Ended>,
    /// Process that keeps the small file system, where the data lies on one.
    disk: Option<Ended>,
    ports: (u16, u16),
    allow: String,
    _doubles: Ended,
    http: reqwest::Client,
    url: String,
    es_url: String,
    /// Where the HTTP doubles answer.
    pub doubles_url: String,
    /// Folder with data, ledger and log.
    pub dir: tempfile::TempDir,
    /// Secrets of the connectors.
    pub secrets: Vec<String>,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Stage {
    /// Starts everything.
    pub async fn open() -> Self {
        Self::open_with(None).await
    }

    /// Starts everything with the data on a small file system of its own; `None` where this machine does not allow one.
    pub async fn open_on_a_small_disk() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=$2 none \"$1\" && mkdir \"$1/data\" && fallocate -l $3 \"$1/filler\" && echo ready && exec sleep 3600";
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(dir.path())
            .args([SMALL_DISK.0, SMALL_DISK.1])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let read = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let holder = Ended(holder);
        if read.is_none_or(|r| r.is_err()) || line.trim() != "ready" {
            return None;
        }
        Some(Self::open_with(Some((dir, holder))).await)
    }

    async fn open_with(disk: Option<(tempfile::TempDir, Ended)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (dir, disk) = disk.map_or_else(|| (tempfile::tempdir().unwrap(), None), |(d, h)| (d, Some(h)));
        let mut doubles = Command::new(BIN)
            .args(["doubles", "--ledger"])
            .arg(dir.path().join("ledger.jsonl"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(doubles.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).unwrap();
        let get = |k: &str| about[k].as_str().unwrap().to_owned();
        let ports = (free_port(), free_port());
        let mut stage = Self {
            server: None,
            disk,
            ports,
            allow: format!("{},{}", get("http"), get("ssh")),
            _doubles: Ended(doubles),
            http: reqwest::Client::builder().no_proxy().timeout(WAIT_MAX).build().unwrap(),
            url: format!("http://127.0.0.1:{}", ports.0),
            es_url: format!("http://127.0.0.1:{}", ports.1),
            doubles_url: format!("http://{}", get("http")),
            dir,
            secrets: Vec::new(),
        };
        stage.start().await;
        stage.connect(&get).await;
        stage
    }

    /// The program, where the data is seen.
    fn program(&self) -> Command {
        match &self.disk {
            None => Command::new(BIN),
            Some(holder) => {
                let mut c = Command::new("nsenter");
                c.args(["--target", &holder.0.id().to_string(), "--user", "--mount", "--preserve-credentials", BIN]);
                c
            }
        }
    }

    /// What `audit verify` says of the data folder; true when the chain holds.
    pub fn verified(&self) -> (bool, String) {
        let out =
            self.program().args(["audit", "verify", "--data"]).arg(self.dir.path().join("data")).output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = self.program();
        let (kibana, es) = (format!("127.0.0.1:{}", self.ports.0), format!("127.0.0.1:{}", self.ports.1));
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("server.log")).unwrap();
        command
            .args(["serve", "--listen", &kibana, "--es-listen", &es, "--data"])
            .arg(self.dir.path().join("data"))
            .env("ELASTIC_PASSWORD", PASSWORD)
            .env("WATCHFIRE_EGRESS_ALLOW", &self.allow)
            .env("WATCHFIRE_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Starts the server and waits until it answers.
    pub async fn start(&mut self) {
        self.server = Some(Ended(self.command().spawn().unwrap()));
        let begun = Instant::now();
        while self.send("GET", &format!("{}/", self.es_url), None).await.is_none_or(|(s, _)| s != 200) {
            assert!(begun.elapsed() < WAIT_MAX, "the server did not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the server, which is expected to end by itself; its exit code.
    pub fn start_refused(&self) -> Option<i32> {
        self.command().status().unwrap().code()
    }

    /// Lets the server reach one more place; it starts anew.
    pub async fn allow(&mut self, place: &str) {
        self.kill();
        self.allow = format!("{},{place}", self.allow);
        self.start().await;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Where the data lies, as this process sees it.
    pub fn data(&self) -> PathBuf {
        let data = self.dir.path().join("data");
        match &self.disk {
            None => data,
            Some(holder) => {
                let root = PathBuf::from(format!("/proc/{}/root", holder.0.id()));
                root.join(data.strip_prefix("/").unwrap())
            }
        }
    }

    /// Makes room on the small disk.
    pub fn make_room(&self) {
        std::fs::remove_file(self.data().parent().unwrap().join("filler")).unwrap();
    }

    async fn connect(&mut self, get: &impl Fn(&str) -> String) {
        let (host, port) = get("ssh").rsplit_once(':').map(|(h, p)| (h.to_owned(), p.parse::<u16>().unwrap())).unwrap();
        let (token, key) = ("xoxb-canary-7f3a91c2d4".to_owned(), "sk-canary-55e0b1a9f7".to_owned());
        for (id, kind, config, secrets) in [
            ("soc-chat", ".slack_api", json!({"apiUrl": format!("{}/api", self.doubles_url)}), json!({"token": token})),
            (
                "response-host",
                ".ssh",
                json!({"host": host, "port": port, "user": get("user"), "host_key": get("host_key")}),
                json!({"password": get("password")}),
            ),
            (
                "model",
                ".gen-ai",
                json!({"apiProvider": "Other", "apiUrl": format!("{}/v1/chat/completions", self.doubles_url), "defaultModel": "double"}),
                json!({"apiKey": key}),
            ),
        ] {
            let body = json!({"connector_type_id": kind, "name": id, "config": config, "secrets": secrets});
            self.good("POST", &format!("/api/actions/connector/{id}"), Some(body)).await;
        }
        self.secrets = vec![token, key, get("password")];
    }

    async fn send(&self, method: &str, url: &str, body: Option<String>) -> Option<(u16, String)> {
        self.send_as(method, url, body.map(|b| ("application/json", b.into()))).await
    }

    async fn send_as(&self, method: &str, url: &str, body: Option<(&str, Vec<u8>)>) -> Option<(u16, String)> {
        let mut request = self
            .http
            .request(method.parse().unwrap(), url)
            .basic_auth("elastic", Some(PASSWORD))
            .header("kbn-xsrf", "it");
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.text().await.ok()?))
    }

    /// A call of the Kibana-compatible API that must succeed.
    pub async fn good(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, text) =
            self.send(method, &format!("{}{path}", self.url), body.map(|b| b.to_string())).await.expect("an answer");
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Any call of the Kibana-compatible API.
    pub async fn any(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> (u16, String) {
        self.send_as(method, &format!("{}{path}", self.url), body).await.unwrap_or((0, String::new()))
    }

    /// Any call of the Elasticsearch-compatible API; 0 when there was no answer.
    pub async fn es(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> (u16, Value) {
        let (status, text) =
            self.send_as(method, &format!("{}{path}", self.es_url), body).await.unwrap_or((0, String::new()));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Bytes written to the socket of the Kibana-compatible API, and what came back.
    pub fn raw(&self, bytes: &[u8]) -> String {
        use std::io::{Read as _, Write as _};
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", self.ports.0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = socket.write_all(bytes).and_then(|()| socket.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The text of any answer.
    pub async fn text(&self, path: &str) -> String {
        self.send("GET", &format!("{}{path}", self.url), None).await.map(|(_, t)| t).unwrap_or_default()
    }

    /// Changes how the doubles behave.
    pub async fn control(&self, wanted: Value) {
        let answer = self.send("POST", &format!("{}/control", self.doubles_url), Some(wanted.to_string())).await;
        assert_eq!(answer.map(|(s, _)| s), Some(200));
    }

    /// Stores a workflow and starts it; the execution's id.
    pub async fn run(&self, id: &str, yaml: &str) -> String {
        let yaml = yaml.replace("DOUBLES", &self.doubles_url);
        let made = self.good("POST", "/api/workflows/workflow", Some(json!({"id": id, "yaml": yaml}))).await;
        assert_eq!(made["valid"], json!(true), "{made}");
        let started =
            self.good("POST", &format!("/api/workflows/workflow/{id}/run"), Some(json!({"inputs": {}}))).await;
        started["workflowExecutionId"].as_str().unwrap().to_owned()
    }

    /// Waits until the execution has one of the statuses; the execution with inputs and outputs.
    pub async fn until(&self, execution: &str, statuses: &[&str]) -> Value {
        let begun = Instant::now();
        loop {
            let path = format!("/api/workflows/executions/{execution}?includeInput=true&includeOutput=true");
            let now = self.good("GET", &path, None).await;
            if statuses.contains(&now["status"].as_str().unwrap_or_default()) {
                return now;
            }
            assert!(begun.elapsed() < WAIT_MAX, "{execution} is {} after {WAIT_MAX:?}: {now}", now["status"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The command line against this server: exit code, and what it printed.
    pub fn cli(&self, args: &[&str]) -> (Option<i32>, String) {
        let out = Command::new(BIN)
            .args(args)
            .env("WATCHFIRE_URL", &self.url)
            .env("WATCHFIRE_USER", "elastic")
            .env("WATCHFIRE_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
        (out.status.code(), text)
    }

    /// Now, by the ledger's clock in milliseconds, no later than this was asked.
    pub async fn ledger_now(&self) -> u64 {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let name = format!("mark-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let asked = Instant::now();
        self.send("GET", &format!("{}/sink/{name}", self.doubles_url), None).await.expect("the doubles answer");
        let took = asked.elapsed().as_millis() as u64;
        let line = self.ledger().into_iter().find(|l| l["path"] == json!(name)).expect("its line");
        line["came_ms"].as_u64().unwrap().saturating_sub(took)
    }

    /// Lines of the ledger.
    pub fn ledger(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("ledger.jsonl")).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// Every file below the data folder with its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut out = Vec::new();
        let mut todo = vec![self.data()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    todo.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    out.push((path, bytes));
                }
            }
        }
        out
    }
}

/// The output of a step.
pub fn output<'a>(execution: &'a Value, step: &str) -> &'a Value {
    let steps = execution["stepExecutions"].as_array().expect("steps");
    let found = steps.iter().rfind(|s| s["stepId"] == json!(step));
    &found.unwrap_or_else(|| panic!("no step `{step}` in {execution}"))["output"]
}
