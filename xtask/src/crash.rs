//! `crash`: kills the server at random moments of the main job and proves that nothing is lost and nothing is doubled.
//!
//! Invariants: the doubles are another process and keep the ledger; the harness plays the person, approves what is asked and settles
//! unknown outcomes from the ledger alone; every check compares counts with what was acknowledged.
//! Not here: crashes of the synchronous core (`sim`).

use crate::product::{Doubles, Serve, Server, binary, free_port};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use stdx::Rng;

/// Index of the marker events.
const INDEX: &str = "logs-crash-default";
/// Longest wait for the last runs to end.
const FINISH_MAX: Duration = Duration::from_secs(120);
/// A kill falls within this time after the last acknowledged event.
const KILL_WITHIN_MS: u64 = 300;
/// How long a command takes on the double.
const COMMAND_MS: u64 = 60;

/// The workflow of the campaign: every kind of effect once, an approval before the destructive one.
const WORKFLOW: &str = r##"
version: "1"
name: crash campaign
enabled: true
triggers: [{ type: alert }]
steps:
  - name: context
    type: elasticsearch.search
    with: { index: "logs-crash-*", size: 1, query: { term: { host.name: "{{ event.alerts[0].host.name }}" } } }
    on-failure: { retry: { max-attempts: 3, delay: "200ms" } }
  - name: open_case
    type: cases.createCase
    with: { owner: securitySolution, title: "crash {{ event.alerts[0].host.name }}", description: "campaign", severity: high, tags: [campaign], settings: { syncAlerts: false } }
  - name: attach
    type: cases.addAlerts
    with:
      case_id: "{{ steps.open_case.output.case.id }}"
      alerts: [{ alertId: "{{ event.alerts[0]._id }}", index: "{{ event.alerts[0]._index }}", rule: { id: "{{ event.rule.id }}", name: "{{ event.rule.name }}" } }]
  - name: summarise
    type: ai.summarize
    with: { input: "${{ event.alerts }}" }
    on-failure: { continue: true }
  - name: note_summary
    type: cases.addComment
    with: { case_id: "{{ steps.open_case.output.case.id }}", comment: "summary: {{ steps.summarise.output.content }}" }
  - name: tell
    type: slack_api.postMessage
    connector-id: soc-chat
    with: { channels: ["#campaign"], text: "chat {{ event.alerts[0].host.name }}" }
    on-failure: { continue: true }
  - name: decide
    type: waitForApproval
    timeout: "1h"
    with: { message: "Isolate {{ event.alerts[0].host.name }}?" }
  - name: yes
    type: if
    condition: "steps.decide.output.response.approved: true"
    steps:
      - name: isolate
        type: ssh.run
        connector-id: response-host
        timeout: "30s"
        with: { command: "isolate {{ event.alerts[0].host.name }}" }
      - name: note_output
        type: cases.addComment
        with: { case_id: "{{ steps.open_case.output.case.id }}", comment: "output: {{ steps.isolate.output.exit_code }}" }
      - name: close_alert
        type: kibana.SetAlertsStatus
        with: { signal_ids: ["{{ event.alerts[0]._id }}"], status: closed, reason: true_positive }
"##;

/// What a campaign is asked to do.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// How often the server is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: u32,
    /// Seed of the moments.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Use the development build.
    #[arg(long)]
    pub debug: bool,
    /// Run the simulation with planted bugs instead: each must be caught.
    #[arg(long)]
    pub planted: bool,
    /// Keep the folder.
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

/// Runs the campaign; true when every check holds.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if args.planted {
        return crate::simulate::planted();
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(campaign(args))
}

#[derive(Default)]
struct Figures {
    acknowledged: BTreeSet<String>,
    phases: BTreeMap<String, u32>,
    approvals: u32,
    settled_happened: u32,
    settled_again: BTreeMap<String, u32>,
    restarts_ms: Vec<u64>,
}

