//! One run in memory: program, state, journal, payloads, timers and a virtual clock; what the golden runs and the conformance cases share.
//!
//! Invariants: a turn is worked off twice and must be the same; with `refold` the state is thrown away after each commit and folded anew
//! from the serialised journal (INV-06).
//! Not here: the real core and store around a run (`world`), what the outside answers.

use anyhow::{Context as _, bail, ensure};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use workflow::slot::{SlotCommand, Taken};
use workflow::{
    Body, Catalogue, Cause, Command, Cx, Decided, Effect, EffectKey, Env, Fact, FactKind, Fuel, Hop, Mode, Outcome,
    PayloadRef, Program, Role, Start, State, StepPath, TimerChange, Turn, decide, evolve,
};

/// Loads of payloads for one command at most.
const LOADS_MAX: usize = 50;

/// The moment at which every world begins.
pub const BEGIN: &str = "2026-01-15T12:00:00Z";

/// The moment at which every world begins.
pub fn begin() -> Time {
    Time::parse(BEGIN).unwrap_or_default()
}

/// The start of the one run `e1` of the workflow `workflow`, from `{inputs, event, metadata, dry, mocks, step, context, from, earlier}`.
pub fn start(workflow: &str, start: &Value, at: Time) -> Start {
    let text = |key: &str| start.get(key).and_then(Value::as_str);
    let mode = match (text("step"), text("from")) {
        (Some(step), _) => Mode::Step(step.into(), start.get("context").cloned().unwrap_or_default().into()),
        (_, Some(step)) => Mode::From(Id::from("e0"), step.into()),
        _ => Mode::Whole,
    };
    let body = |key: &str| start.get(key).cloned().map_or(Body::Null, Body::from);
    let execution = Id::from("e1");
    Start {
        execution: execution.clone(),
        root: execution,
        workflow: workflow.into(),
        version: 1,
        principal: "ann".into(),
        inputs: body("inputs"),
        event: body("event"),
        metadata: body("metadata"),
        mode,
        cause: parent(start),
        dry: start.get("dry").and_then(Value::as_bool) == Some(true),
        mocks: body("mocks"),
        earlier: body("earlier"),
        at,
        ..Start::default()
    }
}

/// `parent: {workflow, depth}` makes the run an awaited child of `e0`.
fn parent(start: &Value) -> Cause {
    let Some(parent) = start.get("parent") else { return Cause::Manual };
    let hop = Hop { name: "call".into(), role: Role::Step, index: 0, pass: 0 };
    let depth = parent.get("depth").and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok());
    Cause::Child {
        parent: EffectKey { execution: Id::from("e0"), path: StepPath(Arc::new([hop])), call: 0 },
        workflow: parent.get("workflow").and_then(Value::as_str).unwrap_or("w0").into(),
        awaited: true,
        depth: depth.unwrap_or(1),
    }
}

/// One run in memory.
pub struct Memory {
    /// Its workflow.
    pub program: Program,
    /// What it may call.
    pub catalogue: Catalogue,
    /// The server's settings.
    pub env: Env,
    /// How far one turn goes.
    pub fuel: Fuel,
    /// Folded.
    pub state: State,
    /// The journal.
    pub facts: Vec<Fact>,
    /// Payloads by number.
    pub payloads: BTreeMap<PayloadRef, Arc<Value>>,
    /// Timers: due, and whether they are rows.
    pub timers: BTreeMap<Arc<str>, (Time, bool)>,
    /// Timers that became rows so far.
    pub stored_timers: usize,
    /// The clock.
    pub now: Time,
    /// Fold anew after each commit.
    pub refold: bool,
}

impl Memory {
    /// A run that has not begun.
    pub fn new(program: Program, catalogue: Catalogue, env: Env) -> Self {
        Self {
            program,
            catalogue,
            env,
            fuel: Fuel::default(),
            state: State::default(),
            facts: vec![],
            payloads: BTreeMap::new(),
            timers: BTreeMap::new(),
            stored_timers: 0,
            now: begin(),
            refold: false,
        }
    }

