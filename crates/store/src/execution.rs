//! Runs and what belongs to them: journal, payloads, mailbox, outbox, timers.
//!
//! Invariants: rows of the outbox, the mailbox and the timers are all that a restart needs besides the journal.
//! Not here: folding (`workflow::evolve`).

use crate::alert::Where;
use crate::error::{Error, damaged};
use crate::reader::Reader;
use crate::words;
use rusqlite::{OptionalExtension as _, Row, ToSql, params};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use workflow::{Class, Command, EffectKey, Fact, Fault, JOURNAL_VERSION, PayloadRef, Status, StepPath, TimerId};

/// Most rows of one list.
pub const EXECUTIONS_LISTED_MAX: u64 = 10_000;

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRow {
    /// Id.
    pub id: Id,
    /// Space.
    pub space: Arc<str>,
    /// Partition of its root.
    pub partition: u8,
    /// Root of its tree.
    pub root: Id,
    /// Workflow.
    pub workflow: Id,
    /// Workflow name; empty before its first turn.
    pub name: Arc<str>,
    /// Version of the workflow.
    pub version: u64,
    /// State.
    pub status: Status,
    /// `whole`, `step`, `from`.
    pub mode: Arc<str>,
    /// Dry run.
    pub dry: bool,
    /// Test run.
    pub test: bool,
    /// On whose behalf.
    pub principal: Arc<str>,
    /// `manual`, `alert`, `workflow`, `scheduled`.
    pub triggered: Arc<str>,
    /// Rule whose action started it.
    pub rule: Option<Id>,
    /// Parent effect, as text.
    pub parent: Option<Arc<str>>,
    /// Chain depth.
    pub depth: u32,
    /// When its cause arrived.
    pub arrived: Time,
    /// Start.
    pub started: Option<Time>,
    /// End.
    pub finished: Option<Time>,
    /// Worst class so far.
    pub class: Class,
    /// Names of the steps that run or wait.
    pub current: Vec<Arc<str>>,
    /// Error.
    pub error: Option<Fault>,
    /// Number of facts.
    pub facts: u64,
}

/// A mail of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct MailRow {
    /// Run.
    pub execution: Id,
    /// Number.
    pub n: u64,
    /// When it was sent.
    pub at: Time,
    /// What.
    pub command: Command,
}

/// A row of the outbox: an effect that is asked for and not done.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// Key.
    pub key: EffectKey,
    /// Space.
    pub space: Arc<str>,
    /// Lane.
    pub lane: Arc<str>,
    /// Class.
    pub class: Class,
    /// Not before.
    pub due: Time,
    /// Give up at.
    pub deadline: Option<Time>,
    /// How often it was put here.
    pub attempt: u32,
    /// First number of the journal row that put it here: with the frozen request (`Asked`), unless it was removed and sent again.
    pub base: u64,
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRow {
    /// Run.
    pub execution: Id,
    /// Which.
    pub id: TimerId,
    /// When.
    pub due: Time,
}

/// A row of the journal: the facts of one turn.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Number of the first fact.
    pub base: u64,
    /// When it was committed.
    pub at: Time,
    /// Facts.
    pub facts: Vec<Fact>,
}

/// Which runs.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Space.
    pub space: Arc<str>,
    /// Workflow.
    pub workflow: Option<Id>,
    /// Statuses; empty is all.
    pub statuses: Vec<Status>,
    /// `manual`, `alert` …; empty is all.
    pub triggered: Vec<Arc<str>>,
    /// Rule.
    pub rule: Option<Id>,
    /// Started by this alert.
    pub alert: Option<Id>,
    /// Changed this case.
    pub case: Option<Id>,
    /// Test runs alone, or none of them.
    pub test: Option<bool>,
    /// Arrived at or after.
    pub since: Option<Time>,
    /// Oldest first.
    pub ascending: bool,
    /// Rows to skip.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

/// Numbers of runs in a list's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecutionCounts {
    /// All.
    pub all: u64,
    /// Not ended.
    pub active: u64,
    /// Waiting for a person.
    pub waiting: u64,
    /// Failed or timed out.
    pub failed: u64,
}