async fn campaign(args: &Args) -> anyhow::Result<bool> {
    let temporary = tempfile::tempdir()?;
    let dir = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    std::fs::create_dir_all(&dir)?;
    let binary = binary(!args.debug)?;
    let doubles = Doubles::start(&binary, dir.join("ledger.jsonl"))?;
    doubles.control(json!({"command_ms": COMMAND_MS, "http_delay_ms": 3})).await?;
    let (data, log, allow) = (dir.join("data"), dir.join("server.log"), doubles.allow());
    let ports = (free_port()?, free_port()?);
    let serve = Serve { binary: &binary, data: &data, ports, allow: &allow, log: &log };
    let mut rng = Rng::new(args.seed);
    let mut figures = Figures::default();

    let mut server = Server::start(&serve).await?;
    doubles.connect(&server).await?;
    server.good("POST", "/api/workflows/workflow", Some(json!({"id": "crash", "yaml": WORKFLOW}))).await?;
    let rule = json!({
        "rule_id": "crash-campaign", "name": "crash campaign", "description": "marker events", "type": "query", "language": "kuery",
        "query": "event.action: \"crash-marker\"", "index": ["logs-crash-*"], "severity": "high", "risk_score": 73, "enabled": true,
        "max_signals": 1000, "interval": "1m", "from": "now-6m",
        "actions": [{"action_type_id": ".workflows", "id": "system-connector-.workflows",
                     "params": {"subAction": "run", "subActionParams": {"workflowId": "crash", "summaryMode": false}}}],
    });
    server.good("POST", "/api/detection_engine/rules", Some(rule)).await?;

    for kill in 0..args.kills {
        let host = format!("crash-{kill:04}");
        if ingest(&server, &host).await? {
            figures.acknowledged.insert(host.clone());
        }
        let wait = Duration::from_millis(rng.below(KILL_WITHIN_MS));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            // The person answers while the server may be killed at any moment: errors are what a person would see, too.
            let _ = tokio::time::timeout(left, person(&server, &doubles, &mut figures)).await;
            tokio::time::sleep(Duration::from_millis(8).min(until.saturating_duration_since(Instant::now()))).await;
        }
        server.kill()?;
        let phase = phase(&doubles, &host)?;
        server = Server::start(&serve).await.with_context(|| format!("restart after kill {kill}"))?;
        figures.restarts_ms.push(u64::try_from(server.start.as_millis())?);
        *figures.phases.entry(phase).or_default() += 1;
        if (kill + 1) % 20 == 0 {
            println!("{} of {} kills", kill + 1, args.kills);
        }
    }
    // One more event must do as the first: the server still works.
    let last = "crash-last".to_owned();
    if ingest(&server, &last).await? {
        figures.acknowledged.insert(last);
    }
    let begun = Instant::now();
    loop {
        person(&server, &doubles, &mut figures).await?;
        let open = open_runs(&server).await?;
        let ended = executions(&server).await?.iter().filter(|e| terminal(e)).count();
        if open == 0 && ended >= figures.acknowledged.len() {
            break;
        }
        if begun.elapsed() > FINISH_MAX {
            println!("{open} runs did not end within {} s", FINISH_MAX.as_secs());
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let good = check(&server, &doubles, &figures).await?;
    server.stop()?;
    let verify = std::process::Command::new(&binary).args(["audit", "verify", "--data"]).arg(&data).output()?;
    println!("audit verify: {}", String::from_utf8_lossy(&verify.stdout).trim());
    Ok(good && verify.status.success())
}

async fn ingest(server: &Server, host: &str) -> anyhow::Result<bool> {
    let body = format!(
        "{{\"create\":{{\"_index\":\"{INDEX}\",\"_id\":\"{host}\"}}}}\n{}\n",
        json!({"@timestamp": engine_now(), "event": {"action": "crash-marker", "category": ["host"]}, "host": {"name": host}, "user": {"name": "u"}})
    );
    let (status, answer) = server.es("POST", "/_bulk", Some(("application/x-ndjson", body))).await?;
    Ok(status == 200 && answer["errors"] == json!(false))
}

fn engine_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    stdx::Time(i64::try_from(since.as_micros()).unwrap_or_default()).iso()
}

