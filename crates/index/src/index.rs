//! The event store's front: open, append, follow, and the memory that its threads share.
//!
//! Invariants: one process holds the folder; what was acknowledged is found after any restart; followers that were named keep the log from
//! being cut below them.
//! Not here: deciding (`append`), committing (`indexer`), reading (`search`).
//! Source: `design/engine.md` §5, §14.

use crate::append::{self, Done, Prepared, Task};
use crate::bucket::{self, Bucket};
use crate::error::Error;
use crate::frame::{Frame, Kind};
use crate::indexer;
use crate::names;
use crate::op::{AlertVersion, Appended, Batch, Provenance};
use crate::period::Period;
use crate::state::{Counts, State, leaves};
use crate::wal::{self, Faults, Position, Wal};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use stdx::{Id, Time};
use tantivy::Searcher;

/// Bytes that may wait for the appender.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Exempt tasks (alerts, marks) that may wait.
pub const EXEMPT_MAX: usize = 4_096;
/// Version of `manifest.json` and `index.json`.
pub const MANIFEST_FORMAT: u8 = 1;
/// Most indices and data streams.
pub const INDICES_MAX: usize = 10_000;

/// How the store behaves.
#[derive(Clone)]
pub struct Options {
    /// A new log file is begun behind this many bytes.
    pub segment_bytes: u64,
    /// Followers that must have reported before the log is cut.
    pub followers: Vec<String>,
    /// Intake is refused while the slowest follower is this many bytes behind.
    pub backlog_bytes_max: u64,
    /// Documents that wait for a commit; intake waits beyond it.
    pub tail_bytes_max: usize,
    /// A bucket is committed when this many bytes wait for it.
    pub commit_bytes: usize,
    /// A bucket is committed when this many documents wait for it.
    pub commit_docs: usize,
    /// A bucket is committed when its oldest waiting document is this old.
    pub commit_after: Duration,
    /// Writers without a write for this long are closed.
    pub idle_after: Duration,
    /// Memory of a bucket's writer.
    pub heap_bytes: usize,
    /// Lets tests break the disk under the log.
    pub faults: Option<Arc<dyn Faults>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            followers: Vec::new(),
            backlog_bytes_max: 1 << 30,
            tail_bytes_max: 32 << 20,
            commit_bytes: 8 << 20,
            commit_docs: 10_000,
            commit_after: Duration::from_secs(2),
            idle_after: Duration::from_secs(5),
            heap_bytes: 20 << 20,
            faults: None,
        }
    }
}

/// Work for the appender.
#[derive(Default)]
pub(crate) struct Queue {
    pub ops: VecDeque<Task>,
    pub exempt: VecDeque<Task>,
    pub bytes: usize,
    pub closed: bool,
}

/// Called with the end of the log after each group.
pub type Listener = Box<dyn Fn(u64) + Send + Sync>;

/// What the threads share. Order of locks: `wal`, a bucket's, `state`; `queue` and `listeners` alone.
pub(crate) struct Shared {
    pub options: Options,
    pub queue: Mutex<Queue>,
    pub work: Condvar,
    pub wal: Mutex<Wal>,
    pub state: Mutex<State>,
    /// Frames were published or committed.
    pub advanced: Condvar,
    pub tail_bytes: AtomicUsize,
    pub listeners: Mutex<Vec<Listener>>,
    pub stop_indexer: AtomicBool,
}

