//! The writer: takes commits, applies them in order, writes the net effect in one transaction.
//!
//! Invariants: load–apply–write; a commit is all or nothing; a failed guard, a refusal or a panic takes out that commit alone;
//! constraint errors are retried one by one, full disk and I/O errors fail the batch; results are given only after COMMIT.
//! Not here: the thread and the queue (`store`), transitions (`triage`), turns (`writer::turn`).
//! Source: `design/engine.md` §3.

mod feed;
mod load;
mod parts;
mod slot;
mod turn;
pub mod upkeep;
mod write;

pub(crate) use load::record_read;
pub use turn::{fault_of, partition_of};

use crate::batch::{Batch, Digest, Entry, Mark};
use crate::commit::{Commit, Committed, Guard};
use crate::error::Error;
use crate::reader::Reader;
use crate::schema::{self, MIGRATIONS};
use crate::secret::Keys;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stdx::{Duration, Id, Time, Value};
use triage::command::{Refusal, RefusalKind, Request};
use workflow::JOURNAL_VERSION;

/// Key of `meta` that stands until a start has looked at every run that waits.
pub const CONTINUE_ALL: &str = "continue all";
/// Partitions of executions.
pub const PARTITIONS: u16 = 256;
/// How long an answer is kept for its idempotency key.
pub const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Most alerts that a summary window names; the rest is counted.
pub const SUMMARY_ALERTS_MAX: usize = 1000;
/// Payload numbers that the writer gives: this and the number of the `Answered` fact, so that they never meet those of `decide`.
pub const ANSWER_PAYLOAD_BASE: u64 = 1 << 40;

/// A commit with its facts serialised, which the sender's thread does.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) commit: Commit,
    /// Version byte and JSON array; empty without facts.
    pub(crate) facts: Vec<u8>,
    /// Payloads as text.
    pub(crate) payloads: Vec<(u64, Arc<str>)>,
    /// Estimate of its size, for the limit of a batch.
    pub(crate) bytes: usize,
}

impl Prepared {
    /// Serialises the facts and payloads of `commit`; values of more than [`crate::blob::BLOB_BYTES_MIN`] become files of the folder.
    ///
    /// - errors: a blob cannot be written.
    pub fn with_blobs(commit: Commit, dir: &std::path::Path) -> Result<Self, Error> {
        let mut prepared = Self::new(commit);
        for (_, text) in &mut prepared.payloads {
            if text.len() > crate::blob::BLOB_BYTES_MIN {
                prepared.bytes = prepared.bytes.saturating_sub(text.len());
                *text = crate::blob::write(dir, text)?;
            }
        }
        Ok(prepared)
    }
    /// Serialises the facts and payloads of `commit`.
    pub fn new(commit: Commit) -> Self {
        /// What a triage command or a record is taken to weigh.
        const COMMAND_BYTES: usize = 4 * 1024;
        let mut facts = Vec::new();
        let mut payloads: Vec<(u64, Arc<str>)> = Vec::new();
        if let Some((_, turn)) = &commit.turn {
            if !turn.facts.is_empty() {
                facts.reserve(512 * turn.facts.len());
                facts.push(JOURNAL_VERSION);
                serde_json::to_writer(&mut facts, &turn.facts).expect("facts are always JSON");
            }
            payloads = turn.payloads.iter().map(|(n, v)| (n.0, Arc::from(stdx::json::text(v)))).collect();
            // The digest of the journal row covers them in the order of their numbers.
            payloads.sort_by_key(|(n, _)| *n);
        }
        let bytes = facts.len()
            + payloads.iter().map(|(_, p)| p.len()).sum::<usize>()
            + COMMAND_BYTES * (commit.commands.len() + commit.records.len() + commit.starts.len())
            + 256;
        Self { commit, facts, payloads, bytes }
    }
}

/// Where the writer's stream stands.
#[derive(Clone, Debug, Default)]
struct Stream {
    commits: u64,
    feed: u64,
    audit: u64,
    link: u64,
    head: Digest,
    checkpoint: u64,
    checkpoint_at: Time,
    checkpoint_digest: Digest,
    checkpoint_link: u64,
}

/// The synchronous core: one connection that writes.
#[derive(Debug)]
pub struct Writer {
    db: Reader,
    keys: Keys,
    stream: Stream,
    epochs: Vec<u64>,
}