    /// Works a command off twice, with just the payloads it asks for.
    ///
    /// - errors: the two turns differ, or payloads are asked for without end.
    pub fn turn(&self, command: &Command) -> anyhow::Result<Turn> {
        let loaded = RefCell::new(BTreeSet::new());
        for _ in 0..LOADS_MAX {
            let payloads = |r: PayloadRef| loaded.borrow().contains(&r.0).then(|| self.payloads.get(&r).cloned())?;
            let cx =
                Cx { now: self.now, catalogue: &self.catalogue, env: &self.env, payloads: &payloads, fuel: self.fuel };
            match decide(&self.program, &self.state, command, &cx) {
                Decided::Turn(turn) => {
                    // The commit failed: the same command is worked off again and must give the same turn.
                    let again = decide(&self.program, &self.state, command, &cx);
                    ensure!(matches!(again, Decided::Turn(t) if *t == *turn), "the second turn is not the same");
                    return Ok(*turn);
                }
                Decided::Need(refs) => {
                    ensure!(!refs.is_empty(), "needs nothing");
                    loaded.borrow_mut().extend(refs.iter().map(|r| r.0));
                }
            }
        }
        bail!("payloads are asked for again and again")
    }

    /// Commits facts, payloads and timers of a turn.
    ///
    /// - errors: the turn does not follow on the journal, or the journal does not fold to the live state.
    pub fn apply(&mut self, turn: &Turn) -> anyhow::Result<()> {
        ensure!(turn.base == self.state.facts(), "base {} on {} facts", turn.base, self.state.facts());
        for (r, v) in &turn.payloads {
            ensure!(self.payloads.insert(*r, v.clone()).is_none(), "payload {r:?} twice");
        }
        for fact in &turn.facts {
            self.fold(fact.clone());
        }
        for t in &turn.timers {
            match t {
                TimerChange::Set { id, due, durable } => {
                    self.stored_timers += usize::from(*durable);
                    self.timers.insert(id.0.clone(), (*due, *durable));
                }
                TimerChange::Clear { id } => drop(self.timers.remove(&id.0)),
            }
        }
        let inner = turn.effects.iter().rev().skip(1).any(|(_, e)| matches!(e, Effect::Internal(_) | Effect::Slot(_)));
        ensure!(!inner, "an internal effect is last");
        Ok(())
    }

    /// Appends a fact.
    pub fn fold(&mut self, fact: Fact) {
        evolve(&mut self.state, &fact);
        self.facts.push(fact);
    }

    /// The writer's answer to an internal effect.
    pub fn answered(&self, key: &EffectKey, outcome: Outcome) -> Fact {
        Fact { at: self.now, what: FactKind::Answered { key: key.clone(), attempt: 1, outcome } }
    }

    /// Throws the state away and folds it from the serialised journal.
    ///
    /// - errors: the two states differ.
    pub fn fold_anew(&mut self) -> anyhow::Result<()> {
        if !self.refold {
            return Ok(());
        }
        let text = serde_json::to_string(&self.facts)?;
        let facts: Vec<Fact> = serde_json::from_str(&text).context("facts read back")?;
        let mut state = State::default();
        facts.iter().for_each(|f| evolve(&mut state, f));
        // Times come back as text where a value held one; nothing else may differ.
        ensure!(
            format!("{:?}", state.summary()) == format!("{:?}", self.state.summary()),
            "the summary differs after a fold"
        );
        ensure!(state.timers() == self.state.timers(), "the timers differ after a fold");
        self.state = state;
        Ok(())
    }

    /// The value of a body.
    pub fn value(&self, body: &Body) -> Value {
        match body {
            Body::Inline(v) => (**v).clone(),
            Body::Payload(r) => self.payloads.get(r).map(|v| (**v).clone()).unwrap_or_default(),
            Body::Null | Body::Blob(_) => Value::Null,
        }
    }

    /// What the writer answers to a request for a slot, with these runs in the group.
    pub fn slot(command: &SlotCommand, held: &[Id], queued: &[Id]) -> (Taken, Outcome) {
        let taken = workflow::slot::take(command, held, queued);
        let outcome = Outcome::Answered(Ok(Body::from(taken.to_value())));
        (taken, outcome)
    }
}
