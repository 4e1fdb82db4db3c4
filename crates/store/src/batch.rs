//! What a batch has loaded and will write: every table as rows with a log, so that one commit can be taken back alone.
//!
//! Invariants: `rollback` restores exactly the state of its mark, lists included; nothing here touches the database.
//! Not here: loading (`writer::load`), writing (`writer::write`).

use crate::commit::{FeedRecord, LogPosition, Noun};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::Rows;
use triage::rows::Table;
use workflow::{Class, Command, Fault, Start, Status};

/// Hash of a journal or of the audit chain.
pub type Digest = [u8; 32];

/// The head of a run as the writer needs it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Space.
    pub space: Arc<str>,
    /// On whose behalf.
    pub principal: Arc<str>,
    /// Partition of its root.
    pub partition: u8,
    /// Root of its tree.
    pub root: Id,
    /// Name of its workflow, once known.
    pub name: Option<Arc<str>>,
    /// State.
    pub status: Status,
    /// Worst class so far.
    pub class: Class,
    /// Names of the current steps.
    pub current: Vec<Arc<str>>,
    /// Start.
    pub started: Option<Time>,
    /// End.
    pub finished: Option<Time>,
    /// Error.
    pub error: Option<Fault>,
    /// Number of the next fact.
    pub facts: u64,
    /// `base` of the last journal row.
    pub last: u64,
    /// Digest of the last journal row.
    pub digest: Digest,
    /// Number of the last mail.
    pub mail: u64,
    /// State in the database; an index hangs on it, so it is written only when it differs.
    pub stored: Status,
    /// How it started, for a run that is not stored yet.
    pub new: Option<Arc<Start>>,
}

/// A stored document.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Version, from 1.
    pub version: u64,
    /// Creation.
    pub created: Time,
    /// By whom.
    pub created_by: Arc<str>,
    /// Last change.
    pub updated: Time,
    /// By whom.
    pub updated_by: Arc<str>,
    /// Body.
    pub body: Value,
}

/// A summary window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Space.
    pub space: Arc<str>,
    /// When its first alert came.
    pub opened: Time,
    /// When it closes.
    pub due: Time,
    /// Alerts so far; beyond `SUMMARY_ALERTS_MAX` only counted.
    pub count: u64,
    /// Their ids.
    pub alerts: Vec<Id>,
    /// The start without alerts.
    pub template: Arc<Start>,
}

/// A place in a concurrency group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// Run.
    pub execution: Id,
    /// Root of its tree.
    pub root: Id,
    /// Held, else queued.
    pub held: bool,
    /// Order.
    pub n: i64,
    /// Slots of the group as this run counts.
    pub max: u32,
}

/// A concurrency group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// In order.
    pub rows: Vec<SlotRow>,
}

/// An answer kept for its idempotency key: JSON of results and records.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The run that asked.
    pub execution: Option<Id>,
    /// When.
    pub at: Time,
    /// `{results, records}`.
    pub body: Arc<str>,
}

/// A row of the outbox.
#[derive(Clone, Debug)]
pub struct Out {
    /// Space.
    pub space: Arc<str>,
    /// Lane.
    pub lane: Arc<str>,
    /// Class.
    pub class: Class,
    /// Due.
    pub due: Time,
    /// Give up at.
    pub deadline: Option<Time>,
    /// `base` of the journal row with the frozen request.
    pub base: u64,
    /// True where the row was removed before in this batch, so that this is a first time again.
    pub fresh: bool,
    /// How often this batch put it here before.
    pub again: u32,
}

/// A journal row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Run.
    pub execution: Id,
    /// First number.
    pub base: u64,
    /// Count.
    pub count: u64,
    /// Time of the commit.
    pub at: Time,
    /// Chained digest.
    pub digest: Digest,
    /// Version byte and JSON.
    pub facts: Vec<u8>,
}

/// A payload row.
#[derive(Clone, Debug)]
pub struct Load {
    /// Run.
    pub execution: Id,
    /// Number.
    pub n: u64,
    /// Journal row it came with.
    pub base: u64,
    /// JSON text.
    pub body: Arc<str>,
}

/// An entry of the audit trail before it gets its number.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Space.
    pub space: Arc<str>,
    /// When.
    pub at: Time,
    /// Who.
    pub by: triage::Actor,
    /// What.
    pub action: Arc<str>,
    /// Noun of what it is about.
    pub noun: Arc<str>,
    /// Its id.
    pub id: Id,
    /// Body that may be erased.
    pub body: Value,
    /// `base` and digest of the run's journal row at that moment.
    pub run: Option<(u64, Digest)>,
}

