//! The core types of the engine: paths, keys, commands, facts, effects, turns.
//!
//! Invariants: facts describe themselves and name nodes by step name and role, never by position; kinds are append-only.
//! Not here: how they are stored (`store`), who executes calls (`engine`).
//! Source: `design/engine.md` §1, §2.

mod start;
mod undo;

pub use start::{Cause, Mode, Start};
pub use undo::{UndoStart, Undoable, undo_start, undoables};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use stdx::{Id, Time, Value};
pub use triage::ExecutionId;

/// Version byte of the journal's facts.
pub const JOURNAL_VERSION: u8 = 1;
/// Version byte of a step's memo.
pub const MEMO_VERSION: u8 = 1;
/// Values over this many bytes of JSON are payloads of their execution.
pub const PAYLOAD_BYTES_MIN: usize = 16 * 1024;
/// Facts of one turn at most, before it says `more`.
pub const TURN_FACTS_MAX: usize = 256;
/// Bytes of one turn's facts at most, before it says `more`.
pub const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Facts of one run at most; beyond it fails with a code.
pub const RUN_FACTS_MAX: u64 = 200_000;
/// Bytes of values that one run keeps at most; beyond it fails with a code.
pub const RUN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a hop stands for: the step itself or one of its wrappers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The step itself.
    Step,
    /// Step-level `if`.
    Guard,
    /// A loop, or step-level `foreach`; `index` counts iterations.
    Loop,
    /// The `timeout` wrapper.
    Timeout,
    /// The retry wrapper; `pass` counts retries.
    Retry,
    /// Fallback steps.
    Fallback,
    /// A branch of `if`, `switch` or `parallel`; `index` names it.
    Branch,
    /// Step-level `foreach`: the whole list; its iterations are `Loop` hops below it.
    Each,
}

/// One scope on the way to a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop {
    /// Step name.
    pub name: Arc<str>,
    /// Step or wrapper.
    pub role: Role,
    /// Iteration, or number of the branch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub index: u32,
    /// Retry by `on-failure`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pass: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

/// Where a step stands: every enclosing scope, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(pub Arc<[Hop]>);

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, hop) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            // Names may hold any character: `%`, `/`, `~`, `#`, `+` are percent-encoded so that equal text means equal path.
            for c in hop.name.chars() {
                match c {
                    '%' | '/' | '~' | '#' | '+' => write!(f, "%{:02x}", c as u32)?,
                    c => write!(f, "{c}")?,
                }
            }
            let role = match hop.role {
                Role::Step => "",
                Role::Guard => "~if",
                Role::Loop => "~loop",
                Role::Timeout => "~timeout",
                Role::Retry => "~retry",
                Role::Fallback => "~fallback",
                Role::Branch => "~branch",
                Role::Each => "~each",
            };
            f.write_str(role)?;
            if hop.index > 0 {
                write!(f, "#{}", hop.index)?;
            }
            if hop.pass > 0 {
                write!(f, "+{}", hop.pass)?;
            }
        }
        Ok(())
    }
}

/// The key of one effect: one key, identical bytes, over all attempts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EffectKey {
    /// The run.
    pub execution: ExecutionId,
    /// Where in it.
    pub path: StepPath,
    /// n-th effect of one start of the step.
    pub call: u32,
}

impl fmt::Display for EffectKey {
    /// `execution/path!call`: the text stored in the outbox.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}!{}", self.execution, self.path, self.call)
    }
}

impl StepPath {
    /// Reads the display form back; `None` for anything that is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Arc::new([])));
        }
        text.split('/').map(parse_hop).collect::<Option<Vec<_>>>().map(|hops| Self(hops.into()))
    }
}

fn parse_hop(text: &str) -> Option<Hop> {
    let (rest, pass) = match text.split_once('+') {
        Some((rest, n)) => (rest, n.parse().ok()?),
        None => (text, 0),
    };
    let (rest, index) = match rest.split_once('#') {
        Some((rest, n)) => (rest, n.parse().ok()?),
        None => (rest, 0),
    };
    let (name, role) = match rest.split_once('~') {
        None => (rest, Role::Step),
        Some((name, word)) => {
            let role = match word {
                "if" => Role::Guard,
                "loop" => Role::Loop,
                "timeout" => Role::Timeout,
                "retry" => Role::Retry,
                "fallback" => Role::Fallback,
                "branch" => Role::Branch,
                "each" => Role::Each,
                _ => return None,
            };
            (name, role)
        }
    };
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        plain.push(char::from(u8::from_str_radix(rest.get(at + 1..at + 3)?, 16).ok()?));
        rest = &rest[at + 3..];
    }
    plain.push_str(rest);
    Some(Hop { name: plain.into(), role, index, pass })
}