impl Writer {
    /// A writer on a database in memory, with the same keys every time; for simulation and tests.
    pub fn memory() -> Result<Self, Error> {
        Self::over(Connection::open_in_memory()?, Keys::fixed(), None)
    }
    /// A writer over an open connection: migrates it, then reads where the stream stands.
    pub(crate) fn over(mut conn: Connection, keys: Keys, backup: Option<&std::path::Path>) -> Result<Self, Error> {
        schema::migrate(&mut conn, MIGRATIONS, backup)?;
        let mut writer = Self { db: Reader::new(conn), keys, stream: Stream::default(), epochs: Vec::new() };
        writer.first_start()?;
        writer.stream = writer.stream_read()?;
        Ok(writer)
    }
    /// Every run that waits was looked at after the change of versions.
    ///
    /// - errors: of the database.
    pub fn continued(&mut self) -> Result<(), Error> {
        self.db.conn.execute("DELETE FROM meta WHERE key = ?1", [CONTINUE_ALL])?;
        Ok(())
    }
    /// The reads on the writer's own connection.
    pub const fn reader(&self) -> &Reader {
        &self.db
    }
    /// The keys of the data folder.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
    /// Epoch of a partition.
    pub fn epoch(&self, partition: u8) -> u64 {
        self.epochs[usize::from(partition)]
    }
    /// Raises the epoch of a partition, so that a former owner writes nothing more.
    pub fn epoch_raise(&mut self, partition: u8) -> Result<u64, Error> {
        self.db.conn.execute("UPDATE partition SET epoch = epoch + 1 WHERE id = ?1", [partition])?;
        self.epochs[usize::from(partition)] += 1;
        Ok(self.epoch(partition))
    }

    fn first_start(&mut self) -> Result<(), Error> {
        let conn = &self.db.conn;
        let lineage = hex::encode(&random()?[..8]);
        conn.execute("INSERT OR IGNORE INTO meta VALUES ('lineage', ?1)", [lineage])?;
        conn.execute("INSERT OR REPLACE INTO meta VALUES ('audit key', ?1)", [self.keys.audit_key()])?;
        let known: u16 = conn.query_row("SELECT count(*) FROM partition", [], |r| r.get(0))?;
        if known < PARTITIONS {
            let txn = conn.unchecked_transaction()?;
            for p in 0..PARTITIONS {
                txn.execute("INSERT OR IGNORE INTO partition VALUES (?1, NULL, 1)", [p])?;
            }
            txn.commit()?;
        }
        let mut statement = conn.prepare("SELECT epoch FROM partition ORDER BY id")?;
        self.epochs = statement.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn stream_read(&self) -> Result<Stream, Error> {
        use rusqlite::OptionalExtension as _;
        let conn = &self.db.conn;
        let mut stream =
            conn.query_row("SELECT commits, feed, audit, link, head FROM stream WHERE id = 0", [], |r| {
                Ok(Stream {
                    commits: r.get(0)?,
                    feed: r.get(1)?,
                    audit: r.get(2)?,
                    link: r.get(3)?,
                    head: r.get(4)?,
                    ..Stream::default()
                })
            })?;
        let last = conn
            .query_row("SELECT n, at, heads, previous, key FROM checkpoint ORDER BY n DESC LIMIT 1", [], |r| {
                Ok((
                    r.get::<_, u64>(0)?,
                    r.get::<_, i64>(1)?,
                    r.get::<_, String>(2)?,
                    r.get::<_, Vec<u8>>(3)?,
                    r.get::<_, String>(4)?,
                ))
            })
            .optional()?;
        if let Some((n, at, heads, previous, key)) = last {
            let text = crate::audit::checkpoint_text(n, Time(at), &heads, &previous, &key);
            stream.checkpoint = n;
            stream.checkpoint_at = Time(at);
            stream.checkpoint_digest = crate::audit::body_digest(&[], &text);
            stream.checkpoint_link = stream.link;
        }
        Ok(stream)
    }

    /// Applies commits in order, as one group. One result per commit.
    pub fn apply(&mut self, batch: Vec<Commit>) -> Vec<Result<Committed, Error>> {
        let prepared: Vec<Prepared> = batch.into_iter().map(Prepared::new).collect();
        self.apply_prepared(&prepared)
    }
    /// Applies one commit.
    pub fn apply_one(&mut self, commit: Commit) -> Result<Committed, Error> {
        self.apply_prepared(&[Prepared::new(commit)]).pop().unwrap_or(Err(Error::Closed))
    }
    /// Applies prepared commits in order, as one group.
    pub fn apply_prepared(&mut self, batch: &[Prepared]) -> Vec<Result<Committed, Error>> {
        let refs: Vec<&Prepared> = batch.iter().collect();
        match self.attempt(&refs) {
            Ok(results) => results,
            Err(Error::Constraint(_)) if batch.len() > 1 => {
                // Someone in the group breaks a constraint: each goes alone, so that only the guilty one fails.
                refs.iter()
                    .map(|p| self.attempt(&[p]).and_then(|mut r| r.pop().unwrap_or(Err(Error::Closed))))
                    .collect()
            }
            Err(e) => batch.iter().map(|_| Err(e.clone())).collect(),
        }
    }

    fn attempt(&mut self, batch: &[&Prepared]) -> Result<Vec<Result<Committed, Error>>, Error> {
        self.db.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        match self.within(batch) {
            Ok((results, Some(stream))) => {
                match self.db.conn.prepare_cached("COMMIT").and_then(|mut s| s.execute([])) {
                    Ok(_) => {
                        self.stream = stream;
                        Ok(results)
                    }
                    Err(e) => {
                        self.roll_back();
                        Err(e.into())
                    }
                }
            }
            Ok((results, None)) => {
                self.roll_back();
                Ok(results)
            }
            Err(e) => {
                self.roll_back();
                Err(e)
            }
        }
    }

    fn roll_back(&self) {
        // SQLite has rolled back by itself after some errors; then this one says so and nothing is lost.
        if !self.db.conn.is_autocommit()
            && let Err(e) = self.db.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(error = %e, "rollback failed");
        }
    }

