//! The state of a run: what its facts fold to.
//!
//! Invariants: folding is total: it evaluates nothing, cannot fail and needs no program; the same facts give the same state.
//! Not here: what happens next (`decide`), the journal (`store`), what people see of it (`view`).
//! Source: `design/engine.md` §1, §2.

mod fold;

use crate::core::{
    Body, Class, DecisionVerdict, Effect, EffectKey, Fact, Fault, Hop, Role, Start, Status, StepPath, Summary,
    TimerChange, TimerId, Wait,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use triage::Question;

/// Waits and delays up to this long live in memory only.
pub const SHORT_WAIT: Duration = Duration::from_secs(5);
/// Deadlines nearer than this live in memory only.
pub const SHORT_DEADLINE: Duration = Duration::from_secs(60);
/// Names in `Summary::current` at most.
const CURRENT_MAX: usize = 4;

/// What a run's facts fold to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(crate) facts: u64,
    pub(crate) start: Option<Arc<Start>>,
    pub(crate) name: Arc<str>,
    pub(crate) inputs: Body,
    pub(crate) started_at: Option<Time>,
    pub(crate) deadline: Option<Time>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) calls: Vec<CallState>,
    /// What steps left behind, outside of open branches.
    pub(crate) memory: Scope,
    /// What steps of open branches of a `parallel` left behind, by the branch's path: siblings do not see it.
    pub(crate) branches: Vec<(StepPath, Scope)>,
    pub(crate) questions: Vec<QuestionState>,
    /// Frozen actions that had their success: question and normalised path.
    pub(crate) used: BTreeSet<(Id, Arc<str>)>,
    pub(crate) ended: Option<End>,
    pub(crate) class: Class,
    pub(crate) next_payload: u64,
    /// Bytes of values so far.
    pub(crate) bytes: u64,
    /// The run's own wait (a slot, an undo's time) is over.
    pub(crate) woken: bool,
    /// The concurrency group that it asked for.
    pub(crate) slot: Option<crate::slot::GroupKey>,
}

/// What steps left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scope {
    pub steps: BTreeMap<Arc<str>, Arc<Memory>>,
    /// Outputs of `data.set` by step, in order of execution.
    pub sets: Vec<(Arc<str>, Body)>,
}

/// How the run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Status.
    pub status: Status,
    /// Output.
    pub output: Body,
    /// Error.
    pub error: Option<Fault>,
    /// When.
    pub at: Time,
    /// Who cancelled and why.
    pub cancelled: Option<(Arc<str>, Option<Arc<str>>)>,
}

/// An open scope or step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub path: StepPath,
    pub kind: Arc<str>,
    pub about: Body,
    pub deadline: Option<Time>,
    pub since: Time,
    /// Effects asked for by this start of the step.
    pub calls: u32,
    pub mode: Mode,
    /// Results of the branches of a `parallel`.
    pub results: Vec<BranchResult>,
}

/// What a frame is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Runs its steps one after the other; what was left last.
    Body(Option<Last>),
    /// A step under `on-failure` failed; a retry may be waited for.
    Failed { error: Fault, timer: Option<(TimerId, Time)>, woke: bool },
    /// Its call is out.
    Calling,
    /// Its effect was answered, the step goes on with it.
    Answered { result: Result<Body, Fault>, memo: Body },
    /// It waits.
    Waiting { wait: Box<Wait>, timer: Option<(TimerId, Time)>, memo: Body, closing: Closing },
    /// The wait ended.
    Woken { decision: Option<Box<crate::core::Decision>>, memo: Body },
}

/// Whether an expired question's row is being closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Closing {
    #[default]
    No,
    Asked,
    Closed,
    /// Somebody was faster: the decision is on its way.
    Refused,
}

/// What was left last in a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Last {
    pub name: Arc<str>,
    pub status: Status,
    pub error: Option<Fault>,
    pub jump: Jump,
}

/// What a left step does to the innermost loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jump {
    None,
    Break,
    Continue,
}

