//! The appender: one thread that decides what each operation does, writes frames, syncs them together and answers.
//!
//! Invariants: version, result and conflict are decided here and nowhere else, in queue order; nothing is decided on what is not on disk or in
//! the same group; a group that fails leaves no trace; versions of alerts are never refused for want of room in memory.
//! Not here: bytes of the log (`wal`), what is indexed when (`indexer`).
//! Source: `design/engine.md` §5 *Index*.

use crate::error::{Error, ItemError};
use crate::frame::{Doc, FRAME_DOCS_MAX, Frame, Kind, seq_of};
use crate::index::Shared;
use crate::names;
use crate::op::{
    AlertVersion, Appended, DOC_BYTES_MAX, ID_BYTES_MAX, ItemResult, Op, OpKind, Outcome, Provenance, Update, Written,
};
use crate::period::Period;
use crate::wal::Wal;
use bytes::Bytes;
use event::{Event, Meta, timestamp};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stdx::{Id, Time, Value};

/// Most batches that share a sync.
const GROUP_BATCHES_MAX: usize = 512;
/// A group stops growing at this many bytes.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// A frame is cut before it grows beyond this, so that followers work in steady bites.
const FRAME_BYTES_SOFT: usize = 4 << 20;

/// Called with the outcome once it is on disk.
pub type Done = Box<dyn FnOnce(Result<Appended, Error>) + Send>;

/// What waits for the appender.
pub(crate) enum Task {
    /// Operations, each checked and its document parsed.
    Ops { ops: Vec<Prepared>, provenance: Provenance, bytes: usize, done: Done },
    /// Versions of alerts up to a feed position.
    Alerts { feed: u64, versions: Vec<AlertVersion>, provenance: Provenance, done: Done },
    /// A frame without documents.
    Mark { kind: Kind, done: Done },
}

/// An operation whose document was parsed by the caller's thread.
#[allow(clippy::large_enum_variant, reason = "refused operations are rare; a box for each accepted one is not")]
pub(crate) enum Prepared {
    /// Refused before it came here.
    Bad(ItemError),
    /// To be decided.
    Op { op: Op, doc: Option<(Event, Time, timestamp::Source)> },
}

impl Prepared {
    /// Checks names, sizes and the document.
    pub fn new(mut op: Op, arrival: Time) -> Self {
        match check(&mut op, arrival) {
            Ok(doc) => Self::Op { op, doc },
            Err(e) => Self::Bad(e),
        }
    }
}

type Parsed = Option<(Event, Time, timestamp::Source)>;

fn check(op: &mut Op, arrival: Time) -> Result<Parsed, ItemError> {
    names::check(&op.index).map_err(|why| ItemError::BadIndexName { name: op.index.to_string(), why })?;
    match &op.id {
        Some(id) if id.is_empty() => return Err(ItemError::BadId("if _id is specified it must not be empty".into())),
        Some(id) if id.len() > ID_BYTES_MAX => {
            let n = id.len();
            return Err(ItemError::BadId(format!("id is too long, must be no longer than 512 bytes but was: {n}")));
        }
        None if matches!(op.kind, OpKind::Update(_) | OpKind::Delete) => {
            return Err(ItemError::BadId("an id must be provided for update and delete".into()));
        }
        _ => {}
    }
    match &mut op.kind {
        OpKind::Index(raw) | OpKind::Create(raw) => {
            let raw = std::mem::take(raw);
            parse(&op.index, op.id.clone().unwrap_or_else(|| Id::from("")), raw, arrival).map(Some)
        }
        OpKind::Update(_) | OpKind::Delete => Ok(None),
    }
}

/// Parses a document and finds its time; documents of data streams get the `@timestamp` that they lack.
fn parse(index: &Arc<str>, id: Id, raw: Bytes, arrival: Time) -> Result<(Event, Time, timestamp::Source), ItemError> {
    if raw.len() > DOC_BYTES_MAX {
        return Err(ItemError::TooLarge { bytes: raw.len(), max: DOC_BYTES_MAX });
    }
    let event = Event::new(Meta { index: index.clone(), id, version: 1, seq: 0, arrival }, raw);
    event.check().map_err(|e| ItemError::BadDocument(format!("failed to parse: {e}")))?;
    if !names::is_stream(index) {
        return Ok((event, arrival, timestamp::Source::Field));
    }
    let mut times = 0;
    event.any(&"@timestamp".into(), |_| {
        times += 1;
        false
    });
    if times > 1 {
        return Err(ItemError::BadDocument(
            "data stream timestamp field [@timestamp] encountered multiple values".into(),
        ));
    }
    let (time, source) = timestamp::of(&event);
    if source == timestamp::Source::Field {
        return Ok((event, time, source));
    }
    if event.exists(&"@timestamp".into()) {
        return Err(ItemError::BadDocument("failed to parse field [@timestamp] of type [date]".into()));
    }
    let (event, source) = timestamp::stamped(event);
    Ok((event, time, source))
}