    /// The batch inside its transaction; with `None` there is nothing to commit.
    #[allow(clippy::type_complexity, reason = "results per commit, and the stream after them")]
    fn within(&mut self, batch: &[&Prepared]) -> Result<(Vec<Result<Committed, Error>>, Option<Stream>), Error> {
        let mut b = Batch { commits: self.stream.commits, feed_n: self.stream.feed, ..Batch::default() };
        let mut results = Vec::with_capacity(batch.len());
        let mut now = Time(i64::MIN);
        for p in batch {
            now = now.max(p.commit.now);
            let mark = b.mark();
            let result = catch_unwind(AssertUnwindSafe(|| self.one(&mut b, p, mark))).unwrap_or_else(|panic| {
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                Err(Error::Panicked(text.unwrap_or("panic").to_owned()))
            });
            match result {
                Err(e) if e.is_world() => return Err(e),
                Err(e) => {
                    b.rollback(mark);
                    results.push(Err(e));
                }
                Ok(committed) => results.push(Ok(committed)),
            }
        }
        if b.commits == self.stream.commits {
            return Ok((results, None));
        }
        let stream = write::all(&self.db.conn, &b, &self.keys, &self.stream, now)?;
        Ok((results, Some(stream)))
    }

    /// One commit on the batch. On an error the caller rolls back to `mark`.
    fn one(&self, b: &mut Batch, p: &Prepared, mark: Mark) -> Result<Committed, Error> {
        let conn = &self.db.conn;
        let commit = &p.commit;
        let mut out = Committed::default();
        let mut kept = None;
        for guard in &commit.guards {
            match guard {
                Guard::Turn { execution, base, epoch } => self.guard_turn(b, execution, *base, *epoch)?,
                Guard::Follower { id, from } => {
                    load::follower(conn, b, id)?;
                    let found = b.followers.get(id).map(|p| (**p).clone()).unwrap_or_default();
                    if found != *from && !(found.number == 0 && found.lineage.is_empty() && from.number == 0) {
                        return Err(Error::Guard {
                            guard: "follower",
                            found: format!("{}:{}", found.lineage, found.number),
                        });
                    }
                }
                Guard::Request { space, key, execution } => {
                    load::answer(conn, b, space, key)?;
                    if let Some(answer) = b.answers.get(&(space.clone(), key.clone())) {
                        return parts::answer_read(answer);
                    }
                    kept = Some((space.clone(), key.clone(), execution.clone()));
                }
            }
        }
        b.commits += 1;
        out.number = b.commits;
        let mut run_entry = Vec::new();
        if let Some((execution, turn)) = &commit.turn {
            self.turn(b, p, execution, turn, &mut out, &mut run_entry)?;
        }
        for (i, request) in commit.commands.iter().enumerate() {
            let result = self.command(b, commit.now, request, None, &mut out.woken)?;
            if let Err(refusal) = &result
                && !commit.independent
            {
                return Err(Error::Refused { index: i, refusal: refusal.clone() });
            }
            out.results.push(result);
        }
        self.parts(b, commit, &mut out)?;
        b.audit.extend(run_entry);
        if let Some((space, key, execution)) = kept {
            parts::answer_keep(b, commit.now, (space, key), execution, &out);
        }
        for (by, change) in &commit.envelope {
            let (action, noun, id, body) = change.audit();
            b.audit.push(Entry {
                space: change.space().clone(),
                at: commit.now,
                by: by.clone(),
                action: action.into(),
                noun: noun.into(),
                id,
                body,
                run: None,
            });
            b.envelope.push((commit.now, by.user.clone(), change.clone()));
        }
        b.attempts.extend(commit.attempts.iter().cloned());
        feed::collect(b, mark, commit.now, &changer(b, commit), &mut out);
        Ok(out)
    }