/// How a branch of a `parallel` ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BranchResult {
    pub index: u32,
    pub status: Status,
    pub started: Time,
    pub finished: Time,
    pub output: Body,
    pub error: Option<Fault>,
}

/// An effect that was asked for and has no answer yet.
#[derive(Clone, Debug, PartialEq)]
pub struct CallState {
    /// Key.
    pub key: EffectKey,
    /// Class.
    pub class: Class,
    /// The frozen effect.
    pub effect: Arc<Effect>,
    /// Where it stands.
    pub phase: Phase,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was asked for.
    pub asked_at: Time,
    /// Its scope has ended; only an answer or a settlement is still of interest.
    pub orphan: bool,
    /// What the job of the attempt that began goes by on its machine.
    pub handle: Option<Value>,
    pub(crate) deadline: Option<Time>,
    pub(crate) memo: Body,
    pub(crate) closes: bool,
    pub(crate) kind: Arc<str>,
    pub(crate) input: Body,
    pub(crate) resend: Option<(TimerId, Time)>,
}

/// Where a call stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Its row is in the outbox.
    Asked,
    /// A destructive attempt began.
    Attempting {
        /// Number.
        attempt: u32,
        /// The first byte may leave until then.
        not_after: Time,
    },
    /// Held back.
    Held {
        /// Why.
        why: Arc<str>,
    },
    /// The last attempt's outcome is unknown, or nothing was sent.
    Unanswered {
        /// What happened.
        fault: Fault,
    },
    /// A person is asked what happened.
    Settling,
}

/// What is remembered of a step's last execution.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub output: Body,
    pub error: Option<Fault>,
    pub input: Body,
    /// Scope data: branch taken, matched value …
    pub about: Body,
    pub ran: bool,
}

/// A question of this run.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionState {
    /// As it was asked.
    pub question: Arc<Question>,
    /// Where it was asked.
    pub path: StepPath,
    /// How it ended.
    pub verdict: Option<DecisionVerdict>,
}

/// Folds a fact.
pub fn evolve(state: &mut State, fact: &Fact) {
    fold::fold(state, fact);
}

