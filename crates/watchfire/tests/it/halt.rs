//! `watchfire halt` on the binary, by the clock on the wall: what reaches a service that keeps its own ledger in another process.
//!
//! Invariants: times are the ledger's own; a request is counted when it came, not when it was answered.
//! Not here: the order of looks in the engine (`engine::core`), worlds with crashes at every commit (`sim`).
//! Source: issue 4, *done when*; `design/engine.md` §9.

use crate::stage::{Stage, WAIT_MAX};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const RUNS: usize = 24;
const DELETES: usize = 12;
/// What has arrived when the halt comes.
const BEFORE: usize = 60;
/// How long nothing may start after the command has returned.
const LIMIT_MS: u64 = 1_000;

const YAML: &str = r#"
version: "1"
name: halted
triggers: [{ type: manual }]
inputs:
  required: [run]
  properties: { run: { type: integer } }
consts: { hosts: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }
steps:
  - name: each
    type: foreach
    foreach: "{{ consts.hosts }}"
    steps:
      - name: remove
        type: http
        with:
          method: DELETE
          url: "DOUBLES/sink/hosts/{{ inputs.run }}/{{ foreach.item }}"
        # A call that was told to go and met the halt before its first byte failed as not sent: it asks to go again.
        on-failure: { retry: { max-attempts: 5, delay: "200ms" } }
"#;

/// What was deleted, and when each came.
fn deleted(stage: &Stage) -> Vec<(String, u64)> {
    let lines = stage.ledger();
    let of = |l: &Value| Some((l["path"].as_str()?.to_owned(), l["came_ms"].as_u64()?));
    lines.iter().filter(|l| l["method"] == "DELETE").filter_map(of).collect()
}

async fn watch(stage: &Stage, until: Duration, mut enough: impl FnMut(&[(String, u64)]) -> bool) -> Vec<(String, u64)> {
    let begun = Instant::now();
    loop {
        let now = deleted(stage);
        if enough(&now) || begun.elapsed() > until {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_halt_nothing_destructive_starts_not_even_after_a_restart_and_lifted_each_goes_once() {
    let mut stage = Stage::open().await;
    // A service that takes its time: calls are on their way when the halt comes.
    stage.control(json!({"http_delay_ms": 30})).await;
    let yaml = YAML.replace("DOUBLES", &stage.doubles_url);
    stage.good("POST", "/api/workflows/workflow", Some(json!({"id": "halted", "yaml": yaml}))).await;
    let mut runs = Vec::new();
    for run in 0..RUNS {
        let body = json!({"inputs": {"run": run}});
        let started = stage.good("POST", "/api/workflows/workflow/halted/run", Some(body)).await;
        runs.push(started["workflowExecutionId"].as_str().unwrap().to_owned());
    }
    let all = RUNS * DELETES;
    let seen = watch(&stage, WAIT_MAX, |d| d.len() >= BEFORE).await.len();
    assert!((BEFORE..all).contains(&seen), "the halt comes in the middle: {seen} of {all}");

    let asked = Instant::now();
    let (code, said) = stage.cli(&["halt", "--reason", "under load"]);
    let took = asked.elapsed();
    assert_eq!(code, Some(0), "{said}");
    let halted = stage.ledger_now().await;
    // More than the limit, by the clock on the wall.
    tokio::time::sleep(Duration::from_millis(LIMIT_MS + 700)).await;
    let at_halt = deleted(&stage);
    let late: Vec<_> = at_halt.iter().filter(|(_, ms)| *ms > halted + LIMIT_MS).collect();
    let after = at_halt.iter().filter(|(_, ms)| *ms > halted).count();
    let last = at_halt.iter().map(|(_, ms)| ms.saturating_sub(halted)).max().unwrap_or(0);
    println!(
        "halt took {took:?}; {} of {all} had come, {after} came after it returned, the last {last} ms",
        at_halt.len()
    );
    assert!(late.is_empty(), "started after the halt: {late:?}");
    assert!(at_halt.len() < all, "there is something left to hold back");
    let (_, status) = stage.cli(&["halt", "--status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap_or_else(|e| panic!("{e}: {status}"));
    assert_eq!(status["halts"][0]["reason"], json!("under load"));
    assert!(status["held"].as_u64().unwrap() > 0, "{status}");

    stage.kill();
    stage.start().await;
    tokio::time::sleep(Duration::from_millis(LIMIT_MS + 500)).await;
    assert_eq!(deleted(&stage).len(), at_halt.len(), "nothing starts after the restart either");
    for run in &runs {
        let path = format!("/api/workflows/executions/{run}");
        let status = stage.good("GET", &path, None).await["status"].clone();
        assert!(!["failed", "cancelled", "timed_out"].contains(&status.as_str().unwrap()), "{run} is {status}");
    }

    let (code, said) = stage.cli(&["halt", "--lift"]);
    assert!(code == Some(0) && said.contains("no halt is in force"), "{said}");
    watch(&stage, WAIT_MAX, |d| d.len() >= all).await;
    for run in &runs {
        let done = stage.until(run, &["completed", "failed", "cancelled", "timed_out"]).await;
        assert_eq!(done["status"], json!("completed"), "{}", done["error"]);
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (path, _) in deleted(&stage) {
        *times.entry(path).or_default() += 1;
    }
    let more: Vec<_> = times.iter().filter(|(_, n)| **n != 1).collect();
    assert!(times.len() == all && more.is_empty(), "{} of {all}, not once: {more:?}", times.len());
    let (whole, why) = stage.verified();
    assert!(whole, "{why}");
}
