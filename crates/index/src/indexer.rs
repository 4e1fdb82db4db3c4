//! The indexer: one thread that moves tails into buckets and commits them.
//!
//! Invariants: a document leaves the tail only when its bucket committed it; a commit that fails loses nothing and is tried again; the manifest
//! never names a frame that some bucket lacks; the log is cut below the manifest and the slowest follower.
//! Not here: what is in the tail (`append`).
//! Source: `design/engine.md` §5 *Index*, §14.

use crate::bucket::Bucket;
use crate::error::Error;
use crate::index::{IndexFile, MANIFEST_FORMAT, Manifest, Shared, write_synced};
use crate::period::Period;
use crate::state::{State, TailDoc};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Writers open at once; the longest idle is closed for the next.
pub const WRITERS_MAX: usize = 4;
/// Documents that go to a writer in one bite, so that a commit that is asked for waits little.
const BITE_DOCS: usize = 2_000;
/// Pause after an error of a bucket.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The manifest is written at most this often while work goes on.
const MANIFEST_EVERY: Duration = Duration::from_secs(1);
/// Searchers that nobody used for this long are closed.
const READER_IDLE: Duration = Duration::from_secs(15);
/// Longest sleep.
const TICK: Duration = Duration::from_millis(200);

struct Job {
    name: Arc<str>,
    period: Period,
    bucket: Arc<Bucket>,
    docs: Vec<TailDoc>,
    applied: usize,
    whole: bool,
    commit: bool,
    end: u64,
}

