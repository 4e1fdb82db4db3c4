//! The executor: `decide` and `evolve` over a journal in memory, a virtual clock, our own records in memory, stubs for all else.
//!
//! Invariants: internal commands run through `triage` as they do in the store; people answer *yes*; time moves only when nothing else can.
//! Not here: answers (`stub`).

use super::stub;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use triage::question::QuestionState;
use triage::rows::Key;
use workflow::{
    Body, Catalogue, Cause, Class, Command, Cx, Decided, Decision, DecisionVerdict, Effect, EffectKey, Env, Fact,
    FactKind, Fault, Fuel, Mode, Outcome, PayloadRef, Program, Start, State, Status, TimerChange, TimerId, Turn,
    Unbound, decide, evolve,
};

/// Turns of one run at most.
const TURNS_MAX: usize = 50_000;

/// What a run did.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// `completed`, `failed` …, or `stuck`.
    pub end: String,
    /// Why it did not complete.
    pub error: String,
    steps: BTreeMap<&'static str, usize>,
    calls: BTreeMap<&'static str, usize>,
    inside: usize,
    questions: usize,
    frozen: usize,
    took: Duration,
    kinds: BTreeMap<Arc<str>, usize>,
}

impl Report {
    /// A row of the table.
    pub(super) fn row(&self, id: &str) -> [String; 8] {
        let list = |m: &BTreeMap<&str, usize>| m.iter().map(|(k, n)| format!("{n} {k}")).collect::<Vec<_>>().join(", ");
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(k, n)| (std::cmp::Reverse(**n), (*k).clone()));
        let did = kinds.iter().take(5).map(|(k, n)| format!("{k} ×{n}")).collect::<Vec<_>>().join(", ");
        let asked =
            if self.questions == 0 { String::new() } else { format!("{} ({} frozen)", self.questions, self.frozen) };
        [
            id.to_owned(),
            self.end.clone(),
            list(&self.steps),
            list(&self.calls),
            if self.inside == 0 { String::new() } else { self.inside.to_string() },
            asked,
            format!("{:.1} s", self.took.ms() as f64 / 1000.0),
            did,
        ]
    }
}

struct World {
    program: Program,
    catalogue: Catalogue,
    env: Env,
    state: State,
    facts: Vec<Fact>,
    payloads: BTreeMap<PayloadRef, Arc<Value>>,
    outbox: VecDeque<(EffectKey, Effect)>,
    attempts: BTreeMap<EffectKey, u32>,
    timers: BTreeMap<Arc<str>, Time>,
    rows: triage::rows::Rows,
    open: Vec<Id>,
    lists: stub::Lists,
    now: Time,
    turns: usize,
    report: Report,
}

/// Runs a program to its end.
pub(super) fn run(program: Program, catalogue: Catalogue) -> Report {
    let begun = Time::parse("2026-01-15T12:00:00Z").unwrap_or_default();
    let lists = stub::lists(program.source());
    let mut world = World {
        lists,
        program,
        catalogue,
        env: Env { kibana_url: "https://stub.example".into(), unbound: Unbound::Ask, ..Env::default() },
        state: State::default(),
        facts: vec![],
        payloads: BTreeMap::new(),
        outbox: VecDeque::new(),
        attempts: BTreeMap::new(),
        timers: BTreeMap::new(),
        rows: triage::rows::Rows::default(),
        open: vec![],
        now: begun,
        turns: 0,
        report: Report::default(),
    };
    world.begin();
    world.go_on();
    world.close(begun)
}

impl World {
    fn begin(&mut self) {
        let execution = Id::from("run-1");
        let alert = self.program.has_trigger("alert");
        let cause = if alert && !self.program.has_trigger("manual") {
            Cause::Alert { rule: Id::from("rule-1"), action: "action-1".into(), alerts: vec![Id::from("alert-1")] }
        } else if self.program.has_trigger("scheduled") && !self.program.has_trigger("manual") {
            Cause::Schedule { due: self.now, missed: 0 }
        } else {
            Cause::Manual
        };
        let event = if alert { Body::from(stub::event()) } else { Body::Null };
        let start = Start {
            execution: execution.clone(),
            root: execution,
            space: "default".into(),
            workflow: Id::from("workflow-1"),
            version: 1,
            mode: Mode::Whole,
            dry: false,
            test: false,
            principal: "ann".into(),
            cause,
            depth: 0,
            visited: vec![],
            inputs: Body::from(stub::inputs(&self.program)),
            event,
            metadata: Body::Null,
            at: self.now,
            ..Start::default()
        };
        self.send(Command::Start(Box::new(start)));
    }

