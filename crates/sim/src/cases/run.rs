//! One case's run: connectors that answer as its mocks say, children, slots, and a clock that moves when nothing else can.

use super::poll::Poll;
use crate::memory::{Memory, start};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use workflow::*;

/// Events of one case at most.
const EVENTS_MAX: usize = 50_000;
/// The id of the workflow of every case.
const OWN: &str = "w";

/// A child that the run started.
pub(super) struct Child {
    pub start: Start,
    pub key: EffectKey,
    pub done: bool,
    pub cancels: usize,
    /// Its own run, where the case has it run.
    pub run: Option<Box<Run>>,
}

/// What became of one start while others run.
#[derive(Default)]
pub(super) struct Started {
    pub key: Option<Arc<str>>,
    pub state: Option<SlotState>,
    pub cancels: Vec<Id>,
}

pub(super) struct Run {
    pub memory: Memory,
    /// Errors of the document.
    pub errors: usize,
    mocks: Vec<Value>,
    behaviours: Value,
    /// Calls that are out: when they answer, and with what.
    out: Vec<(Time, EffectKey, Outcome)>,
    pub calls: Vec<(String, Value)>,
    failures: BTreeMap<String, i64>,
    question: Option<Id>,
    pub children: Vec<Child>,
    others: Vec<(Arc<str>, Id)>,
    pub started: Started,
    /// Mail for a parent.
    pub mail: Vec<Command>,
    /// Leaf steps after which a turn rests.
    transitions: Option<usize>,
    pub nine_four: bool,
}