pub(crate) fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64))
}

/// What is there under an id.
struct Current {
    version: u64,
    seq: u64,
    period: Period,
    alive: bool,
    source: Option<Bytes>,
}

/// Writes of this group that are not on disk yet.
type Overlay = HashMap<(Arc<str>, Id), Current>;

struct Group {
    frames: Vec<Frame>,
    bytes: Vec<u8>,
    overlay: Overlay,
    answers: Vec<(Done, Appended)>,
    counts: (u64, u64),
}

/// The thread's body.
pub(crate) fn run(shared: &Arc<Shared>) {
    loop {
        let Some(tasks) = next_group(shared) else { break };
        group(shared, tasks);
    }
    // Whoever still waits learns that nothing was written.
    let left = {
        let mut q = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: Vec<Task> = q.exempt.drain(..).collect();
        left.extend(q.ops.drain(..));
        left
    };
    for t in left {
        let (Task::Ops { done, .. } | Task::Alerts { done, .. } | Task::Mark { done, .. }) = t;
        done(Err(Error::Closed));
    }
}

/// Waits for work; operations wait while the tail is full, alerts and marks do not.
fn next_group(shared: &Shared) -> Option<Vec<Task>> {
    let mut q = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if q.closed {
            return None;
        }
        let room = shared.tail_bytes.load(std::sync::atomic::Ordering::Acquire) < shared.options.tail_bytes_max;
        if !q.exempt.is_empty() || (room && !q.ops.is_empty()) {
            let now = q.exempt.len().min(GROUP_BATCHES_MAX);
            let mut tasks: Vec<Task> = q.exempt.drain(..now).collect();
            let mut sum = 0;
            while room && tasks.len() < GROUP_BATCHES_MAX && sum < GROUP_BYTES_MAX {
                let Some(t) = q.ops.pop_front() else { break };
                if let Task::Ops { bytes, .. } = &t {
                    sum += bytes;
                    q.bytes -= bytes;
                }
                tasks.push(t);
            }
            return Some(tasks);
        }
        q = shared
            .work
            .wait_timeout(q, Duration::from_millis(if room { 1000 } else { 5 }))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

fn group(shared: &Arc<Shared>, tasks: Vec<Task>) {
    let mut wal = shared.wal.lock().unwrap_or_else(PoisonError::into_inner);
    let mut g =
        Group { frames: Vec::new(), bytes: Vec::new(), overlay: HashMap::new(), answers: Vec::new(), counts: (0, 0) };
    let mut failed: Vec<(Done, Error)> = Vec::new();
    for task in tasks {
        let arrival = Time(now().0.max(g.frames.last().map_or(wal.arrival(), |f| f.arrival).0 + 1));
        let number = g.frames.last().map_or(wal.end(), |f| f.number) + 1;
        match task {
            Task::Mark { kind, done } => {
                g.frames.push(Frame { number, arrival, provenance: Provenance::default(), kind });
                g.answers.push((done, Appended { items: Vec::new(), number }));
            }
            Task::Alerts { feed, versions, provenance, done } => {
                let docs = alerts(versions, number, arrival);
                g.frames.push(Frame { number, arrival, provenance, kind: Kind::Alerts { feed, docs } });
                g.answers.push((done, Appended { items: Vec::new(), number }));
            }
            Task::Ops { ops, provenance, done, .. } => {
                match decide(shared, &mut g, ops, &provenance, number, arrival) {
                    Ok(items) => {
                        let number = g.frames.last().map_or(wal.end(), |f| f.number);
                        g.answers.push((done, Appended { items, number }));
                    }
                    Err(e) => failed.push((done, e)),
                }
            }
        }
    }
    let places = Wal::encode(&g.frames, &mut g.bytes);
    let result = wal.append(&g.frames, &g.bytes, &places);
    drop(wal);
    for (done, e) in failed {
        done(Err(e));
    }
    if let Err(e) = result {
        for (done, _) in g.answers {
            done(Err(e.clone()));
        }
        return;
    }
    let end = publish(shared, g.frames, g.counts);
    for (done, appended) in g.answers {
        done(Ok(appended));
    }
    for f in shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        f(end);
    }
}