impl EffectKey {
    /// Reads the display form back, as it stands in the outbox and in a settlement's `path`.
    pub fn parse(text: &str) -> Option<Self> {
        let (execution, rest) = text.split_once('/')?;
        let (path, call) = rest.rsplit_once('!')?;
        Some(Self { execution: Id::from(execution), path: StepPath::parse(path)?, call: call.parse().ok()? })
    }
    /// The `Idempotency-Key` sent outside: SHA-256 of the key's text, 32 hex characters.
    pub fn idempotency_key(&self) -> String {
        stdx::id::sha256_hex(self.to_string().as_bytes())[..32].to_owned()
    }
}

/// A payload of an execution, stored beside its journal: number within the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PayloadRef(pub u64);

/// Bytes over 1 MiB, stored as a file beside the database: SHA-256 hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobRef(pub Arc<str>);

/// A value in a fact: inline when small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// Nothing (undefined or null).
    #[default]
    Null,
    /// The value itself.
    Inline(Arc<Value>),
    /// A payload of this execution.
    Payload(PayloadRef),
    /// A blob.
    Blob(BlobRef),
}

impl Body {
    /// True for `Null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl From<Value> for Body {
    fn from(v: Value) -> Self {
        if v.is_null() { Self::Null } else { Self::Inline(Arc::new(v)) }
    }
}

/// A rendered value whose strings are ropes; today every segment is text, secrets come with platform security.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rendered(pub RopeValue);

/// JSON with ropes for strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RopeValue {
    /// Any value without a secret inside.
    Plain(Value),
    /// A string with at least one secret segment.
    Rope {
        /// Segments in order.
        rope: Vec<Segment>,
    },
}

/// A piece of a rope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// Text.
    Text(Arc<str>),
    /// A secret by name with the operations the transport applies.
    Secret {
        /// Name.
        name: Arc<str>,
        /// Allow-listed operations in order.
        ops: Vec<Arc<str>>,
    },
}

impl Rendered {
    /// A value without secrets.
    pub const fn plain(value: Value) -> Self {
        Self(RopeValue::Plain(value))
    }
    /// The value, where no secret is inside.
    pub const fn value(&self) -> Option<&Value> {
        match &self.0 {
            RopeValue::Plain(v) => Some(v),
            RopeValue::Rope { .. } => None,
        }
    }
}

/// Effect classes, in order of severity. Shown as: no effect, inside, reads, writes, destructive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Flow and data steps.
    #[default]
    None,
    /// Our own records, exactly once.
    Internal,
    /// Asked again after a crash.
    Read,
    /// Sent again with the same key.
    Write,
    /// Never twice unasked.
    Destructive,
}

impl Class {
    /// `none internal read write destructive`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Internal => "internal",
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
        }
    }
    /// The class that a stored word names; one that is not known is taken for the gravest.
    pub fn of_word(word: &str) -> Self {
        match word {
            "none" => Self::None,
            "internal" => Self::Internal,
            "read" => Self::Read,
            "write" => Self::Write,
            _ => Self::Destructive,
        }
    }
}

/// A failure as workflows see it, and whether to try again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// `type` of the error object, for example `TimeoutError`, `ConnectorError`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Message, free of secrets.
    pub message: Arc<str>,
    /// Details.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// Whether the same bytes may succeed later.
    #[serde(default)]
    pub retry: Retry,
}

impl Fault {
    /// A fault that trying again does not mend.
    pub fn new(kind: &str, message: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), message: message.into(), details: Value::Null, retry: Retry::Never }
    }
    /// With details.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
    /// With advice about trying again.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// Not.
    #[default]
    Never,
    /// With back-off.
    Backoff,
    /// After so many milliseconds.
    After(u64),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// No byte left.
    NotSent(Fault),
    /// A definite answer.
    Answered(Result<Body, Fault>),
    /// Bytes may have left, no answer came.
    Unknown(Fault),
    /// Dry run: mock, pin or schema.
    Dry(Body),
}