impl State {
    /// Number of facts folded: the base of the next turn.
    pub const fn facts(&self) -> u64 {
        self.facts
    }
    /// True after `Started`.
    pub const fn is_started(&self) -> bool {
        self.start.is_some()
    }
    /// What started the run.
    pub fn start(&self) -> Option<&Start> {
        self.start.as_deref()
    }
    /// How it ended, if it did.
    pub const fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }
    /// Calls without an answer: their outbox rows must exist; destructive ones in `Attempting` after a restart are unknown.
    pub fn calls(&self) -> &[CallState] {
        &self.calls
    }
    /// Until when the run itself waits: an undo for its time.
    pub fn own_wait(&self) -> Option<Time> {
        match self.frame(&[]).map(|f| &f.mode) {
            Some(Mode::Waiting { wait, .. }) => match &**wait {
                Wait::Until(at) => Some(*at),
                _ => None,
            },
            _ => None,
        }
    }
    /// Questions asked so far.
    pub fn questions(&self) -> &[QuestionState] {
        &self.questions
    }
    /// The columns of the run's row.
    pub fn summary(&self) -> Summary {
        let current = self
            .frames
            .iter()
            .filter(|f| f.is_leaf())
            .take(CURRENT_MAX)
            .filter_map(|f| f.path.0.last().map(|h| h.name.clone()));
        Summary {
            status: self.status(),
            current: current.collect(),
            started_at: self.started_at,
            finished_at: self.ended.as_ref().map(|e| e.at),
            error: self.ended.as_ref().and_then(|e| e.error.clone()),
            class: self.class,
        }
    }

    /// Running while any branch can move or a call is out.
    fn status(&self) -> Status {
        if let Some(end) = &self.ended {
            return end.status;
        }
        if self.start.is_none() {
            return Status::Pending;
        }
        let mut status = None;
        for frame in self.frames.iter().filter(|f| f.is_leaf() || matches!(f.mode, Mode::Failed { .. })) {
            let now = match &frame.mode {
                Mode::Calling => match self.calls.iter().find(|c| c.key.path == frame.path) {
                    Some(c) if matches!(c.phase, Phase::Settling) => Status::WaitingForInput,
                    Some(CallState { resend: Some((_, due)), .. }) if due.since(frame.since) > SHORT_WAIT => {
                        Status::Waiting
                    }
                    _ => Status::Running,
                },
                Mode::Waiting { closing: Closing::Closed, .. } => Status::Running,
                Mode::Waiting { wait, timer, .. } => match &**wait {
                    Wait::Approval(_) | Wait::Settlement(_) => Status::WaitingForInput,
                    // Beside other branches it is one wait among others.
                    Wait::Child(_) if self.in_branch(&frame.path) => Status::Waiting,
                    Wait::Child(_) => Status::WaitingForChild,
                    Wait::Slot(_) => Status::Queued,
                    Wait::Until(due) if timer.is_some() && due.since(frame.since) > SHORT_WAIT => Status::Waiting,
                    // Inside a `parallel` every wait shows.
                    Wait::Until(_) if self.in_branch(&frame.path) => Status::Waiting,
                    Wait::Until(_) => Status::Running,
                },
                Mode::Failed { timer: Some((_, due)), woke: false, .. } if due.since(frame.since) > SHORT_WAIT => {
                    Status::Waiting
                }
                // A failed frame whose fallback runs says nothing of its own.
                Mode::Failed { .. } if self.has_open_below(&frame.path) => continue,
                _ => Status::Running,
            };
            status = Some(match (status, now) {
                (Some(Status::Running), _) | (_, Status::Running) => Status::Running,
                (Some(Status::WaitingForInput), _) | (_, Status::WaitingForInput) => Status::WaitingForInput,
                (Some(other), _) => other,
                (None, now) => now,
            });
        }
        status.unwrap_or(Status::Running)
    }

    /// All timers the run needs now; after a fold the engine sets them again.
    pub fn timers(&self) -> Vec<TimerChange> {
        let mut timers = vec![];
        if self.ended.is_some() {
            return timers;
        }
        let mut set = |id: TimerId, due: Time, durable: bool| timers.push(TimerChange::Set { id, due, durable });
        if let (Some(due), Some(from), false) = (self.deadline, self.started_at, self.queued()) {
            set(TimerId("run".into()), due, due.since(from) > SHORT_DEADLINE);
        }
        for f in &self.frames {
            // A clock that stands still wakes nobody; when it goes on it is set anew.
            if let Some(due) = f.deadline
                && !self.asks_on_its_own_below(&f.path.0)
            {
                set(deadline_timer(&f.path), due, due.since(f.since) > SHORT_DEADLINE);
            }
            match &f.mode {
                Mode::Failed { timer: Some((id, due)), woke: false, .. }
                | Mode::Waiting { timer: Some((id, due)), closing: Closing::No, .. } => {
                    set(id.clone(), *due, due.since(f.since) > SHORT_WAIT)
                }
                _ => {}
            }
        }
        for c in &self.calls {
            if let Some((id, due)) = &c.resend {
                set(id.clone(), *due, due.since(c.asked_at) > SHORT_WAIT);
            }
        }
        timers
    }

    fn in_branch(&self, path: &StepPath) -> bool {
        self.branches.iter().any(|(p, _)| path.0.starts_with(&p.0))
    }
    /// True while the run waits for a slot.
    pub(crate) fn queued(&self) -> bool {
        let wait = self.frame(&[]).map(|f| &f.mode);
        matches!(wait, Some(Mode::Waiting { wait, .. }) if matches!(&**wait, Wait::Slot(_)))
    }
    /// Calls that are out inside a `parallel`.
    pub(crate) fn branch_calls(&self) -> usize {
        self.calls.iter().filter(|c| !c.orphan && self.in_branch(&c.key.path)).count()
    }

    /// The scopes that a step at `path` reads, outermost first.
    pub(crate) fn scopes<'a>(&'a self, path: &'a [Hop]) -> impl Iterator<Item = &'a Scope> {
        std::iter::once(&self.memory)
            .chain(self.branches.iter().filter(|(p, _)| path.starts_with(&p.0)).map(|(_, s)| s))
    }
    /// What the step `name` left behind, as seen from `path`.
    pub(crate) fn memory_of(&self, path: &[Hop], name: &str) -> Option<&Arc<Memory>> {
        let local =
            self.branches.iter().rev().filter(|(p, _)| path.starts_with(&p.0)).find_map(|(_, s)| s.steps.get(name));
        local.or_else(|| self.memory.steps.get(name))
    }
    /// The scope that a step at `path` writes.
    pub(crate) fn scope_mut(&mut self, path: &[Hop]) -> &mut Scope {
        // Branches are opened outermost first, so the last match is the innermost.
        match self.branches.iter_mut().rev().find(|(p, _)| path.starts_with(&p.0)) {
            Some((_, scope)) => scope,
            None => &mut self.memory,
        }
    }
    pub(crate) fn frame(&self, path: &[Hop]) -> Option<&Frame> {
        self.frames.iter().find(|f| *f.path.0 == *path)
    }
    pub(crate) fn frame_mut(&mut self, path: &[Hop]) -> Option<&mut Frame> {
        self.frames.iter_mut().find(|f| *f.path.0 == *path)
    }
    pub(crate) fn has_open_below(&self, path: &StepPath) -> bool {
        self.frames.iter().any(|f| f.path.0.len() > path.0.len() && f.path.0.starts_with(&path.0))
    }
    pub(crate) fn call(&self, key: &EffectKey) -> Option<&CallState> {
        self.calls.iter().find(|c| c.key == *key)
    }
    /// True where a destructive step below `path` asks a person on its own: its scopes' clocks stand still.
    pub(crate) fn asks_on_its_own_below(&self, path: &[Hop]) -> bool {
        self.frames.iter().any(|f| {
            f.path.0.starts_with(path)
                && !crate::steps::asks(&f.kind)
                && matches!(&f.mode, Mode::Waiting { wait, .. } if matches!(&**wait, Wait::Approval(_)))
        }) || self.calls.iter().any(|c| matches!(c.phase, Phase::Settling) && c.key.path.0.starts_with(path))
    }
    /// True where a destructive attempt below `path` began and has no answer.
    pub(crate) fn begun_below(&self, path: &[Hop]) -> bool {
        self.calls.iter().any(|c| c.begun() && c.key.path.0.starts_with(path))
    }
}

