//! The engine-conformance cases of others, as far as the language goes today: statuses, step executions, calls, outputs.
//!
//! Invariants: a case that needs a step type which is not there yet is skipped and counted; one that is believed wrong or waits for the
//! language as a whole is listed with its reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use workflow::*;

/// Cases that do not hold, and why.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Turns and events of one case at most.
const EVENTS_MAX: usize = 50_000;

struct Run {
    program: Program,
    catalogue: Catalogue,
    mocks: Vec<Value>,
    state: State,
    facts: Vec<Fact>,
    payloads: BTreeMap<PayloadRef, Arc<Value>>,
    /// Calls that are out: when they answer, and with what.
    out: Vec<(Time, EffectKey, Outcome)>,
    timers: BTreeMap<Arc<str>, (Time, bool)>,
    calls: Vec<(String, Value)>,
    failures: BTreeMap<String, i64>,
    question: Option<Id>,
    now: Time,
}

fn param(v: &Value, params: &Value) -> Value {
    if let Some(text) = v.get("$repeat").and_then(Value::as_str) {
        let times = v.get("times").map(|t| param(t, params)).and_then(|t| t.as_i64()).unwrap_or(0);
        return Value::from(text.repeat(times as usize));
    }
    if let Some(name) = v.get("$param").and_then(Value::as_str) {
        return params.get(name).cloned().unwrap_or_else(|| v.get("default").cloned().unwrap_or_default());
    }
    match v {
        Value::Object(o) => Value::object(o.iter().map(|(k, v)| (k.clone(), param(v, params)))),
        Value::Array(a) => Value::array(a.iter().map(|v| param(v, params))),
        other => other.clone(),
    }
}

impl Run {
    fn decide(&self, command: &Command) -> Turn {
        let payloads = |r: PayloadRef| self.payloads.get(&r).cloned();
        let env = Env::default();
        let cx =
            Cx { now: self.now, catalogue: &self.catalogue, env: &env, payloads: &payloads, fuel: Fuel::default() };
        match decide(&self.program, &self.state, command, &cx) {
            Decided::Turn(t) => *t,
            Decided::Need(n) => panic!("needs {n:?}"),
        }
    }

    fn send(&mut self, command: Command) {
        let mut next = Some(command);
        while let Some(command) = next.take() {
            let turn = self.decide(&command);
            self.payloads.extend(turn.payloads.iter().cloned());
            for f in &turn.facts {
                evolve(&mut self.state, f);
            }
            self.facts.extend(turn.facts);
            self.out.retain(|(_, k, _)| !turn.done.contains(k));
            for t in turn.timers {
                match t {
                    TimerChange::Set { id, due, durable } => drop(self.timers.insert(id.0, (due, durable))),
                    TimerChange::Clear { id } => drop(self.timers.remove(&id.0)),
                }
            }
            for (key, effect) in turn.effects {
                match effect {
                    Effect::Internal(command) => {
                        if let triage::Command::QuestionAsk(q) = &*command {
                            self.question = Some(q.id.clone());
                        }
                        let fact = Fact {
                            at: self.now,
                            what: FactKind::Answered { key, attempt: 1, outcome: Outcome::Answered(Ok(Body::Null)) },
                        };
                        evolve(&mut self.state, &fact);
                        self.facts.push(fact);
                        next = Some(Command::Continue);
                    }
                    Effect::Call(call) => self.perform(key, &call),
                    Effect::Child(_) | Effect::Slot(_) => {}
                }
            }
            if turn.more {
                next = Some(Command::Continue);
            }
        }
    }

