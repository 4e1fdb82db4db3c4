//! `bench`: what `docs/performance.md` says, measured again.
//!
//! Invariants: ratios within one run, alternating with the floor; release build; medians; every loop bounded in count and time; loopback only.
//! Not here: timed tests (there are none).

use crate::product::{Serve, Server, binary, free_port, target_dir};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is measured.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Five-step workflow over the API against the journaled floor.
    Workflow,
    /// Bulk ingest until searchable.
    Ingest,
    /// Batch detection over files.
    Detect,
    /// From bulk request to visible alert at 1,000 events a second.
    Latency,
    /// From exec to the first answer, and idle memory.
    Start,
    /// 100,000 executions that wait for an approval: memory, and from the answer to the end of the next step.
    Waiting,
    /// From the start of a run to the end of the child that it starts and awaits.
    Child,
    /// All of them.
    All,
}

/// What a benchmark is asked to do.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Which one.
    #[arg(value_enum)]
    pub name: Name,
    /// Folder of corpora; own events are used where it is absent.
    #[arg(long, default_value = "../shared/corpus")]
    pub corpus: PathBuf,
    /// Seconds of the latency run.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Rounds of the workflow run.
    #[arg(long, default_value_t = 3)]
    pub runs: u32,
    /// Executions that wait.
    #[arg(long, default_value_t = 100_000)]
    pub waiting: u64,
    /// Hold the workflow run to the bars of *The workflow language* instead of those of *The main job*.
    #[arg(long)]
    pub strict: bool,
}

/// Bars of the workflow run: least share of the floor, most p99 in ms, most CPU in ms a workflow.
const MAIN_JOB: (f64, f64, f64) = (0.25, 60.0, f64::INFINITY);
/// As [`MAIN_JOB`], for *The workflow language*.
const LANGUAGE: (f64, f64, f64) = (0.4, 30.0, 0.4);

/// Runs benchmarks; true when each bar of *The main job* holds.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut good = true;
    let wanted = |name| args.name == name || args.name == Name::All;
    if wanted(Name::Start) {
        good &= runtime.block_on(start())?;
    }
    if wanted(Name::Workflow) {
        good &= runtime.block_on(workflow(args))?;
    }
    if wanted(Name::Detect) {
        good &= detect(args)?;
    }
    if wanted(Name::Ingest) {
        good &= runtime.block_on(ingest(args))?;
    }
    if wanted(Name::Latency) {
        good &= runtime.block_on(latency(args))?;
    }
    if wanted(Name::Child) {
        good &= runtime.block_on(child())?;
    }
    if wanted(Name::Waiting) {
        good &= runtime.block_on(waiting(args))?;
    }
    Ok(good)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn percentile(values: &mut [f64], p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((p / 100.0) * values.len() as f64).ceil() as usize;
    values.get(at.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

async fn start() -> anyhow::Result<bool> {
    let binary = binary(true)?;
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let ports = (free_port()?, free_port()?);
    let serve = Serve { binary: &binary, data: &data, ports, allow: "", log: &log };
    Server::start(&serve).await?.stop()?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut server = Server::start(&serve).await?;
        times.push(server.start.as_secs_f64() * 1e3);
        server.stop()?;
    }
    let mut server = Server::start(&serve).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let rss = server.rss_kib()? as f64 / 1024.0;
    server.stop()?;
    let ms = median(times);
    let bytes = std::fs::metadata(&binary)?.len() as f64 / 1e6;
    println!(
        "start: authenticated GET / after {ms:.0} ms (median of 5, second start and later), VmRSS after 20 s {rss:.1} MiB, binary {bytes:.1} MB"
    );
    let good = ms <= 300.0 && rss <= 60.0;
    println!("start: {}", if good { "holds (≤ 300 ms, ≤ 60 MiB)" } else { "DOES NOT HOLD (≤ 300 ms, ≤ 60 MiB)" });
    Ok(good)
}

/// Builds the load harness.
fn harness() -> anyhow::Result<PathBuf> {
    let target = target_dir()?.join("harness");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/harness/Cargo.toml");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    if !status.success() {
        bail!("the harness does not build");
    }
    Ok(target.join("release"))
}