const COLUMNS: &str = "id, space, partition, root, workflow, name, version, status, mode, dry, test, principal, triggered, rule, parent, \
     depth, arrived, started, finished, class, current, error, facts";

fn from_row(r: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    let current = r.get_ref(20)?.as_str()?;
    let error: Option<String> = r.get(21)?;
    Ok(ExecutionRow {
        id: Id(r.get(0)?),
        space: r.get(1)?,
        partition: r.get(2)?,
        root: Id(r.get(3)?),
        workflow: Id(r.get(4)?),
        name: r.get(5)?,
        version: r.get(6)?,
        status: words::status(r.get_ref(7)?.as_str()?),
        mode: r.get(8)?,
        dry: r.get(9)?,
        test: r.get(10)?,
        principal: r.get(11)?,
        triggered: r.get(12)?,
        rule: r.get::<_, Option<Arc<str>>>(13)?.map(Id),
        parent: r.get(14)?,
        depth: r.get(15)?,
        arrived: Time(r.get(16)?),
        started: r.get::<_, Option<i64>>(17)?.map(Time),
        finished: r.get::<_, Option<i64>>(18)?.map(Time),
        class: Class::of_word(r.get_ref(19)?.as_str()?),
        current: serde_json::from_str(current).unwrap_or_default(),
        error: error.and_then(|e| serde_json::from_str(&e).ok()),
        facts: r.get(22)?,
    })
}

/// Reads the facts of a journal row.
///
/// - errors: `Damaged` for an unknown version byte or fact kind: such a run is refused, nothing is skipped.
pub fn facts_parse(execution: &str, bytes: &[u8]) -> Result<Vec<Fact>, Error> {
    match bytes.split_first() {
        Some((&JOURNAL_VERSION, json)) => {
            serde_json::from_slice(json).map_err(damaged(format!("journal of {execution}")))
        }
        Some((version, _)) => Err(Error::Damaged {
            what: format!("journal of {execution}"),
            why: format!("version {version} is not known here"),
        }),
        None => Ok(Vec::new()),
    }
}

fn filter(f: &ExecutionFilter, with_statuses: bool) -> Where {
    let mut w = Where::new();
    let boxed = |v: Arc<str>| Box::new(v) as Box<dyn ToSql>;
    w.and("space = ?", [boxed(f.space.clone())]);
    if let Some(workflow) = &f.workflow {
        w.and("workflow = ?", [boxed(workflow.0.clone())]);
    }
    if with_statuses {
        w.one_of("status", &f.statuses.iter().map(|s| s.as_str()).collect::<Vec<_>>());
    }
    w.one_of("triggered", &f.triggered);
    if let Some(rule) = &f.rule {
        w.and("rule = ?", [boxed(rule.0.clone())]);
    }
    if let Some(alert) = &f.alert {
        w.and("id IN (SELECT execution FROM execution_alert WHERE alert = ?)", [boxed(alert.0.clone())]);
    }
    if let Some(case) = &f.case {
        w.and("id IN (SELECT execution FROM user_action WHERE \"case\" = ?)", [boxed(case.0.clone())]);
    }
    if let Some(test) = f.test {
        w.and("test = ?", [Box::new(test) as Box<dyn ToSql>]);
    }
    if let Some(since) = f.since {
        w.and("arrived >= ?", [Box::new(since.0) as Box<dyn ToSql>]);
    }
    w
}

