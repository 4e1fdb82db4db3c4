//! Working a command off: what happens next, as facts and effects.
//!
//! Invariants: pure: no clock, no randomness, no I/O; the same state and command give the same turn; a command whose wait, key or attempt is
//! closed gives no facts; fuel is looked at between steps.
//! Not here: folding (`state`), committing and performing (`store`, `engine`).
//! Source: `design/engine.md` §1, §2, §8.

mod approval;
mod approvers;
mod begin;
mod child;
mod context;
mod dry;
mod effect;
mod flow;
mod iteration;
mod leaf;
mod policy;
mod undo;

use crate::catalogue::Catalogue;
use crate::core::{
    Body, Command, DecisionVerdict, Effect, EffectKey, Fact, FactKind, Fault, Hop, PAYLOAD_BYTES_MIN, PayloadRef,
    RUN_BYTES_MAX, RUN_FACTS_MAX, Role, Start, Status, StepPath, TURN_BYTES_MAX, TURN_FACTS_MAX, TimerChange, TimerId,
    Turn, Wait,
};
use crate::program::Program;
use crate::state::{Closing, Mode, Phase, State, evolve};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::question::QuestionState as RowState;

/// What `decide` may know beside program and state.
pub struct Cx<'a> {
    /// Now.
    pub now: Time,
    /// Operations and connectors of the space.
    pub catalogue: &'a Catalogue,
    /// The server's settings.
    pub env: &'a Env,
    /// Payloads of the run by number; `None` = not loaded, the answer is then `Need`.
    pub payloads: &'a dyn Fn(PayloadRef) -> Option<Arc<Value>>,
    /// How far one turn goes.
    pub fuel: Fuel,
}

/// Settings of the server that a run sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Public base URL.
    pub kibana_url: Arc<str>,
    /// `[approval] unbound`.
    pub unbound: Unbound,
    /// Limits of one run.
    pub limits: RunLimits,
}

/// Limits of one run that the server sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Workflows that call workflows, counted from a top run.
    pub composition_depth: u32,
    /// Branches of all its `parallel` steps that are open at the same time, nested ones included.
    pub branches: u32,
    /// Effects of a run inside `parallel` that are out at the same time.
    pub operations: u32,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { composition_depth: 10, branches: 2_000, operations: 256 }
    }
}

/// What happens to a destructive step that its question could only show as a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unbound {
    /// It asks on its own when it is reached.
    #[default]
    Ask,
    /// The question's yes is enough.
    Allow,
    /// Every destructive step asks, also one that no question guards: the workflow's level in the containment envelope.
    Always,
}

/// How far one turn goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuel {
    /// Facts.
    pub facts: usize,
    /// Bytes of values in facts.
    pub bytes: usize,
}

impl Default for Fuel {
    fn default() -> Self {
        Self { facts: TURN_FACTS_MAX, bytes: TURN_BYTES_MAX }
    }
}

/// A command worked off, or what is missing for it.
#[derive(Debug)]
pub enum Decided {
    /// Worked off.
    Turn(Box<Turn>),
    /// These payloads must be loaded; ask again with them.
    Need(Vec<PayloadRef>),
}

/// Works a command off.
pub fn decide(program: &Program, state: &State, command: &Command, cx: &Cx<'_>) -> Decided {
    let mut work = Work {
        program,
        cx,
        before: state.timers(),
        base: state.facts(),
        state: state.clone(),
        facts: vec![],
        effects: vec![],
        done: vec![],
        close: vec![],
        mail: vec![],
        why: None,
        heavy: 0,
        release: None,
        payloads: vec![],
        bytes: 0,
        internal: false,
    };
    let over = state.ended().is_some();
    let worked = work.handle(command).and_then(|()| work.advance()).and_then(|more| {
        work.weigh();
        if !over {
            work.report_end()?;
        }
        Ok(more)
    });
    match worked {
        Ok(more) => Decided::Turn(Box::new(work.finish(more))),
        Err(Stop(needed)) => Decided::Need(needed),
    }
}