fn param(v: &Value, params: &Value) -> Value {
    if let Some(text) = v.get("$repeat").and_then(Value::as_str) {
        let times = v.get("times").map(|t| param(t, params)).and_then(|t| t.as_i64()).unwrap_or(0);
        return Value::from(text.repeat(usize::try_from(times).unwrap_or(0)));
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

/// The text with what a save route would ask for.
fn document(case: &Value) -> String {
    let text = case.get("workflow").and_then(Value::as_str).unwrap_or("");
    let has = |key: &str| text.lines().any(|l| l.starts_with(key));
    let mut head = String::new();
    if !has("name:") {
        head += "name: w\n";
    }
    if !has("triggers:") {
        head += "triggers: [{ type: manual }]\n";
    }
    if let Some(max) = case.path(&["config", "maxResponseSize"]).and_then(Value::as_str)
        && !has("settings:")
    {
        head += &format!("settings: {{ max-step-size: {max} }}\n");
    }
    head + text
}

fn catalogue(case: &Value) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for kind in ["slack", "inference"] {
        let meta = OperationMeta {
            name: kind.into(),
            title: kind.into(),
            group: "x".into(),
            class: Class::Write,
            schema: Value::object([("type", Value::from("object"))]),
            output: Value::Null,
            connector: Some(format!(".{kind}").into()),
            deliver_within_s: None,
            inverse: None,
        };
        catalogue.operations.insert(kind.into(), meta);
    }
    for m in case.get("mocks").and_then(Value::as_array).unwrap_or_default() {
        let text = |k: &str| m.get(k).and_then(Value::as_str).unwrap_or("").to_owned();
        if m.get("stepType").is_some() {
            catalogue.code.insert(text("stepType").into(), Poll::of(m));
            continue;
        }
        let id: Arc<str> = text("connector").into();
        let kind = format!(".{}", text("type")).into();
        let view = ConnectorView { id: id.clone(), name: id.clone(), kind, target: Value::Null, secrets: vec![] };
        catalogue.connectors.insert(id, view);
    }
    let children = case.get("children").and_then(Value::as_object);
    let views = children.into_iter().flat_map(stdx::Object::iter).map(|(id, c)| {
        let flag = |key: &str| c.get(key).and_then(Value::as_bool).unwrap_or(true);
        let name: Arc<str> = c.get("name").and_then(Value::as_str).unwrap_or("").into();
        let (enabled, valid) = (flag("enabled"), flag("valid"));
        (id.clone(), WorkflowView { id: id.clone(), name, enabled, valid, version: 1, ..WorkflowView::default() })
    });
    let own =
        WorkflowView { id: OWN.into(), name: OWN.into(), enabled: true, valid: true, version: 1, ..Default::default() };
    catalogue.workflows = Some(views.chain([(OWN.into(), own)]).collect());
    catalogue
}

impl Run {
    pub(super) fn load(case: &Value) -> anyhow::Result<Self> {
        let catalogue = catalogue(case);
        let (program, found) = Program::load(&document(case), &catalogue);
        let program = program.with_context(|| format!("does not load: {found:?}"))?;
        let mut memory = Memory::new(program, catalogue, Env::default());
        let limit = |key: &str| {
            case.path(&["config", "parallel", key]).and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok())
        };
        let limits = &mut memory.env.limits;
        limits.operations = limit("maxConcurrentOperations").unwrap_or(limits.operations);
        limits.branches = limit("maxOutstandingBranches").unwrap_or(limits.branches);
        Ok(Self {
            memory,
            errors: found.iter().filter(|d| d.is_error()).count(),
            mocks: case.get("mocks").and_then(Value::as_array).unwrap_or_default().to_vec(),
            behaviours: case.get("children").cloned().unwrap_or_default(),
            out: vec![],
            calls: vec![],
            failures: BTreeMap::new(),
            question: None,
            children: vec![],
            others: vec![],
            started: Started::default(),
            mail: vec![],
            transitions: limit("maxTransitionsPerTick").map(|n| n as usize),
            nine_four: case.get("language").and_then(Value::as_str) == Some("9.4"),
        })
    }

    pub(super) fn start(&mut self, case: &Value) -> anyhow::Result<()> {
        let mut start = start(OWN, case, self.memory.now);
        let run = case.get("run");
        if let Some(step) = run.and_then(|r| r.get("stepId")).and_then(Value::as_str) {
            let context = run.and_then(|r| r.get("contextOverride")).cloned().unwrap_or_default();
            start.mode = Mode::Step(step.into(), Body::from(context));
            start.test = true;
        }
        let others = run.and_then(|r| r.get("startWhileRunning")).and_then(Value::as_array).unwrap_or_default();
        self.others = others
            .iter()
            .enumerate()
            .map(|(i, o)| {
                let text = |key: &str| o.get(key).and_then(Value::as_str).map(str::to_owned);
                (text("key").unwrap_or_default().into(), Id::from(text("id").unwrap_or_else(|| format!("other-{i}"))))
            })
            .collect();
        self.send(Command::Start(Box::new(start)))?;
        self.rest()
    }

    fn leaves(&self) -> usize {
        let leaf = |name: &str| self.memory.program.step(name).is_some_and(workflow::program::Step::is_leaf);
        let left =
            |f: &&Fact| matches!(&f.what, FactKind::Left { path, .. } if path.0.last().is_some_and(|h| leaf(&h.name)));
        self.memory.facts.iter().filter(left).count()
    }

    fn send(&mut self, command: Command) -> anyhow::Result<()> {
        if self.transitions.is_some() {
            self.memory.fuel.facts = 1;
        }
        let before = self.leaves();
        let mut next = Some(command);
        while let Some(command) = next.take() {
            let turn = self.memory.turn(&command)?;
            self.memory.apply(&turn)?;
            self.out.retain(|(_, k, _)| !turn.done.contains(k));
            for (key, effect) in turn.effects.clone() {
                let outcome = match effect {
                    Effect::Internal(command) => {
                        if let triage::Command::QuestionAsk(q) = &*command {
                            self.question = Some(q.id.clone());
                        }
                        Outcome::Answered(Ok(Body::Null))
                    }
                    Effect::Slot(command) => self.slot(&command),
                    Effect::Call(call) => {
                        self.perform(key, &call);
                        continue;
                    }
                    Effect::Child(start) => {
                        self.children.push(Child { start: *start, key, done: false, cancels: 0, run: None });
                        continue;
                    }
                };
                let fact = self.memory.answered(&key, outcome);
                self.memory.fold(fact);
                next = Some(Command::Continue);
            }
            for (to, command) in &turn.mail {
                match self.children.iter_mut().find(|c| c.start.execution == *to) {
                    Some(child) => child.cancels += usize::from(matches!(command, Command::Cancel { .. })),
                    None => self.mail.push(command.clone()),
                }
            }
            let tired = self.transitions.is_some_and(|n| self.leaves() - before >= n);
            if turn.more && !tired {
                next = Some(Command::Continue);
            }
        }
        if self.started.state == Some(SlotState::Queued) && !self.started.cancels.is_empty() {
            // The victims end, and the last one hands its slot over.
            self.started.state = Some(SlotState::Held);
            return self.send(Command::SlotGranted);
        }
        Ok(())
    }

    fn slot(&mut self, command: &SlotCommand) -> Outcome {
        let SlotCommand::Take { key, .. } = command;
        let held: Vec<Id> = self.others.iter().filter(|(k, _)| k == key).map(|(_, id)| id.clone()).collect();
        let (taken, outcome) = Memory::slot(command, &held, &[]);
        self.started = Started { key: Some(key.clone()), state: Some(taken.state), cancels: taken.cancelled };
        outcome
    }

    fn perform(&mut self, key: EffectKey, call: &Call) {
        let params = call.params.value().cloned().unwrap_or_default();
        let connector = call.connector.as_deref().unwrap_or("").to_owned();
        let is = |m: &&Value| m.get("connector").and_then(Value::as_str) == Some(&connector);
        let mock = self.mocks.iter().find(is).cloned().unwrap_or_default();
        self.calls.push((connector.clone(), params.clone()));
        let delay = mock.get("delayMs").and_then(Value::as_i64).unwrap_or(0);
        let limit = mock.get("failures").map(|f| param(f, &params)).and_then(|v| v.as_i64());
        let failed = self.failures.entry(connector).or_insert(0);
        let outcome = if mock.get("error").is_some() && limit.is_none_or(|n| *failed < n) {
            *failed += 1;
            let text = |k: &str| mock.path(&["error", k]).and_then(Value::as_str).unwrap_or("Error").to_owned();
            Outcome::Answered(Err(Fault::new(&text("type"), text("message"))))
        } else {
            Outcome::Answered(Ok(Body::from(param(mock.get("result").unwrap_or(&Value::Null), &params))))
        };
        self.out.push((self.memory.now + Duration::from_ms(delay), key, outcome));
    }

    /// Goes on until only stored timers or people are waited for.
    fn rest(&mut self) -> anyhow::Result<()> {
        for _ in 0..EVENTS_MAX {
            let call = self.out.iter().enumerate().min_by_key(|(i, (t, ..))| (*t, *i)).map(|(i, (t, ..))| (i, *t));
            // Deadlines fire while something runs; short waits outside a `parallel` stay in the process.
            let busy = self.memory.state.summary().status == Status::Running && self.transitions.is_none();
            let in_process = |id: &str| !(id.starts_with("deadline") || id == "run" || id.contains("~branch"));
            let fires = |id: &str, durable: bool| !durable && (busy || in_process(id)) || (busy && call.is_some());
            let timer = self
                .memory
                .timers
                .iter()
                .filter(|(id, (_, durable))| fires(id, *durable))
                .min_by_key(|(_, (t, _))| *t)
                .map(|(id, (t, _))| (id.clone(), *t));
            match (call, timer) {
                (Some((i, t)), None) => self.call_answers(i, t)?,
                (Some((i, t)), Some((_, due))) if t <= due => self.call_answers(i, t)?,
                (_, Some((id, due))) => {
                    self.memory.now = self.memory.now.max(due);
                    self.memory.timers.remove(&id);
                    self.send(Command::Timer(TimerId(id)))?;
                }
                (None, None) => return Ok(()),
            }
        }
        bail!("the run never rests")
    }

    fn call_answers(&mut self, i: usize, at: Time) -> anyhow::Result<()> {
        let (_, key, outcome) = self.out.remove(i);
        self.memory.now = self.memory.now.max(at);
        self.send(Command::Outcome { key, attempt: 1, outcome })
    }

    pub(super) fn wake(&mut self) -> anyhow::Result<()> {
        let due = self.memory.timers.iter().filter(|(id, _)| !id.starts_with("question")).map(|(_, (t, _))| *t).min();
        match due {
            Some(due) => {
                self.memory.now = self.memory.now.max(due);
                self.fire(|at| at == due)?;
            }
            None => self.send(Command::Continue)?,
        }
        self.rest()
    }

    /// Fires timers in the order of opening, as the other engine wakes them.
    fn fire(&mut self, wanted: impl Fn(Time) -> bool) -> anyhow::Result<()> {
        let ids: Vec<TimerId> = self
            .memory
            .state
            .timers()
            .into_iter()
            .filter_map(|t| match t {
                TimerChange::Set { id, due, .. } if wanted(due) => Some(id),
                _ => None,
            })
            .collect();
        for id in ids {
            self.memory.timers.remove(&id.0);
            self.send(Command::Timer(id))?;
        }
        Ok(())
    }

    pub(super) fn fire_due(&mut self) -> anyhow::Result<()> {
        let now = self.memory.now;
        self.fire(|due| due <= now)?;
        self.rest()
    }

    pub(super) fn timer_of(&self, step: &str) -> Option<Time> {
        let names = |id: &str| id.split(['/', ':', '~', '#']).any(|part| part == step);
        self.memory.timers.iter().filter(|(id, _)| names(id)).map(|(_, (t, _))| *t).min()
    }

    pub(super) fn spurious(&mut self) -> anyhow::Result<()> {
        self.send(Command::Timer(TimerId("wait:nothing".into())))?;
        self.send(Command::Continue)?;
        self.rest()
    }

    pub(super) fn answer(&mut self, input: Value) -> anyhow::Result<()> {
        let question = self.question.clone().context("nobody was asked")?;
        let approved = input.get("approved").and_then(Value::as_bool) != Some(false);
        let verdict = if approved { DecisionVerdict::Approved } else { DecisionVerdict::Rejected };
        let (by, at, channel) = ("ann".into(), self.memory.now, "web".into());
        let decision =
            Decision { question, verdict, by, at, channel, comment: None, input: Some(input), actions: None };
        self.send(Command::Decided(decision))?;
        self.rest()
    }

    pub(super) fn cancel(&mut self, reason: Option<&str>) -> anyhow::Result<()> {
        self.send(Command::Cancel { by: "ann".into(), reason: reason.map(Into::into) })?;
        self.rest()
    }

    /// The children end as the case says.
    pub(super) fn children_finish(&mut self) -> anyhow::Result<()> {
        for i in 0..self.children.len() {
            let child = &self.children[i];
            if child.done {
                continue;
            }
            let said = self.behaviours.get(&child.start.workflow).cloned().unwrap_or_default();
            let behaviour = said.get("behaviour").cloned().unwrap_or_default();
            let awaited = matches!(child.start.cause, Cause::Child { awaited: true, .. });
            let key = child.key.clone();
            let result = match &behaviour {
                Value::Str(word) if &**word == "real run" => {
                    let workflow = said.get("yaml").cloned().unwrap_or_default();
                    let case = Value::object([("workflow", workflow)]);
                    let mut run = Box::new(Self::load(&case)?);
                    run.send(Command::Start(Box::new(self.children[i].start.clone())))?;
                    run.rest()?;
                    let mail = std::mem::take(&mut run.mail);
                    self.children[i].run = Some(run);
                    self.children[i].done = true;
                    for command in mail {
                        self.send(command)?;
                    }
                    continue;
                }
                Value::Object(o) => match (o.get("completes"), o.get("fails")) {
                    (Some(with), _) => {
                        let output = with.get("output").or_else(|| with.get("lastStepOutput"));
                        Ok(output.cloned().map_or(Body::Null, Body::from))
                    }
                    (_, Some(error)) => {
                        let text = |k: &str| error.get(k).and_then(Value::as_str).unwrap_or("Error").to_owned();
                        Err(Fault::new(&text("type"), text("message")))
                    }
                    _ => continue,
                },
                _ => continue,
            };
            self.children[i].done = true;
            if awaited {
                self.send(Command::ChildEnded { key, result })?;
            }
        }
        self.rest()
    }
}