    /// One thing after the other until the run rests for good.
    fn go_on(&mut self) {
        while self.turns < TURNS_MAX {
            if let Some((key, effect)) = self.outbox.pop_front() {
                self.perform(key, &effect);
            } else if let Some(question) = self.open.pop() {
                self.say_yes(&question);
            } else if let Some((id, due)) =
                self.timers.iter().min_by_key(|(_, due)| **due).map(|(i, d)| (i.clone(), *d))
            {
                self.now = self.now.max(due);
                self.timers.remove(&id);
                self.send(Command::Timer(TimerId(id)));
            } else {
                return;
            }
        }
    }

    fn perform(&mut self, key: EffectKey, effect: &Effect) {
        let Effect::Call(call) = effect else {
            // A child answers with what its own stub would: it completed and said nothing.
            self.send(Command::ChildEnded { key, result: Ok(Body::from(Value::object::<&str>([]))) });
            return;
        };
        *self.report.calls.entry(call.class.as_str()).or_insert(0) += 1;
        if call.class == Class::Destructive {
            let target = call.connector.as_ref().and_then(|c| self.catalogue.connectors.get(c));
            let target = target.map_or(call.target.clone(), |c| c.target.clone());
            let not_after = self.now + Duration::from_secs(30);
            self.send(Command::Begin { key: key.clone(), not_after, target, held: None });
        }
        let attempt = self.attempts.entry(key.clone()).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        self.now = self.now + Duration::from_ms(20);
        let step = key.path.0.last().map(|h| h.name.to_string()).unwrap_or_default();
        let answer = match self.own_case(call) {
            Some(case) => Ok(case),
            None => stub::answer(call, &self.catalogue).map(|mut answer| {
                stub::fill(&mut answer, self.lists.get(&step).map(Vec::as_slice).unwrap_or_default());
                answer
            }),
        };
        let outcome = Outcome::Answered(answer.map(Body::from));
        self.send(Command::Outcome { key, attempt, outcome });
    }

    /// A case as our own records hold it, for a step that reads one.
    fn own_case(&mut self, call: &workflow::Call) -> Option<Value> {
        let params = call.params.value().filter(|_| &*call.operation == "cases.getCase")?;
        let id = Id::from(params.get("case_id").and_then(Value::as_str)?);
        let read = triage::Command::CaseTags { case: id.clone(), add: vec![] };
        self.load(Key::Case(("default".into(), id.clone())), &read);
        let case = self.rows.cases.get(&("default".into(), id))?;
        Some(Value::object([("case", case.to_api(Some(vec![])))]))
    }

    fn say_yes(&mut self, question: &Id) {
        let Some(row) = self.rows.questions.get(question).cloned().filter(|r| r.state == QuestionState::Open) else {
            return;
        };
        let mut next = triage::question::QuestionRow::clone(&row);
        next.state = QuestionState::Approved;
        next.closed_at = Some(self.now);
        self.rows.questions.set(question.clone(), Some(next));
        self.now = self.now + Duration::from_secs(1);
        self.send(Command::Decided(Decision {
            question: question.clone(),
            verdict: DecisionVerdict::Approved,
            by: "bob".into(),
            at: self.now,
            channel: "web".into(),
            comment: None,
            input: None,
            actions: None,
        }));
    }

    fn send(&mut self, command: Command) {
        let mut waiting = VecDeque::from([command]);
        while let Some(command) = waiting.pop_front() {
            self.turns += 1;
            if self.turns > TURNS_MAX {
                return;
            }
            let turn = self.turn(&command);
            if self.commit(&turn) || turn.more {
                waiting.push_back(Command::Continue);
            }
        }
    }

    fn turn(&self, command: &Command) -> Turn {
        let loaded = std::cell::RefCell::new(BTreeSet::new());
        loop {
            let payloads =
                |r: PayloadRef| loaded.borrow().contains(&r.0).then(|| self.payloads.get(&r).cloned()).flatten();
            let cx = Cx {
                now: self.now,
                catalogue: &self.catalogue,
                env: &self.env,
                payloads: &payloads,
                fuel: Fuel::default(),
            };
            match decide(&self.program, &self.state, command, &cx) {
                Decided::Turn(turn) => return *turn,
                Decided::Need(refs) => loaded.borrow_mut().extend(refs.iter().map(|r| r.0)),
            }
        }
    }