/// A person's decision as it reaches a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Row of the approvals inbox.
    pub question: Id,
    /// `approved`, `rejected`, `expired`, `void`.
    pub verdict: DecisionVerdict,
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Time,
    /// Through what channel.
    pub channel: Arc<str>,
    /// Comment.
    pub comment: Option<Arc<str>>,
    /// The object that a person gave (`waitForInput`), checked against the question's schema by its row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What runs instead of what was asked first: a person changed parameters, and what this says is what the answers cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<triage::FrozenAction>>,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionVerdict {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The target changed; the run asks anew.
    Void,
}

/// How an unknown outcome was settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// It happened; the step completes with this.
    Happened {
        /// Output given by the person.
        output: Body,
        /// Note.
        note: Option<Arc<str>>,
    },
    /// Send the same bytes again.
    Again,
    /// It did not; the step fails as `NotRun`.
    Skip,
}

/// A timer of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub Arc<str>);

/// What is asked of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Begin the run.
    Start(Box<Start>),
    /// About to send the first byte of a destructive attempt: answer `Attempting` or `Held`.
    Begin {
        /// Which.
        key: EffectKey,
        /// Time until which the first byte may leave.
        not_after: Time,
        /// The connector's target now, compared with the frozen one.
        target: Value,
        /// Reason to hold it back (halt, never-touch), from rows loaded by this commit.
        held: Option<Arc<str>>,
    },
    /// An attempt ended.
    Outcome {
        /// Which.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A long job left a handle.
    Detached {
        /// Which.
        key: EffectKey,
        /// Handle.
        handle: Value,
    },
    /// A timer fired.
    Timer(TimerId),
    /// A question was decided.
    Decided(Decision),
    /// A child run ended.
    ChildEnded {
        /// Which.
        key: EffectKey,
        /// Its result.
        result: Result<Body, Fault>,
    },
    /// The slot that the run is queued for was granted (its row says `held` now).
    SlotGranted,
    /// An unknown outcome was settled.
    Settled {
        /// Which.
        key: EffectKey,
        /// How.
        verdict: Settlement,
        /// By whom.
        by: Arc<str>,
    },
    /// Cancel the run.
    Cancel {
        /// Who.
        by: Arc<str>,
        /// Why.
        reason: Option<Arc<str>>,
    },
    /// A person says when a waiting undo runs: at `at`, now where that has passed.
    Undo {
        /// When.
        at: Time,
        /// Who.
        by: Arc<str>,
    },
    /// Go on: after `more`, after an internal answer, after a restart. Adds no facts where there is nothing to do.
    Continue,
}

/// Beyond the state machine: in our own records, a child, or a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// A change of our own records; ends its turn and runs in that commit.
    Internal(Box<triage::Command>),
    /// A child run: its row and its `Start` in the mailbox are inserted by this commit. It is no row of the outbox.
    Child(Box<Start>),
    /// A slot of a concurrency group; like `Internal` it ends its turn and is answered in that commit.
    Slot(Box<crate::slot::SlotCommand>),
    /// A call to the outside, or a read of our own state.
    Call(Box<Call>),
}

/// A call as it is frozen in `Asked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Step type: `http`, `slack_api.postMessage`, `ssh.run`, `elasticsearch.search`, `kibana.request`, `ai.prompt` …
    pub operation: Arc<str>,
    /// Connector id, resolved.
    pub connector: Option<Arc<str>>,
    /// Where it goes, as the connector said when this was rendered.
    pub target: Value,
    /// Rendered parameters.
    pub params: Rendered,
    /// Class with these parameters.
    pub class: Class,
    /// Lane: connector id, or `http:host:port`, or `own`.
    pub lane: Arc<str>,
    /// Give up at.
    pub deadline: Option<Time>,
    /// Response bytes at most (`max-step-size`).
    pub bytes_max: u64,
    /// Question whose approval covers these bytes, if one does.
    pub approved_by: Option<Id>,
    /// How it is undone, where the workflow or its connector says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<triage::question::FrozenUndo>>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// A moment.
    Until(Time),
    /// A person.
    Approval(Box<triage::Question>),
    /// A child run.
    Child(ExecutionId),
    /// A slot.
    Slot(Arc<str>),
    /// A person's word on an unknown outcome.
    Settlement(EffectKey),
}