/// Answers every open question with yes; settles from the ledger: a command that is there happened.
async fn person(server: &Server, doubles: &Doubles, figures: &mut Figures) -> anyhow::Result<()> {
    let list = server.good("GET", "/api/watchfire/approvals?state=waiting&size=200", None).await?;
    for row in list["approvals"].as_array().cloned().unwrap_or_default() {
        let id = row["id"].as_str().unwrap_or_default();
        let whole = server.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await?;
        if whole["kind"] == "settlement" {
            let command = command_of(&whole);
            let ran =
                doubles.lines()?.iter().filter(|l| l["at"] == "command" && l["command"] == json!(command)).count();
            let verdict = if ran > 0 { "happened" } else { "again" };
            let body = json!({"verdict": verdict, "comment": format!("ledger: {ran}")});
            let (status, _) = server.call("POST", &format!("/api/watchfire/approvals/{id}/settle"), Some(body)).await?;
            if status == 200 {
                if ran > 0 {
                    figures.settled_happened += 1;
                } else {
                    *figures.settled_again.entry(command).or_default() += 1;
                }
            }
        } else {
            let body = json!({"verdict": "approve", "hash": whole["hash"], "comment": "campaign"});
            let (status, _) = server.call("POST", &format!("/api/watchfire/approvals/{id}/decide"), Some(body)).await?;
            figures.approvals += u32::from(status == 200);
        }
    }
    Ok(())
}

/// The command of a row's first action.
fn command_of(row: &Value) -> String {
    let request = &row["actions"][0]["request"];
    let parsed =
        request.as_str().and_then(|s| serde_json::from_str::<Value>(s).ok()).unwrap_or_else(|| request.clone());
    match parsed["command"].as_str().or_else(|| parsed["with"]["command"].as_str()) {
        Some(command) => command.to_owned(),
        None => request.as_str().unwrap_or_default().to_owned(),
    }
}

/// How far the marker had come, by what the ledger saw when the server was killed.
fn phase(doubles: &Doubles, host: &str) -> anyhow::Result<String> {
    let lines = doubles.lines()?;
    let saw = |at: &str, key: &str, with: &str| {
        lines.iter().any(|l| l["at"] == at && l[key].as_str().is_some_and(|t| t.ends_with(with)))
    };
    Ok(if saw("command.done", "command", host) {
        "5 after the command"
    } else if saw("command", "command", host) {
        "4 during the command"
    } else if saw("chat", "text", host) {
        "3 chat sent, question"
    } else if lines.last().is_some_and(|l| l["at"] == "model") {
        "2 model asked"
    } else {
        "1 event, alert, case"
    }
    .to_owned())
}

async fn executions(server: &Server) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for page in 1..=50 {
        let path = format!("/api/workflows/workflow/crash/executions?size=100&page={page}");
        let list = server.good("GET", &path, None).await?;
        let rows = list["results"].as_array().cloned().unwrap_or_default();
        let last = rows.len() < 100;
        all.extend(rows);
        if last {
            break;
        }
    }
    Ok(all)
}

fn terminal(execution: &Value) -> bool {
    matches!(execution["status"].as_str(), Some("completed" | "failed" | "cancelled" | "timed_out" | "skipped"))
}

async fn open_runs(server: &Server) -> anyhow::Result<usize> {
    Ok(executions(server).await?.iter().filter(|e| !terminal(e)).count())
}