    /// Commits a turn; true when it held an internal effect.
    fn commit(&mut self, turn: &Turn) -> bool {
        self.payloads.extend(turn.payloads.iter().cloned());
        for fact in &turn.facts {
            self.fold(fact.clone());
        }
        self.outbox.retain(|(k, _)| !turn.done.contains(k));
        for change in &turn.timers {
            match change {
                TimerChange::Set { id, due, .. } => drop(self.timers.insert(id.0.clone(), *due)),
                TimerChange::Clear { id } => drop(self.timers.remove(&id.0)),
            }
        }
        for (id, state) in &turn.close {
            self.command(&triage::Command::QuestionClose { id: id.clone(), state: *state }).ok();
        }
        let mut internal = false;
        for (key, effect) in &turn.effects {
            if let Effect::Slot(_) = effect {
                // Nothing else runs, so a slot is free.
                internal = true;
                let held = workflow::slot::Taken { state: workflow::slot::SlotState::Held, cancelled: vec![] };
                let outcome = Outcome::Answered(Ok(Body::from(held.to_value())));
                self.fold(Fact { at: self.now, what: FactKind::Answered { key: key.clone(), attempt: 1, outcome } });
            } else if let Effect::Internal(command) = effect {
                internal = true;
                let outcome = Outcome::Answered(self.command(command).map(Body::from));
                self.fold(Fact { at: self.now, what: FactKind::Answered { key: key.clone(), attempt: 1, outcome } });
            } else {
                self.outbox.push_back((key.clone(), effect.clone()));
            }
        }
        internal
    }

    fn fold(&mut self, fact: Fact) {
        evolve(&mut self.state, &fact);
        self.facts.push(fact);
    }

    /// A change of our own records, as the store makes it; a case that the inputs name exists.
    fn command(&mut self, command: &triage::Command) -> Result<Value, Fault> {
        if let triage::Command::QuestionAsk(q) = command {
            self.report.questions += 1;
            self.report.frozen += q.actions.len();
            self.open.push(q.id.clone());
        } else {
            self.report.inside += 1;
        }
        let request = triage::command::Request {
            space: "default".into(),
            by: triage::Actor::person("ann", "workflow"),
            key: None,
            command: command.clone(),
        };
        for round in 0..triage::apply::ROUNDS {
            for key in triage::apply::reads(&request, &self.rows, round) {
                self.load(key, command);
            }
        }
        let mark = self.rows.mark();
        triage::apply::apply(&mut self.rows, self.now, &request).map_err(|refusal| {
            self.rows.rollback(mark);
            Fault::new("Error", refusal.message)
                .details(Value::object([("status", Value::Int(refusal.kind.status().into()))]))
        })
    }

    fn load(&mut self, key: Key, command: &triage::Command) {
        if self.rows.known(&key) {
            return;
        }
        match key {
            Key::AlertExists(k) | Key::Alert(k) => self.rows.alerts.load(k, None),
            Key::Case(k) => {
                self.rows.cases.load(k.clone(), None);
                if !matches!(command, triage::Command::CaseCreate { .. }) {
                    self.case_of_the_inputs(&k.1);
                }
            }
            Key::Attachments(id) => drop(self.rows.attachments_of.insert(id)),
            Key::CaseNumber(space) => self.rows.numbers.load(space, None),
            Key::CasesConfig(space, owner) => drop(self.rows.configs.insert((space, owner), None)),
            Key::Question(id) => self.rows.questions.load(id, None),
            Key::Person(user) => drop(self.rows.people.insert(user, None)),
            Key::Envelope(space) => drop(self.rows.envelopes.insert(space, None)),
        }
    }

    fn case_of_the_inputs(&mut self, id: &Id) {
        let body = r#"{"title":"sample","description":"sample","tags":[],"owner":"securitySolution","settings":{"syncAlerts":true},"connector":{"id":"none","name":"none","type":".none","fields":null}}"#;
        let body = stdx::json::parse(body).unwrap_or_default();
        self.command(&triage::Command::CaseCreate { id: id.clone(), body }).ok();
        self.report.inside -= 1;
    }

    fn close(mut self, begun: Time) -> Report {
        let summary = self.state.summary();
        self.report.took = self.now.since(begun);
        if summary.status.is_terminal() {
            self.report.end = summary.status.as_str().to_owned();
        } else {
            self.report.end = if self.turns >= TURNS_MAX { "endless".into() } else { "stuck".into() };
        }
        for fact in &self.facts {
            match &fact.what {
                FactKind::Ended { error: Some(fault), .. } => {
                    self.report.error = format!("{}: {}", fault.kind, fault.message);
                }
                FactKind::Left { path, error: Some(fault), .. } if self.report.error.is_empty() => {
                    self.report.error = format!("{path}: {}: {}", fault.kind, fault.message);
                }
                _ => {}
            }
        }
        let view = workflow::view::execution(&self.facts, Some(&self.program));
        for step in &view.steps {
            *self.report.steps.entry(step.status.as_str()).or_insert(0) += 1;
            *self.report.kinds.entry(step.step_type.clone()).or_insert(0) += 1;
        }
        if self.report.end == Status::Failed.as_str()
            && let Some(step) = view.steps.iter().find(|s| s.status == Status::Failed)
        {
            self.report.error = format!("step `{}`: {}", step.step_id, self.report.error);
        }
        self.report
    }
}