    fn perform(&mut self, key: EffectKey, call: &Call) {
        let connector = call.connector.as_deref().unwrap_or("").to_owned();
        let params = call.params.value().cloned().unwrap_or_default();
        let mock = self
            .mocks
            .iter()
            .find(|m| m.get("connector").and_then(Value::as_str) == Some(&connector))
            .cloned()
            .unwrap_or_default();
        self.calls.push((connector.clone(), params.clone()));
        let delay = mock.get("delayMs").and_then(Value::as_i64).unwrap_or(0);
        let limit = mock.get("failures").map(|f| param(f, &params)).and_then(|v| v.as_i64());
        let failed = self.failures.entry(connector).or_insert(0);
        let fails = mock.get("error").is_some() && limit.is_none_or(|n| *failed < n);
        let outcome = if fails {
            *failed += 1;
            let text = |k: &str| mock.path(&["error", k]).and_then(Value::as_str).unwrap_or("Error").to_owned();
            Outcome::Answered(Err(Fault::new(&text("type"), text("message"))))
        } else {
            Outcome::Answered(Ok(Body::from(param(mock.get("result").unwrap_or(&Value::Null), &params))))
        };
        self.out.push((self.now + Duration::from_ms(delay), key, outcome));
    }

    /// Goes on until only stored timers or people are waited for.
    fn rest(&mut self) {
        for _ in 0..EVENTS_MAX {
            let call = self.out.iter().enumerate().min_by_key(|(i, (t, ..))| (*t, *i)).map(|(i, (t, ..))| (i, *t));
            // Deadlines fire while something runs; short waits outside a `parallel` stay in the process.
            let busy = self.state.summary().status == Status::Running;
            let timer = self
                .timers
                .iter()
                .filter(|(id, (_, durable))| {
                    !durable && (busy || !(id.starts_with("deadline") || id.contains("~branch")))
                        || (busy && call.is_some())
                })
                .min_by_key(|(_, (t, _))| *t)
                .map(|(id, (t, _))| (id.clone(), *t));
            match (call, timer) {
                (Some((i, t)), None) => self.answer(i, t),
                (Some((i, t)), Some((_, due))) if t <= due => self.answer(i, t),
                (_, Some((id, due))) => {
                    self.now = self.now.max(due);
                    self.timers.remove(&id);
                    self.send(Command::Timer(TimerId(id)));
                }
                (None, None) => return,
            }
        }
        panic!("the run never rests");
    }

    fn answer(&mut self, i: usize, at: Time) {
        let (_, key, outcome) = self.out.remove(i);
        self.now = self.now.max(at);
        self.send(Command::Outcome { key, attempt: 1, outcome });
    }

    fn wake(&mut self) {
        if let Some(due) = self.timers.iter().filter(|(id, _)| !id.starts_with("question")).map(|(_, (t, _))| *t).min()
        {
            self.now = self.now.max(due);
            // In the order of opening, as the other engine wakes them.
            let order = self.state.timers();
            let ids: Vec<Arc<str>> = order
                .iter()
                .filter_map(|t| match t {
                    TimerChange::Set { id, due: at, .. } if *at == due => Some(id.0.clone()),
                    _ => None,
                })
                .collect();
            for id in ids {
                self.timers.remove(&id);
                self.send(Command::Timer(TimerId(id)));
            }
        } else {
            self.send(Command::Continue);
        }
        self.rest();
    }
}