/// Counts everything and compares it with what was acknowledged.
async fn check(server: &Server, doubles: &Doubles, figures: &Figures) -> anyhow::Result<bool> {
    let mut wrong = Vec::new();
    let mut alerts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let query = json!({"size": 10_000, "query": {"match_all": {}}});
    let found = server.good("POST", "/api/detection_engine/signals/search", Some(query)).await?;
    for hit in found["hits"]["hits"].as_array().context("no hits")? {
        let s = &hit["_source"];
        let status = text(s, "kibana.alert.workflow_status");
        alerts.entry(s["host"]["name"].as_str().unwrap_or_default().to_owned()).or_default().push(status);
    }
    let mut cases: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for page in 1..=100 {
        let list = server.good("GET", &format!("/api/cases/_find?perPage=100&page={page}"), None).await?;
        let rows = list["cases"].as_array().cloned().unwrap_or_default();
        let last = rows.len() < 100;
        for case in rows {
            let host = case["title"].as_str().unwrap_or_default().trim_start_matches("crash ").to_owned();
            cases.entry(host).or_default().push(case);
        }
        if last {
            break;
        }
    }
    let lines = doubles.lines()?;
    let mut commands: BTreeMap<String, u32> = BTreeMap::new();
    let mut chats: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in &lines {
        match line["at"].as_str() {
            Some("command") => {
                *commands.entry(line["command"].as_str().unwrap_or_default().to_owned()).or_default() += 1
            }
            Some("chat") => {
                chats
                    .entry(line["text"].as_str().unwrap_or_default().to_owned())
                    .or_default()
                    .insert(line["key"].to_string());
            }
            _ => {}
        }
    }
    let runs = executions(server).await?;
    let (mut lost, mut doubled) = (0, 0);
    for host in &figures.acknowledged {
        let mut need = |what: &str, have: usize, want: usize| {
            if have < want {
                lost += 1;
                wrong.push(format!("{host}: {have} {what}, expected {want}"));
            } else if have > want {
                doubled += 1;
                wrong.push(format!("{host}: {have} {what}, expected {want}"));
            }
        };
        need("alerts", alerts.get(host).map_or(0, Vec::len), 1);
        need("closed alerts", alerts.get(host).map_or(0, |a| a.iter().filter(|s| *s == "closed").count()), 1);
        need("cases", cases.get(host).map_or(0, Vec::len), 1);
        need("chat keys", chats.get(&format!("chat {host}")).map_or(0, BTreeSet::len), 1);
        let command = format!("isolate {host}");
        need("commands", *commands.get(&command).unwrap_or(&0) as usize, 1);
        if let Some(case) = cases.get(host).and_then(|c| c.first()) {
            let id = case["id"].as_str().unwrap_or_default();
            let whole = server.good("GET", &format!("/api/cases/{id}?includeComments=true"), None).await?;
            let comments = whole["comments"].as_array().cloned().unwrap_or_default();
            let user = |start: &str| {
                comments.iter().filter(|c| c["comment"].as_str().is_some_and(|t| t.starts_with(start))).count()
            };
            need("summary comments", user("summary:"), 1);
            need("output comments", user("output:"), 1);
            need("alert attachments", comments.iter().filter(|c| c["type"] == "alert").count(), 1);
        }
    }
    let extra = commands.keys().filter(|c| !figures.acknowledged.iter().any(|h| c.ends_with(h.as_str()))).count();
    if extra > 0 {
        wrong.push(format!("{extra} commands that nobody approved"));
    }
    let ended: BTreeMap<String, usize> = runs.iter().fold(BTreeMap::new(), |mut m, r| {
        *m.entry(r["status"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        m
    });
    println!("kills by phase:");
    for (phase, n) in &figures.phases {
        println!("  {n:4}  {phase}");
    }
    let mut restarts = figures.restarts_ms.clone();
    restarts.sort_unstable();
    println!("accepted events           {}", figures.acknowledged.len());
    println!("runs by end               {ended:?}");
    println!("approvals given           {}", figures.approvals);
    println!(
        "asked a person (settled)  {} happened, {} again",
        figures.settled_happened,
        figures.settled_again.values().sum::<u32>()
    );
    println!("restart until answering   median {} ms", restarts.get(restarts.len() / 2).copied().unwrap_or_default());
    println!("lost                      {lost}");
    println!("doubled                   {doubled}");
    for line in wrong.iter().take(40) {
        println!("  {line}");
    }
    if runs.len() != figures.acknowledged.len() {
        wrong.push(format!("{} runs for {} acknowledged events", runs.len(), figures.acknowledged.len()));
        println!("  {}", wrong[wrong.len() - 1]);
    }
    if figures.acknowledged.is_empty() {
        bail!("no event was acknowledged: the campaign proves nothing");
    }
    Ok(wrong.is_empty())
}

/// A dotted or nested field as text.
fn text(source: &Value, field: &str) -> String {
    let value = stdx::Value::from(source.clone());
    value.field(field).and_then(stdx::Value::as_str).unwrap_or_default().to_owned()
}