struct Ended(Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One run of the load generator: its rows.
fn load(harness: &Path, label: &str, args: &[String], stub_port: u16) -> anyhow::Result<Vec<Value>> {
    let out = Command::new(harness.join("peerbench"))
        .args([
            "--label",
            label,
            "--runs",
            "1",
            "--warm",
            "300",
            "--c",
            "32",
            "--n32",
            "1500",
            "--pause",
            "200",
            "--stub-port",
        ])
        .arg(stub_port.to_string())
        .args(args)
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let rows: Vec<Value> = text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    if rows.is_empty() {
        bail!("the load generator gave no row: {text}");
    }
    Ok(rows)
}

async fn workflow(args: &Args) -> anyhow::Result<bool> {
    let (binary, harness) = (binary(true)?, harness()?);
    let dir = tempfile::tempdir_in(target_dir()?)?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let (stub, floor_port) = (free_port()?, free_port()?);
    let ports = (free_port()?, free_port()?);
    let allow = format!("127.0.0.1:{stub}");
    let serve = Serve { binary: &binary, data: &data, ports, allow: &allow, log: &log };
    let mut server = Server::start(&serve).await?;
    let yaml = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/workflow.yaml"))?;
    let yaml = yaml.replace("127.0.0.1:9100", &allow);
    let made = server.good("POST", "/api/workflows/workflow", Some(json!({"id": "peer-bench", "yaml": yaml}))).await?;
    if made["valid"] != json!(true) {
        bail!("the workflow is not valid: {made}");
    }
    let key = server
        .es("POST", "/_security/api_key", Some(("application/json", json!({"name": "bench"}).to_string())))
        .await?
        .1;
    let key = key["encoded"].as_str().context("no key")?.to_owned();
    let journal = dir.path().join("floor.log");
    let floor = Command::new(harness.join("floor"))
        .arg("--journal")
        .arg(&journal)
        .args(["--port", &floor_port.to_string(), "--stub", &allow])
        .stdout(Stdio::null())
        .spawn()?;
    let floor = Ended(floor);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ours = [
        "--host".to_owned(),
        format!("127.0.0.1:{}", ports.0),
        "--path".into(),
        "/api/workflows/workflow/peer-bench/run".into(),
        "--wrap".into(),
        "inputs.alert".into(),
        "--header".into(),
        format!("Authorization: ApiKey {key}"),
        "--header".into(),
        "kbn-xsrf: bench".into(),
        "--pid".into(),
        server.child.id().to_string(),
    ];
    let theirs = [
        "--host".to_owned(),
        format!("127.0.0.1:{floor_port}"),
        "--path".into(),
        "/webhook/alert".into(),
        "--pid".into(),
        floor.0.id().to_string(),
    ];
    let (mut own, mut base) = (Vec::new(), Vec::new());
    let (mut syncs, mut busy) = (0, 0.0);
    for round in 0..args.runs {
        base.extend(load(&harness, "floor-journal", &theirs, stub)?);
        let (before, begun) = (store_figures(&server).await?.1, Instant::now());
        own.extend(load(&harness, "watchfire", &ours, stub)?);
        syncs += store_figures(&server).await?.1 - before;
        busy += begun.elapsed().as_secs_f64();
        println!(
            "workflow: round {} of {}: {:.0}/s, floor {:.0}/s",
            round + 1,
            args.runs,
            own[own.len() - 1]["wps"].as_f64().unwrap_or(0.0),
            base[base.len() - 1]["wps"].as_f64().unwrap_or(0.0)
        );
    }
    let column = |rows: &[Value], key: &str| median(rows.iter().filter_map(|r| r[key].as_f64()).collect());
    let (wps, floor_wps) = (column(&own, "wps"), column(&base, "wps"));
    let (p50, p99, cpu) = (column(&own, "p50"), column(&own, "p99"), column(&own, "cpu_ms_per_wf"));
    let failed: u64 = own.iter().map(|r| r["errors"].as_u64().unwrap_or(1) + r["lost"].as_u64().unwrap_or(1)).sum();
    let synchronous = store_figures(&server).await?.0;
    let probe = syncs_per_second(dir.path())?;
    println!(
        "workflow: {wps:.0} workflows/s at 32 in flight, floor with journal {floor_wps:.0}/s, ratio {:.2}; p50 {p50:.1} ms, p99 {p99:.1} ms; {cpu:.2} ms CPU a workflow; errors and lost {failed}",
        wps / floor_wps
    );
    println!(
        "workflow: PRAGMA synchronous = {synchronous} (2 is FULL); the store synced {:.0} times a second (warm-up and pauses included); this disk does {probe:.0} fdatasync/s",
        syncs as f64 / busy
    );
    server.stop()?;
    let (share, most, most_cpu) = if args.strict { LANGUAGE } else { MAIN_JOB };
    let good = synchronous >= 2 && wps / floor_wps >= share && p99 <= most && cpu <= most_cpu && failed == 0;
    let word = if good { "holds" } else { "DOES NOT HOLD" };
    let of_cpu = if args.strict { format!(", CPU ≤ {most_cpu} ms") } else { String::new() };
    println!("workflow: {word} (≥ {share} of the floor, p99 ≤ {most} ms{of_cpu})");
    Ok(good)
}

/// The writer's `PRAGMA synchronous` as SQLite answers it, and the syncs so far.
async fn store_figures(server: &Server) -> anyhow::Result<(u64, u64)> {
    let status = server.good("GET", "/api/status", None).await?;
    let figure =
        |name: &str| status["watchfire"]["store"][name].as_u64().context("the server does not report its store");
    Ok((figure("synchronous")?, figure("syncs")?))
}

fn syncs_per_second(dir: &Path) -> anyhow::Result<f64> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(dir.join("sync-probe"))?;
    let begun = Instant::now();
    let mut n = 0u32;
    while begun.elapsed() < Duration::from_secs(1) && n < 20_000 {
        file.write_all(&[0u8; 4096])?;
        file.sync_data()?;
        n += 1;
    }
    Ok(f64::from(n) / begun.elapsed().as_secs_f64())
}

