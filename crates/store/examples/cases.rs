//! Measures lists of cases and alerts over many rows: first page, counts, filters, search.
//!
//! `cargo run --release -p store --example cases -- [cases]`

use std::time::Instant;
use stdx::{Id, Time, Value};
use store::{AlertFilter, CaseFilter, CaseSort, Commit, Options, Store};
use triage::command::Request;
use triage::{Actor, Command};

const SPACE: &str = "default";

fn request(user: u64, command: Command) -> Request {
    Request { space: SPACE.into(), by: Actor::person(&format!("user{user}"), "api"), key: None, command }
}

fn case_body(n: u64) -> Value {
    let words = ["persistence", "brute force", "web shell", "exfiltration", "phishing"];
    let connector = [("id", "none"), ("name", "none"), ("type", ".none")].map(|(k, v)| (k, Value::from(v)));
    Value::object([
        ("title", Value::from(format!("Suspicious {} on host-{}", words[n as usize % 5], n % 977))),
        (
            "description",
            Value::from(format!("Found by rule {} at step {n}. {}", n % 31, "Evidence is attached. ".repeat(8))),
        ),
        ("tags", Value::array([Value::from(format!("tag{}", n % 40)), Value::from("auto")])),
        ("owner", Value::from("securitySolution")),
        ("severity", Value::from(["low", "medium", "high", "critical"][n as usize % 4])),
        ("settings", Value::object([("syncAlerts", Value::from(true))])),
        ("connector", Value::object(connector)),
        ("assignees", Value::array([Value::object([("uid", Value::from(format!("u_user{}", n % 12)))])])),
    ])
}

fn alert(n: u64) -> Value {
    Value::object([
        ("@timestamp", Value::from("2026-11-24T10:00:00.000Z")),
        ("kibana.alert.severity", Value::from(["low", "medium", "high", "critical"][n as usize % 4])),
        ("kibana.alert.risk_score", Value::from(n % 100)),
        ("kibana.alert.rule.uuid", Value::from(format!("rule-{}", n % 31))),
        ("kibana.alert.rule.name", Value::from("A rule")),
        ("kibana.alert.workflow_status", Value::from("open")),
        ("host", Value::object([("name", Value::from(format!("host-{}", n % 97)))])),
        ("raw", Value::from("x".repeat(4000))),
    ])
}

fn timed<T>(name: &str, rounds: u32, mut read: impl FnMut() -> T) {
    let mut all: Vec<_> = (0..rounds)
        .map(|_| {
            let clock = Instant::now();
            read();
            clock.elapsed()
        })
        .collect();
    all.sort();
    println!("{name}: p50 {:?}, worst of {rounds} {:?}", all[all.len() / 2], all[all.len() - 1]);
}

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let dir = std::env::temp_dir().join(format!("watchfire-cases-{}", std::process::id()));
    let store = Store::open(&dir, &Options { ballast: false, pages_max: None }).expect("open");
    let clock = Instant::now();
    let mut pending = Vec::new();
    for n in 0..count {
        let now = Time::from_ms(1_764_000_000_000 + n as i64 * 1000);
        let mut commands =
            vec![request(n % 9, Command::CaseCreate { id: stdx::id::uuid_v8(now, &["case"]), body: case_body(n) })];
        if n % 10 == 0 {
            let id = Id::from(stdx::id::sha256_hex(&n.to_le_bytes()));
            commands.push(request(0, Command::AlertRaise { id, index: "i".into(), document: alert(n) }));
        }
        let (tx, rx) = std::sync::mpsc::channel();
        let commit = Commit { now, commands, ..Commit::default() };
        store.submit(commit, Box::new(move |r| tx.send(r.is_ok()).expect("the receiver waits")));
        pending.push(rx);
        if pending.len() == 400 {
            assert!(pending.drain(..).all(|rx| rx.recv().expect("an answer")));
        }
    }
    assert!(pending.drain(..).all(|rx| rx.recv().expect("an answer")));
    println!("{count} cases in {:?}", clock.elapsed());
    let reader = store.reader().expect("reader");
    let base = || CaseFilter { space: SPACE.into(), limit: 20, ..Default::default() };
    let find = |f: &CaseFilter| reader.case_find(f).expect("find");
    assert_eq!(find(&base()).total, count);
    timed("newest 20 with total and counts", 30, || find(&base()));
    timed("open and critical", 30, || {
        find(&CaseFilter { statuses: vec!["open".into()], severities: vec!["critical".into()], ..base() })
    });
    timed("by severity, page 100", 30, || find(&CaseFilter { sort: CaseSort::Severity, offset: 1980, ..base() }));
    timed("by last change", 30, || find(&CaseFilter { sort: CaseSort::Updated, ..base() }));
    timed("one tag", 30, || find(&CaseFilter { tags: vec!["tag7".into()], ..base() }));
    timed("one assignee", 30, || find(&CaseFilter { assignees: vec!["u_user3".into()], ..base() }));
    timed("search of two words", 10, || {
        find(&CaseFilter { search: Some("shell host-44".into()), search_all: true, ..base() })
    });
    let alerts = AlertFilter { space: SPACE.into(), statuses: vec!["open".into()], limit: 500, ..Default::default() };
    timed("alert queue, 500 rows", 30, || reader.alert_list(&alerts).expect("alerts"));
    let all = AlertFilter { limit: 100_000, ..alerts.clone() };
    timed("alert queue, all rows", 10, || reader.alert_list(&all).expect("alerts"));
    timed("alert counts", 30, || {
        (reader.alert_count(&alerts).expect("count"), reader.alert_status_counts(SPACE).expect("counts"))
    });
    drop(reader);
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}