fn publish(shared: &Shared, frames: Vec<Frame>, counts: (u64, u64)) -> u64 {
    let mut state = shared.state();
    for f in frames {
        let bytes = f.docs().iter().map(|d| d.event.raw.len() + 128).sum::<usize>() + 64;
        let f = Arc::new(f);
        state.publish(&f, &|_| 0);
        state.remember(f, bytes);
    }
    state.counts.time_from_created += counts.0;
    state.counts.time_from_arrival += counts.1;
    shared.tail_bytes.store(state.tail_bytes, std::sync::atomic::Ordering::Release);
    let end = state.end;
    drop(state);
    shared.advanced.notify_all();
    end
}

fn alerts(versions: Vec<AlertVersion>, number: u64, arrival: Time) -> Vec<Doc> {
    let mut docs = Vec::with_capacity(versions.len());
    for (k, v) in versions.into_iter().take(FRAME_DOCS_MAX).enumerate() {
        let meta = Meta { index: v.index, id: v.id, version: v.version, seq: seq_of(number, k), arrival };
        docs.push(Doc {
            event: Event::new(meta, v.source),
            outcome: if v.created { Outcome::Created } else { Outcome::Updated },
            period: Period::day(v.created_at),
        });
    }
    docs
}

/// Decides a batch and puts its frames at the end of the group.
///
/// - errors: of reading what is there; the batch then has left nothing in the group.
fn decide(
    shared: &Shared,
    g: &mut Group,
    ops: Vec<Prepared>,
    provenance: &Provenance,
    number: u64,
    arrival: Time,
) -> Result<Vec<ItemResult>, Error> {
    let mut items = Vec::with_capacity(ops.len());
    let mut docs: Vec<Doc> = Vec::new();
    let mut undo: Vec<((Arc<str>, Id), Option<Current>)> = Vec::new();
    let frames_before = g.frames.len();
    let (mut number, mut bytes) = (number, 0);
    let full = |docs: &mut Vec<Doc>, number: &mut u64, frames: &mut Vec<Frame>| {
        if !docs.is_empty() {
            let kind = Kind::Documents(std::mem::take(docs));
            frames.push(Frame { number: *number, arrival, provenance: provenance.clone(), kind });
            *number += 1;
        }
    };
    for p in ops {
        let (op, doc) = match p {
            Prepared::Bad(e) => {
                items.push(Err(e));
                continue;
            }
            Prepared::Op { op, doc } => (op, doc),
        };
        let seq = seq_of(number, docs.len());
        match one(shared, g, &op, doc, seq, arrival) {
            Ok(Ok((written, doc))) => {
                if let Some(doc) = doc {
                    let key = (op.index.clone(), written.id.clone());
                    let current = Current {
                        version: written.version,
                        seq,
                        period: doc.period,
                        alive: doc.outcome != Outcome::Deleted,
                        source: Some(doc.event.raw.clone()),
                    };
                    bytes += doc.event.raw.len();
                    docs.push(doc);
                    // An id that was just made is looked for by nobody before the group is on disk.
                    if op.id.is_some() {
                        let before = g.overlay.insert(key.clone(), current);
                        undo.push((key, before));
                    }
                }
                items.push(Ok(written));
            }
            Ok(Err(e)) => items.push(Err(e)),
            Err(e) => {
                g.frames.truncate(frames_before);
                for (key, before) in undo.into_iter().rev() {
                    match before {
                        Some(b) => g.overlay.insert(key, b),
                        None => g.overlay.remove(&key),
                    };
                }
                return Err(e);
            }
        }
        if bytes >= FRAME_BYTES_SOFT || docs.len() >= FRAME_DOCS_MAX {
            full(&mut docs, &mut number, &mut g.frames);
            bytes = 0;
        }
    }
    full(&mut docs, &mut number, &mut g.frames);
    Ok(items)
}

type Decided = Result<(Written, Option<Doc>), ItemError>;