impl CallState {
    /// True when a destructive attempt began and has no answer.
    pub const fn begun(&self) -> bool {
        matches!(self.class, Class::Destructive)
            && matches!(self.phase, Phase::Attempting { .. } | Phase::Settling | Phase::Unanswered { .. })
            && self.resend.is_none()
    }
}

impl Frame {
    pub(crate) fn last_hop(&self) -> Option<&Hop> {
        self.path.0.last()
    }
    /// The body of a branch of a `parallel`.
    pub(crate) fn is_branch_body(&self) -> bool {
        &*self.kind == "branch"
    }
    /// A step that is doing something itself.
    pub(crate) const fn is_leaf(&self) -> bool {
        matches!(self.mode, Mode::Calling | Mode::Answered { .. } | Mode::Waiting { .. } | Mode::Woken { .. })
    }
}

/// The timer of a scope's deadline.
pub(crate) fn deadline_timer(path: &StepPath) -> TimerId {
    TimerId(format!("deadline:{path}").into())
}

/// The path as text without the passes of retries: where a frozen request may run.
pub(crate) fn normal(path: &[Hop]) -> Arc<str> {
    let hops: Arc<[Hop]> = path
        .iter()
        .map(|h| if h.role == Role::Retry && h.pass > 0 { Hop { pass: 0, ..h.clone() } } else { h.clone() })
        .collect();
    StepPath(hops).to_string().into()
}
