//! Measures the writer: five-step runs with two calls, three commits each, in groups; CPU and time per run.
//!
//! `cargo run --release -p store --example turns -- [runs] [group]`

use std::time::Instant;
use stdx::{Id, Time, Value};
use store::{Commit, Guard, Options, Store, Writer};
use workflow::{
    Body, Call, Cause, Class, Effect, EffectKey, Fact, FactKind, Hop, Mode, Outcome, Rendered, Role, Start, Status,
    StepPath, Summary, Turn,
};

fn cpu_us() -> i64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks: i64 = fields[11].parse::<i64>().unwrap_or(0) + fields[12].parse::<i64>().unwrap_or(0);
    ticks * 10_000
}

fn id_of(n: u64) -> Id {
    stdx::id::uuid_v8(Time::from_ms(1_764_000_000_000 + n as i64), &[&n.to_string()])
}

fn path(step: &str) -> StepPath {
    StepPath(vec![Hop { name: step.into(), role: Role::Step, index: 0, pass: 0 }].into())
}

fn commits(n: u64) -> [Commit; 3] {
    let id = id_of(n);
    let now = Time::from_ms(1_764_000_000_000 + n as i64);
    let key = |step: &str| EffectKey { execution: id.clone(), path: path(step), call: 0 };
    let call = |url: &str| {
        Effect::Call(Box::new(Call {
            operation: "http".into(),
            connector: None,
            target: Value::object([("host", Value::from("127.0.0.1")), ("port", Value::from(9100))]),
            params: Rendered::plain(Value::object([("url", Value::from(url)), ("method", Value::from("GET"))])),
            class: Class::Read,
            lane: "http:127.0.0.1:9100".into(),
            deadline: None,
            bytes_max: 10_485_760,
            approved_by: None,
            undo: None,
        }))
    };
    let event = Value::object([("alerts", Value::array([Value::object([("id", Value::from("x".repeat(300)))])]))]);
    let start = Start {
        execution: id.clone(),
        root: id.clone(),
        space: "default".into(),
        workflow: Id::from("five"),
        version: 1,
        mode: Mode::Whole,
        dry: false,
        test: false,
        principal: "elastic".into(),
        cause: Cause::Manual,
        depth: 0,
        visited: Vec::new(),
        inputs: Body::from(Value::object([("host", Value::from("h1"))])),
        event: Body::from(event),
        metadata: Body::Null,
        at: now,
        ..Start::default()
    };
    let left = |step: &str| FactKind::Left {
        path: path(step),
        status: Status::Completed,
        output: Body::from(Value::object([("status", Value::from(200)), ("data", Value::from("y".repeat(200)))])),
        error: None,
        kind: "data.set".into(),
        input: Body::Null,
    };
    let asked = |step: &str, url: &str| FactKind::Asked {
        key: key(step),
        class: Class::Read,
        request: Box::new(call(url)),
        deadline: None,
        memo: Body::Null,
        closes: true,
        kind: "http".into(),
        input: Body::Null,
    };
    let answered = |step: &str| FactKind::Answered {
        key: key(step),
        attempt: 1,
        outcome: Outcome::Answered(Ok(Body::from(Value::object([
            ("status", Value::from(200)),
            ("data", Value::from("y".repeat(200))),
        ])))),
    };
    let turn = |base: u64, facts: Vec<FactKind>, status: Status| Turn {
        base,
        facts: facts.into_iter().map(|what| Fact { at: now, what }).collect(),
        summary: Summary { status, started_at: Some(now), ..Summary::default() },
        ..Turn::default()
    };
    let mut one = turn(
        0,
        vec![
            FactKind::Started { start: Box::new(start), name: "five".into(), inputs: Body::Null, deadline: None },
            left("a"),
            asked("b", "http://127.0.0.1:9100/a"),
        ],
        Status::Running,
    );
    one.effects.push((key("b"), call("http://127.0.0.1:9100/a")));
    let mut two = turn(3, vec![answered("b"), left("c"), asked("d", "http://127.0.0.1:9100/b")], Status::Running);
    two.done.push(key("b"));
    two.effects.push((key("d"), call("http://127.0.0.1:9100/b")));
    let ended = FactKind::Ended { status: Status::Completed, output: Body::Null, error: None, cancelled: None };
    let mut three = turn(6, vec![answered("d"), left("e"), ended], Status::Completed);
    three.done.push(key("d"));
    [one, two, three].map(|t| Commit {
        now,
        guards: [Guard::Turn { execution: id.clone(), base: t.base, epoch: 1 }].into_iter().collect(),
        turn: Some((id.clone(), std::sync::Arc::new(t))),
        ..Commit::default()
    })
}

fn main() {
    let arg = |i: usize, or: u64| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (runs, group) = (arg(1, 20_000), arg(2, 32));
    let mut waves: Vec<Vec<Commit>> = Vec::new();
    for first in (0..runs).step_by(group as usize) {
        let all: Vec<[Commit; 3]> = (first..(first + group).min(runs)).map(commits).collect();
        for k in 0..3 {
            waves.push(all.iter().map(|c| c[k].clone()).collect());
        }
    }
    let (cpu, clock) = (cpu_us(), Instant::now());
    let mut memory = Writer::memory().expect("memory");
    for wave in waves.clone() {
        assert!(memory.apply(wave).iter().all(Result::is_ok));
    }
    let us = cpu_us() - cpu;
    println!(
        "memory: {runs} runs in groups of {group}: {:.1} us CPU per run, {:?}",
        us as f64 / runs as f64,
        clock.elapsed()
    );
    drop(memory);

    let dir = std::env::temp_dir().join(format!("watchfire-turns-{}", std::process::id()));
    let store = Store::open(&dir, &Options::default()).expect("open");
    let (cpu, clock) = (cpu_us(), Instant::now());
    for wave in waves {
        let (tx, rx) = std::sync::mpsc::channel();
        let n = wave.len();
        for commit in wave {
            let tx = tx.clone();
            store.submit(commit, Box::new(move |r| tx.send(r.is_ok()).expect("the receiver waits")));
        }
        for _ in 0..n {
            assert!(rx.recv().expect("an answer"));
        }
    }
    let us = cpu_us() - cpu;
    let took = clock.elapsed();
    let wal = std::fs::metadata(dir.join("state.db-wal")).map_or(0, |m| m.len());
    let groups = store.gauges().groups.load(std::sync::atomic::Ordering::Relaxed);
    drop(store);
    let size = std::fs::metadata(dir.join("state.db")).map_or(0, |m| m.len());
    println!(
        "file: {:.1} us CPU per run, {:.0} runs/s, {} groups, WAL {} KiB, {:.1} KiB per run",
        us as f64 / runs as f64,
        runs as f64 / took.as_secs_f64(),
        groups,
        wal / 1024,
        size as f64 / 1024.0 / runs as f64
    );
    let clock = Instant::now();
    let report = store::verify(&dir).expect("verify");
    println!("{report}, in {:?}", clock.elapsed());
    let _ = std::fs::remove_dir_all(&dir);
}
