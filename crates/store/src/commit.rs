//! What the writer takes: a commit as data, and what it gives back.
//!
//! Invariants: never a closure; guards are checked before anything is applied; a failed guard takes the commit out.
//! Source: `design/engine.md` §3.

use smallvec::SmallVec;
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::command::{Refusal, Request};
use workflow::{Command, EffectKey, ExecutionId, Fact, Start, Turn};

/// A position in a log: the log's lineage and a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct LogPosition {
    /// Lineage id of the log; a log opened without its lineage starts a new one.
    pub lineage: Arc<str>,
    /// Number of the last frame worked off.
    pub number: u64,
}

/// What must hold for the commit to be taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// The run's journal ends just before `base`, and the partition's epoch is `epoch`.
    Turn {
        /// The run.
        execution: ExecutionId,
        /// Number of the turn's first fact.
        base: u64,
        /// Epoch of the owner.
        epoch: u64,
    },
    /// The follower stands at `from`.
    Follower {
        /// Which follower, for example `detector`.
        id: Arc<str>,
        /// Where it stood when the work began.
        from: LogPosition,
    },
    /// An API request with an idempotency key, one per space and caller: the first answer is given back for `ANSWER_KEPT`
    /// after it (of a run: after the run's end), `Committed::replayed` says so, and nothing is done again.
    Request {
        /// Space.
        space: Arc<str>,
        /// Key; the sender puts the caller's name in front.
        key: Arc<str>,
        /// The run that sent it, if one did.
        execution: Option<ExecutionId>,
    },
}

/// A message to a run: row number within the run and the command.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// To whom.
    pub execution: ExecutionId,
    /// Row number; given by the writer on insertion, echoed on removal.
    pub n: u64,
    /// What.
    pub command: Command,
}

/// A start that is inserted only if the alert of the same commit was inserted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewStart {
    /// The start; becomes an execution row in state `pending` and a mailbox row.
    pub start: Box<Start>,
    /// Index into `Commit::commands` of the `AlertRaise` that must have inserted; `None` is unconditional.
    pub if_inserted: Option<usize>,
}

/// Aggregates that are stored as whole documents with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noun {
    /// Workflow: `{name, description, enabled, tags, yaml, valid, diagnostics, …}`; each version is kept.
    Workflow,
    /// Detection rule: the Kibana rule object.
    Rule,
    /// Connector: config in clear, secrets as sealed text.
    Connector,
    /// User: name, roles, password hash.
    User,
    /// API key: id, name, owner, hash of the secret.
    ApiKey,
    /// Session of the web page.
    Session,
    /// Settings of a space by name (case configuration …).
    Setting,
    /// Passkey: whose, name, public key, count of signatures.
    Passkey,
}

impl Noun {
    /// The noun of a word; `None` for any other word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [
            Self::Workflow,
            Self::Rule,
            Self::Connector,
            Self::User,
            Self::ApiKey,
            Self::Session,
            Self::Setting,
            Self::Passkey,
        ];
        all.into_iter().find(|n| n.as_str() == word)
    }
    /// Word used in tables, audit and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Rule => "rule",
            Self::Connector => "connector",
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Session => "session",
            Self::Setting => "setting",
            Self::Passkey => "passkey",
        }
    }
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// What it is.
    pub noun: Noun,
    /// Space; `*` for users, keys, sessions.
    pub space: Arc<str>,
    /// Id.
    pub id: Id,
    /// Version that must be current: `Some(0)` = must not exist, `None` = any.
    pub expect: Option<u64>,
    /// New body; `None` deletes.
    pub body: Option<Value>,
    /// Who changes it.
    pub by: triage::Actor,
    /// What the audit says, for example `rule.update`; details are the changed keys, never secrets.
    pub action: Arc<str>,
}

/// A summary window of a rule action (several alerts, one run).
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryAdd {
    /// Rule id.
    pub rule: Id,
    /// Action uuid.
    pub action: Arc<str>,
    /// When the window closes if this alert opens it.
    pub due: Time,
    /// The start as it will be when the window closes, without alerts.
    pub template: Box<Start>,
    /// Alert id.
    pub alert: Id,
    /// Index into `Commit::commands` of the `AlertRaise`.
    pub if_inserted: usize,
}

/// A unit of the database.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Time of the commit, given by the sender.
    pub now: Time,
    /// What must hold.
    pub guards: SmallVec<[Guard; 2]>,
    /// A turn; `base` 0 creates the execution row.
    pub turn: Option<(ExecutionId, Arc<Turn>)>,
    /// Epoch and partition are checked through `Guard::Turn`; triage commands of API, detector and jobs.
    pub commands: Vec<Request>,
    /// Independent: a refused command or document does not refuse the others (detector, slices). Else all or nothing, and a
    /// refusal comes back as `Error::Refused`.
    pub independent: bool,
    /// Documents.
    pub records: Vec<RecordChange>,
    /// New runs by mailbox.
    pub starts: Vec<NewStart>,
    /// Alerts for summary windows.
    pub summaries: Vec<SummaryAdd>,
    /// Summary windows that are closed by this commit (rule, action): their run is in `starts`.
    pub summaries_done: Vec<(Id, Arc<str>)>,
    /// Messages to runs.
    pub mailbox_add: Vec<(ExecutionId, Command)>,
    /// Messages worked off by this turn.
    pub mailbox_done: Vec<(ExecutionId, u64)>,
    /// Outbox rows that go besides those of the turn.
    pub outbox_done: Vec<EffectKey>,
    /// Changes of the containment envelope, each with who asks.
    pub envelope: Vec<(triage::Actor, crate::envelope::EnvelopeChange)>,
    /// Destructive attempts that begin with this turn.
    pub attempts: Vec<crate::envelope::AttemptRow>,
    /// New position of a follower.
    pub position: Option<(Arc<str>, LogPosition)>,
}

/// One change of the numbered feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedRecord {
    /// Number in the feed, from 1, without gaps; 0 for progress of a run that is shown and not kept (its status stayed).
    pub n: u64,
    /// When.
    pub at: Time,
    /// Commit number within the stream.
    pub commit: u64,
    /// Number within the commit.
    pub index: u32,
    /// `alert`, `case`, `question`, `execution`, `rule`, `workflow`, `connector` …
    pub topic: Arc<str>,
    /// Space.
    pub space: Arc<str>,
    /// Id of what changed.
    pub id: Id,
    /// Version after the change.
    pub version: u64,
    /// Creation, change or deletion.
    pub kind: FeedKind,
    /// Changed members where they are small, for example `{status, was}`; else null.
    pub changed: Value,
    /// The run that changed it, if one did.
    pub execution: Option<Id>,
    /// Who changed it.
    pub by: Arc<str>,
}

/// What happened to what a feed record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Deleted,
}

/// What a commit gave.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Number of the commit in its stream; 0 when nothing was written (an answer given back).
    pub number: u64,
    /// True when this is the first answer given back, `results` and `records` are those of then.
    pub replayed: bool,
    /// One result per command.
    pub results: Vec<Result<Value, Refusal>>,
    /// One result per document: the new version.
    pub records: Vec<Result<u64, Refusal>>,
    /// The `Answered` fact that the writer added for the turn's internal effect; the run's journal then ends one later.
    pub answered: Option<Fact>,
    /// The payload that `answered` refers to, where its result was large.
    pub payload: Option<(workflow::PayloadRef, Arc<Value>)>,
    /// Runs that were inserted (by `starts`, `if_inserted` held) or got mail.
    pub woken: Vec<ExecutionId>,
    /// Changes, for the stream to the page and for followers.
    pub feed: Vec<FeedRecord>,
}