/// Terminal and other states of runs and steps; one enumeration as in Kibana.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Held back by concurrency.
    Queued,
    /// Accepted, not started.
    #[default]
    Pending,
    /// Some branch can move.
    Running,
    /// A timer over 5 s, or anything inside a parallel.
    Waiting,
    /// A person must answer.
    WaitingForInput,
    /// A child runs.
    WaitingForChild,
    /// Done.
    Completed,
    /// An error reached the top.
    Failed,
    /// Cancelled.
    Cancelled,
    /// The workflow's timeout.
    TimedOut,
    /// Guard false, or dropped.
    Skipped,
}

impl Status {
    /// True for states that do not change any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Skipped)
    }
    /// The wire word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::WaitingForInput => "waiting_for_input",
            Self::WaitingForChild => "waiting_for_child",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
        }
    }
}

/// What the journal holds. Kinds are append-only; every fact carries its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When the command that made it was worked off.
    pub at: Time,
    /// What.
    pub what: FactKind,
}

/// Kinds of facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "lowercase")]
pub enum FactKind {
    /// The run began; carries inputs after defaults.
    Started {
        /// As it was asked.
        start: Box<Start>,
        /// Workflow name.
        name: Arc<str>,
        /// Inputs after defaults.
        inputs: Body,
        /// Deadline of the whole run.
        deadline: Option<Time>,
    },
    /// A step or scope was entered; `about` is what the scope needs to go on (list, index, branch, policy, deadline).
    Entered {
        /// Where.
        path: StepPath,
        /// Step type, or the wrapper's word.
        kind: Arc<str>,
        /// Rendered input (leaf steps).
        input: Body,
        /// Scope data.
        about: Body,
        /// Deadline of the scope.
        deadline: Option<Time>,
    },
    /// A step or scope was left.
    Left {
        /// Where.
        path: StepPath,
        /// How.
        status: Status,
        /// Output.
        output: Body,
        /// Error, if it failed (also when continued).
        error: Option<Fault>,
        /// Step type, where no `Entered` said it before (leaf steps).
        #[serde(default, skip_serializing_if = "is_empty")]
        kind: Arc<str>,
        /// Rendered input, where no `Entered` or `Asked` said it before (leaf steps without an effect).
        #[serde(default, skip_serializing_if = "Body::is_null")]
        input: Body,
    },
    /// An effect was asked for, frozen.
    Asked {
        /// Key.
        key: EffectKey,
        /// Class.
        class: Class,
        /// The frozen effect.
        request: Box<Effect>,
        /// Give up at.
        deadline: Option<Time>,
        /// The step's own durable state, with its version byte.
        memo: Body,
        /// The answer is the step's result: `Answered` leaves the step, no `Left` follows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        closes: bool,
        /// Step type.
        #[serde(default, skip_serializing_if = "is_empty")]
        kind: Arc<str>,
        /// Rendered input, where the request does not show it (internal effects).
        #[serde(default, skip_serializing_if = "Body::is_null")]
        input: Body,
    },
    /// The first byte of a destructive attempt is about to leave.
    Attempting {
        /// Key.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// The first byte may leave until then.
        not_after: Time,
    },
    /// A destructive attempt was held back.
    Held {
        /// Key.
        key: EffectKey,
        /// Why.
        why: Arc<str>,
    },
    /// A long job left a handle.
    Detached {
        /// Key.
        key: EffectKey,
        /// Handle.
        handle: Value,
    },
    /// An attempt ended.
    Answered {
        /// Key.
        key: EffectKey,
        /// n-th sending.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A read or write in flight was given up; a late answer is dropped.
    Abandoned {
        /// Key.
        key: EffectKey,
    },
    /// An unknown outcome was settled.
    Settled {
        /// Key.
        key: EffectKey,
        /// How.
        verdict: Settlement,
        /// By whom.
        by: Arc<str>,
    },
    /// A step waits.
    Waiting {
        /// Where.
        path: StepPath,
        /// For what.
        wait: Box<Wait>,
        /// Timer that ends it.
        timer: Option<TimerId>,
        /// The step's own durable state.
        memo: Body,
    },
    /// A wait ended.
    Woke {
        /// Where.
        path: StepPath,
        /// By what: `timer`, `decided`, `child`, `slot`.
        by: Arc<str>,
        /// The decision, where a person decided.
        decision: Option<Box<Decision>>,
    },
    /// A question is void: the target changed.
    Void {
        /// Row.
        question: Id,
    },
    /// So many bytes of payloads were added to the run.
    Weighed {
        /// Bytes of JSON.
        bytes: u64,
    },
    /// What a step of an earlier run left: data only, nothing of it runs again.
    Recalled {
        /// Step.
        step: Arc<str>,
        /// Step type.
        kind: Arc<str>,
        /// Rendered input.
        #[serde(default, skip_serializing_if = "Body::is_null")]
        input: Body,
        /// Output.
        output: Body,
        /// Error.
        error: Option<Fault>,
        /// Scope data.
        #[serde(default, skip_serializing_if = "Body::is_null")]
        about: Body,
    },
    /// An effect happened that can be undone; with `child` the run that does it by itself started in the same commit.
    Undoable {
        /// The undo.
        undo: Box<UndoStart>,
        /// The run that waits for its time.
        child: Option<ExecutionId>,
        /// Why it cannot be carried out.
        error: Option<Fault>,
    },
    /// A line of the run's log (`console`).
    Logged {
        /// Where.
        path: StepPath,
        /// Text.
        message: Arc<str>,
        /// `info`, `warn`, `error`.
        level: Arc<str>,
    },
    /// The run ended.
    Ended {
        /// How.
        status: Status,
        /// Output.
        output: Body,
        /// Error.
        error: Option<Fault>,
        /// Who cancelled and why.
        cancelled: Option<(Arc<str>, Option<Arc<str>>)>,
    },
}

/// A change of a run's timers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimerChange {
    /// Fire `Command::Timer(id)` at `due`. `durable` false: only in memory (≤ 5 s waits, deadlines under a minute); it is
    /// found again by folding.
    Set {
        /// Which.
        id: TimerId,
        /// When.
        due: Time,
        /// A row, or the heap only.
        durable: bool,
    },
    /// Forget it.
    Clear {
        /// Which.
        id: TimerId,
    },
}