    fn guard_turn(&self, b: &mut Batch, execution: &Id, base: u64, epoch: u64) -> Result<(), Error> {
        load::run(&self.db.conn, b, execution)?;
        let Some(run) = b.runs.get(execution) else {
            return if base == 0 { Ok(()) } else { Err(Error::Guard { guard: "run", found: "no such run".into() }) };
        };
        if run.facts != base {
            return Err(Error::Guard { guard: "turn", found: run.facts.to_string() });
        }
        let found = self.epoch(run.partition);
        if found != epoch {
            return Err(Error::Guard { guard: "epoch", found: found.to_string() });
        }
        Ok(())
    }

    /// Works one triage command off, with its key, its audit entry and the mail that a decision sends.
    ///
    /// `run` is the journal row's (base, digest) for the audit entry of an internal effect; it is filled in by the caller.
    fn command(
        &self,
        b: &mut Batch,
        now: Time,
        request: &Request,
        run: Option<(u64, Digest)>,
        woken: &mut Vec<Id>,
    ) -> Result<Result<Value, Refusal>, Error> {
        let conn = &self.db.conn;
        if let Some(key) = &request.key {
            load::answer(conn, b, &request.space, key)?;
            if let Some(answer) = b.answers.get(&(request.space.clone(), key.clone())) {
                let answer = parts::answer_read(answer)?;
                return Ok(answer.results.into_iter().next().unwrap_or(Ok(Value::Null)));
            }
        }
        if let Some(refusal) = self.principal_refused(b, request)? {
            return Ok(Err(refusal));
        }
        for round in 0..triage::ROUNDS {
            let keys = triage::reads(request, &b.rows, round);
            load::keys(conn, b, keys)?;
        }
        let mark = b.rows.mark();
        let audit = b.audit.len();
        let result = triage::apply(&mut b.rows, now, request);
        let value = match result {
            Ok(value) => value,
            Err(refusal) => {
                b.rows.rollback(mark);
                return Ok(Err(refusal));
            }
        };
        let note = matches!(request.command, triage::Command::Note { .. });
        if note || b.rows.mark().tables != mark.tables {
            for (action, (noun, id), body) in triage::audits(request, &b.rows) {
                let (action, noun): (Arc<str>, Arc<str>) = match &request.command {
                    triage::Command::Note { action, of, .. } => (action.clone(), of.0.clone()),
                    _ => (action.into(), noun.into()),
                };
                b.audit.push(Entry {
                    space: request.space.clone(),
                    at: now,
                    by: request.by.clone(),
                    action,
                    noun,
                    id,
                    body,
                    run,
                });
            }
        }
        if let Err(refusal) = self.decided(b, now, request, woken)? {
            b.rows.rollback(mark);
            b.audit.truncate(audit);
            return Ok(Err(refusal));
        }
        if let Some(key) = &request.key {
            let out = Committed { results: vec![Ok(value.clone())], ..Committed::default() };
            parts::answer_keep(b, now, (request.space.clone(), key.clone()), request.by.execution.clone(), &out);
        }
        Ok(Ok(value))
    }

    /// A disabled user's run stops at its next internal effect.
    fn principal_refused(&self, b: &mut Batch, request: &Request) -> Result<Option<Refusal>, Error> {
        if request.by.execution.is_none() {
            return Ok(None);
        }
        let (noun, space, id) = (crate::commit::Noun::User, Arc::from("*"), Id(request.by.user.clone()));
        load::record(&self.db.conn, b, noun, &space, &id)?;
        let disabled = b
            .records
            .get(&(noun, space, id))
            .is_some_and(|r| r.body.get("enabled").and_then(Value::as_bool) == Some(false));
        Ok(disabled
            .then(|| Refusal::new(RefusalKind::Forbidden, format!("the user `{}` is disabled", request.by.user))))
    }
}

/// Who is behind a commit: its run, else whoever sent its first change.
fn changer(b: &Batch, commit: &Commit) -> feed::Changer {
    if let Some((execution, _)) = &commit.turn {
        let principal = b.runs.get(execution).map(|r| r.principal.clone());
        return (principal.unwrap_or_else(|| "system".into()), Some(execution.clone()));
    }
    let by = commit.commands.first().map(|c| &c.by).or_else(|| commit.records.first().map(|r| &r.by));
    by.or_else(|| commit.envelope.first().map(|(by, _)| by))
        .map_or_else(|| ("system".into(), None), |by| (by.user.clone(), by.execution.clone()))
}

/// Random bytes of the operating system.
fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::io("random")(std::io::Error::other(e)))?;
    Ok(bytes)
}
