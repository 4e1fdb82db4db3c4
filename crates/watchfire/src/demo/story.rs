//! The story of the demo: sets up, replays, narrates, stops at the approval, ends with the case.
//!
//! Invariants: each stage is read back from the server before it is told; a stage that does not come within its limit fails the demo.
//! Not here: the events themselves (`scenario`).

use crate::Exit;
use crate::client::{Client, Server, segment};
use crate::commands::demo::Args;
use crate::content;
use crate::doubles::{self, Doubles};
use crate::output;
use crate::server::{self, Settings};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::{Object, Value};

/// Longest wait for one stage.
const STAGE_MAX: Duration = Duration::from_secs(30);
/// Events per bulk request.
const BULK: usize = 500;
/// Rule file, workflow, one run for all alerts of a window: which rules start what.
const ATTACH: &[(&str, &str, bool)] = &[
    ("wmi", "contain-host", false),
    ("brute_force_success", "account-takeover", true),
    ("large_download", "account-takeover", true),
    ("web_shell", "collect-web-server", false),
];

struct Demo {
    client: Client,
    started: Instant,
    url: String,
}

/// Runs the demo.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let data = match &args.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("watchfire-demo-{}", std::process::id())),
    };
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let password = hex::encode(engine::clock::random::<9>());
    let doubles = doubles::start(
        Doubles::new(None)?,
        loopback,
        loopback,
        engine::clock::random(),
        hex::encode(engine::clock::random::<9>()),
    )
    .await?;
    let elastic = std::env::var("ELASTIC_PASSWORD").unwrap_or(password);
    let running = server::start(Settings {
        data: data.clone(),
        listen: args.listen,
        es_listen: args.es_listen,
        public_url: None,
        egress_allow: [doubles.http.to_string(), doubles.ssh.to_string()]
            .into_iter()
            .chain(crate::config::egress_of_environment())
            .collect(),
        unbound_ask: true,
        password: Some(elastic.clone()),
        demo: true,
    })
    .await?;
    let url = format!("http://{}", running.listen);
    let client = Client::new(&Server {
        url: url.clone(),
        es_url: format!("http://{}", running.es_listen),
        api_key: None,
        user: "elastic".into(),
        password: Some(elastic.clone()),
        space: "default".into(),
    })?;
    let demo = Demo { client, started: Instant::now(), url: url.clone() };

    println!("Watchfire demo: a night at Northwind Clinics. All people, hosts and addresses are invented.");
    println!("  page           {url}   user elastic   password {elastic}");
    println!("  data           {}", data.display());
    println!("  SSH double     {} (runs nothing)", doubles.ssh);
    println!("  chat, model and reputation doubles   http://{}", doubles.http);
    demo.set_up(&doubles).await?;
    let raised = demo.replay(args.seed).await?;
    let story = demo.tell(&args, &doubles, raised).await;
    if let Err(error) = story {
        running.close().await;
        return Err(error);
    }
    if args.exit {
        running.close().await;
        if args.data.is_none() {
            let _ = std::fs::remove_dir_all(&data);
        }
        return Ok(Exit::Fine);
    }
    println!("\nThe server goes on. Ctrl C ends it.");
    running.until_told().await;
    Ok(Exit::Fine)
}

impl Demo {
    fn say(&self, text: &str) {
        println!("[{:6.2} s] {}", self.started.elapsed().as_secs_f64(), output::visible(text));
    }