fn load(case: &Value) -> Result<Run, String> {
    let text = case.get("workflow").and_then(Value::as_str).unwrap_or("").to_owned();
    let mut head = String::new();
    if !text.lines().any(|l| l.starts_with("name:")) {
        head += "name: w\n";
    }
    if !text.lines().any(|l| l.starts_with("triggers:")) {
        head += "triggers: [{ type: manual }]\n";
    }
    if let Some(max) = case.path(&["config", "maxResponseSize"]).and_then(Value::as_str)
        && !text.lines().any(|l| l.starts_with("settings:"))
    {
        head += &format!("settings: {{ max-step-size: {max} }}\n");
    }
    let mut catalogue = Catalogue::default();
    let mocks = case.get("mocks").and_then(Value::as_array).unwrap_or_default().to_vec();
    for kind in ["slack", "inference"] {
        let connector: Option<Arc<str>> = Some(format!(".{kind}").into());
        let schema = Value::object([("type", Value::from("object"))]);
        let meta = OperationMeta {
            name: kind.into(),
            title: kind.into(),
            group: "x".into(),
            class: Class::Write,
            schema,
            output: Value::Null,
            connector,
            deliver_within_s: None,
        };
        catalogue.operations.insert(kind.into(), meta);
    }
    for m in &mocks {
        let text = |k: &str| m.get(k).and_then(Value::as_str).unwrap_or("").to_owned();
        let id: Arc<str> = text("connector").into();
        let view = ConnectorView {
            id: id.clone(),
            name: id.clone(),
            kind: format!(".{}", text("type")).into(),
            target: Value::Null,
            secrets: vec![],
        };
        catalogue.connectors.insert(id, view);
    }
    let (program, found) = Program::load(&format!("{head}{text}"), &catalogue);
    let program = program.ok_or_else(|| format!("does not load: {found:?}"))?;
    let now = Time::parse("2026-01-15T12:00:00Z").unwrap();
    Ok(Run {
        program,
        catalogue,
        mocks,
        state: State::default(),
        facts: vec![],
        payloads: BTreeMap::new(),
        out: vec![],
        timers: BTreeMap::new(),
        calls: vec![],
        failures: BTreeMap::new(),
        question: None,
        now,
    })
}

fn same(expected: &Value, actual: &Value) -> bool {
    match expected {
        Value::Object(o) if o.contains_key("$any") => !actual.is_null(),
        Value::Object(o) if o.contains_key("$string") => actual.as_str().is_some(),
        Value::Object(o) if o.contains_key("$falsy") || o.contains_key("$undefined") => {
            actual.is_null() || actual.as_str() == Some("")
        }
        Value::Object(o) if o.contains_key("$notEmpty") => !actual.is_null() && actual.as_str() != Some(""),
        Value::Object(o) if o.contains_key("$array") => {
            actual.as_array().map(|a| Value::from(a.len())) == o.get("$array").cloned()
        }
        Value::Object(o) => actual
            .as_object()
            .is_some_and(|a| a.len() == o.len() && o.iter().all(|(k, v)| a.get(k).is_some_and(|x| same(v, x)))),
        Value::Array(e) => {
            actual.as_array().is_some_and(|a| a.len() == e.len() && e.iter().zip(a).all(|(e, a)| same(e, a)))
        }
        other => other == actual,
    }
}

fn contains(expected: &Value, actual: &Value) -> bool {
    match expected {
        Value::Object(o) if !o.iter().any(|(k, _)| k.starts_with('$')) => {
            o.iter().all(|(k, v)| contains(v, actual.get(k).unwrap_or(&Value::Null)))
        }
        Value::Array(e) => {
            actual.as_array().is_some_and(|a| a.len() == e.len() && e.iter().zip(a).all(|(e, a)| contains(e, a)))
        }
        other => same(other, actual),
    }
}