/// A document found by id.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub version: u64,
    pub seq: u64,
    pub period: Period,
    pub alive: bool,
    pub source: Option<Bytes>,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the searchers of the given buckets are there, as far as there are any.
    pub fn open_searchers(&self, wanted: impl Fn(&str, Period) -> bool) -> Result<(), Error> {
        let closed: Vec<(Arc<str>, Period, Arc<Bucket>, u64)> = {
            let state = self.state();
            let each = state.indices.values().flat_map(|i| i.buckets.iter().map(move |(p, b)| (i, *p, b)));
            each.filter(|(i, p, b)| !b.opened && wanted(&i.name, *p))
                .map(|(i, p, b)| (i.name.clone(), p, b.bucket.clone(), b.generation))
                .collect()
        };
        for (name, period, bucket, generation) in closed {
            let searcher = bucket.searcher()?;
            let mut state = self.state();
            if let Some(b) = state.indices.get_mut(&name).and_then(|i| i.buckets.get_mut(&period))
                && b.generation == generation
                && Arc::ptr_eq(&b.bucket, &bucket)
            {
                b.searcher = searcher;
                b.opened = true;
                b.last_search = Instant::now();
            }
        }
        Ok(())
    }

    /// The latest state of an id, deletions in the tail included.
    pub fn lookup(&self, index: &str, id: &Id, with_source: bool) -> Result<Option<Located>, Error> {
        // A bucket can be closed between opening and looking; that is rare, and the second round finds it open.
        for _ in 0..8 {
            self.open_searchers(|name, _| name == index)?;
            let searchers: Vec<(Period, Searcher)> = {
                let state = self.state();
                let Some(i) = state.indices.get(index) else { return Ok(None) };
                if let Some(latest) = i.ids.get(id) {
                    let d = latest.doc.doc();
                    let meta = &d.event.meta;
                    return Ok(Some(Located {
                        version: meta.version,
                        seq: meta.seq,
                        period: d.period,
                        alive: leaves(d.outcome),
                        source: Some(d.event.raw.clone()),
                    }));
                }
                if i.buckets.values().any(|b| !b.opened) {
                    continue;
                }
                i.buckets.iter().rev().filter_map(|(p, b)| b.searcher.clone().map(|s| (*p, s))).collect()
            };
            let fields = bucket::fields();
            for (period, searcher) in searchers {
                if let Some(f) = bucket::find(&searcher, &fields, id)? {
                    let source =
                        if with_source { Some(bucket::source(&searcher, &fields, f.segment, f.doc)?) } else { None };
                    return Ok(Some(Located { version: f.version, seq: f.seq, period, alive: true, source }));
                }
            }
            return Ok(None);
        }
        Err(Error::Busy { what: "buckets being opened", retry_after_ms: 100 })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u8,
    pub lineage: String,
    /// Frames at or below are committed in every bucket.
    pub committed: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IndexFile {
    pub format: u8,
    pub created_us: i64,
    pub body: String,
}

/// The event store.
pub struct Index {
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    _lock: File,
}

/// One index or data stream in a listing.
#[derive(Clone, Debug)]
pub struct IndexInfo {
    /// Name.
    pub name: Arc<str>,
    /// Stable id.
    pub uuid: Id,
    /// When it was made.
    pub created: Time,
    /// True when it is filed by time.
    pub stream: bool,
    /// `{settings, mappings, aliases}` as a client sent it, else empty.
    pub body: Bytes,
    /// Live documents.
    pub docs: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Names of its buckets' periods.
    pub periods: Vec<String>,
}

impl Index {
    /// Opens the store in `root` and replays what the buckets do not have.
    ///
    /// - errors: `Locked`, `Newer`, `Damaged`, `DiskFull`, `Io`.
    pub fn open(root: &Path, options: Options) -> Result<Self, Error> {
        std::fs::create_dir_all(root.join("indices")).map_err(|e| Error::io(root, &e))?;
        let lock_path = root.join("lock");
        let lock = File::create(&lock_path).map_err(|e| Error::io(&lock_path, &e))?;
        // A killed process lets go of its lock a moment after its port.
        let until = Instant::now() + Duration::from_secs(2);
        while let Err(e) = lock.try_lock() {
            match e {
                std::fs::TryLockError::WouldBlock if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                std::fs::TryLockError::WouldBlock => return Err(Error::Locked(root.into())),
                std::fs::TryLockError::Error(e) => return Err(Error::io(lock_path, &e)),
            }
        }
        let manifest = read_manifest(root)?;
        let before = manifest.as_ref().map_or(0, |m| m.committed);
        let wal = Wal::open(&root.join("wal"), before, options.segment_bytes, options.faults.clone())?;
        let known = manifest.as_ref().is_some_and(|m| m.lineage.parse() == Ok(wal.lineage()));
        if manifest.is_some() && !known {
            tracing::warn!("the log is another one than the manifest names: a new lineage begins");
        }
        let committed = if known { before.max(wal.begin()) } else { wal.begin() };
        let mut state = State::new(root, wal.lineage());
        state.committed = committed;
        state.counts.torn_bytes = wal.torn_bytes;
        state.followers = options.followers.iter().map(|f| (f.clone(), None)).collect();
        scan(&mut state)?;
        replay(&mut state, &wal, committed)?;
        state.end = wal.end();
        state.feed = state.feed.max(wal.feed());
        state.arrival = wal.arrival();
        let tail_bytes = AtomicUsize::new(state.tail_bytes);
        let shared = Arc::new(Shared {
            options,
            queue: Mutex::default(),
            work: Condvar::new(),
            wal: Mutex::new(wal),
            state: Mutex::new(state),
            advanced: Condvar::new(),
            tail_bytes,
            listeners: Mutex::default(),
            stop_indexer: AtomicBool::new(false),
        });
        let spawn = |name: &str, body: fn(&Arc<Shared>)| {
            let shared = shared.clone();
            std::thread::Builder::new().name(name.into()).spawn(move || body(&shared)).map_err(|e| Error::io(root, &e))
        };
        let threads = Mutex::new(vec![spawn("wal-append", append::run)?, spawn("indexer", indexer::run)?]);
        Ok(Self { shared, threads, _lock: lock })
    }

    /// Checks and parses the operations on the caller's thread, queues them and returns; `done` is called from the appender once they are
    /// on disk, with one result per operation.
    ///
    /// - errors: `Busy` when too much waits or a follower is too far behind; `Closed`; `done` is not called then.
    pub fn append(&self, batch: Batch, done: Done) -> Result<(), Error> {
        self.accepts()?;
        let arrival = append::now();
        let bytes = batch
            .ops
            .iter()
            .map(|o| match &o.kind {
                crate::op::OpKind::Index(b) | crate::op::OpKind::Create(b) => b.len() + 64,
                _ => 256,
            })
            .sum();
        let ops = batch.ops.into_iter().map(|op| Prepared::new(op, arrival)).collect();
        let task = Task::Ops { ops, provenance: batch.provenance, bytes, done };
        let mut q = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if q.closed {
            return Err(Error::Closed);
        }
        if q.bytes > 0 && q.bytes + bytes > QUEUE_BYTES_MAX {
            return Err(Error::Busy { what: "bytes before the log", retry_after_ms: 1_000 });
        }
        q.bytes += bytes;
        q.ops.push_back(task);
        drop(q);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Says whether intake would be refused now.
    pub fn accepts(&self) -> Result<(), Error> {
        let slowest = {
            let state = self.shared.state();
            if state.closed {
                return Err(Error::Closed);
            }
            state.slowest_follower()
        };
        // A busy appender means that the backlog was looked at a moment ago.
        if let Ok(wal) = self.shared.wal.try_lock()
            && wal.end() > slowest
            && wal.bytes_above(slowest) > self.shared.options.backlog_bytes_max
        {
            return Err(Error::Busy { what: "events before the slowest follower", retry_after_ms: 1_000 });
        }
        Ok(())
    }

    /// [`Self::append`] that waits.
    pub fn append_wait(&self, batch: Batch) -> Result<Appended, Error> {
        let (tx, rx) = mpsc::channel();
        self.append(batch, Box::new(move |r| drop(tx.send(r))))?;
        rx.recv().map_err(|_| Error::Closed)?
    }

    /// Queues versions of alerts that reach `feed` in the store's feed; never refused for want of room.
    pub fn append_alerts(
        &self,
        feed: u64,
        versions: Vec<AlertVersion>,
        provenance: Provenance,
        done: Done,
    ) -> Result<(), Error> {
        self.exempt(Task::Alerts { feed, versions, provenance, done })
    }

    /// Writes that from here on rules are those of `generation`.
    pub fn append_rules(&self, generation: u64, done: Done) -> Result<(), Error> {
        self.exempt(Task::Mark { kind: Kind::Rules { generation }, done })
    }

    /// Writes that time passed.
    pub fn append_tick(&self, done: Done) -> Result<(), Error> {
        self.exempt(Task::Mark { kind: Kind::Tick, done })
    }

    fn exempt(&self, task: Task) -> Result<(), Error> {
        let mut q = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if q.closed {
            return Err(Error::Closed);
        }
        if q.exempt.len() >= EXEMPT_MAX {
            return Err(Error::Busy { what: "alerts before the log", retry_after_ms: 100 });
        }
        q.exempt.push_back(task);
        drop(q);
        self.shared.work.notify_one();
        Ok(())
    }

    fn mark(&self, kind: Kind) -> Result<Appended, Error> {
        let (tx, rx) = mpsc::channel();
        self.exempt(Task::Mark { kind, done: Box::new(move |r| drop(tx.send(r))) })?;
        rx.recv().map_err(|_| Error::Closed)?
    }

    /// Makes an index without documents.
    ///
    /// - `body`: `{settings, mappings, aliases}` as JSON.
    /// - returns: false when it was there.
    pub fn create_index(&self, name: &str, body: Bytes) -> Result<bool, Error> {
        names::check(name).map_err(|why| Error::BadIndexName { name: name.into(), why })?;
        {
            let state = self.shared.state();
            if state.indices.contains_key(name) {
                return Ok(false);
            }
            if state.indices.len() >= INDICES_MAX {
                return Err(Error::BadRequest(format!("there are {INDICES_MAX} indices, more are not allowed")));
            }
        }
        self.mark(Kind::CreateIndex { index: name.into(), body })?;
        Ok(true)
    }

    /// Removes an index with everything in it.
    ///
    /// - errors: `NoSuchIndex`.
    pub fn drop_index(&self, name: &str) -> Result<(), Error> {
        if !self.shared.state().indices.contains_key(name) {
            return Err(Error::NoSuchIndex(name.into()));
        }
        self.mark(Kind::DropIndex { index: name.into() }).map(|_| ())
    }

    /// The end of the log.
    pub fn end(&self) -> Position {
        let state = self.shared.state();
        Position { lineage: state.lineage, number: state.end }
    }

    /// Highest position of the store's feed that is in the log: where the alert writer goes on.
    pub fn feed_position(&self) -> u64 {
        self.shared.state().feed
    }

    /// Says that the feed holds nothing for the log up to `position`; known until the process ends, then the feed is read again from the
    /// last frame on.
    pub fn note_feed(&self, position: u64) {
        let mut state = self.shared.state();
        state.feed = state.feed.max(position);
    }

    /// Frames above `number` in order, at most `frames_max` and about `bytes_max`; empty at the end of the log.
    ///
    /// - errors: `Damaged`, `Io`; frames below the oldest file are left out.
    pub fn read_from(&self, number: u64, frames_max: usize, bytes_max: usize) -> Result<Vec<Arc<Frame>>, Error> {
        let end = {
            let state = self.shared.state();
            if let Some(frames) = state.recent_above(number, frames_max, bytes_max) {
                return Ok(frames);
            }
            state.end
        };
        let plan = self.shared.wal.lock().unwrap_or_else(PoisonError::into_inner).plan(number);
        let frames = wal::read(plan, number, bytes_max)?;
        Ok(frames.into_iter().filter(|f| f.number <= end).take(frames_max).map(Arc::new).collect())
    }

    /// Waits until the log ends behind `number` or the time is over; returns its end.
    pub fn wait_beyond(&self, number: u64, timeout: Duration) -> u64 {
        let until = Instant::now() + timeout;
        let mut state = self.shared.state();
        while state.end <= number && !state.closed {
            let now = Instant::now();
            if now >= until {
                break;
            }
            state = self.shared.advanced.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.end
    }

    /// Calls `listener` with the end of the log after each group of frames; it must not block.
    pub fn on_append(&self, listener: Listener) {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Says that the named follower needs nothing at or below `number` any more.
    pub fn release(&self, follower: &str, number: u64) {
        let mut state = self.shared.state();
        state.followers.insert(follower.into(), Some(number));
        state.forget_passed();
    }

    /// A document by index and id, as of now.
    pub fn get(&self, index: &str, id: &Id) -> Result<Option<GotDoc>, Error> {
        if !self.shared.state().indices.contains_key(index) {
            return Err(Error::NoSuchIndex(index.into()));
        }
        Ok(self.shared.lookup(index, id, true)?.filter(|l| l.alive).map(|l| GotDoc {
            index: index.into(),
            id: id.clone(),
            version: l.version,
            seq_no: l.seq,
            source: l.source.unwrap_or_default(),
        }))
    }

    /// True when the index exists.
    pub fn exists(&self, name: &str) -> bool {
        self.shared.state().indices.contains_key(name)
    }

    /// All names in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.shared.state().indices.keys().cloned().collect()
    }

    /// Commits what waits in the named indices (all when empty).
    ///
    /// - returns: false when that took longer than `timeout`.
    pub fn refresh(&self, indices: &[&str], timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.shared.state();
        let end = state.end;
        loop {
            let waiting: Vec<(Arc<str>, Period)> = state
                .indices
                .values()
                .filter(|i| indices.is_empty() || indices.contains(&&*i.name))
                .flat_map(|i| i.buckets.iter().map(move |(p, b)| (i, *p, b)))
                .filter(|(_, _, b)| b.tail.first().is_some_and(|t| t.number() <= end))
                .map(|(i, p, _)| (i.name.clone(), p))
                .collect();
            let now = Instant::now();
            if waiting.is_empty() {
                return true;
            }
            if state.closed || now >= until {
                return false;
            }
            state.flush = waiting;
            self.shared.advanced.notify_all();
            state = self.shared.advanced.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Counters since the start.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// Lists indices with counts and sizes.
    pub fn list(&self) -> Result<Vec<IndexInfo>, Error> {
        self.shared.open_searchers(|_, _| true)?;
        let mut out = Vec::new();
        let mut dirs = Vec::new();
        {
            let state = self.shared.state();
            for i in state.indices.values() {
                let mut docs = 0i64;
                for b in i.buckets.values() {
                    docs += b.searcher.as_ref().map_or(0, |s| s.num_docs() as i64);
                    for t in b.tail.iter() {
                        docs += match t.doc().outcome {
                            crate::op::Outcome::Created => 1,
                            crate::op::Outcome::Deleted => -1,
                            _ => 0,
                        };
                    }
                }
                out.push(IndexInfo {
                    name: i.name.clone(),
                    uuid: i.uuid.clone(),
                    created: i.created,
                    stream: names::is_stream(&i.name),
                    body: i.body.clone(),
                    docs: docs.max(0) as u64,
                    bytes: i.buckets.values().map(|b| b.tail_bytes as u64).sum(),
                    periods: i.buckets.keys().map(|p| p.name()).collect(),
                });
                dirs.push(state.index_dir(&i.name, i.number));
            }
        }
        for (info, dir) in out.iter_mut().zip(dirs) {
            info.bytes += folder_bytes(&dir);
        }
        Ok(out)
    }

    /// Stops taking work, commits what waits and lets the folder go.
    pub fn close(&self) {
        {
            let mut q = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            q.closed = true;
        }
        self.shared.work.notify_all();
        self.shared.state().closed = true;
        self.shared.stop_indexer.store(true, Ordering::Release);
        self.shared.advanced.notify_all();
        for t in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A panic of the thread was reported where it happened.
            let _ = t.join();
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

/// A document read by id.
#[derive(Clone, Debug)]
pub struct GotDoc {
    /// Its index.
    pub index: Arc<str>,
    /// Its id.
    pub id: Id,
    /// Its version.
    pub version: u64,
    /// Number of its last write.
    pub seq_no: u64,
    /// Its bytes.
    pub source: Bytes,
}

fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => folder_bytes(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

fn read_manifest(root: &Path) -> Result<Option<Manifest>, Error> {
    let path = root.join("manifest.json");
    let text = match std::fs::read(&path) {
        Ok(t) => t,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, &e)),
    };
    let m: Manifest = serde_json::from_slice(&text).map_err(|_| Error::Damaged {
        path: path.clone(),
        at: 0,
        what: "no manifest of this program",
    })?;
    if m.format > MANIFEST_FORMAT {
        return Err(Error::Newer { path, found: m.format, known: MANIFEST_FORMAT });
    }
    Ok(Some(m))
}

/// Writes a file so that after a crash it is the old or the new one.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    let io = |e: std::io::Error| Error::io(path, &e);
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(io)?;
    let new = path.with_extension("new");
    let mut f = File::create(&new).map_err(io)?;
    f.write_all(bytes).and_then(|()| f.sync_all()).map_err(io)?;
    std::fs::rename(&new, path).map_err(io)?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}

/// Finds indices and buckets on disk.
fn scan(state: &mut State) -> Result<(), Error> {
    let dir = state.root.join("indices");
    let io = |e: std::io::Error| Error::io(&dir, &e);
    let mut found: Vec<(String, u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some((name, number)) = name.rsplit_once('@')
            && let Ok(number) = number.parse()
            && names::check(name).is_ok()
        {
            found.push((name.into(), number, path.clone()));
        }
    }
    found.sort();
    for (i, (name, number, path)) in found.iter().enumerate() {
        if found.get(i + 1).is_some_and(|next| next.0 == *name) {
            // A younger one of that name exists, so this one was dropped.
            std::fs::remove_dir_all(path).map_err(io)?;
            continue;
        }
        let (mut created, mut body, mut saved) = (Time(0), Bytes::new(), false);
        let file = path.join("index.json");
        if let Ok(text) = std::fs::read(&file) {
            let f: IndexFile = serde_json::from_slice(&text).map_err(|_| Error::Damaged {
                path: file.clone(),
                at: 0,
                what: "no index file of this program",
            })?;
            if f.format > MANIFEST_FORMAT {
                return Err(Error::Newer { path: file, found: f.format, known: MANIFEST_FORMAT });
            }
            (created, body, saved) = (Time(f.created_us), f.body.into(), true);
        }
        let name: Arc<str> = name.as_str().into();
        let index = state.index_mut(&name, *number, created);
        index.body = body;
        index.saved = saved;
        for entry in std::fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if let Some(p) = entry.file_name().to_str().and_then(Period::parse) {
                state.bucket_mut(&name, p);
            }
        }
    }
    Ok(())
}

/// Puts frames above `committed` back into the tails, each bucket skipping what its last commit has.
fn replay(state: &mut State, wal: &Wal, committed: u64) -> Result<(), Error> {
    let mut number = committed;
    let failed = std::cell::RefCell::new(None);
    let mut known: std::collections::HashMap<PathBuf, u64> = std::collections::HashMap::new();
    while number < wal.end() {
        let frames = wal::read(wal.plan(number), number, 8 << 20)?;
        let Some(last) = frames.last() else { break };
        number = last.number;
        for f in frames {
            let known = std::cell::RefCell::new(&mut known);
            state.publish(&Arc::new(f), &|bucket| {
                let mut known = known.borrow_mut();
                if let Some(n) = known.get(bucket.dir()) {
                    return *n;
                }
                match bucket.load_covered() {
                    Ok(n) => {
                        known.insert(bucket.dir().into(), n);
                        n
                    }
                    Err(e) => {
                        failed.borrow_mut().get_or_insert(e);
                        0
                    }
                }
            });
            if let Some(e) = failed.borrow_mut().take() {
                return Err(e);
            }
        }
    }
    Ok(())
}
