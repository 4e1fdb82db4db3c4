//! The store as the rest of the process sees it: one writer thread with group commit, a pool of readers.
//!
//! Invariants: the writer takes what waits, at most `GROUP_COMMITS_MAX` commits or `GROUP_BYTES_MAX`; callbacks run on its thread
//! after COMMIT, in queue order; checkpoints and upkeep run on a thread of their own; a failed sync ends the process.
//! Source: `design/engine.md` §3.

use crate::commit::{Commit, Committed};
use crate::disk;
use crate::error::Error;
use crate::open;
use crate::reader::Reader;
use crate::secret::Keys;
use crate::writer::{Prepared, Writer};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most commits of one group.
pub const GROUP_COMMITS_MAX: usize = 512;
/// Most bytes of one group, estimated.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most commits that wait.
pub const QUEUE_MAX: usize = 8192;
/// Most readers open at once.
pub const READERS_MAX: usize = 16;
/// How long the writer waits for others' commits where the group before was a crowd.
const GATHER: Duration = Duration::from_micros(300);
/// Commits of a group from which it is a crowd.
const CROWD_MIN: usize = 4;
/// How often the WAL is checkpointed while there are commits.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// WAL pages from which the writer itself finishes a checkpoint, so that the file starts anew.
const WAL_PAGES_MAX: i64 = 16 * 1024;
/// How often upkeep runs, in checkpoints.
const UPKEEP_EVERY: u32 = 120;

/// What is told when a commit is done.
pub type Done = Box<dyn FnOnce(Result<Committed, Error>) + Send>;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a ballast file is kept for a full disk.
    pub ballast: bool,
    /// Limit of the database's size in pages; for tests of a full disk.
    pub pages_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ballast: true, pages_max: None }
    }
}

enum Job {
    Commit(Box<Prepared>, Done),
    /// Works on the writer between groups.
    With(Box<dyn FnOnce(&mut Writer) + Send>),
    Stop,
}

/// Figures for metrics and health.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Commits written.
    pub commits: AtomicU64,
    /// Groups, that is COMMITs and syncs.
    pub groups: AtomicU64,
    /// Commits that wait.
    pub waiting: AtomicU64,
    /// True while the last group failed for want of space.
    pub full: AtomicBool,
    /// The writer's `PRAGMA synchronous`, as SQLite answers it: 2 is FULL.
    pub synchronous: AtomicU64,
}

#[derive(Default)]
struct Idle {
    readers: Vec<Reader>,
    open: usize,
}

struct Shared {
    dir: PathBuf,
    idle: Mutex<Idle>,
    freed: Condvar,
    gauges: Gauges,
    keys: Keys,
    ballast: bool,
    temporary: bool,
    _lock: File,
}

/// The state store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Arc<Threads>,
}