    /// Connectors, workflows, rules.
    async fn set_up(&self, doubles: &doubles::Running) -> anyhow::Result<()> {
        let http = format!("http://{}", doubles.http);
        let object = |pairs: &[(&str, &str)]| Value::object(pairs.iter().map(|(k, v)| (*k, Value::from(*v))));
        let mut ssh = Object::new();
        ssh.insert("host", doubles.ssh.ip().to_string());
        ssh.insert("port", i64::from(doubles.ssh.port()));
        ssh.insert("user", doubles.user);
        ssh.insert("host_key", &doubles.host_key);
        let token = format!("xoxb-demo-{}", hex::encode(engine::clock::random::<8>()));
        for (id, kind, name, config, secrets) in [
            (
                "soc-chat",
                ".slack_api",
                "SOC chat (double)",
                object(&[("apiUrl", &format!("{http}/api"))]),
                object(&[("token", &token)]),
            ),
            (
                "response-host",
                ".ssh",
                "Response host (double)",
                Value::from(ssh),
                object(&[("password", &doubles.password)]),
            ),
            (
                "model",
                ".gen-ai",
                "Model (double)",
                object(&[
                    ("apiProvider", "Other"),
                    ("apiUrl", &format!("{http}/v1/chat/completions")),
                    ("defaultModel", "double"),
                ]),
                object(&[("apiKey", &format!("demo-{}", hex::encode(engine::clock::random::<8>())))]),
            ),
        ] {
            let body = Value::object([
                ("connector_type_id", Value::from(kind)),
                ("name", Value::from(name)),
                ("config", config),
                ("secrets", secrets),
            ]);
            self.client.call("POST", &format!("/api/actions/connector/{id}"), Some(&body)).await.context(id)?;
        }
        let mut workflows = 0;
        for (name, yaml) in content::workflows() {
            let id = name.trim_end_matches(".yaml").to_owned();
            let yaml = yaml.replace("http://127.0.0.1:9310", &http);
            let body = Value::object([("id", Value::from(&id)), ("yaml", Value::from(yaml))]);
            let made =
                self.client.call("POST", "/api/workflows/workflow", Some(&body)).await.with_context(|| name.clone())?;
            if made.get("valid").and_then(Value::as_bool) != Some(true) {
                anyhow::bail!("the workflow {name} is not valid: {}", stdx::json::text(&made));
            }
            workflows += 1;
        }
        let mut rules = 0;
        for (name, text) in content::rules() {
            let mut rule = stdx::json::parse(&text).with_context(|| name.clone())?;
            let actions: Vec<Value> = ATTACH
                .iter()
                .filter(|(part, ..)| name.contains(part))
                .map(|(_, id, summary)| action(id, *summary))
                .collect();
            if let Some(object) = rule.object_mut() {
                object.insert("enabled", true);
                if !actions.is_empty() {
                    object.insert("actions", Value::from(actions));
                }
            }
            self.client.call("POST", "/api/detection_engine/rules", Some(&rule)).await.with_context(|| name.clone())?;
            rules += 1;
        }
        self.say(&format!("{rules} rules and {workflows} workflows of our own are in, 3 connectors to the doubles"));
        Ok(())
    }

    /// Sends the scenario over `_bulk`; number of events.
    async fn replay(&self, seed: u64) -> anyhow::Result<usize> {
        let lines = super::scenario::lines(seed, engine::clock::now());
        let total = lines.len();
        for chunk in lines.chunks(BULK) {
            let mut body = String::new();
            for (index, line) in chunk {
                body.push_str(&format!("{{\"create\":{{\"_index\":\"{index}\"}}}}\n{line}\n"));
            }
            let (status, text) =
                self.client.es("POST", "/_bulk", Some(("application/x-ndjson", body.into_bytes()))).await?;
            let answer = stdx::json::parse(&text).unwrap_or_default();
            if status != 200 || answer.get("errors").and_then(Value::as_bool) != Some(false) {
                anyhow::bail!("the server did not take the events ({status}): {}", stdx::bounded::truncate(&text, 500));
            }
        }
        self.say(&format!("{total} events of a night went in over _bulk"));
        Ok(total)
    }