fn check(run: &Run, expect: &Value, wrong: &mut Vec<String>) {
    let view = workflow::view::execution(&run.facts, Some(&run.program));
    let body = |b: &Body| match b {
        Body::Inline(v) => (**v).clone(),
        Body::Payload(r) => (*run.payloads[r]).clone(),
        _ => Value::Null,
    };
    let text = |v: &Value| stdx::json::text(v);
    if let Some(status) = expect.get("status").and_then(Value::as_str) {
        let also = expect.get("statusAlso").map(text).unwrap_or_default();
        // Inside a parallel a short wait shows `waiting` in the other engine; ours is `running` until the clock is looked at.
        let actual = view.status.as_str();
        if status != actual && !also.contains(actual) {
            wrong.push(format!(
                "status {actual}, expected {status}; error {:?}",
                view.error.as_ref().map(|e| &e.message)
            ));
        }
    }
    if expect.get("error").is_some_and(Value::is_null) && view.error.is_some() {
        wrong.push(format!("error {:?}", view.error));
    }
    if let Some(e) = expect.get("error").filter(|e| !e.is_null()) {
        let actual = view.error.as_ref().map(workflow::view::error_value).unwrap_or_default();
        if !contains(e, &actual) {
            wrong.push(format!("error {} expected {}", text(&actual), text(e)));
        }
    }
    if let Some(part) = expect.get("errorContains").and_then(Value::as_str)
        && !view.error.as_ref().is_some_and(|e| e.message.contains(part))
    {
        wrong.push(format!("error {:?} lacks {part}", view.error));
    }
    for (key, test) in [("output", same as fn(&Value, &Value) -> bool), ("outputMatch", contains)] {
        if let Some(e) = expect.get(key)
            && !test(e, &body(&view.output))
        {
            wrong.push(format!("{key} {} expected {}", text(&body(&view.output)), text(e)));
        }
    }
    for name in expect.get("absent").and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_str) {
        if view.steps.iter().any(|s| &*s.step_id == name && s.status != Status::Skipped) {
            wrong.push(format!("step {name} ran"));
        }
    }
    for (key, wanted) in [("calls", true), ("notCalls", false)] {
        for c in expect.get(key).and_then(Value::as_array).unwrap_or_default() {
            let connector = c.get("connector").and_then(Value::as_str);
            let hit = run
                .calls
                .iter()
                .any(|(id, p)| connector.is_none_or(|x| x == id) && c.get("params").is_none_or(|e| same(e, p)));
            if hit != wanted {
                wrong.push(format!(
                    "{key}: {}; calls {:?}",
                    text(c),
                    run.calls.iter().map(|(c, p)| format!("{c} {}", text(p))).collect::<Vec<_>>()
                ));
            }
        }
    }
    if let Some(n) = expect.get("callCount").and_then(Value::as_i64)
        && n != run.calls.len() as i64
    {
        wrong.push(format!("{} calls, expected {n}", run.calls.len()));
    }
    for s in expect.get("steps").and_then(Value::as_array).unwrap_or_default() {
        let kind = s.get("stepType").and_then(Value::as_str);
        let Some(name) = s.get("stepId").and_then(Value::as_str) else { continue };
        // Wrappers are records of their own in the other engine.
        if kind.is_some_and(|k| {
            ["retry", "fallback", "step_level_timeout", "on-failure", "continue", "enter-continue"].contains(&k)
        }) || name.starts_with("if_")
            || name.starts_with("foreach_")
        {
            continue;
        }
        let found: Vec<_> = view.steps.iter().filter(|x| &*x.step_id == name && x.status != Status::Skipped).collect();
        let wrapped = run.program.step(name).is_some_and(|p| p.on_failure.is_some() || p.timeout.is_some());
        if let Some(n) = s.get("count").and_then(Value::as_i64)
            && n != found.len() as i64
            && (kind.is_some() || !wrapped)
        {
            wrong.push(format!("step {name}: {} executions, expected {n}", found.len()));
        }
        let looked: Vec<_> =
            if s.get("firstOnly").is_some() { found.iter().take(1).copied().collect() } else { found.clone() };
        for x in &looked {
            if let Some(status) = s.get("status").and_then(Value::as_str)
                && status != x.status.as_str()
            {
                wrong.push(format!("step {name}: {}, expected {status}", x.status.as_str()));
            }
            if s.get("error").is_some_and(Value::is_null) && x.error.is_some() {
                wrong.push(format!("step {name}: error {:?}", x.error));
            }
            for (key, actual) in [
                ("errorType", x.error.as_ref().map(|e| e.kind.clone())),
                ("errorContains", x.error.as_ref().map(|e| e.message.clone())),
            ] {
                if let Some(e) = s.get(key).and_then(Value::as_str)
                    && !actual.as_ref().is_some_and(|a| a.contains(e))
                {
                    wrong.push(format!("step {name}: {key} {actual:?}, expected {e}"));
                }
            }
            for (key, test) in [("output", same as fn(&Value, &Value) -> bool), ("outputMatch", contains)] {
                if let Some(e) = s.get(key)
                    && !test(e, &body(&x.output))
                {
                    wrong.push(format!("step {name}: {key} {} expected {}", text(&body(&x.output)), text(e)));
                }
            }
            if let Some(e) = s.get("input")
                && !same(e, &body(&x.input))
            {
                wrong.push(format!("step {name}: input {} expected {}", text(&body(&x.input)), text(e)));
            }
        }
        for key in ["inputs", "outputs", "outputsSorted"] {
            if let Some(e) = s.get(key) {
                let mut actual: Vec<Value> =
                    found.iter().map(|x| body(if key == "inputs" { &x.input } else { &x.output })).collect();
                if key == "outputsSorted" {
                    actual.sort_by_key(text);
                }
                if !same(e, &Value::from(actual.clone())) {
                    wrong.push(format!("step {name}: {key} {} expected {}", text(&Value::from(actual)), text(e)));
                }
            }
        }
    }
}