/// What the store keeps in columns of the execution, so that lists need no fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// State of the run.
    pub status: Status,
    /// Names of the steps that wait or run, for lists; at most a few.
    pub current: Vec<Arc<str>>,
    /// Start of the run.
    pub started_at: Option<Time>,
    /// End of the run.
    pub finished_at: Option<Time>,
    /// Error of the run.
    pub error: Option<Fault>,
    /// Worst class of an effect asked so far.
    pub class: Class,
}

/// A command worked off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// Number of the first fact.
    pub base: u64,
    /// Facts in order.
    pub facts: Vec<Fact>,
    /// Effects to perform after the commit; at most one `Internal` or `Slot`, and that last.
    pub effects: Vec<(EffectKey, Effect)>,
    /// Keys whose outbox rows go (answered, abandoned, unsent effects of ended scopes).
    pub done: Vec<EffectKey>,
    /// Open questions to withdraw or void in the same commit: (row, state).
    pub close: Vec<(Id, triage::question::QuestionState)>,
    /// Commands for other runs, inserted into their mailboxes by the same commit: the end of a child for its parent, a cancel for
    /// children. Bodies in them are inline. Mail for a run that does not exist is dropped.
    pub mail: Vec<(ExecutionId, Command)>,
    /// Concurrency group that the run leaves with this turn, held or queued: its rows go, and the next in line gets
    /// [`Command::SlotGranted`].
    pub release: Option<crate::slot::GroupKey>,
    /// Timers.
    pub timers: Vec<TimerChange>,
    /// Payloads that the facts refer to.
    pub payloads: Vec<(PayloadRef, Arc<Value>)>,
    /// Columns after this turn.
    pub summary: Summary,
    /// Out of fuel: a `Continue` follows.
    pub more: bool,
}