fn one(shared: &Shared, g: &mut Group, op: &Op, doc: Parsed, seq: u64, arrival: Time) -> Result<Decided, Error> {
    let current = match &op.id {
        Some(id) => find(shared, &g.overlay, &op.index, id, matches!(op.kind, OpKind::Update(_)))?,
        None => None,
    };
    let alive = current.as_ref().filter(|c| c.alive);
    let id = op.id.clone().unwrap_or_else(|| fresh_id(seq, arrival));
    if let Some(required) = op.if_seq_no {
        let found = alive.map_or(0, |c| c.seq);
        if found != required {
            return Ok(Err(ItemError::SeqConflict { id: id.to_string(), required, current: found }));
        }
    }
    let version = current.as_ref().map_or(1, |c| c.version + 1);
    let written =
        |outcome, version, seq_no| Written { index: op.index.clone(), id: id.clone(), version, seq_no, outcome };
    let (mut event, time, source) = match (&op.kind, doc) {
        (OpKind::Delete, _) => {
            let Some(c) = alive else { return Ok(Ok((written(Outcome::NotFound, version, seq), None))) };
            let meta = Meta { index: op.index.clone(), id: id.clone(), version, seq, arrival };
            let doc = Doc { event: Event::new(meta, Bytes::new()), outcome: Outcome::Deleted, period: c.period };
            return Ok(Ok((written(Outcome::Deleted, version, seq), Some(doc))));
        }
        (OpKind::Create(_), _) if alive.is_some() => {
            return Ok(Err(ItemError::Exists { id: id.to_string(), version: version - 1 }));
        }
        (OpKind::Update(u), _) => match merged(u, alive.and_then(|c| c.source.as_ref()), &id) {
            Err(e) => return Ok(Err(e)),
            Ok(None) => return Ok(Ok((written(Outcome::Noop, version - 1, alive.map_or(0, |c| c.seq)), None))),
            Ok(Some(raw)) => match parse(&op.index, id.clone(), raw, arrival) {
                Ok(parsed) => parsed,
                Err(e) => return Ok(Err(e)),
            },
        },
        (_, Some(parsed)) => parsed,
        (_, None) => return Ok(Err(ItemError::BadDocument("failed to parse: no document".into()))),
    };
    let outcome = if alive.is_some() { Outcome::Updated } else { Outcome::Created };
    let period = match alive {
        Some(c) => c.period,
        None if names::is_stream(&op.index) => Period::of(time, arrival),
        None => Period::ALL,
    };
    match source {
        timestamp::Source::Field => {}
        timestamp::Source::TimeCreated => g.counts.0 += 1,
        timestamp::Source::Arrival => g.counts.1 += 1,
    }
    event.meta = Meta { index: op.index.clone(), id: id.clone(), version, seq, arrival };
    Ok(Ok((written(outcome, version, seq), Some(Doc { event, outcome, period }))))
}

/// The document after an update; `None` when nothing changes.
fn merged(u: &Update, before: Option<&Bytes>, id: &Id) -> Result<Option<Bytes>, ItemError> {
    let Some(before) = before else {
        let fresh = match (&u.upsert, &u.doc) {
            (Some(v), _) => v,
            (None, Some(v)) if u.doc_as_upsert => v,
            _ => return Err(ItemError::Missing(id.to_string())),
        };
        return Ok(Some(stdx::json::text(fresh).into()));
    };
    let before = stdx::json::parse_slice(before).map_err(|e| ItemError::BadDocument(e.to_string()))?;
    let mut after = before.clone();
    if let Some(doc) = &u.doc {
        merge(&mut after, doc);
    }
    if u.detect_noop && after == before {
        return Ok(None);
    }
    Ok(Some(stdx::json::text(&after).into()))
}

fn merge(into: &mut Value, from: &Value) {
    match (from, into) {
        (Value::Object(from), into @ Value::Object(_)) => {
            if let Some(o) = into.object_mut() {
                for (k, v) in from.iter() {
                    match o.0.get_mut(k) {
                        Some(old) => merge(old, v),
                        None => {
                            o.insert(k.clone(), v.clone());
                        }
                    }
                }
            }
        }
        (from, into) => *into = from.clone(),
    }
}

/// Looks an id up: in this group, in the tail, in the buckets.
fn find(
    shared: &Shared,
    overlay: &Overlay,
    index: &Arc<str>,
    id: &Id,
    with_source: bool,
) -> Result<Option<Current>, Error> {
    if let Some(c) = overlay.get(&(index.clone(), id.clone())) {
        return Ok(Some(Current {
            version: c.version,
            seq: c.seq,
            period: c.period,
            alive: c.alive,
            source: c.source.clone(),
        }));
    }
    Ok(shared.lookup(index, id, with_source)?.map(|f| Current {
        version: f.version,
        seq: f.seq,
        period: f.period,
        alive: f.alive,
        source: f.source,
    }))
}

/// 20 characters: random bytes, so that ids spread over the dictionary, then the write's number, so that a log never makes one twice.
fn fresh_id(seq: u64, arrival: Time) -> Id {
    let mut b = [0u8; 15];
    if getrandom::fill(&mut b[..9]).is_err() {
        b[..8].copy_from_slice(&arrival.0.to_be_bytes());
    }
    b[9..].copy_from_slice(&seq.to_be_bytes()[2..]);
    stdx::id::document_id(b)
}
