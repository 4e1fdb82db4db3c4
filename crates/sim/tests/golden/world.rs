//! A world small enough to read: virtual clock, journal, outbox and approvals in memory, effects answered by a script.

use sim::memory::Memory;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use stdx::{Duration, Id, Value};
use triage::question::QuestionState as RowState;
use workflow::*;

const TURNS_MAX: usize = 20_000;

pub struct World {
    name: String,
    memory: Memory,
    outbox: Vec<(EffectKey, Effect)>,
    attempts: BTreeMap<EffectKey, u32>,
    rows: Vec<(Id, RowState)>,
    changed: Option<Vec<triage::FrozenAction>>,
    refusals: VecDeque<String>,
    /// Other runs of the concurrency group.
    held: Vec<Id>,
    start: Value,
    yaml: String,
    /// What the run before the one that is followed looked like.
    before: String,
    pub log: String,
}

fn json(text: &str) -> Value {
    stdx::json::parse(text).unwrap_or_else(|e| panic!("not JSON: {e}: {text}"))
}

pub fn catalogue(setup: &Value) -> Catalogue {
    let operation = |name: &str, class: Class, connector: &str, required: &str, within: Option<u32>| OperationMeta {
        name: name.into(),
        title: name.into(),
        group: "connectors".into(),
        class,
        schema: json(&format!(r#"{{"type":"object","required":[{required}],"properties":{{}}}}"#)),
        output: Value::Null,
        connector: Some(connector.into()),
        deliver_within_s: within,
        inverse: None,
    };
    let mut c = Catalogue::default();
    for o in [
        operation("slack_api.postMessage", Class::Write, ".slack_api", "\"text\"", Some(3600)),
        operation("ssh.run", Class::Destructive, ".ssh", "\"command\"", None),
    ] {
        c.operations.insert(o.name.clone(), o);
    }
    let connector = |id: &str, kind: &str, target: &str| ConnectorView {
        id: id.into(),
        name: format!("{id} name").into(),
        kind: kind.into(),
        target: json(target),
        secrets: vec!["token".into()],
    };
    let mut all = vec![
        connector("soc", ".slack_api", r#"{"base_url":"https://chat.example"}"#),
        connector("hosts", ".ssh", r#"{"host":"h1","port":22,"user":"ir"}"#),
        connector("intel", ".http", r#"{"base_url":"https://intel.example"}"#),
        connector("tickets", ".jira", r#"{"base_url":"https://jira.example"}"#),
    ];
    if setup.get("model").is_some() {
        all.push(connector("model", ".gen-ai", r#"{"base_url":"https://model.example"}"#));
    }
    for x in all {
        c.connectors.insert(x.id.clone(), x);
    }
    let workflows = setup.get("workflows").and_then(Value::as_object);
    let view = |(id, w): (&Arc<str>, &Value)| {
        let flag = |key: &str| w.get(key).and_then(Value::as_bool) != Some(false);
        let name = w.get("name").and_then(Value::as_str).unwrap_or(id).into();
        let (inputs, outputs) = (w.get("inputs").cloned(), w.get("outputs").cloned());
        let view = WorkflowView {
            id: id.clone(),
            name,
            enabled: flag("enabled"),
            valid: flag("valid"),
            version: 3,
            inputs: inputs.unwrap_or_default(),
            outputs: outputs.unwrap_or_default(),
        };
        (id.clone(), view)
    };
    c.workflows = workflows.map(|o| o.iter().map(view).collect());
    c
}

impl World {
    pub fn new(name: &str, yaml: &str, setup: &str, start: &str, refold: bool) -> Self {
        let setup = json(setup);
        let catalogue = catalogue(&setup);
        let (program, found) = Program::load(yaml, &catalogue);
        let errors: Vec<_> = found.iter().filter(|d| d.is_error() && d.code != "unsupportedStepType").collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        let unbound =
            if setup.get("unbound").and_then(Value::as_str) == Some("allow") { Unbound::Allow } else { Unbound::Ask };
        let env = Env { kibana_url: "http://wf.example".into(), unbound, ..Env::default() };
        let mut memory = Memory::new(program.expect("a program"), catalogue, env);
        let fuel = setup.get("fuel").and_then(Value::as_i64).map_or(256, |n| usize::try_from(n).unwrap());
        memory.fuel = Fuel { facts: fuel, ..Fuel::default() };
        memory.refold = refold;
        let texts = |key: &str| -> Vec<String> {
            let list = setup.get(key).and_then(Value::as_array).unwrap_or_default();
            list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        Self {
            name: name.into(),
            memory,
            outbox: vec![],
            attempts: BTreeMap::new(),
            rows: vec![],
            changed: None,
            refusals: texts("refuse").into(),
            held: texts("held").into_iter().map(Id::from).collect(),
            start: json(start),
            yaml: yaml.into(),
            before: String::new(),
            log: String::new(),
        }
    }

    fn start_command(&self) -> Command {
        Command::Start(Box::new(sim::memory::start("w1", &self.start, self.memory.now)))
    }

    /// The scripts goes on with the run that the run before it started.
    fn follow(&mut self) {
        let at = self.outbox.iter().position(|(_, e)| matches!(e, Effect::Child(_)));
        let at = at.unwrap_or_else(|| panic!("{}: no child\n{}", self.name, self.log));
        let (_, Effect::Child(start)) = self.outbox.remove(at) else { unreachable!("it is one") };
        assert!(self.outbox.is_empty(), "{}: the run that is left has effects out", self.name);
        self.before = self.steps();
        let m = &self.memory;
        let (program, _) = Program::load(&self.yaml, &m.catalogue);
        let mut next = Memory::new(program.expect("a program"), m.catalogue.clone(), m.env.clone());
        (next.fuel, next.refold, next.now) = (m.fuel, m.refold, m.now);
        self.memory = next;
        self.send(Command::Start(start));
    }

    pub fn run(&mut self, script: &str) {
        let start = self.start_command();
        self.line("> start");
        self.send(start);
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            self.line(&format!("> {line}"));
            self.act(line);
        }
        assert!(
            self.rows.iter().all(|(_, s)| *s != RowState::Open)
                || self.memory.state.ended().is_none()
                || self.open_settlement(),
            "{}: an open question outlives the run",
            self.name
        );
        if self.memory.state.ended().is_some() {
            assert!(self.memory.timers.is_empty(), "{}: timers outlive the run: {:?}", self.name, self.memory.timers);
        } else {
            let waits = !self.memory.timers.is_empty()
                || !self.outbox.is_empty()
                || self.memory.state.summary().status == Status::Queued
                || self.rows.iter().any(|(_, s)| *s == RowState::Open);
            assert!(waits, "{}: INV-08: the run neither ended nor waits for anything", self.name);
        }
    }

    /// What people see of the runs: one line per step execution.
    pub fn all_steps(&self) -> String {
        let before = if self.before.is_empty() { String::new() } else { format!("{}--\n", self.before) };
        format!("{before}{}", self.steps())
    }

    fn steps(&self) -> String {
        let view = workflow::view::execution(&self.memory.facts, Some(&self.memory.program));
        assert_eq!(view.status, self.memory.state.summary().status);
        let mut out = String::new();
        for s in &view.steps {
            let scopes: Vec<String> = s
                .scope_stack()
                .iter()
                .map(|v| {
                    format!(
                        "{}:{}",
                        v.get("name").and_then(Value::as_str).unwrap_or(""),
                        v.get("index").map_or("-".into(), stdx::json::text)
                    )
                })
                .collect();
            let _ = write!(
                out,
                "{} {} {}#{} {}",
                s.global_execution_index,
                s.step_id,
                s.step_type,
                s.step_execution_index,
                s.status.as_str()
            );
            if !scopes.is_empty() {
                let _ = write!(out, " in {}", scopes.join("/"));
            }
            for a in &s.attempts {
                let _ = write!(out, " attempt {} {}", a.n, a.status.as_str());
            }
            for w in &s.waits {
                let _ = write!(out, " waited for {}", w.kind);
            }
            if let Some(request) = &s.request {
                let _ = write!(out, " [{}]", request.replace('\n', " | "));
            }
            if let Some(d) = &s.delivery {
                let _ = write!(out, " ({d})");
            }
            if let Some(e) = &s.error {
                let _ = write!(out, " {}", e.kind);
            }
            assert_eq!(s.finished_at.is_some(), s.status.is_terminal(), "{}: {} {:?}", self.name, s.step_id, s.status);
            out.push('\n');
        }
        if view.finished_at.is_some() {
            assert!(
                view.steps.iter().all(|s| s.status.is_terminal()),
                "{}: an open step after the end\n{out}",
                self.name
            );
        }
        out
    }

    fn open_settlement(&self) -> bool {
        self.memory.state.calls().iter().any(|c| c.orphan)
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.log, "{text}");
    }

    fn send(&mut self, command: Command) {
        let mut waiting = VecDeque::from([command]);
        let mut turns = 0;
        while let Some(command) = waiting.pop_front() {
            turns += 1;
            assert!(turns < TURNS_MAX, "{}: the run never rests", self.name);
            let turn = self.turn(&command);
            let internal = self.commit(&turn);
            if internal || turn.more {
                waiting.push_back(Command::Continue);
            }
        }
        // A restart: nothing must come of a `Continue` where there is nothing to do.
        let idle = self.turn(&Command::Continue);
        assert!(
            idle.facts.is_empty() && idle.effects.is_empty() && !idle.more,
            "{}: an idle `Continue` gave {:?}",
            self.name,
            idle.facts
        );
        let status = self.memory.state.summary().status.as_str();
        self.line(&format!("= {status}"));
    }

    fn turn(&self, command: &Command) -> Turn {
        self.memory.turn(command).unwrap_or_else(|e| panic!("{}: {e:#}", self.name))
    }

    /// Commits a turn; true when it held an internal effect.
    fn commit(&mut self, turn: &Turn) -> bool {
        let before = self.memory.facts.len();
        self.memory.apply(turn).unwrap_or_else(|e| panic!("{}: {e:#}", self.name));
        for n in before..self.memory.facts.len() {
            self.show(n);
        }
        self.outbox.retain(|(k, _)| !turn.done.contains(k));
        for t in &turn.timers {
            if let TimerChange::Set { id, due, durable } = t {
                let row = if *durable { "row" } else { "memory" };
                let after = due.since(sim::memory::begin()).ms() as f64 / 1000.0;
                self.line(&format!("  timer {} at +{after}s, {row}", id.0));
            }
        }
        for (to, command) in &turn.mail {
            let text = match command {
                Command::Cancel { by, reason } => format!("cancel by {by}: {}", reason.as_deref().unwrap_or("-")),
                Command::ChildEnded { result: Ok(b), .. } => format!("the child gave {}", body(b)),
                Command::ChildEnded { result: Err(f), .. } => format!("the child failed: {}", fault(f)),
                other => format!("{other:?}"),
            };
            self.line(&format!("  mail to {to}: {text}"));
        }
        if let Some(key) = &turn.release {
            self.line(&format!("  leaves the group {key}"));
        }
        for (id, state) in &turn.close {
            if let Some(row) = self.rows.iter_mut().find(|(i, s)| i == id && *s == RowState::Open) {
                row.1 = *state;
                self.line(&format!("  row closed: {}", state.as_str()));
            }
        }
        let mut internal = false;
        for (key, effect) in &turn.effects {
            match effect {
                Effect::Internal(command) => {
                    internal = true;
                    let result = self.internal(command);
                    self.answered(key, Outcome::Answered(result.map(Body::from)));
                }
                Effect::Slot(command) => {
                    internal = true;
                    let (taken, outcome) = Memory::slot(command, &self.held, &[]);
                    self.line(&format!("  => slot {}", stdx::json::text(&taken.to_value())));
                    self.answered(key, outcome);
                }
                other => {
                    self.outbox.push((key.clone(), other.clone()));
                    let text = match other {
                        Effect::Call(c) => format!(
                            "  -> {} {} {}",
                            c.class.as_str(),
                            c.operation,
                            stdx::json::text(c.params.value().unwrap_or(&Value::Null))
                        ),
                        Effect::Child(c) => {
                            let slots =
                                if c.slots.is_empty() { String::new() } else { format!(" under {:?}", c.slots) };
                            let depth = c.cause.composition_depth();
                            format!("  -> child {} {}, depth {depth}{slots}", c.workflow, body(&c.inputs))
                        }
                        _ => unreachable!(),
                    };
                    self.line(&text);
                }
            }
        }
        self.memory.fold_anew().unwrap_or_else(|e| panic!("{}: {e:#}", self.name));
        internal
    }

    fn answered(&mut self, key: &EffectKey, outcome: Outcome) {
        let fact = self.memory.answered(key, outcome);
        self.memory.fold(fact);
        self.show(self.memory.facts.len() - 1);
    }

    fn show(&mut self, n: usize) {
        let text = show(&self.memory.facts[n].what);
        self.line(&format!("  {n:>2} {text}"));
    }

    fn internal(&mut self, command: &triage::Command) -> Result<Value, Fault> {
        use triage::Command as C;
        if !matches!(command, C::QuestionAsk(_) | C::QuestionClose { .. })
            && let Some(message) = self.refusals.pop_front()
        {
            return Err(Fault::new("Conflict", message));
        }
        let case = |id: &Id, extra: &Value| {
            let mut o = extra.as_object().cloned().unwrap_or_default();
            o.insert("id", id.clone());
            o.insert("version", "WzEsMV0=");
            Value::from(o)
        };
        self.line(&format!("  => {}", stdx::json::text(&stdx::json::to_value(command))).replace('\n', " "));
        match command {
            C::CaseCreate { id, body } => Ok(case(id, body)),
            C::CasePatch { body } => Ok(body.clone()),
            C::CaseTags { case: id, .. }
            | C::CommentAdd { case: id, .. }
            | C::AlertsAttach { case: id, .. }
            | C::ObservablesAdd { case: id, .. }
            | C::CaseUntag { case: id, .. }
            | C::CaseUnassign { case: id, .. }
            | C::CaseField { case: id, .. }
            | C::CaseExtendedFields { case: id, .. }
            | C::AttachmentsAdd { case: id, .. }
            | C::ObservableUpdate { case: id, .. }
            | C::ObservablesDelete { case: id, .. }
            | C::CasePushed { case: id, .. } => Ok(case(id, &Value::Null)),
            C::CaseFromTemplate { id, overwrites, .. } => Ok(case(id, overwrites)),
            C::CasesPatch { cases } => Ok(Value::object([("cases", Value::from(cases.clone()))])),
            C::CaseDelete { ids } => Ok(Value::object([("deleted", Value::from(ids.len()))])),
            C::AlertStatus { ids, .. } | C::AlertTags { ids, .. } | C::AlertAssignees { ids, .. } => {
                Ok(Value::object([("updated", Value::from(ids.len())), ("missing", Value::from(vec![]))]))
            }
            C::QuestionAsk(q) => {
                self.rows.push((q.id.clone(), RowState::Open));
                Ok(Value::Null)
            }
            C::QuestionClose { id, state } => match self.rows.iter_mut().find(|(i, _)| i == id) {
                Some(row) if row.1 == RowState::Open => {
                    row.1 = *state;
                    Ok(Value::Null)
                }
                _ => Err(Fault::new("Conflict", "decided already")),
            },
            other => panic!("no result for {other:?}"),
        }
    }

    fn pending(&self, step: &str) -> (EffectKey, Call) {
        // The run that takes a call back stands under the same key.
        let found = self
            .outbox
            .iter()
            .find(|(k, e)| matches!(e, Effect::Call(_)) && k.path.0.last().is_some_and(|h| &*h.name == step));
        let Some((key, Effect::Call(call))) = found else {
            panic!(
                "{}: no call of `{step}` is out; {:?}\n{}",
                self.name,
                self.outbox.iter().map(|(k, _)| k.to_string()).collect::<Vec<_>>(),
                self.log
            )
        };
        (key.clone(), (**call).clone())
    }

    fn begin(&mut self, key: &EffectKey, target: Value, held: Option<&str>) {
        self.send(Command::Begin {
            key: key.clone(),
            not_after: self.memory.now + Duration::from_secs(30),
            target,
            held: held.map(Into::into),
        });
    }

    fn outcome(&mut self, step: &str, outcome: Outcome) {
        let (key, call) = self.pending(step);
        let begun = self
            .memory
            .state
            .calls()
            .iter()
            .any(|c| c.key == key && matches!(c.phase, workflow::state::Phase::Attempting { .. }));
        if call.class == Class::Destructive && !begun && !matches!(outcome, Outcome::NotSent(_)) {
            let target = call
                .connector
                .as_ref()
                .map_or(call.target.clone(), |c| self.memory.catalogue.connectors[c].target.clone());
            self.begin(&key, target, None);
        }
        let attempt = self.attempts.entry(key.clone()).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        self.send(Command::Outcome { key, attempt, outcome });
    }

    fn act(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (step, arg) = rest.split_once(' ').unwrap_or((rest, ""));
        let arg = arg.trim();
        match verb {
            "answer" => {
                let body = if arg.is_empty() { Body::Null } else { Body::from(json(arg)) };
                self.outcome(step, Outcome::Answered(Ok(body)));
            }
            // A large answer: a text of so many bytes.
            "answer-bytes" => {
                let text = "x".repeat(arg.parse().unwrap());
                self.outcome(step, Outcome::Answered(Ok(Body::from(Value::object([("data", Value::from(text))])))));
            }
            "fail" => {
                let mut fault = Fault::new("ConnectorExecutionError", arg);
                if let Some(status) = arg.strip_prefix('[').and_then(|a| a[..3].parse::<i64>().ok()) {
                    fault = fault.details(Value::object([("status", Value::Int(status))]));
                }
                self.outcome(step, Outcome::Answered(Err(fault)));
            }
            "notsent" => {
                self.outcome(step, Outcome::NotSent(Fault::new("ConnectionRefused", arg).retry(Retry::Backoff)))
            }
            "refused" => self.outcome(step, Outcome::NotSent(Fault::new("EgressRefused", arg))),
            "unknown" => self.outcome(step, Outcome::Unknown(Fault::new("ConnectionLost", arg))),
            "begin" => {
                let (key, call) = self.pending(step);
                let target = call
                    .connector
                    .as_ref()
                    .map_or(call.target.clone(), |c| self.memory.catalogue.connectors[c].target.clone());
                self.begin(&key, target, (!arg.is_empty()).then_some(arg));
            }
            "refuse" => self.refusals.push_back(rest.into()),
            "retarget" => self.memory.catalogue.connectors.get_mut(step).unwrap().target = json(arg),
            "approve" | "reject" => {
                let row = self
                    .rows
                    .iter_mut()
                    .rev()
                    .find(|(_, s)| *s == RowState::Open)
                    .unwrap_or_else(|| panic!("{}: no open row\n{}", self.name, self.log));
                row.1 = if verb == "approve" { RowState::Approved } else { RowState::Rejected };
                let verdict = if verb == "approve" { DecisionVerdict::Approved } else { DecisionVerdict::Rejected };
                let question = row.0.clone();
                let comment = (!rest.is_empty()).then(|| rest.into());
                let decision = Decision {
                    question,
                    verdict,
                    by: "bob".into(),
                    at: self.memory.now,
                    channel: "web".into(),
                    comment,
                    input: None,
                    actions: self.changed.take().filter(|_| verb == "approve"),
                };
                self.send(Command::Decided(decision));
            }
            // New parameters for the first action, as the row keeps them until it is answered.
            "change" => {
                let asked = self.memory.state.questions().last().expect("a question");
                let mut actions = self.changed.take().unwrap_or_else(|| asked.question.actions.clone());
                actions[0].request = json(rest);
                self.changed = Some(actions);
            }
            // A person gives the object that is asked for.
            "input" => {
                let row = self.rows.iter_mut().rev().find(|(_, s)| *s == RowState::Open).expect("an open row");
                row.1 = RowState::Answered;
                let question = row.0.clone();
                let decision = Decision {
                    question,
                    verdict: DecisionVerdict::Approved,
                    by: "bob".into(),
                    at: self.memory.now,
                    channel: "web".into(),
                    comment: None,
                    input: Some(json(rest)),
                    actions: None,
                };
                self.send(Command::Decided(decision));
            }
            "child-completes" | "child-fails" => {
                let at = |(k, e): &(EffectKey, Effect)| {
                    matches!(e, Effect::Child(_)) && k.path.0.last().is_some_and(|h| &*h.name == step)
                };
                let i =
                    self.outbox.iter().position(at).unwrap_or_else(|| panic!("{}: no child of `{step}`", self.name));
                let key = self.outbox.remove(i).0;
                let result = match verb {
                    "child-completes" if arg.is_empty() => Ok(Body::Null),
                    "child-completes" => Ok(Body::from(json(arg))),
                    _ => Err(Fault::new("Error", arg)),
                };
                self.send(Command::ChildEnded { key, result });
            }
            "grant" => self.send(Command::SlotGranted),
            "follow" => self.follow(),
            // A person says when the undo runs: in so long, or now.
            "undo" => {
                let at = if rest == "now" {
                    self.memory.now
                } else {
                    self.memory.now + workflow::duration::duration(rest).unwrap()
                };
                self.send(Command::Undo { at, by: "bob".into() });
            }
            "settle" => {
                let call = self
                    .memory
                    .state
                    .calls()
                    .iter()
                    .find(|c| c.key.path.0.last().is_some_and(|h| &*h.name == step))
                    .expect("a call")
                    .key
                    .clone();
                for row in self.rows.iter_mut().filter(|r| r.1 == RowState::Open) {
                    row.1 = RowState::Settled;
                }
                assert_eq!(EffectKey::parse(&call.to_string()).as_ref(), Some(&call), "keys read back");
                let verdict = match arg {
                    "happened" => Settlement::Happened {
                        output: Body::from(Value::from("seen in the log")),
                        note: Some("checked".into()),
                    },
                    "again" => Settlement::Again,
                    _ => Settlement::Skip,
                };
                if arg != "again" {
                    self.outbox.retain(|(k, _)| *k != call);
                } else {
                    self.outbox.retain(|(k, _)| *k != call);
                }
                self.send(Command::Settled { key: call, verdict, by: "bob".into() });
            }
            "cancel" => {
                self.send(Command::Cancel { by: "bob".into(), reason: (!rest.is_empty()).then(|| rest.into()) })
            }
            "wake" => {
                let (id, due) = self
                    .memory
                    .timers
                    .iter()
                    .min_by_key(|(_, (due, _))| *due)
                    .map(|(id, (due, _))| (id.clone(), *due))
                    .unwrap_or_else(|| panic!("{}: no timer\n{}", self.name, self.log));
                self.memory.now = self.memory.now.max(due);
                self.line(&format!("  ({id})"));
                self.send(Command::Timer(TimerId(id)));
            }
            // Fires the timer that begins so, at its time.
            "wake-timer" => {
                let (id, due) = self
                    .memory
                    .timers
                    .iter()
                    .find(|(id, _)| id.starts_with(rest))
                    .map(|(id, (due, _))| (id.clone(), *due))
                    .expect("such a timer");
                self.memory.now = self.memory.now.max(due);
                self.send(Command::Timer(TimerId(id)));
            }
            // The person was faster than the clock: the row is decided, the timer fires, then the decision arrives.
            "late-approve" => {
                let row = self.rows.iter_mut().rev().find(|(_, s)| *s == RowState::Open).expect("an open row");
                row.1 = RowState::Approved;
                let question = row.0.clone();
                let (id, due) = self
                    .memory
                    .timers
                    .iter()
                    .find(|(id, _)| id.starts_with("question:"))
                    .map(|(id, (due, _))| (id.clone(), *due))
                    .expect("its timer");
                let at = self.memory.now;
                self.memory.now = due;
                self.send(Command::Timer(TimerId(id)));
                let decision = Decision {
                    question,
                    verdict: DecisionVerdict::Approved,
                    by: "bob".into(),
                    at,
                    channel: "web".into(),
                    comment: None,
                    input: None,
                    actions: None,
                };
                self.send(Command::Decided(decision));
            }
            "sleep" => self.memory.now = self.memory.now + workflow::duration::duration(rest).expect("a duration"),
            "spurious" => self.send(Command::Timer(TimerId("wait:nothing".into()))),
            other => panic!("{}: unknown verb `{other}`", self.name),
        }
    }
}

fn body(b: &Body) -> String {
    match b {
        Body::Null => "-".into(),
        Body::Inline(v) => stdx::json::text(v),
        Body::Payload(r) => format!("payload {}", r.0),
        Body::Blob(b) => format!("blob {}", b.0),
    }
}

fn fault(f: &Fault) -> String {
    format!("{}: {}", f.kind, f.message)
}

/// A fact on one line.
fn show(what: &FactKind) -> String {
    let key = |k: &EffectKey| format!("{}!{}", k.path, k.call);
    match what {
        FactKind::Started { inputs, deadline, .. } => {
            format!("started {}{}", body(inputs), if deadline.is_some() { " with a deadline" } else { "" })
        }
        FactKind::Entered { path, kind, about, .. } => format!("entered {path} ({kind}) {}", body(about)),
        FactKind::Left { path, status, output, error, .. } => match error {
            Some(f) => format!("left {path} {} {}", status.as_str(), fault(f)),
            None => format!("left {path} {} {}", status.as_str(), body(output)),
        },
        FactKind::Asked { key: k, class, .. } => format!("asked {} ({})", key(k), class.as_str()),
        FactKind::Attempting { key: k, attempt, .. } => format!("attempting {} #{attempt}", key(k)),
        FactKind::Held { key: k, why } => format!("held {}: {why}", key(k)),
        FactKind::Detached { key: k, .. } => format!("detached {}", key(k)),
        FactKind::Answered { key: k, attempt, outcome } => {
            let text = match outcome {
                Outcome::NotSent(f) => format!("not sent, {}", fault(f)),
                Outcome::Unknown(f) => format!("unknown, {}", fault(f)),
                Outcome::Answered(Ok(b)) | Outcome::Dry(b) => body(b),
                Outcome::Answered(Err(f)) => fault(f),
            };
            format!("answered {} #{attempt} {text}", key(k))
        }
        FactKind::Abandoned { key: k } => format!("abandoned {}", key(k)),
        FactKind::Settled { key: k, verdict, by } => {
            let word = match verdict {
                Settlement::Happened { .. } => "happened",
                Settlement::Again => "again",
                Settlement::Skip => "skip",
            };
            format!("settled {} {word} by {by}", key(k))
        }
        FactKind::Waiting { path, wait, .. } => {
            let text = match &**wait {
                Wait::Until(t) => format!("until {t}"),
                Wait::Approval(q) => {
                    let mut text = format!("for a person: {} actions, {} unbound", q.actions.len(), q.unbound.len());
                    for undo in q.actions.iter().filter_map(|a| a.undo.as_ref()) {
                        let _ = write!(
                            text,
                            "; undo {} {} {}",
                            undo.after.as_deref().unwrap_or("when asked for"),
                            undo.operation,
                            undo.template.as_deref().map_or_else(|| stdx::json::text(&undo.request), str::to_owned)
                        );
                    }
                    text
                }
                Wait::Settlement(k) => format!("for a settlement of {}", key(k)),
                other => format!("{other:?}"),
            };
            format!("waiting {path} {text}")
        }
        FactKind::Woke { path, by, decision } => {
            format!(
                "woke {path} by {by}{}",
                decision.as_ref().map_or(String::new(), |d| format!(", {:?} by {}", d.verdict, d.by))
            )
        }
        FactKind::Void { .. } => "void".into(),
        FactKind::Weighed { bytes } => format!("weighed {bytes} bytes"),
        FactKind::Recalled { step, kind, output, error, .. } => {
            format!("recalled {step} ({kind}) {}", error.as_ref().map_or_else(|| body(output), fault))
        }
        FactKind::Undoable { undo, child, error } => {
            let how = match (&undo.call, error) {
                (Some(c), _) => format!(
                    "{} {} {}",
                    c.class.as_str(),
                    c.operation,
                    stdx::json::text(c.params.value().unwrap_or(&Value::Null))
                ),
                (None, Some(f)) => fault(f),
                (None, None) => "-".into(),
            };
            let when = undo.after.as_deref().map_or("when asked for".into(), |a| format!("after {a}"));
            let by = if undo.ask {
                ", asks"
            } else if undo.covered() {
                ", approved"
            } else {
                ""
            };
            let run = if child.is_some() { ", by itself" } else { "" };
            format!("undoable {} {when}{run}{by}: {how}", key(&undo.of))
        }
        FactKind::Logged { path, message, level } => format!("logged {path} {level}: {message}"),
        FactKind::Ended { status, output, error, cancelled } => format!(
            "ended {} {}{}",
            status.as_str(),
            error.as_ref().map_or_else(|| body(output), fault),
            cancelled
                .as_ref()
                .map_or(String::new(), |(by, why)| format!(" by {by}: {}", why.as_deref().unwrap_or("-")))
        ),
    }
}