/// A version of a document to keep.
#[derive(Clone, Debug)]
pub struct KeptVersion {
    /// Noun, space, id.
    pub key: (Noun, Arc<str>, Id),
    /// The record at that version.
    pub record: Arc<Record>,
}

/// Everything loaded and changed by a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Alerts, cases, attachments, questions.
    pub rows: Rows,
    /// Runs.
    pub runs: Table<Id, Run>,
    /// Documents.
    pub records: Table<(Noun, Arc<str>, Id), Record>,
    /// Followers.
    pub followers: Table<Arc<str>, LogPosition>,
    /// Kept answers by (space, key).
    pub answers: Table<(Arc<str>, Arc<str>), Kept>,
    /// Summary windows by (rule, action).
    pub windows: Table<(Id, Arc<str>), Window>,
    /// Concurrency groups by (space, key).
    pub groups: Table<(Arc<str>, Arc<str>), Group>,
    /// Outbox by (run, path, call).
    pub outbox: Table<(Id, Arc<str>, u32), Out>,
    /// Timers by (run, id).
    pub timers: Table<(Id, Arc<str>), (Arc<str>, Time)>,
    /// Mail by (run, n): space, time, command.
    pub mailbox: Table<(Id, u64), (Arc<str>, Time, Command)>,
    /// Runs whose timers all go.
    pub timers_cleared: Vec<Id>,
    /// Journal rows.
    pub journal: Vec<Row>,
    /// Payloads.
    pub payloads: Vec<Load>,
    /// (alert, run) pairs.
    pub run_alerts: Vec<(Id, Id, Arc<str>)>,
    /// Versions of documents.
    pub versions: Vec<KeptVersion>,
    /// Kept feed records with their commit's time.
    pub feed: Vec<FeedRecord>,
    /// Audit entries.
    pub audit: Vec<Entry>,
    /// Changes of the envelope: when, by whom, what.
    pub envelope: Vec<(Time, Arc<str>, crate::envelope::EnvelopeChange)>,
    /// Destructive attempts that began.
    pub attempts: Vec<crate::envelope::AttemptRow>,
    /// Commits so far in the stream.
    pub commits: u64,
    /// Feed records so far.
    pub feed_n: u64,
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    rows: triage::rows::Mark,
    tables: [usize; 9],
    lists: [usize; 9],
    numbers: [u64; 2],
}

impl Mark {
    /// Mark of the triage rows.
    pub const fn rows(&self) -> triage::rows::Mark {
        self.rows
    }
    /// Mark of the runs.
    pub const fn runs(&self) -> usize {
        self.tables[0]
    }
    /// Mark of the envelope's changes.
    pub const fn envelope(&self) -> usize {
        self.lists[7]
    }
    /// Mark of the documents.
    pub const fn records(&self) -> usize {
        self.tables[1]
    }
}

impl Batch {
    /// A point to go back to.
    pub fn mark(&self) -> Mark {
        Mark {
            rows: self.rows.mark(),
            tables: [
                self.runs.mark(),
                self.records.mark(),
                self.followers.mark(),
                self.answers.mark(),
                self.windows.mark(),
                self.outbox.mark(),
                self.timers.mark(),
                self.mailbox.mark(),
                self.groups.mark(),
            ],
            lists: [
                self.timers_cleared.len(),
                self.journal.len(),
                self.payloads.len(),
                self.run_alerts.len(),
                self.versions.len(),
                self.feed.len(),
                self.audit.len(),
                self.envelope.len(),
                self.attempts.len(),
            ],
            numbers: [self.commits, self.feed_n],
        }
    }
    /// Takes back everything since `mark`.
    pub fn rollback(&mut self, mark: Mark) {
        self.rows.rollback(mark.rows);
        self.runs.rollback(mark.tables[0]);
        self.records.rollback(mark.tables[1]);
        self.followers.rollback(mark.tables[2]);
        self.answers.rollback(mark.tables[3]);
        self.windows.rollback(mark.tables[4]);
        self.outbox.rollback(mark.tables[5]);
        self.timers.rollback(mark.tables[6]);
        self.mailbox.rollback(mark.tables[7]);
        self.groups.rollback(mark.tables[8]);
        self.timers_cleared.truncate(mark.lists[0]);
        self.journal.truncate(mark.lists[1]);
        self.payloads.truncate(mark.lists[2]);
        self.run_alerts.truncate(mark.lists[3]);
        self.versions.truncate(mark.lists[4]);
        self.feed.truncate(mark.lists[5]);
        self.audit.truncate(mark.lists[6]);
        self.envelope.truncate(mark.lists[7]);
        self.attempts.truncate(mark.lists[8]);
        self.commits = mark.numbers[0];
        self.feed_n = mark.numbers[1];
    }
}