/// Event lines: of the corpus where it is, else of the demo.
fn lines(args: &Args, want: usize) -> anyhow::Result<(String, Vec<String>)> {
    let mordor = args.corpus.join("events/mordor.jsonl.gz");
    let (name, text) = if mordor.exists() {
        ("Mordor".to_owned(), crate::conformance::read_text(&mordor)?)
    } else {
        let out = Command::new(binary(true)?).args(["demo", "--print-events"]).output()?;
        ("the demo's events".to_owned(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let lines: Vec<String> = text.lines().filter(|l| !l.trim().is_empty()).map(ToOwned::to_owned).collect();
    if lines.is_empty() {
        bail!("there are no events to send");
    }
    Ok((name, lines.iter().cycle().take(want).cloned().collect()))
}

/// Rules: single-event rules of the corpus where it is, else our own.
fn rules(args: &Args) -> anyhow::Result<(String, Vec<Value>)> {
    let corpus = args.corpus.join("elastic-rules.jsonl");
    if corpus.exists() {
        let text = std::fs::read_to_string(corpus)?;
        let all = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let single = |r: &Value| match r["type"].as_str() {
            Some("query") => true,
            Some("eql") => !r["query"]
                .as_str()
                .is_some_and(|q| q.trim_start().starts_with("sequence") || q.trim_start().starts_with("sample")),
            _ => false,
        };
        return Ok(("single-event rules of the corpus".into(), all.filter(single).collect()));
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../content/rules");
    let mut own = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            own.push(serde_json::from_str(&std::fs::read_to_string(path)?)?);
        }
    }
    Ok(("own rules".into(), own))
}

fn detect(args: &Args) -> anyhow::Result<bool> {
    let binary = binary(true)?;
    let mordor = args.corpus.join("events/mordor.jsonl.gz");
    let rules = args.corpus.join("elastic-rules.jsonl");
    if !mordor.exists() || !rules.exists() {
        println!("detect: skipped: corpus absent");
        return Ok(true);
    }
    let before = children_cpu();
    let out = Command::new(&binary)
        .args(["detect", "--json", "--rules"])
        .arg(&rules)
        .arg("--events")
        .arg(&mordor)
        .output()?;
    let cpu = children_cpu() - before;
    let text = String::from_utf8_lossy(&out.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    let read = report["read"].as_u64().or_else(|| report["events"]["read"].as_u64()).unwrap_or(0);
    println!(
        "detect: {read} events, {:.0} events per CPU-second of the whole command (reading, decoding and loading rules included)",
        read as f64 / cpu
    );
    Ok(read > 0)
}

/// CPU seconds of ended children.
fn children_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .rsplit_once(')')
        .map(|(_, r)| r.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    if fields.len() > 14 { (fields[13] + fields[14]) / 100.0 } else { 0.0 }
}

async fn ingest(args: &Args) -> anyhow::Result<bool> {
    const EVENTS: usize = 200_000;
    const BULK: usize = 1_000;
    let binary = binary(true)?;
    let dir = tempfile::tempdir_in(target_dir()?)?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let serve = Serve { binary: &binary, data: &data, ports: (free_port()?, free_port()?), allow: "", log: &log };
    let mut server = Server::start(&serve).await?;
    let (name, lines) = lines(args, EVENTS)?;
    let (cpu, begun) = (server.cpu_s()?, Instant::now());
    for chunk in lines.chunks(BULK) {
        bulk(&server, "logs-bench-default", chunk).await?;
    }
    let acked = begun.elapsed().as_secs_f64();
    let (_, count) = server.es("GET", "/logs-bench-default/_count", None).await?;
    let searchable = begun.elapsed().as_secs_f64();
    let cpu = server.cpu_s()? - cpu;
    let n = lines.len() as f64;
    println!(
        "ingest: {} of {name}: {:.0} events/s acknowledged, {:.0} events/s searchable, {:.0} events per CPU-second, without rules",
        lines.len(),
        n / acked,
        n / searchable,
        n / cpu
    );
    let good = count["count"].as_u64() == Some(lines.len() as u64);
    if !good {
        println!("ingest: DOES NOT HOLD: {count} of {} documents are found", lines.len());
    }
    server.stop()?;
    Ok(good)
}

async fn bulk(server: &Server, index: &str, lines: &[String]) -> anyhow::Result<()> {
    let mut body = String::with_capacity(lines.iter().map(|l| l.len() + 64).sum());
    for line in lines {
        body.push_str(&format!("{{\"create\":{{\"_index\":\"{index}\"}}}}\n{line}\n"));
    }
    for _ in 0..200 {
        let (status, answer) =
            server.es("POST", "/_bulk?filter_path=errors", Some(("application/x-ndjson", body.clone()))).await?;
        match status {
            200 if answer["errors"] == json!(false) => return Ok(()),
            429 => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => bail!("bulk: {status} {answer}"),
        }
    }
    bail!("the server stayed busy")
}

async fn latency(args: &Args) -> anyhow::Result<bool> {
    const PER_SECOND: usize = 1_000;
    const MARK_EVERY: Duration = Duration::from_millis(100);
    let binary = binary(true)?;
    let dir = tempfile::tempdir_in(target_dir()?)?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let serve = Serve { binary: &binary, data: &data, ports: (free_port()?, free_port()?), allow: "", log: &log };
    let mut server = Server::start(&serve).await?;
    let quiet = "version: \"1\"\nname: latency action\nenabled: true\ntriggers: [{ type: alert }]\nsteps:\n  - name: log\n    type: console\n    with: { message: \"{{ event.rule.name }}\" }\n";
    server.good("POST", "/api/workflows/workflow", Some(json!({"id": "latency", "yaml": quiet}))).await?;
    let (which, mut loaded) = rules(args)?;
    let wanted = loaded.len();
    let mut taken = 0;
    for rule in &mut loaded {
        if let Some(object) = rule.as_object_mut() {
            object.insert("enabled".into(), json!(true));
            object.insert("description".into(), json!("bench"));
            object.retain(|_, v| !v.is_null());
            object.remove("source_path");
        }
        if server.call("POST", "/api/detection_engine/rules", Some(rule.clone())).await?.0 == 200 {
            taken += 1;
        }
    }
    let marker = json!({"rule_id": "latency-marker", "name": "latency marker", "description": "marker", "type": "query", "language": "kuery",
        "query": "event.action: \"latency-marker\"", "index": ["logs-*"], "severity": "low", "risk_score": 21, "enabled": true, "max_signals": 1000,
        "interval": "5s",
        "actions": [{"action_type_id": ".workflows", "id": "system-connector-.workflows",
                     "params": {"subAction": "run", "subActionParams": {"workflowId": "latency", "summaryMode": false}}}]});
    server.good("POST", "/api/detection_engine/rules", Some(marker)).await?;
    let (name, lines) = lines(args, PER_SECOND * usize::try_from(args.seconds)?)?;
    println!(
        "latency: {taken} of {wanted} {which} loaded; {} events of {name} at {PER_SECOND}/s for {} s",
        lines.len(),
        args.seconds
    );
    let settled = Instant::now();
    let first = loop {
        match marker_seen(&server, "latency-0".into()).await {
            Ok(ms) => break ms,
            Err(_) if settled.elapsed() < Duration::from_secs(60) => {}
            Err(error) => return Err(error.context("the rules did not settle")),
        }
    };
    println!("latency: first marker after loading the rules: {first:.0} ms (not counted)");
    let server_ref = &server;
    let cpu_before = server.cpu_s()?;
    let begun = Instant::now();
    let feed = async {
        let mut late = 0u32;
        for (n, chunk) in lines.chunks(PER_SECOND / 10).enumerate() {
            let due = Duration::from_millis(100 * n as u64 + 50);
            let wait = due.saturating_sub(begun.elapsed());
            if wait.is_zero() {
                late += 1;
            }
            tokio::time::sleep(wait).await;
            bulk(server_ref, "winlogbeat-bench", chunk).await?;
        }
        anyhow::Ok(late)
    };
    let mark = async {
        use futures::StreamExt as _;
        let mut ticks = tokio::time::interval(MARK_EVERY);
        let mut running = futures::stream::FuturesUnordered::new();
        let mut seen: Vec<f64> = Vec::new();
        let mut sent = 0u32;
        // Markers overlap when one takes longer than the pause: each polls on its own.
        while begun.elapsed().as_secs() < args.seconds || !running.is_empty() {
            tokio::select! {
                _ = ticks.tick(), if begun.elapsed().as_secs() < args.seconds => {
                    sent += 1;
                    running.push(marker_seen(server_ref, format!("latency-{sent}")));
                }
                Some(result) = running.next() => match result {
                    Ok(ms) => seen.push(ms),
                    Err(error) => eprintln!("latency: {error}"),
                },
            }
        }
        (sent, seen)
    };
    let (late, marked) = tokio::join!(feed, mark);
    let (late, (sent, mut seen)) = (late?, marked);
    let cpu = server.cpu_s()? - cpu_before;
    let status = server.good("GET", "/api/status", None).await?;
    println!(
        "latency: {} alerts of {} enabled rules in all",
        status["watchfire"]["alerts_raised"], status["watchfire"]["rules_enabled"]
    );
    println!(
        "latency: {sent} markers sent, {} seen; feed late {late} times; {cpu:.1} CPU-s of the server in {} s",
        seen.len(),
        args.seconds
    );
    let (p50, p99) = (percentile(&mut seen, 50.0), percentile(&mut seen, 99.0));
    println!(
        "latency: bulk request sent to alert visible: p50 {p50:.1} ms, p99 {p99:.1} ms, max {:.1} ms",
        seen.last().copied().unwrap_or(f64::NAN)
    );
    server.stop()?;
    let good = p99 <= 100.0 && seen.len() as u32 == sent;
    println!(
        "latency: {}",
        if good { "holds (p99 ≤ 100 ms)" } else { "DOES NOT HOLD (p99 ≤ 100 ms, every marker seen)" }
    );
    Ok(good)
}

/// Sends one marker and polls `signals/search` every 5 ms until its alert is there; milliseconds.
async fn marker_seen(server: &Server, host: String) -> anyhow::Result<f64> {
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let event = json!({"@timestamp": stdx::Time(i64::try_from(at.as_micros())?).iso(), "event": {"action": "latency-marker"}, "host": {"name": host}});
    let begun = Instant::now();
    bulk(server, "logs-latency-default", &[event.to_string()]).await?;
    loop {
        let query = json!({"size": 1, "query": {"term": {"host.name": host}}});
        let found = server.good("POST", "/api/detection_engine/signals/search", Some(query)).await?;
        if found["hits"]["hits"].as_array().is_some_and(|h| !h.is_empty()) {
            return Ok(begun.elapsed().as_secs_f64() * 1e3);
        }
        if begun.elapsed() > Duration::from_secs(5) {
            bail!("the alert of {host} did not come within 5 s");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const ASKS: &str = r#"
version: "1"
name: bench waiting
enabled: true
triggers: [{ type: manual }]
steps:
  - name: ask
    type: waitForApproval
    timeout: "72h"
    with: { message: "Go on?" }
  - name: note
    type: console
    with: { message: "went on" }
"#;

async fn waiting(args: &Args) -> anyhow::Result<bool> {
    use futures::StreamExt as _;
    /// Starts in flight at once.
    const IN_FLIGHT: usize = 64;
    /// Approvals that are timed.
    const ANSWERS: usize = 200;
    let binary = binary(true)?;
    let dir = tempfile::tempdir_in(target_dir()?)?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let serve = Serve { binary: &binary, data: &data, ports: (free_port()?, free_port()?), allow: "", log: &log };
    let mut server = Server::start(&serve).await?;
    server.good("POST", "/api/workflows/workflow", Some(json!({"id": "waiting", "yaml": ASKS}))).await?;
    let begun = Instant::now();
    let starts = futures::stream::iter(0..args.waiting)
        .map(|_| server.good("POST", "/api/workflows/workflow/waiting/run", Some(json!({"inputs": {}}))))
        .buffer_unordered(IN_FLIGHT);
    let started: Vec<anyhow::Result<Value>> = starts.collect().await;
    let failed = started.iter().filter(|r| r.is_err()).count();
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let rss = server.rss_kib()? as f64 / 1024.0;
    let list = server.good("GET", &format!("/api/watchfire/approvals?state=waiting&size={ANSWERS}"), None).await?;
    let mut times = Vec::new();
    for row in list["approvals"].as_array().into_iter().flatten().take(ANSWERS) {
        let id = row["id"].as_str().context("a row without id")?;
        let whole = server.good("GET", &format!("/api/watchfire/approvals/{id}"), None).await?;
        let execution = whole["execution"].as_str().context("an approval without execution")?.to_owned();
        let body = json!({"verdict": "approve", "hash": whole["hash"], "comment": "bench"});
        let begun = Instant::now();
        server.good("POST", &format!("/api/watchfire/approvals/{id}/decide"), Some(body)).await?;
        loop {
            let now = server.good("GET", &format!("/api/workflows/executions/{execution}"), None).await?;
            if now["status"] == json!("completed") {
                break;
            }
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("{execution} did not go on: {}", now["status"]);
            }
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let (p50, p99) = (percentile(&mut times, 50.0), percentile(&mut times, 99.0));
    println!(
        "waiting: {} executions wait (started at {:.0}/s, {failed} failed), VmRSS {rss:.0} MiB; approve sent to run seen completed: p50 {p50:.1} ms, p99 {p99:.1} ms of {}",
        args.waiting,
        args.waiting as f64 / seconds,
        times.len()
    );
    server.stop()?;
    let good = rss <= 200.0 && p99 <= 20.0 && failed == 0 && times.len() == ANSWERS;
    println!(
        "waiting: {}",
        if good { "holds (≤ 200 MiB, p99 ≤ 20 ms)" } else { "DOES NOT HOLD (≤ 200 MiB, p99 ≤ 20 ms)" }
    );
    Ok(good)
}

async fn child() -> anyhow::Result<bool> {
    const RUNS: usize = 300;
    let binary = binary(true)?;
    let dir = tempfile::tempdir_in(target_dir()?)?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let serve = Serve { binary: &binary, data: &data, ports: (free_port()?, free_port()?), allow: "", log: &log };
    let mut server = Server::start(&serve).await?;
    let inner = "version: \"1\"\nname: bench inner\nenabled: true\ntriggers: [{ type: manual }]\nsteps:\n  - name: note\n    type: console\n    with: { message: inner }\n";
    let outer = "version: \"1\"\nname: bench outer\nenabled: true\ntriggers: [{ type: manual }]\nsteps:\n  - name: call\n    type: workflow.execute\n    with: { workflow-id: bench-inner }\n";
    for (id, yaml) in [("bench-inner", inner), ("bench-outer", outer)] {
        let made = server.good("POST", "/api/workflows/workflow", Some(json!({"id": id, "yaml": yaml}))).await?;
        if made["valid"] != json!(true) {
            bail!("the workflow `{id}` is not valid: {made}");
        }
    }
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let started =
            server.good("POST", "/api/workflows/workflow/bench-outer/run", Some(json!({"inputs": {}}))).await?;
        let outer = started["workflowExecutionId"].as_str().context("no execution")?.to_owned();
        let begun = Instant::now();
        loop {
            let now = server.good("GET", &format!("/api/workflows/executions/{outer}"), None).await?;
            match now["status"].as_str() {
                Some("completed") => break,
                Some("failed") => bail!("the run failed: {}", now["error"]),
                _ if begun.elapsed() > Duration::from_secs(10) => bail!("{outer} does not end: {}", now["status"]),
                _ => {}
            }
        }
        let whole = server.good("GET", "/api/workflows/executions?workflowId=bench-inner&size=1", None).await?;
        let parent = server.good("GET", &format!("/api/workflows/executions/{outer}"), None).await?;
        let at = |v: &Value| v["startedAt"].as_str().and_then(stdx::Time::parse).map(|t| t.ms());
        let gap = at(&whole["results"][0]).zip(at(&parent)).map(|(c, p)| (c - p) as f64);
        times.push(gap.context("a run without start")?);
    }
    let (p50, p99) = (percentile(&mut times, 50.0), percentile(&mut times, 99.0));
    println!("child: start of the parent to start of its child: p50 {p50:.0} ms, p99 {p99:.0} ms of {RUNS}");
    server.stop()?;
    println!("child: {}", if p99 <= 10.0 { "holds (p99 ≤ 10 ms)" } else { "DOES NOT HOLD (p99 ≤ 10 ms)" });
    Ok(p99 <= 10.0)
}