impl Reader {
    /// A run.
    pub fn execution_get(&self, id: &str) -> Result<Option<ExecutionRow>, Error> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM execution WHERE id = ?1"))?;
        Ok(statement.query_row([id], from_row).optional()?)
    }
    /// Runs that match, newest first unless asked otherwise.
    pub fn execution_list(&self, f: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        let mut w = filter(f, true);
        let order = if f.ascending { "ASC" } else { "DESC" };
        let sql = format!("SELECT {COLUMNS} FROM execution WHERE {} ORDER BY id {order} LIMIT ? OFFSET ?", w.text);
        w.values.push(Box::new(f.limit.min(EXECUTIONS_LISTED_MAX)));
        w.values.push(Box::new(f.offset));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(w.params(), from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// How many runs match.
    pub fn execution_count(&self, f: &ExecutionFilter) -> Result<u64, Error> {
        let w = filter(f, true);
        let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM execution WHERE {}", w.text))?;
        Ok(statement.query_row(w.params(), |r| r.get(0))?)
    }
    /// Numbers of runs by state; the statuses of the filter do not count.
    pub fn execution_counts(&self, f: &ExecutionFilter) -> Result<ExecutionCounts, Error> {
        let w = filter(f, false);
        let sql = format!("SELECT status, count(*) FROM execution WHERE {} GROUP BY status", w.text);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(w.params())?;
        let mut counts = ExecutionCounts::default();
        while let Some(r) = rows.next()? {
            let n: u64 = r.get(1)?;
            let status = words::status(r.get_ref(0)?.as_str().unwrap_or_default());
            counts.all += n;
            counts.active += if status.is_terminal() { 0 } else { n };
            counts.waiting += if status == Status::WaitingForInput { n } else { 0 };
            counts.failed += if matches!(status, Status::Failed | Status::TimedOut) { n } else { 0 };
        }
        Ok(counts)
    }
    /// Runs that have not ended, oldest first, after `after` (empty for the first page): what a start continues.
    pub fn execution_running(&self, after: &str, limit: u64) -> Result<Vec<ExecutionRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM execution WHERE finished IS NULL AND id > ?1 ORDER BY id LIMIT ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![after, limit.min(EXECUTIONS_LISTED_MAX)], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Runs that move on their own, in the order of ids after `after`: neither ended nor waiting for a row or a message.
    pub fn execution_moving(&self, after: &str, limit: u64) -> Result<Vec<Id>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM execution WHERE finished IS NULL AND status IN ('running', 'pending') AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, limit.min(EXECUTIONS_LISTED_MAX)], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Runs with rows in the outbox, each once, in the order of ids after `after`.
    pub fn outbox_runs(&self, after: &str, limit: u64) -> Result<Vec<Id>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT DISTINCT execution FROM outbox WHERE execution > ?1 ORDER BY execution LIMIT ?2")?;
        let rows = statement.query_map(params![after, limit], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Epoch of the partition that a run belongs to.
    pub fn epoch_get(&self, partition: u8) -> Result<u64, Error> {
        let mut statement = self.conn.prepare_cached("SELECT epoch FROM partition WHERE id = ?1")?;
        Ok(statement.query_row([partition], |r| r.get(0))?)
    }
    /// The journal of a run from fact `from` on, in order.
    pub fn journal_read(&self, execution: &str, from: u64) -> Result<Vec<JournalRow>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT base, at, facts FROM journal WHERE execution = ?1 AND base >= ?2 ORDER BY base")?;
        let mut rows = statement.query(params![execution, from])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let facts = facts_parse(execution, r.get_ref(2)?.as_blob().unwrap_or_default())?;
            out.push(JournalRow { base: r.get(0)?, at: Time(r.get(1)?), facts });
        }
        Ok(out)
    }
    /// A payload of a run.
    pub fn payload_get(&self, execution: &str, n: PayloadRef) -> Result<Option<Value>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT body FROM payload WHERE execution = ?1 AND n = ?2")?;
        let body: Option<String> = statement.query_row(params![execution, n.0], |r| r.get(0)).optional()?;
        let Some(body) = body else { return Ok(None) };
        let text = match (crate::blob::of_body(&body), &self.dir) {
            (Some(hash), Some(dir)) => crate::blob::read(dir, hash)?,
            _ => body,
        };
        stdx::json::parse(&text).map(Some).map_err(damaged(format!("payload of {execution}")))
    }
    /// The chain that a run stands in: depth and the workflows visited, itself included.
    pub fn execution_chain(&self, execution: &str) -> Result<Option<(u32, Vec<Id>)>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT depth, visited FROM execution WHERE id = ?1")?;
        let row: Option<(u32, String)> = statement.query_row([execution], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        row.map(|(depth, visited)| {
            let visited = serde_json::from_str(&visited).map_err(damaged(format!("execution {execution}")))?;
            Ok((depth, visited))
        })
        .transpose()
    }
    /// Concurrency groups of a space: key, and its runs with whether they hold a slot, in order.
    pub fn slot_list(&self, space: &str) -> Result<Vec<(Arc<str>, Id, bool)>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT key, execution, state = 'held' FROM slot WHERE space = ?1 ORDER BY key, n")?;
        let rows = statement.query_map([space], |r| Ok((r.get(0)?, Id(r.get(1)?), r.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// The mail of a run, oldest first.
    pub fn mailbox_read(&self, execution: &str) -> Result<Vec<MailRow>, Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT n, at, command FROM mailbox WHERE execution = ?1 ORDER BY n")?;
        let mut rows = statement.query([execution])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let text = r.get_ref(2)?.as_str().unwrap_or_default();
            let command = serde_json::from_str(text).map_err(damaged(format!("mail of {execution}")))?;
            out.push(MailRow { execution: Id::from(execution), n: r.get(0)?, at: Time(r.get(1)?), command });
        }
        Ok(out)
    }
    /// Runs that have mail, each once: what a start wakes.
    pub fn mailbox_waiting(&self, after: &str, limit: u64) -> Result<Vec<Id>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT DISTINCT execution FROM mailbox WHERE execution > ?1 ORDER BY execution LIMIT ?2",
        )?;
        let rows = statement.query_map(params![after, limit], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// The outbox of one run.
    pub fn outbox_of(&self, execution: &str) -> Result<Vec<OutboxRow>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT execution, path, call, space, lane, class, due, deadline, attempt, base FROM outbox WHERE execution = ?1",
        )?;
        let rows = statement.query_map([execution], out_row)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(out_finish).collect()
    }
    /// Timers due at or before `until`, soonest first.
    pub fn timer_due(&self, until: Time, limit: u64) -> Result<Vec<TimerRow>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT execution, id, due FROM timer WHERE due <= ?1 ORDER BY due, execution LIMIT ?2")?;
        let rows = statement.query_map(params![until.0, limit], |r| {
            Ok(TimerRow { execution: Id(r.get(0)?), id: TimerId(r.get(1)?), due: Time(r.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Timers of one run.
    pub fn timers_of(&self, execution: &str) -> Result<Vec<TimerRow>, Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT execution, id, due FROM timer WHERE execution = ?1 ORDER BY due")?;
        let rows = statement.query_map([execution], |r| {
            Ok(TimerRow { execution: Id(r.get(0)?), id: TimerId(r.get(1)?), due: Time(r.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// The reason to hold a destructive effect back: a halt of the space, or of everything (`*`).
    pub fn halt_get(&self, space: &str) -> Result<Option<Arc<str>>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT coalesce(reason, 'halted') FROM halt WHERE space IN (?1, '*') ORDER BY at LIMIT 1",
        )?;
        Ok(statement.query_row([space], |r| r.get(0)).optional()?)
    }
    /// Never-touch entries of a space: (kind, value, reason).
    pub fn never_touch_list(&self, space: &str) -> Result<Vec<(String, String, Option<String>)>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT kind, value, reason FROM never_touch WHERE space IN (?1, '*') ORDER BY kind, value",
        )?;
        let rows = statement.query_map([space], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn out_row(r: &Row<'_>) -> rusqlite::Result<(OutboxRow, String)> {
    let path: String = r.get(1)?;
    Ok((
        OutboxRow {
            key: EffectKey { execution: Id(r.get(0)?), path: StepPath(Arc::from([])), call: r.get(2)? },
            space: r.get(3)?,
            lane: r.get(4)?,
            class: Class::of_word(r.get_ref(5)?.as_str()?),
            due: Time(r.get(6)?),
            deadline: r.get::<_, Option<i64>>(7)?.map(Time),
            attempt: r.get(8)?,
            base: r.get(9)?,
        },
        path,
    ))
}

fn out_finish((mut row, path): (OutboxRow, String)) -> Result<OutboxRow, Error> {
    row.key.path = StepPath::parse(&path).ok_or_else(|| Error::Damaged {
        what: format!("outbox of {}", row.key.execution),
        why: format!("path `{path}`"),
    })?;
    Ok(row)
}
