//! `real-events`: the corpus's real events through `watchfire detect` and through a running server.
//!
//! Invariants: counts are compared with the lines of the files; an absent corpus is said, not failed.
//! Not here: rules' truth (`conformance`).

use crate::product::{PASSWORD, Serve, Server, binary, free_port};
use anyhow::Context as _;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs it; true when nothing failed, every count is equal and three of our own rules fire on both families of files.
pub fn run(corpus: &Path, debug: bool) -> anyhow::Result<bool> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let events = corpus.join("events");
    if !events.is_dir() {
        println!("skipped: corpus absent");
        return Ok(true);
    }
    let binary = binary(!debug)?;
    let lines =
        ["mordor.jsonl.gz", "evtx-attack-samples.jsonl.gz", "evtx-to-mitre-attack.jsonl.gz"].map(|f| events.join(f));
    let mut logs: Vec<PathBuf> = std::fs::read_dir(events.join("evtx"))?.flatten().map(|e| e.path()).collect();
    logs.retain(|p| p.extension().is_some_and(|e| e == "evtx"));
    logs.sort();
    let files: Vec<PathBuf> = lines.iter().cloned().chain(logs.iter().cloned()).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../content/rules");
    let mut good = true;

    let all = detect(&binary, &[&corpus.join("elastic-rules.jsonl"), &own], &files)?;
    let (read, failed) = (number(&all, "read"), number(&all, "failed"));
    println!(
        "detect: {read} read, {failed} failed, {} matched, {} of {} rules run",
        number(&all, "matched"),
        number(&all["rules"], "run"),
        number(&all["rules"], "run") + number(&all["rules"], "unsupported")
    );
    good &= failed == 0;
    for file in &lines {
        let expected = crate::conformance::read_text(file)?.lines().filter(|l| !l.trim().is_empty()).count() as u64;
        let name = file.display().to_string();
        let row = all["files"].as_array().and_then(|a| a.iter().find(|f| f["file"].as_str() == Some(name.as_str())));
        let got = row.map_or(0, |f| number(f, "read"));
        println!("detect: {} read {got}, lines {expected}", file.file_name().unwrap_or_default().to_string_lossy());
        good &= got == expected;
    }
    for (name, set) in [("Mordor", vec![lines[0].clone()]), ("events/evtx", logs)] {
        let report = detect(&binary, &[&own], &set)?;
        let fired = report["by_rule"].as_array().map_or(0, Vec::len);
        println!("detect: {fired} of our own rules fired on {name}");
        good &= fired >= 3;
    }
    good &=
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(ingest(&binary, &files, read))?;
    Ok(good)
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

fn detect(binary: &Path, rules: &[&Path], files: &[PathBuf]) -> anyhow::Result<Value> {
    let out =
        Command::new(binary).args(["detect", "--json", "--rules"]).args(rules).arg("--events").args(files).output()?;
    serde_json::from_slice(&out.stdout).with_context(|| String::from_utf8_lossy(&out.stderr).into_owned())
}

async fn ingest(binary: &Path, files: &[PathBuf], read: u64) -> anyhow::Result<bool> {
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    let serve = Serve { binary, data: &data, ports: (free_port()?, free_port()?), allow: "", log: &log };
    let mut server = Server::start(&serve).await?;
    let out = Command::new(binary)
        .args(["ingest", "--index", "logs-corpus-default", "--es-url", &server.es_url])
        .args(files)
        .env("WATCHFIRE_PASSWORD", PASSWORD)
        .output()?;
    let (_, count) = server.es("GET", "/logs-corpus-default/_count", None).await?;
    println!("ingest: exit {:?}, {} documents are found, {read} were read", out.status.code(), count["count"]);
    server.stop()?;
    Ok(out.status.success() && count["count"].as_u64() == Some(read))
}