struct Threads {
    queue: SyncSender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
    upkeep: Mutex<Option<(SyncSender<()>, JoinHandle<()>)>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding it leaves whole values: lists of idle readers and join handles.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the data folder, making it where it is missing.
    ///
    /// - errors: `Locked`, `SchemaTooNew`, `NoRoomForBackup`, and those of files and database.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        Self::open_with(dir, options, false)
    }
    /// A store of its own in a temporary folder that goes with it; for tests and offline commands.
    pub fn open_memory() -> Result<Self, Error> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|e| Error::io("random")(std::io::Error::other(e)))?;
        // Readers and writer must run at the same time, which SQLite offers for files only: memory if the system has it.
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let dir = base.join(format!("watchfire-{}", hex::encode(random)));
        Self::open_with(&dir, &Options { ballast: false, pages_max: None }, true)
    }

    fn open_with(dir: &Path, options: &Options, temporary: bool) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = open::lock(dir)?;
        let conn = open::writer(dir)?;
        let keys = Keys::open(dir)?;
        let writer = Writer::over(conn, keys.clone(), Some(&dir.join(open::BACKUP)))?;
        let synchronous = writer.reader().conn.pragma_query_value(None, "synchronous", |r| r.get::<_, u64>(0))?;
        if let Some(pages) = options.pages_max {
            writer.reader().conn.pragma_update(None, "max_page_count", pages)?;
        }
        if options.ballast && !disk::ballast_fill(dir) {
            tracing::warn!("too little free space for the ballast file");
        }
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            idle: Mutex::default(),
            freed: Condvar::new(),
            gauges: Gauges { synchronous: AtomicU64::new(synchronous), ..Gauges::default() },
            keys,
            ballast: options.ballast,
            temporary,
            _lock: lock,
        });
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map_err(Error::io("thread"))
        };
        let of_writer = Arc::clone(&shared);
        let handle = spawn("store-writer", Box::new(move || write_loop(writer, &jobs, &of_writer)))?;
        let (stop, stopped) = sync_channel(1);
        let of_upkeep = Arc::clone(&shared);
        let jobs = queue.clone();
        let upkeep = spawn("store-upkeep", Box::new(move || upkeep_loop(&of_upkeep, &stopped, &jobs)))?;
        let threads = Threads { queue, writer: Mutex::new(Some(handle)), upkeep: Mutex::new(Some((stop, upkeep))) };
        Ok(Self { shared, threads: Arc::new(threads) })
    }

    /// Hands a commit over; `done` runs on the writer's thread. A full queue or a closed store answers at once.
    pub fn submit(&self, commit: Commit, done: Done) {
        let prepared = match Prepared::with_blobs(commit, &self.shared.dir) {
            Ok(prepared) => prepared,
            Err(error) => return done(Err(error)),
        };
        let job = Job::Commit(Box::new(prepared), done);
        self.shared.gauges.waiting.fetch_add(1, Ordering::Relaxed);
        let (job, error) = match self.threads.queue.try_send(job) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => (job, Error::Busy),
            Err(TrySendError::Disconnected(job)) => (job, Error::Closed),
        };
        self.shared.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Job::Commit(_, done) = job {
            done(Err(error));
        }
    }
    /// Commits and waits for the answer; never from the writer's own thread.
    pub fn commit_blocking(&self, commit: Commit) -> Result<Committed, Error> {
        let (tx, rx) = sync_channel(1);
        let done = Box::new(move |result| drop(tx.send(result)));
        let prepared = Prepared::with_blobs(commit, &self.shared.dir)?;
        self.shared.gauges.waiting.fetch_add(1, Ordering::Relaxed);
        let job = Job::Commit(Box::new(prepared), done);
        if self.threads.queue.send(job).is_err() {
            return Err(Error::Closed);
        }
        rx.recv().unwrap_or(Err(Error::Closed))
    }
    /// Runs `work` on the writer between two groups and waits: upkeep, erasure, epochs.
    pub fn with_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (tx, rx) = sync_channel(1);
        let job = Job::With(Box::new(move |w| drop(tx.send(work(w)))));
        self.threads.queue.send(job).map_err(|_| Error::Closed)?;
        rx.recv().map_err(|_| Error::Closed)
    }
    /// A reader of the pool; it goes back when dropped. Waits while `READERS_MAX` are out.
    pub fn reader(&self) -> Result<PooledReader, Error> {
        let mut idle = guard(&self.shared.idle);
        loop {
            if let Some(reader) = idle.readers.pop() {
                return Ok(PooledReader { reader: Some(reader), shared: Arc::clone(&self.shared) });
            }
            if idle.open < READERS_MAX {
                break;
            }
            idle = self.shared.freed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
        idle.open += 1;
        drop(idle);
        match open::reader(&self.shared.dir) {
            Ok(reader) => Ok(PooledReader { reader: Some(reader), shared: Arc::clone(&self.shared) }),
            Err(e) => {
                guard(&self.shared.idle).open -= 1;
                Err(e)
            }
        }
    }
    /// Reads with a reader of the pool.
    pub fn read<T>(&self, read: impl FnOnce(&Reader) -> Result<T, Error>) -> Result<T, Error> {
        read(&*self.reader()?)
    }
    /// Seals bytes for a noun and id.
    pub fn seal(&self, noun: &str, id: &str, bytes: &[u8]) -> Result<String, Error> {
        self.shared.keys.seal((noun, id), bytes)
    }
    /// Opens what [`Store::seal`] made.
    pub fn open_sealed(&self, noun: &str, id: &str, text: &str) -> Result<Vec<u8>, Error> {
        self.shared.keys.open_sealed((noun, id), text)
    }
    /// Figures.
    pub fn gauges(&self) -> &Gauges {
        &self.shared.gauges
    }
    /// The data folder.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }
    /// Why the store is not well, if it is not.
    pub fn health(&self) -> Result<(), &'static str> {
        if self.shared.gauges.full.load(Ordering::Relaxed) { Err("the disk is full") } else { Ok(()) }
    }
}