/// Work stops because payloads are missing.
struct Stop(Vec<PayloadRef>);

type Work_<T> = Result<T, Stop>;

struct Work<'a> {
    program: &'a Program,
    cx: &'a Cx<'a>,
    before: Vec<TimerChange>,
    base: u64,
    state: State,
    facts: Vec<Fact>,
    effects: Vec<(EffectKey, Effect)>,
    done: Vec<EffectKey>,
    close: Vec<(Id, RowState)>,
    mail: Vec<(crate::core::ExecutionId, Command)>,
    /// Who cancels the run and why, for its children.
    why: Option<(Arc<str>, Option<Arc<str>>)>,
    /// Bytes of payloads that no fact has counted yet.
    heavy: u64,
    release: Option<crate::slot::GroupKey>,
    payloads: Vec<(PayloadRef, Arc<Value>)>,
    bytes: usize,
    /// An internal effect was asked for: it ends the turn.
    internal: bool,
}

impl Work<'_> {
    fn emit(&mut self, what: FactKind) {
        let fact = Fact { at: self.cx.now, what };
        evolve(&mut self.state, &fact);
        self.facts.push(fact);
        self.bytes += 96;
    }

    /// A value as a fact's body: a payload when it is large.
    fn body(&mut self, value: Value) -> Body {
        if value.is_null() {
            return Body::Null;
        }
        let size = crate::json::size(&value);
        self.bytes += size;
        if size < PAYLOAD_BYTES_MIN {
            return Body::Inline(Arc::new(value));
        }
        // Numbers go on within the turn although no fact holds this one yet.
        let number = self.payloads.last().map_or(0, |(r, _)| r.0 + 1).max(self.state.next_payload);
        self.heavy += size as u64;
        self.payloads.push((PayloadRef(number), Arc::new(value)));
        Body::Payload(PayloadRef(number))
    }

    /// A body that came in with a command, made small.
    fn shrink(&mut self, body: &Body) -> Body {
        match body {
            Body::Inline(v) => self.body((**v).clone()),
            other => other.clone(),
        }
    }

    fn load(&self, body: &Body) -> Work_<Value> {
        match body {
            Body::Null | Body::Blob(_) => Ok(Value::Null),
            Body::Inline(v) => Ok((**v).clone()),
            Body::Payload(r) => match self.payloads.iter().find(|(n, _)| n == r) {
                Some((_, v)) => Ok((**v).clone()),
                None => (self.cx.payloads)(*r).map(|v| (*v).clone()).ok_or_else(|| Stop(vec![*r])),
            },
        }
    }

    fn start(&self) -> Arc<Start> {
        // Only reached after `Started`.
        self.state.start.clone().unwrap_or_default()
    }

    fn id(&self, parts: &[&str]) -> Id {
        let start = self.start();
        let number = (self.state.facts() + self.facts.len() as u64).to_string();
        let mut all = vec![start.execution.as_str(), number.as_str()];
        all.extend(parts);
        stdx::id::uuid_v8(start.at, &all)
    }

    fn key(&self, path: &StepPath) -> EffectKey {
        let call = self.state.frame(&path.0).map_or(0, |f| f.calls);
        EffectKey { execution: self.start().execution.clone(), path: path.clone(), call }
    }

    fn handle(&mut self, command: &Command) -> Work_<()> {
        match command {
            Command::Start(start) => self.begin_run(start),
            Command::Begin { key, not_after, target, held } => {
                self.begin_attempt(key, *not_after, target, held.clone())
            }
            Command::Outcome { key, attempt, outcome } => self.outcome(key, *attempt, outcome),
            Command::Detached { key, handle } => {
                let begun = |c: &crate::state::CallState| matches!(c.phase, crate::state::Phase::Attempting { .. });
                if self.state.ended().is_none() && self.state.call(key).is_some_and(begun) {
                    self.emit(FactKind::Detached { key: key.clone(), handle: handle.clone() });
                }
                Ok(())
            }
            Command::Timer(id) => self.timer(id),
            Command::Decided(decision) => self.decided(decision),
            Command::Settled { key, verdict, by } => self.settled(key, verdict, by),
            Command::Cancel { by, reason } => {
                if self.state.is_started() && self.state.ended().is_none() {
                    self.end_run(Status::Cancelled, Body::Null, None, Some((by.clone(), reason.clone())));
                }
                Ok(())
            }
            Command::ChildEnded { key, result } => self.child_ended(key, result),
            Command::SlotGranted => {
                self.slot_granted();
                Ok(())
            }
            Command::Undo { at, .. } => {
                self.undo_at(*at);
                Ok(())
            }
            Command::Continue => Ok(()),
        }
    }

    /// Goes on as far as it goes without the outside.
    ///
    /// - returns: true when fuel ran out before that.
    fn advance(&mut self) -> Work_<bool> {
        loop {
            if self.state.ended().is_some() || !self.state.is_started() || self.internal {
                return Ok(false);
            }
            self.weigh();
            if self.state.deadline.is_some_and(|d| d <= self.cx.now) && !self.state.queued() {
                self.end_run(Status::TimedOut, Body::Null, None, None);
                return Ok(false);
            }
            if self.expire() {
                continue;
            }
            let Some(path) = self.movable() else { return Ok(false) };
            if self.facts.len() >= self.cx.fuel.facts || self.bytes >= self.cx.fuel.bytes {
                return Ok(true);
            }
            if self.state.facts() >= RUN_FACTS_MAX {
                let fault = Fault::new("RunTooLong", format!("the run has {RUN_FACTS_MAX} facts"));
                self.end_run(Status::Failed, Body::Null, Some(fault), None);
                return Ok(false);
            }
            if self.state.bytes >= RUN_BYTES_MAX {
                let fault = Fault::new("RunTooLarge", format!("the run keeps {} MiB of values", RUN_BYTES_MAX >> 20));
                self.end_run(Status::Failed, Body::Null, Some(fault), None);
                return Ok(false);
            }
            self.step(&path)?;
        }
    }

    /// Counts payloads, so that the fold alone knows how much the run keeps.
    fn weigh(&mut self) {
        let bytes = std::mem::take(&mut self.heavy);
        if bytes > 0 && self.state.ended().is_none() && self.state.is_started() {
            self.emit(FactKind::Weighed { bytes });
        }
    }

    /// A frame that can go on, oldest first.
    fn movable(&self) -> Option<StepPath> {
        let full = self.state.branch_calls() >= self.cx.env.limits.operations as usize;
        let free = |f: &crate::state::Frame| match &f.mode {
            // What would start something inside a `parallel` waits until something that is out there has ended.
            Mode::Body(None) if full && f.is_branch_body() => false,
            Mode::Body(_) if f.last_hop().is_some_and(|h| h.role == Role::Step) && self.is_parallel(f) => {
                self.parallel_can_move(f)
            }
            Mode::Body(_) => !self.state.has_open_below(&f.path),
            Mode::Failed { timer, woke, .. } => (*woke || timer.is_none()) && !self.state.has_open_below(&f.path),
            Mode::Answered { .. } | Mode::Woken { .. } => true,
            Mode::Waiting { closing, .. } => *closing == Closing::Closed,
            Mode::Calling => false,
        };
        self.state.frames.iter().find(|f| free(f)).map(|f| f.path.clone())
    }

    /// Ends the outermost scope whose time is over, unless a destructive attempt below it has begun.
    fn expire(&mut self) -> bool {
        let now = self.cx.now;
        let over = self
            .state
            .frames
            .iter()
            .filter(|f| f.deadline.is_some_and(|d| d <= now))
            .filter(|f| !self.state.begun_below(&f.path.0) && !self.state.asks_on_its_own_below(&f.path.0))
            .min_by_key(|f| f.path.0.len())
            .map(|f| f.path.clone());
        let Some(path) = over else { return false };
        self.scope_timed_out(&path);
        true
    }

    fn timer(&mut self, id: &TimerId) -> Work_<()> {
        let now = self.cx.now;
        let waiting = self.state.frames.iter().find(|f| match &f.mode {
            Mode::Waiting { timer: Some((t, due)), closing: Closing::No, .. } => t == id && *due <= now,
            Mode::Failed { timer: Some((t, due)), woke: false, .. } => t == id && *due <= now,
            _ => false,
        });
        if let Some(f) = waiting {
            let path = f.path.clone();
            if path.0.is_empty() && self.state.queued() {
                self.queue_expired();
                return Ok(());
            }
            let question = match &f.mode {
                Mode::Waiting { wait, .. } => match &**wait {
                    Wait::Approval(q) => Some(q.id.clone()),
                    _ => None,
                },
                _ => None,
            };
            match question {
                // The row is the judge: the question expires only if nobody answered it meanwhile.
                Some(id) => self.ask_internal(
                    &path,
                    triage::Command::QuestionClose { id, state: RowState::Expired },
                    Value::Null,
                    Value::Null,
                    &self.kind_at(&path),
                ),
                None => self.emit(FactKind::Woke { path, by: "timer".into(), decision: None }),
            }
            return Ok(());
        }
        let due = self.state.calls.iter().find(|c| c.resend.as_ref().is_some_and(|(t, due)| t == id && *due <= now));
        if let Some(c) = due {
            let (key, effect) = (c.key.clone(), (*c.effect).clone());
            self.emit(FactKind::Woke { path: key.path.clone(), by: "timer".into(), decision: None });
            self.effects.push((key, effect));
        }
        Ok(())
    }

    /// Ends the run: calls that may be given up are, questions are withdrawn.
    fn end_run(
        &mut self,
        status: Status,
        output: Body,
        error: Option<Fault>,
        cancelled: Option<(Arc<str>, Option<Arc<str>>)>,
    ) {
        self.why = cancelled.clone();
        self.release = self.state.slot.clone();
        self.abandon_below(&[]);
        let withdrawn: Vec<Id> = self.open_questions(&[]);
        self.close.extend(withdrawn.into_iter().map(|id| (id, RowState::Withdrawn)));
        self.emit(FactKind::Ended { status, output, error, cancelled });
    }

    /// Gives up calls at and below `path`, except destructive attempts that began.
    fn abandon_below(&mut self, path: &[Hop]) {
        let keys: Vec<EffectKey> = self
            .state
            .calls
            .iter()
            .filter(|c| !c.begun() && !c.orphan && c.key.path.0.starts_with(path))
            .map(|c| c.key.clone())
            .collect();
        for key in keys {
            // A child of this very turn starts and is cancelled: that it was wanted stays visible.
            self.effects.retain(|(k, e)| *k != key || matches!(e, Effect::Child(_)));
            self.cancel_child(&key);
            self.done.push(key.clone());
            self.emit(FactKind::Abandoned { key });
        }
    }

    fn kind_at(&self, path: &StepPath) -> Arc<str> {
        let step = path.0.last().and_then(|h| self.program.step(&h.name));
        step.map_or_else(|| "step".into(), |s| s.kind.clone())
    }

    fn open_questions(&self, below: &[Hop]) -> Vec<Id> {
        self.state
            .questions
            .iter()
            .filter(|q| q.verdict.is_none() && q.path.0.starts_with(below))
            .map(|q| q.question.id.clone())
            .collect()
    }

    fn finish(self, more: bool) -> Turn {
        let after = self.state.timers();
        let id = |t: &TimerChange| match t {
            TimerChange::Set { id, .. } | TimerChange::Clear { id } => id.clone(),
        };
        let mut timers: Vec<TimerChange> = self
            .before
            .iter()
            .filter(|t| !after.iter().any(|a| id(a) == id(t)))
            .map(|t| TimerChange::Clear { id: id(t) })
            .collect();
        timers.extend(after.into_iter().filter(|t| !self.before.contains(t)));
        Turn {
            base: self.base,
            facts: self.facts,
            effects: self.effects,
            done: self.done,
            close: self.close,
            mail: self.mail,
            release: self.release,
            timers,
            payloads: self.payloads,
            summary: self.state.summary(),
            more,
        }
    }

    fn decided(&mut self, decision: &crate::core::Decision) -> Work_<()> {
        let open = self.state.questions.iter().find(|q| q.question.id == decision.question && q.verdict.is_none());
        let Some(q) = open.filter(|_| self.state.ended().is_none()) else { return Ok(()) };
        let (path, mut question) = (q.path.clone(), q.question.clone());
        let mut strange = false;
        if let Some(actions) = &decision.actions {
            // A change touches parameters alone; anything else would run what the steps never said.
            strange = !crate::change::same_steps(&question.actions, actions);
            Arc::make_mut(&mut question).actions.clone_from(actions);
            self.bytes += crate::json::size(&stdx::json::to_value(actions));
        }
        if decision.verdict == DecisionVerdict::Void || strange || self.targets_differ(&question) {
            self.emit(FactKind::Void { question: question.id.clone() });
            return Ok(());
        }
        let own = path.0.last().and_then(|h| self.program.step(&h.name)).is_some_and(|s| !crate::steps::asks(&s.kind));
        self.emit(FactKind::Woke {
            path: path.clone(),
            by: "decided".into(),
            decision: Some(Box::new(decision.clone())),
        });
        if own {
            self.restart_clocks(&path);
        }
        Ok(())
    }

    fn settled(&mut self, key: &EffectKey, verdict: &crate::core::Settlement, by: &Arc<str>) -> Work_<()> {
        use crate::core::Settlement;
        let Some(call) = self.state.call(key).filter(|c| matches!(c.phase, Phase::Settling)).cloned() else {
            return Ok(());
        };
        let (orphan, effect, kind) = (call.orphan, (*call.effect).clone(), call.kind.clone());
        let input = match &effect {
            Effect::Call(c) => c.params.value().cloned().unwrap_or_default(),
            _ => Value::Null,
        };
        let verdict = match verdict {
            Settlement::Happened { output, note } => {
                Settlement::Happened { output: self.shrink(output), note: note.clone() }
            }
            other => other.clone(),
        };
        let undo = match &verdict {
            Settlement::Happened { output, .. } => {
                let (call, output) = (call.clone(), self.load(output)?);
                self.undoable(&call, &output)?
            }
            _ => None,
        };
        self.emit(FactKind::Settled { key: key.clone(), verdict: verdict.clone(), by: by.clone() });
        self.schedule(undo);
        match verdict {
            Settlement::Again => {
                self.restart_clocks(&key.path);
                self.effects.push((key.clone(), effect));
            }
            Settlement::Happened { output, note } => {
                self.done.push(key.clone());
                if !orphan {
                    let mut out = stdx::Object::new();
                    out.insert("settled", "happened");
                    out.insert("by", by.clone());
                    out.insert("note", note);
                    out.insert("output", self.load(&output)?);
                    self.leave_with(&key.path, &kind, Ok(Value::from(out)), input);
                }
            }
            Settlement::Skip => {
                self.done.push(key.clone());
                if !orphan {
                    let fault = Fault::new("NotRun", format!("settled by {by}: it did not run"));
                    self.leave_with(&key.path, &kind, Err(fault), input);
                }
            }
        }
        Ok(())
    }
}