fn run_case(case: &Value) -> Result<(), Vec<String>> {
    let mut run = load(case).map_err(|e| vec![e])?;
    let body = |key: &str| case.get(key).cloned().map_or(Body::Null, Body::from);
    let id = Id::from("e1");
    let start = Start {
        execution: id.clone(),
        root: id,
        space: "default".into(),
        workflow: "w".into(),
        version: 1,
        mode: Mode::Whole,
        dry: false,
        test: false,
        principal: "ann".into(),
        cause: Cause::Manual,
        depth: 0,
        visited: vec![],
        inputs: body("inputs"),
        event: body("event"),
        metadata: Body::Null,
        at: run.now,
        ..Start::default()
    };
    run.send(Command::Start(Box::new(start)));
    run.rest();
    let mut wrong = vec![];
    check(&run, case.get("expect").unwrap_or(&Value::Null), &mut wrong);
    for then in case.get("then").and_then(Value::as_array).unwrap_or_default() {
        let ms = then.get("ms").and_then(Value::as_i64).unwrap_or(0);
        match then.get("do").and_then(Value::as_str).unwrap_or("") {
            "wake" => run.wake(),
            "wake-until-terminal" => {
                for _ in 0..100 {
                    if run.state.ended().is_none() {
                        run.wake();
                    }
                }
            }
            "advance" | "sleep" => {
                run.now = run.now + Duration::from_ms(ms);
                let due: Vec<Arc<str>> = run
                    .state
                    .timers()
                    .into_iter()
                    .filter_map(|t| match t {
                        TimerChange::Set { id, due, .. } if due <= run.now => Some(id.0),
                        _ => None,
                    })
                    .collect();
                for id in due {
                    run.timers.remove(&id);
                    run.send(Command::Timer(TimerId(id)));
                }
                run.rest();
            }
            "cancel" => run.send(Command::Cancel { by: "ann".into(), reason: None }),
            other => return Err(vec![format!("skip: {other}")]),
        }
        if let Some(expect) = then.get("expect") {
            check(&run, expect, &mut wrong);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[test]
fn engine_conformance_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/engine-conformance/cases.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: corpus absent");
        return;
    };
    let absent = ["workflow.execute", "waitForInput", "integration."];
    let (mut passed, mut skipped, mut failed) = (0, 0, vec![]);
    for line in text.lines() {
        let case = stdx::json::parse(line).unwrap();
        let id = case.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
        let yaml = case.get("workflow").and_then(Value::as_str).unwrap_or("");
        let later = ["needs", "faults", "children", "run"].iter().any(|k| case.get(k).is_some())
            || absent.iter().any(|a| yaml.contains(a));
        let later = later || case.path(&["config", "parallel"]).is_some() || yaml.contains("iteration-");
        if later || EXCEPTIONS.iter().any(|(e, _)| *e == id) {
            skipped += 1;
            continue;
        }
        match run_case(&case) {
            Ok(()) => passed += 1,
            Err(w) if w[0].starts_with("skip:") => skipped += 1,
            Err(w) => failed.push(format!("{id}:\n    {}", w.join("\n    "))),
        }
    }
    println!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    assert!(failed.is_empty(), "{passed} passed, {} failed, {skipped} skipped\n{}", failed.len(), failed.join("\n"));
}