/// The thread's body.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut manifest = Instant::now();
    let mut written = shared.state().committed;
    loop {
        let stopping = shared.stop_indexer.load(Ordering::Acquire);
        let worked = work(shared, stopping);
        house(shared);
        if stopping || manifest.elapsed() >= MANIFEST_EVERY {
            manifest = Instant::now();
            if let Err(e) = advance(shared, &mut written) {
                tracing::warn!("the manifest could not be written, trying again: {e}");
            }
        }
        if stopping {
            // One more round when the disk had no room; then the log keeps what is left.
            break;
        }
        if !worked {
            let state = shared.state();
            if state.flush.is_empty() && !shared.stop_indexer.load(Ordering::Acquire) {
                drop(shared.advanced.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
    let state = shared.state();
    for b in state.indices.values().flat_map(|i| i.buckets.values()) {
        b.bucket.abandon();
    }
}

/// Does what is due; returns whether there was something.
fn work(shared: &Arc<Shared>, stopping: bool) -> bool {
    let mut worked = false;
    for file in unsaved(shared) {
        worked = true;
        if let Err(e) = save_index(shared, file) {
            tracing::warn!("an index file could not be written, trying again: {e}");
        }
    }
    let names: Vec<(Arc<str>, Period)> = {
        let mut state = shared.state();
        let flush = std::mem::take(&mut state.flush);
        let mut due: Vec<_> = state
            .indices
            .values()
            .flat_map(|i| i.buckets.iter().map(move |(p, b)| (i, *p, b)))
            .filter(|(_, _, b)| b.tail.len() > b.applied || !b.tail.is_empty() && (stopping || due(b, shared)))
            .map(|(i, p, _)| (i.name.clone(), p))
            .collect();
        drop(state);
        for f in &flush {
            if !due.contains(f) {
                due.push(f.clone());
            }
        }
        for (name, period) in &flush {
            worked |= bucket(shared, name, *period, true, stopping);
        }
        due.retain(|d| !flush.contains(d));
        due
    };
    for (name, period) in names {
        worked |= bucket(shared, &name, period, false, stopping);
        if !shared.state().flush.is_empty() {
            return true;
        }
    }
    worked
}

fn due(b: &crate::state::BucketState, shared: &Shared) -> bool {
    b.since.elapsed() >= shared.options.commit_after
        || b.tail.len() >= shared.options.commit_docs
        || b.tail_bytes >= shared.options.commit_bytes
}

/// Applies the next bite of a bucket's tail and commits when that is due.
fn bucket(shared: &Arc<Shared>, name: &Arc<str>, period: Period, flush: bool, stopping: bool) -> bool {
    make_room(shared, name, period);
    let mut any = false;
    loop {
        let job = {
            let mut state = shared.state();
            let end = state.end;
            let Some(b) = state.indices.get_mut(name).and_then(|i| i.buckets.get_mut(&period)) else { return any };
            if b.not_before.is_some_and(|t| Instant::now() < t) {
                return any;
            }
            let mut applied = (b.applied + BITE_DOCS).min(b.tail.len());
            // A commit counts whole frames: a bite never ends inside one.
            while applied < b.tail.len() && b.tail[applied].number() == b.tail[applied - 1].number() {
                applied += 1;
            }
            let docs: Vec<TailDoc> = b.tail[b.applied..applied].to_vec();
            let whole = applied == b.tail.len();
            let commit = applied > 0
                && (flush || stopping || due(b, shared))
                && (whole || applied >= shared.options.commit_docs);
            if docs.is_empty() && !commit {
                return any;
            }
            b.writing = true;
            b.not_before = None;
            Job { name: name.clone(), period, bucket: b.bucket.clone(), docs, applied, whole, commit, end }
        };
        any = true;
        let go_on = (flush || stopping) && !job.whole;
        if let Err(e) = perform(shared, &job) {
            failed(shared, &job, &e);
            return any;
        }
        if !go_on {
            return any;
        }
    }
}

fn perform(shared: &Shared, job: &Job) -> Result<(), Error> {
    job.bucket.apply(job.docs.iter().map(TailDoc::doc), shared.options.heap_bytes)?;
    if !job.commit {
        if let Some(b) = shared.state().indices.get_mut(&job.name).and_then(|i| i.buckets.get_mut(&job.period)) {
            b.applied = job.applied;
        }
        return Ok(());
    }
    // With the whole tail applied the bucket lacks nothing up to the end seen with it; else nothing up to the frame before the next document.
    let number = if job.whole { job.end } else { covered_part(shared, job) };
    job.bucket.commit(number, |searcher| {
        let mut state = shared.state();
        state.swap(&job.name, job.period, job.applied, searcher);
        shared.tail_bytes.store(state.tail_bytes, Ordering::Release);
        drop(state);
        shared.advanced.notify_all();
        shared.work.notify_all();
    })
}

/// What a commit in the middle of a tail covers: everything before the next document's frame.
fn covered_part(shared: &Shared, job: &Job) -> u64 {
    let state = shared.state();
    let next =
        state.indices.get(&job.name).and_then(|i| i.buckets.get(&job.period)).and_then(|b| b.tail.get(job.applied));
    next.map_or(job.end, |t| t.number() - 1)
}

fn failed(shared: &Shared, job: &Job, e: &Error) {
    if job.bucket.dropped.load(Ordering::Acquire) {
        return;
    }
    tracing::warn!(index = %job.name, "a bucket could not be written, trying again: {e}");
    // The writer's uncommitted part is gone; the tail still has all of it.
    job.bucket.abandon();
    let mut state = shared.state();
    state.counts.commit_failures += 1;
    if let Some(b) = state.indices.get_mut(&job.name).and_then(|i| i.buckets.get_mut(&job.period)) {
        b.applied = 0;
        b.writing = false;
        b.not_before = Some(Instant::now() + RETRY_AFTER);
    }
}

/// Closes the longest idle writer when too many are open.
fn make_room(shared: &Arc<Shared>, name: &str, period: Period) {
    loop {
        let victim = {
            let state = shared.state();
            let mut open: Vec<_> = state
                .indices
                .values()
                .flat_map(|i| i.buckets.iter().map(move |(p, b)| (i, *p, b)))
                .filter(|(i, p, b)| b.writing && !(&*i.name == name && *p == period))
                .collect();
            if open.len() < WRITERS_MAX {
                return;
            }
            open.sort_by_key(|(_, _, b)| b.last_write);
            open.first().map(|(i, p, b)| (i.name.clone(), *p, b.bucket.clone()))
        };
        let Some((name, period, bucket)) = victim else { return };
        commit_and_close(shared, &name, period, &bucket);
    }
}

fn commit_and_close(shared: &Arc<Shared>, name: &Arc<str>, period: Period, bucket: &Arc<Bucket>) {
    let job = {
        let state = shared.state();
        let Some(b) = state.indices.get(name).and_then(|i| i.buckets.get(&period)) else { return };
        let (applied, whole) = (b.applied, b.applied == b.tail.len());
        Job {
            name: name.clone(),
            period,
            bucket: bucket.clone(),
            docs: Vec::new(),
            applied,
            whole,
            commit: applied > 0,
            end: state.end,
        }
    };
    if job.commit
        && let Err(e) = perform(shared, &job)
    {
        failed(shared, &job, &e);
        return;
    }
    bucket.close_writer();
    if let Some(b) = shared.state().indices.get_mut(name).and_then(|i| i.buckets.get_mut(&period)) {
        b.writing = false;
    }
}

/// Closes what is idle and removes what was dropped.
fn house(shared: &Arc<Shared>) {
    let (idle, unused, dropped) = {
        let mut state = shared.state();
        let mut idle = Vec::new();
        let mut unused = Vec::new();
        for i in state.indices.values_mut() {
            for (p, b) in &mut i.buckets {
                if b.writing && b.tail.is_empty() && b.last_write.elapsed() >= shared.options.idle_after {
                    idle.push((i.name.clone(), *p, b.bucket.clone()));
                } else if !b.writing && b.tail.is_empty() && b.opened && b.last_search.elapsed() >= READER_IDLE {
                    b.searcher = None;
                    b.opened = false;
                    b.generation += 1;
                    unused.push(b.bucket.clone());
                }
            }
        }
        (idle, unused, std::mem::take(&mut state.dropped))
    };
    for (name, period, bucket) in idle {
        commit_and_close(shared, &name, period, &bucket);
    }
    for bucket in unused {
        bucket.close_reader();
    }
    let mut left: Vec<(PathBuf, Vec<Arc<Bucket>>)> = Vec::new();
    for (dir, buckets) in dropped {
        let gone = buckets.iter().try_for_each(|b| b.remove()).and_then(|()| match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&dir, &e)),
            _ => Ok(()),
        });
        if let Err(e) = gone {
            tracing::warn!("a dropped index could not be removed, trying again: {e}");
            left.push((dir, buckets));
        }
    }
    if !left.is_empty() {
        shared.state().dropped.extend(left);
    }
}