    async fn tell(&self, args: &Args, doubles: &doubles::Running, _events: usize) -> anyhow::Result<()> {
        let alerts = self
            .until("alerts", || async {
                let body = stdx::json::parse(r#"{"size":100,"sort":[{"@timestamp":"asc"}],"query":{"match_all":{}}}"#)?;
                let found = self.client.call("POST", "/api/detection_engine/signals/search", Some(&body)).await?;
                let hits = found.path(&["hits", "hits"]).and_then(Value::as_array).unwrap_or_default().to_vec();
                Ok((hits.len() >= 3).then_some(hits))
            })
            .await?;
        for hit in alerts.iter().take(12) {
            let source = hit.get("_source").unwrap_or(hit);
            let get = |k: &str| output::text(source, k);
            self.say(&format!(
                "alert  {:8}  {} on {}",
                get("kibana.alert.severity"),
                get("kibana.alert.rule.name"),
                get("host.name")
            ));
        }
        if alerts.len() > 12 {
            self.say(&format!("       and {} more", alerts.len() - 12));
        }
        let approvals = self
            .until("questions", || async {
                let list = self.client.call("GET", "/api/watchfire/approvals?state=waiting&size=50", None).await?;
                let rows = list.get("approvals").and_then(Value::as_array).unwrap_or_default().to_vec();
                Ok((rows.len() >= 2).then_some(rows))
            })
            .await?;
        let cases = self.client.call("GET", "/api/cases/_find?perPage=50", None).await?;
        for case in cases.get("cases").and_then(Value::as_array).unwrap_or_default() {
            self.say(&format!("case   {:8}  {}", output::text(case, "severity"), output::text(case, "title")));
        }
        for line in doubles.doubles.lines().iter().filter(|l| l["at"] == "chat") {
            self.say(&format!("chat   (double)  {}", line["text"].as_str().unwrap_or_default()));
        }
        for approval in &approvals {
            self.say(&format!("waits for your decision: {}", output::text(approval, "question")));
            println!("           page   {}/approvals/{}", self.url, output::text(approval, "id"));
            println!("           or     watchfire approval approve {}", output::text(approval, "id"));
        }
        let yes = args.yes || (!args.no_wait && !args.exit && ask("Approve all of it here? [y/N] ").await);
        if !yes {
            if let Some(case) = cases.get("cases").and_then(Value::as_array).and_then(<[Value]>::first) {
                println!("case {}", output::text(case, "id"));
                println!("     {}/cases/{}", self.url, output::text(case, "id"));
            }
            return Ok(());
        }
        for approval in &approvals {
            let path = format!("/api/watchfire/approvals/{}", segment(&output::text(approval, "id")));
            let whole = self.client.call("GET", &path, None).await?;
            for action in whole.get("actions").and_then(Value::as_array).unwrap_or_default() {
                self.say(&format!("approved, {}: {}", output::text(action, "class"), output::text(action, "request")));
            }
            let body = Value::object([
                ("verdict", Value::from("approve")),
                ("hash", whole.get("hash").cloned().unwrap_or_default()),
                ("comment", Value::from("demo --yes")),
            ]);
            self.client.call("POST", &format!("{path}/decide"), Some(&body)).await?;
        }
        let done = self
            .until("runs", || async {
                let mut ended = Vec::new();
                for approval in &approvals {
                    let id = output::text(approval, "execution");
                    let run =
                        self.client.call("GET", &format!("/api/workflows/executions/{}", segment(&id)), None).await?;
                    let status = output::text(&run, "status");
                    if !matches!(status.as_str(), "completed" | "failed" | "cancelled" | "timed_out") {
                        return Ok(None);
                    }
                    ended.push((output::text(&run, "workflowName"), status));
                }
                Ok(Some(ended))
            })
            .await?;
        for line in doubles.doubles.lines().iter().filter(|l| l["at"] == "command") {
            self.say(&format!("ran once on the SSH double: {}", line["command"].as_str().unwrap_or_default()));
        }
        for (name, status) in &done {
            self.say(&format!("run    {name}: {status}"));
        }
        if let Some((name, status)) = done.iter().find(|(_, s)| s != "completed") {
            anyhow::bail!("the run of {name} ended {status}");
        }
        let cases =
            self.client.call("GET", "/api/cases/_find?perPage=50&sortField=createdAt&sortOrder=asc", None).await?;
        let list = cases.get("cases").and_then(Value::as_array).unwrap_or_default();
        let contained = list.iter().find(|c| output::text(c, "tags").contains("contained")).or_else(|| list.first());
        let Some(case) = contained else { anyhow::bail!("no case was opened") };
        self.say("from events to a contained host, with the record:");
        println!("case {}", output::text(case, "id"));
        println!("     {}/cases/{}", self.url, output::text(case, "id"));
        Ok(())
    }

    /// Polls until `look` finds something.
    async fn until<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let began = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if began.elapsed() > STAGE_MAX {
                anyhow::bail!("{what} did not come within {} s", STAGE_MAX.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A rule's action that starts a workflow.
fn action(workflow: &str, summary: bool) -> Value {
    Value::object([
        ("action_type_id", Value::from(".workflows")),
        ("id", Value::from("system-connector-.workflows")),
        (
            "params",
            Value::object([
                ("subAction", Value::from("run")),
                (
                    "subActionParams",
                    Value::object([("workflowId", Value::from(workflow)), ("summaryMode", Value::Bool(summary))]),
                ),
            ]),
        ),
    ])
}

async fn ask(question: &'static str) -> bool {
    use std::io::{IsTerminal as _, Write as _};
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let answer = tokio::task::spawn_blocking(move || {
        print!("{question}");
        let _ = std::io::stdout().flush();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    matches!(answer.await, Ok(Ok(line)) if line.trim().eq_ignore_ascii_case("y") || line.trim().eq_ignore_ascii_case("yes"))
}
