//! The first turn of a run: inputs, deadline, slot, and where a rerun or a single step enters the workflow.
//!
//! Invariants: a rerun takes nothing but data of the earlier run; a run that asks for a slot does nothing before it has it.
//! Not here: who may start (`api`), slot rows (`store`).
//! Source: `design/engine.md` §2.6, §4; `reference/workflow-language.md` §1.3, §7.5, §7.7.

use super::flow::push;
use super::{Work, Work_};
use crate::core::{
    Body, Cause, Class, Effect, EffectKey, FactKind, Fault, Mode as StartMode, Role, Start, Status, StepPath, TimerId,
    Wait,
};
use crate::program::{self, StepIx};
use crate::slot::{KEY_CHARS_MAX, SlotCommand, SlotState, Strategy, Taken};
use std::sync::Arc;
use stdx::Value;

/// The timer of a place in the queue.
const QUEUE_TIMER: &str = "queue";

impl Work<'_> {
    pub(super) fn begin_run(&mut self, start: &Start) -> Work_<()> {
        if self.state.is_started() {
            return Ok(());
        }
        let given = match &start.inputs {
            Body::Inline(v) => (**v).clone(),
            other => self.load(other)?,
        };
        let root = self.start_context(start)?;
        let undoes = start.undo.is_some();
        let (inputs, error) = match self.program.inputs.with_defaults(&given, &root) {
            // Checked when the run began whose effect is taken back.
            _ if undoes => (given, None),
            Ok(v) => (v, None),
            Err(message) => (given, Some(Fault::new("Error", message))),
        };
        let mut stored = start.clone();
        stored.inputs = Body::Null;
        stored.event = self.shrink(&start.event);
        stored.metadata = self.shrink(&start.metadata);
        stored.mocks = self.shrink(&start.mocks);
        stored.earlier = Body::Null;
        if let StartMode::Step(name, context) = &start.mode {
            stored.mode = StartMode::Step(name.clone(), self.shrink(context));
        }
        let called = matches!(start.cause, Cause::Child { .. }) && !undoes;
        let problem = error.or_else(|| {
            let problems = if called { self.program.inputs.check(&inputs) } else { vec![] };
            input_fault(&problems)
        });
        let inputs = self.body(inputs);
        // The workflow's clock is about its steps; an undo waits as long as it was told.
        let timeout = self.program.settings.timeout.as_ref().filter(|_| !undoes);
        let deadline = timeout.map(|t| self.cx.now + t.length);
        let name = self.program.name.clone();
        self.emit(FactKind::Started { start: Box::new(stored), name, inputs, deadline });
        if let Some(fault) = problem {
            self.end_run(Status::Failed, Body::Null, Some(fault), None);
            return Ok(());
        }
        match &start.mode {
            StartMode::Whole => {}
            StartMode::Step(step, _) | StartMode::From(_, step) if self.program.index_of(step).is_none() => {
                let fault = Fault::new("StepNotFound", format!("the workflow has no step `{step}`"));
                self.end_run(Status::Failed, Body::Null, Some(fault), None);
                return Ok(());
            }
            // No slot for a single step: it is a look at one step, as in Kibana's step test.
            StartMode::Step(..) => return Ok(()),
            StartMode::From(_, step) => self.enter_at(start, step)?,
        }
        self.take_slot(start)
    }

    /// Recalls what earlier steps left and goes to `step`; a step inside a loop, a `parallel` or a fallback is reached by starting that
    /// container anew.
    fn enter_at(&mut self, start: &Start, step: &str) -> Work_<()> {
        let Some(target) = self.program.index_of(step) else { return Ok(()) };
        let earlier = self.load(&start.earlier)?;
        for row in earlier.get("steps").and_then(Value::as_array).unwrap_or_default() {
            let Some(name) = row.get("step").and_then(Value::as_str) else { continue };
            let Some(ix) = self.program.index_of(name).filter(|ix| *ix < target) else { continue };
            let step = &self.program.steps[ix];
            let member = |key: &str| row.get(key).cloned().unwrap_or_default();
            let error = row.get("error").and_then(|v| stdx::json::from_value::<Fault>(v).ok());
            let (input, output) = (self.body(member("input")), self.body(member("output")));
            let about = self.body(member("about"));
            let (step, kind) = (step.name.clone(), step.kind.clone());
            self.emit(FactKind::Recalled { step, kind, input, output, error, about });
        }
        let mut chain: Vec<StepIx> = vec![target];
        let mut at = target;
        while let Some((parent, lane)) = &self.program.steps[at].parent {
            let open =
                matches!(self.program.steps[*parent].body, program::Body::If { .. } | program::Body::Switch { .. })
                    && !lane.contains("fallback");
            if !open {
                chain.clear();
            }
            chain.push(*parent);
            at = *parent;
        }
        chain.reverse();
        let mut base = StepPath(Arc::new([]));
        for (n, ix) in chain.iter().enumerate() {
            self.pass_over(&base, *ix);
            let Some(inner) = chain.get(n + 1) else { break };
            let step = &self.program.steps[*ix];
            let branch = branch_of(step, *inner);
            let path = push(&base.0, &step.name, Role::Step, 0);
            let about = match &step.body {
                program::Body::If { .. } => {
                    Value::object([("branch", Value::from(branch)), ("conditionResult", Value::Bool(branch == 0))])
                }
                _ => Value::object([("branch", Value::from(branch))]),
            };
            self.emit(FactKind::Entered {
                path: path.clone(),
                kind: step.kind.clone(),
                input: Body::Null,
                about: about.into(),
                deadline: None,
            });
            base = push(&path.0, &step.name, Role::Branch, branch);
        }
        Ok(())
    }

    /// Leaves the steps before `ix` in its block as skipped.
    fn pass_over(&mut self, base: &StepPath, ix: StepIx) {
        let block = self.block_around(ix);
        for before in block.0.iter().take_while(|i| **i != ix) {
            let step = &self.program.steps[*before];
            let (path, kind) = (push(&base.0, &step.name, Role::Step, 0), step.kind.clone());
            let (output, input) = (Body::Null, Body::Null);
            self.emit(FactKind::Left { path, status: Status::Skipped, output, error: None, kind, input });
        }
    }

    /// Asks for a slot where the workflow limits how many of it run.
    fn take_slot(&mut self, start: &Start) -> Work_<()> {
        let Some(limit) = &self.program.settings.concurrency else { return Ok(()) };
        if start.dry {
            return Ok(());
        }
        let root = self.context(&[], &limit.key.refs)?;
        let key: String = match limit.key.render(&root) {
            Ok(text) => text.chars().take(KEY_CHARS_MAX).collect(),
            Err(_) => limit.key.source.chars().take(KEY_CHARS_MAX).collect(),
        };
        let key: Arc<str> = key.into();
        if key.is_empty() || start.slots.contains(&key) {
            return Ok(());
        }
        let (strategy, max, queue_size) = (limit.strategy, limit.max, limit.queue_size);
        let effect = Effect::Slot(Box::new(SlotCommand::Take { key, strategy, max, queue_size }));
        let effect_key = EffectKey { execution: start.execution.clone(), path: StepPath(Arc::new([])), call: 0 };
        self.emit(FactKind::Asked {
            key: effect_key.clone(),
            class: Class::Internal,
            request: Box::new(effect.clone()),
            deadline: None,
            memo: Body::Null,
            closes: false,
            kind: "concurrency".into(),
            input: Body::Null,
        });
        self.effects.push((effect_key, effect));
        self.internal = true;
        Ok(())
    }

    /// The writer answered: the slot is not held, so the run waits or ends.
    pub(super) fn slot_answered(&mut self, result: Result<Body, Fault>) -> Work_<()> {
        let taken = match result {
            Ok(body) => Taken::from_value(&self.load(&body)?),
            Err(fault) => {
                self.end_run(Status::Failed, Body::Null, Some(fault), None);
                return Ok(());
            }
        };
        let Some(limit) = &self.program.settings.concurrency else { return Ok(()) };
        let (strategy, max, size, ttl) = (limit.strategy, limit.max, limit.queue_size, limit.queue_ttl);
        match taken.map(|t| t.state) {
            Some(SlotState::Queued) => {
                let queue = strategy == Strategy::Queue;
                let memo =
                    if queue { Value::object([("until", Value::Int((self.cx.now + ttl).0))]) } else { Value::Null };
                self.emit(FactKind::Waiting {
                    path: StepPath(Arc::new([])),
                    wait: Box::new(Wait::Slot(self.state.slot.clone().unwrap_or_else(|| "".into()))),
                    timer: queue.then(|| TimerId(QUEUE_TIMER.into())),
                    memo: memo.into(),
                });
            }
            _ => {
                let why = match strategy {
                    Strategy::Queue => format!("Dropped because the concurrency queue is full (queue-size: {size})"),
                    _ => format!("Dropped due to concurrency limit (max: {max})"),
                };
                self.end_run(Status::Skipped, Body::Null, None, Some(("system".into(), Some(why.into()))));
            }
        }
        Ok(())
    }

    /// The run's turn has come: its clock begins now.
    pub(super) fn slot_granted(&mut self) {
        if !self.state.queued() || self.state.ended().is_some() {
            return;
        }
        let path = StepPath(Arc::new([]));
        self.emit(FactKind::Woke { path: path.clone(), by: "slot".into(), decision: None });
        let deadline = self.program.settings.timeout.as_ref().map(|t| self.cx.now + t.length);
        let (input, about) = (Body::Null, Body::Null);
        self.emit(FactKind::Entered { path, kind: "workflow".into(), input, about, deadline });
    }

    /// Nobody made room in time.
    pub(super) fn queue_expired(&mut self) {
        let ttl = self.program.settings.concurrency.as_ref().map_or(0, |c| c.queue_ttl.ms());
        let why = format!("Expired in the concurrency queue after {} s (queue-ttl)", ttl / 1000);
        self.end_run(Status::Skipped, Body::Null, None, Some(("system".into(), Some(why.into()))));
    }
}

/// The fault of inputs that do not fit.
pub(super) fn input_fault(problems: &[program::InputError]) -> Option<Fault> {
    let first = problems.first()?;
    let all: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    let details = Value::object([("code", Value::from(first.code)), ("path", Value::from(first.path.as_str()))]);
    Some(Fault::new("InvalidInput", format!("Workflow inputs are not valid: {}", all.join(", "))).details(details))
}

/// Number of the branch of `step` that holds `inner`.
fn branch_of(step: &program::Step, inner: StepIx) -> u32 {
    match &step.body {
        program::Body::If { then, .. } => u32::from(!then.0.contains(&inner)),
        program::Body::Switch { cases, .. } => {
            let at = cases.iter().position(|(_, b)| b.0.contains(&inner)).unwrap_or(cases.len());
            u32::try_from(at).unwrap_or(u32::MAX)
        }
        _ => 0,
    }
}
