//! Bad input against the real server, each case named: a clear error, and nothing lost of what was accepted before.
//!
//! Invariants: what was accepted is counted by events, alerts, cases and executions, before and after a SIGKILL.

use crate::stage::{Stage, WAIT_MAX};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

/// What the server has accepted, as its sender knows it.
struct Accepted {
    events: u64,
    alerts: u64,
}

fn bulk(from: u64, n: u64) -> Vec<u8> {
    let line = |i: u64| {
        format!(
            "{{\"create\":{{\"_id\":\"e{i}\"}}}}\n{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"event\":{{\"action\":\"{}\"}},\"n\":{i},\"message\":\"{}\"}}\n",
            if i.is_multiple_of(10) { "named" } else { "usual" },
            "x".repeat(200)
        )
    };
    (from..from + n).map(line).collect::<String>().into_bytes()
}

/// A rule with a workflow, some events and one case: what must not be lost.
async fn something(stage: &Stage) -> Accepted {
    let yaml = "version: \"1\"\nname: note\nenabled: true\ntriggers: [{ type: alert }]\nsteps:\n  - name: note\n    type: console\n    with: { message: seen }\n";
    stage.good("POST", "/api/workflows/workflow", Some(json!({"id": "note", "yaml": yaml}))).await;
    let rule = json!({"rule_id": "named", "name": "named", "description": "d", "type": "query", "language": "kuery", "query": "event.action: named",
        "index": ["logs-*"], "severity": "low", "risk_score": 21, "enabled": true, "max_signals": 1000,
        "actions": [{"action_type_id": ".workflows", "id": "system-connector-.workflows", "params": {"subAction": "run", "subActionParams": {"workflowId": "note", "summaryMode": false}}}]});
    stage.good("POST", "/api/detection_engine/rules", Some(rule)).await;
    let (status, answer) = stage.es("POST", "/logs-bad-default/_bulk", Some((NDJSON, bulk(0, 50)))).await;
    assert_eq!((status, &answer["errors"]), (200, &json!(false)), "{answer}");
    Accepted { events: 50, alerts: 5 }
}

async fn count(stage: &Stage) -> (u64, u64, u64) {
    let events = stage.es("GET", "/logs-bad-default/_count", None).await.1["count"].as_u64().unwrap_or(0);
    let query = json!({"size": 0, "track_total_hits": true, "query": {"match_all": {}}});
    let alerts =
        stage.any("POST", "/api/detection_engine/signals/search", Some((JSON, query.to_string().into()))).await.1;
    let alerts: Value = serde_json::from_str(&alerts).unwrap_or_default();
    let runs = stage.any("GET", "/api/workflows/executions?size=1&workflowId=note&statuses=completed", None).await.1;
    let runs: Value = serde_json::from_str(&runs).unwrap_or_default();
    (events, alerts["hits"]["total"]["value"].as_u64().unwrap_or(0), runs["total"].as_u64().unwrap_or(0))
}