/// A reader out of the pool.
#[derive(Debug)]
pub struct PooledReader {
    reader: Option<Reader>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl std::ops::Deref for PooledReader {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        self.reader.as_ref().expect("a pooled reader holds its connection until it is dropped")
    }
}

impl Drop for PooledReader {
    fn drop(&mut self) {
        let mut idle = guard(&self.shared.idle);
        match self.reader.take() {
            // A reader inside a snapshot that a panic left open does not go back.
            Some(reader) if reader.conn.is_autocommit() => idle.readers.push(reader),
            _ => idle.open -= 1,
        }
        self.shared.freed.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some((stop, handle)) = guard(&self.upkeep).take() {
            let _ = stop.send(());
            let _ = handle.join();
        }
        let handle = guard(&self.writer).take();
        // The last handle may go in a callback, that is on the writer's own thread: then it must not wait for itself.
        match handle {
            Some(handle) if handle.thread().id() != std::thread::current().id() => {
                let _ = self.queue.send(Job::Stop);
                let _ = handle.join();
            }
            _ => drop(self.queue.try_send(Job::Stop)),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn write_loop(mut writer: Writer, jobs: &Receiver<Job>, shared: &Shared) {
    let mut group: Vec<Prepared> = Vec::new();
    let mut callbacks: Vec<Done> = Vec::new();
    let mut left_over: Option<Job> = None;
    let mut last = 0;
    loop {
        let mut bytes = 0;
        let mut other = None;
        let first = match left_over.take() {
            Some(job) => job,
            None => match jobs.recv() {
                Ok(job) => job,
                Err(_) => break,
            },
        };
        // Where commits come in crowds, those that are about to come share this one's sync; one that comes alone never waits.
        if last >= CROWD_MIN
            && matches!(first, Job::Commit(..))
            && shared.gauges.waiting.load(Ordering::Relaxed) < last as u64
        {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Commit(p, done) => {
                    if !group.is_empty() && bytes + p.bytes > GROUP_BYTES_MAX {
                        left_over = Some(Job::Commit(p, done));
                        break;
                    }
                    bytes += p.bytes;
                    group.push(*p);
                    callbacks.push(done);
                }
                job => {
                    other = Some(job);
                    break;
                }
            }
            next = if group.len() < GROUP_COMMITS_MAX { jobs.try_recv().ok() } else { None };
        }
        last = group.len();
        if !group.is_empty() {
            write_group(&mut writer, &mut group, &mut callbacks, shared);
        }
        match other {
            Some(Job::With(work)) => work(&mut writer),
            Some(Job::Stop) => break,
            Some(Job::Commit(..)) | None => {}
        }
    }
    // Leave a small file behind: everything is in the database then.
    let _ = writer.reader().conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

fn write_group(writer: &mut Writer, group: &mut Vec<Prepared>, callbacks: &mut Vec<Done>, shared: &Shared) {
    let mut results = writer.apply_prepared(group);
    let failed_full = |r: &[Result<Committed, Error>]| r.iter().any(|r| matches!(r, Err(Error::Full(_))));
    if failed_full(&results) && shared.ballast && disk::ballast_drop(&shared.dir) {
        tracing::error!("the disk is full: the ballast is given up");
        results = writer.apply_prepared(group);
    }
    let full = failed_full(&results);
    if full != shared.gauges.full.swap(full, Ordering::Relaxed) {
        if full {
            tracing::error!("the disk is full: commits fail until there is room");
        } else {
            tracing::info!("there is room again: commits go on");
        }
    }
    if let Some(Err(e)) = results.iter().find(|r| r.as_ref().is_err_and(Error::is_failed_sync)) {
        // What reached the disk is unknown now; only a restart reads it again.
        tracing::error!(error = %e, "a sync failed, the process ends");
        std::process::abort();
    }
    shared.gauges.commits.fetch_add(results.iter().filter(|r| r.is_ok()).count() as u64, Ordering::Relaxed);
    shared.gauges.groups.fetch_add(1, Ordering::Relaxed);
    shared.gauges.waiting.fetch_sub(group.len() as u64, Ordering::Relaxed);
    group.clear();
    for (done, result) in callbacks.drain(..).zip(results) {
        // A callback's panic is its own; the writer goes on.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("a callback of the store panicked");
        }
    }
}

fn sweep_blobs(shared: &Shared, conn: &rusqlite::Connection) -> Result<usize, Error> {
    crate::blob::sweep(&shared.dir, std::time::SystemTime::now(), |body| {
        let mut statement =
            conn.prepare_cached("SELECT 1 FROM payload WHERE body = ?1 AND substr(body, 1, 5) = 'blob:' LIMIT 1")?;
        Ok(statement.exists([body])?)
    })
}

/// Checkpoints off the writer's thread, and upkeep now and then.
fn upkeep_loop(shared: &Shared, stop: &Receiver<()>, jobs: &SyncSender<Job>) {
    let mut done = 0;
    let mut rounds = 0;
    let more_upkeep = Arc::new(AtomicBool::new(false));
    let conn = match open::checkpointer(&shared.dir) {
        Ok(conn) => conn,
        Err(e) => {
            tracing::error!(error = %e, "no connection for checkpoints");
            return;
        }
    };
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(CHECKPOINT_EVERY) {
        let commits = shared.gauges.commits.load(Ordering::Relaxed);
        rounds += 1;
        if rounds % UPKEEP_EVERY == 1 || more_upkeep.swap(false, Ordering::Relaxed) {
            let now = stdx::Time(
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)),
            );
            let more = more_upkeep.clone();
            let work = Box::new(move |w: &mut Writer| match w.upkeep(now) {
                Ok(left) => more.store(left, Ordering::Relaxed),
                Err(e) => tracing::warn!(error = %e, "upkeep failed"),
            });
            let _ = jobs.try_send(Job::With(work));
            if let Err(e) = sweep_blobs(shared, &conn) {
                tracing::warn!(error = %e, "unreferenced blobs could not be swept");
            }
            if shared.ballast && !shared.gauges.full.load(Ordering::Relaxed) {
                disk::ballast_fill(&shared.dir);
            }
        }
        if commits == done {
            continue;
        }
        done = commits;
        let log: Result<i64, _> = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| r.get(1));
        match log {
            Ok(pages) if pages > WAL_PAGES_MAX => {
                // Between two groups nothing is appended, so this one reaches the end without waiting for anybody, and the
                // next commit begins the file anew.
                let work = Box::new(|w: &mut Writer| {
                    if let Err(e) = w.reader().conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                        tracing::warn!(error = %e, "checkpoint failed");
                    }
                });
                let _ = jobs.try_send(Job::With(work));
            }
            Ok(_) => {}
            Err(e) => tracing::warn!(error = %e, "checkpoint failed"),
        }
    }
}