struct Unsaved {
    name: Arc<str>,
    path: PathBuf,
    file: IndexFile,
}

fn unsaved(shared: &Shared) -> Vec<Unsaved> {
    let state = shared.state();
    let each = state.indices.values().filter(|i| !i.saved);
    each.map(|i| Unsaved {
        name: i.name.clone(),
        path: state.index_dir(&i.name, i.number).join("index.json"),
        file: IndexFile {
            format: MANIFEST_FORMAT,
            created_us: i.created.0,
            body: String::from_utf8_lossy(&i.body).into_owned(),
        },
    })
    .collect()
}

fn save_index(shared: &Shared, u: Unsaved) -> Result<(), Error> {
    write_synced(&u.path, serde_json::to_string(&u.file).unwrap_or_default().as_bytes())?;
    if let Some(i) = shared.state().indices.get_mut(&u.name) {
        i.saved = i.body.len() == u.file.body.len();
    }
    Ok(())
}

/// Moves the manifest on and cuts the log.
fn advance(shared: &Shared, written: &mut u64) -> Result<(), Error> {
    let (root, lineage, committed) = {
        let state: std::sync::MutexGuard<'_, State> = shared.state();
        (state.root.clone(), state.lineage, state.committed_now())
    };
    if committed > *written {
        let m = Manifest { format: MANIFEST_FORMAT, lineage: lineage.to_string(), committed };
        write_synced(&root.join("manifest.json"), serde_json::to_string(&m).unwrap_or_default().as_bytes())?;
        *written = committed;
    }
    let keep = {
        let mut state = shared.state();
        state.committed = *written;
        (*written).min(state.slowest_follower())
    };
    shared.wal.lock().unwrap_or_else(PoisonError::into_inner).cut(keep)
}