/// Waits for what was accepted, kills the server, and looks again; prints what was lost.
async fn nothing_lost(stage: &mut Stage, name: &str, accepted: &Accepted) {
    for again in [false, true] {
        let begun = Instant::now();
        let found = loop {
            let found = count(stage).await;
            if found == (accepted.events, accepted.alerts, accepted.alerts) || begun.elapsed() > WAIT_MAX {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        // Each by itself: one alert too many does not make up for a lost run.
        let lost = accepted.events.saturating_sub(found.0)
            + accepted.alerts.saturating_sub(found.1)
            + accepted.alerts.saturating_sub(found.2);
        println!(
            "{name}: lost {lost} of {} events, {} alerts and their runs{}",
            accepted.events,
            accepted.alerts,
            if again { ", after SIGKILL and restart" } else { "" }
        );
        assert_eq!(found, (accepted.events, accepted.alerts, accepted.alerts), "events, alerts, runs");
        if !again {
            stage.kill();
            stage.start().await;
        }
    }
    let (holds, said) = stage.verified();
    assert!(holds, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bulk_lines_fail_alone() {
    let mut stage = Stage::open().await;
    let mut accepted = something(&stage).await;
    let mut body = b"{\"create\":{\"_id\":\"bad1\"}}\n{\"@timestamp\": oops\n".to_vec();
    body.extend(bulk(50, 10));
    body.extend(b"{\"create\":{\"_id\":\"bad2\"}}\n[1, 2]\n");
    let (status, answer) = stage.es("POST", "/logs-bad-default/_bulk", Some((NDJSON, body))).await;
    assert_eq!(status, 200, "{answer}");
    let items = answer["items"].as_array().unwrap();
    let failed: Vec<&Value> = items.iter().map(|i| &i["create"]).filter(|i| i["status"] != json!(201)).collect();
    assert_eq!((items.len(), failed.len()), (12, 2), "{answer}");
    assert!(failed.iter().all(|i| i["status"] == json!(400) && i["error"]["reason"].as_str().is_some()), "{failed:?}");
    accepted.events += 10;
    accepted.alerts += 1;
    nothing_lost(&mut stage, "malformed bulk lines", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yaml_bomb_is_refused_with_its_reason() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    let mut bomb = String::from("name: bomb\na0: &a0 [\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"]\n");
    for i in 1..12 {
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(",")));
    }
    let begun = Instant::now();
    let stored = stage.good("POST", "/api/workflows/workflow", Some(json!({"id": "bomb", "yaml": bomb}))).await;
    assert_eq!((&stored["valid"], &stored["enabled"]), (&json!(false), &json!(false)), "{stored}");
    let checked = stage.good("POST", "/api/workflows/validate", Some(json!({"yaml": bomb}))).await;
    let first = &checked["diagnostics"][0];
    assert!(first["code"].is_string() && first["message"].is_string(), "{checked}");
    let run = stage.any("POST", "/api/workflows/workflow/bomb/run", Some((JSON, b"{\"inputs\":{}}".to_vec()))).await;
    assert!((400..500).contains(&run.0), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    nothing_lost(&mut stage, "a YAML bomb", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_loops_ends_the_step_with_a_code() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    let yaml = r#"
version: "1"
name: loops
triggers: [{ type: manual }]
steps:
  - name: spin
    type: console
    with: { message: "{% for a in (1..90000) %}{% for b in (1..90000) %}{% for c in (1..90000) %}x{% endfor %}{% endfor %}{% endfor %}" }
"#;
    let run = stage.run("loops", yaml).await;
    let done = stage.until(&run, &["completed", "failed"]).await;
    assert_eq!(done["status"], json!("failed"), "{done}");
    assert!(done["error"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{done}");
    nothing_lost(&mut stage, "a template that loops", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_mb_body_is_413() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    for (es, path) in [(true, "/logs-bad-default/_bulk"), (false, "/api/cases")] {
        let body = vec![b' '; 200 * 1024 * 1024];
        let status = if es {
            stage.es("POST", path, Some((NDJSON, body))).await.0
        } else {
            stage.any("POST", path, Some((JSON, body))).await.0
        };
        // A client that is still writing may see the connection closed instead of the answer.
        assert!(matches!(status, 413 | 0), "{path}: {status}");
    }
    nothing_lost(&mut stage, "a 200 MB body", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_with_a_broken_query_is_refused_with_its_place() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    let rule = json!({"rule_id": "broken", "name": "broken", "description": "d", "type": "query", "language": "kuery", "query": "process.name: (\"a\" or",
        "index": ["logs-*"], "severity": "low", "risk_score": 21, "enabled": true});
    let (status, text) = stage.any("POST", "/api/detection_engine/rules", Some((JSON, rule.to_string().into()))).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 400, "{answer}");
    assert!(answer["attributes"]["diagnostics"][0]["line"].is_u64(), "{answer}");
    nothing_lost(&mut stage, "a rule with a broken query", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_content_length_ends_the_connection() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    for length in ["5000", "many", "-1"] {
        let head = format!(
            "POST /api/cases HTTP/1.1\r\nhost: x\r\nkbn-xsrf: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{\"title\":\"x\"}}"
        );
        let answer = stage.raw(head.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{length}: {answer}");
    }
    assert_eq!(stage.good("GET", "/api/cases/_find", None).await["total"], json!(0));
    nothing_lost(&mut stage, "a lying Content-Length", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_utf8_is_named_and_in_bulk_fails_alone() {
    let mut stage = Stage::open().await;
    let mut accepted = something(&stage).await;
    let (status, text) = stage.any("POST", "/api/cases", Some((JSON, b"{\"title\":\"\xff\xfe\"}".to_vec()))).await;
    assert_eq!(status, 400);
    assert!(text.contains("UTF-8"), "{text}");
    let mut body = b"{\"create\":{}}\n{\"message\":\"\xff\xfe\"}\n".to_vec();
    body.extend(bulk(50, 1));
    let (status, answer) = stage.es("POST", "/logs-bad-default/_bulk", Some((NDJSON, body))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["items"][0]["create"]["status"], json!(400), "{answer}");
    assert_eq!(answer["items"][1]["create"]["status"], json!(201), "{answer}");
    accepted.events += 1;
    accepted.alerts += 1;
    nothing_lost(&mut stage, "invalid UTF-8", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_intake_and_goes_on_with_room() {
    const BATCH: u64 = 2_000;
    let Some(mut stage) = Stage::open_on_a_small_disk().await else {
        println!("skipped: this machine does not allow a file system of its own (unshare, mount)");
        return;
    };
    let mut accepted = something(&stage).await;
    let mut next = 50;
    let refused = loop {
        assert!(next < 400_000, "the disk does not fill");
        let (status, answer) =
            stage.es("POST", "/logs-bad-default/_bulk", Some((NDJSON, bulk_plain(next, BATCH)))).await;
        let good = answer["items"]
            .as_array()
            .map_or(0, |items| items.iter().filter(|i| i["create"]["status"] == json!(201)).count() as u64);
        accepted.events += good;
        next += BATCH;
        if status != 200 || good < BATCH {
            break (status, answer);
        }
    };
    let text = refused.1.to_string();
    assert!(matches!(refused.0, 200 | 429 | 507), "{} {}", refused.0, &text[..text.len().min(400)]);
    assert!(refused.0 != 200 || text.contains("507") || text.contains("429"), "{}", &text[..text.len().min(400)]);
    let status = stage.any("GET", "/api/status", None).await;
    assert_eq!(status.0, 200, "reads go on: {status:?}");
    stage.make_room();
    let begun = Instant::now();
    loop {
        let (status, answer) = stage.es("POST", "/logs-bad-default/_bulk", Some((NDJSON, bulk(next, 10)))).await;
        let good = answer["items"]
            .as_array()
            .map_or(0, |items| items.iter().filter(|i| i["create"]["status"] == json!(201)).count() as u64);
        if status == 200 && good == 10 {
            accepted.events += 10;
            accepted.alerts += (next..next + 10).filter(|i| i % 10 == 0).count() as u64;
            break;
        }
        assert!(begun.elapsed() < WAIT_MAX, "with room it goes on: {status} {answer}");
        // A part may have been taken: the next try uses other ids.
        accepted.events += good;
        next += 10;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    nothing_lost(&mut stage, "a full disk", &accepted).await;
}

/// Events that no rule matches.
fn bulk_plain(from: u64, n: u64) -> Vec<u8> {
    let text = String::from_utf8(bulk(from, n)).unwrap();
    text.replace("\"named\"", "\"usual\"").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_a_newer_version_is_refused_and_left_alone() {
    let mut stage = Stage::open().await;
    let accepted = something(&stage).await;
    let begun = Instant::now();
    while count(&stage).await.2 < accepted.alerts {
        assert!(begun.elapsed() < WAIT_MAX);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.kill();
    let database = stage.files().into_iter().map(|f| f.0).find(|f| f.ends_with("state.db")).unwrap();
    let version = |set: Option<i64>| {
        let conn = rusqlite::Connection::open(&database).unwrap();
        if let Some(v) = set {
            conn.pragma_update(None, "user_version", v).unwrap();
        }
        conn.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0)).unwrap()
    };
    let known = version(None);
    version(Some(known + 900));
    let before = std::fs::read(&database).unwrap();
    let code = stage.start_refused();
    assert!(code.is_some_and(|c| c != 0), "{code:?}");
    assert!(stage.log().contains(&(known + 900).to_string()), "the message names the version: {}", stage.log());
    assert_eq!(std::fs::read(&database).unwrap(), before, "the file was not touched");
    version(Some(known));
    stage.start().await;
    nothing_lost(&mut stage, "a database from a newer version", &accepted).await;
}
