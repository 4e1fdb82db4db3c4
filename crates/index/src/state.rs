//! What is known in memory: indices, their buckets, and the tail of documents that no bucket has committed yet.
//!
//! Invariants: a document is visible (in the tail) before its write is acknowledged, and leaves the tail only together with the searcher that
//! has it; nobody waits for a bucket's lock while holding this one's.
//! Not here: who adds (`append`), who commits (`indexer`), who reads (`search`).

use crate::bucket::Bucket;
use crate::frame::{Doc, Frame};
use crate::op::Outcome;
use crate::period::Period;
use crate::wal::Lineage;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use stdx::{Id, Time};
use tantivy::Searcher;

/// Bytes of recent frames that followers read without touching a file.
const RECENT_BYTES_MAX: usize = 8 << 20;

/// A document of a frame.
#[derive(Clone, Debug)]
pub(crate) struct TailDoc {
    frame: Arc<Frame>,
    k: u32,
}

impl TailDoc {
    pub fn doc(&self) -> &Doc {
        &self.frame.docs()[self.k as usize]
    }
    pub fn number(&self) -> u64 {
        self.frame.number
    }
}

/// One bucket as searches and the indexer see it.
pub(crate) struct BucketState {
    pub bucket: Arc<Bucket>,
    /// What is committed; absent when nothing is, or when nobody asked yet (`opened` is false).
    pub searcher: Option<Searcher>,
    pub opened: bool,
    /// Counts commits, so that a late opener does not put an old searcher back.
    pub generation: u64,
    pub tail: Arc<Vec<TailDoc>>,
    pub tail_bytes: usize,
    /// How many of the tail the writer has.
    pub applied: usize,
    /// When the oldest of the tail was added.
    pub since: Instant,
    pub last_write: Instant,
    pub last_search: Instant,
    /// True while a writer may be open.
    pub writing: bool,
    /// Do not try again before this, after an error.
    pub not_before: Option<Instant>,
}

impl BucketState {
    fn new(bucket: Bucket) -> Self {
        let now = Instant::now();
        Self {
            bucket: Arc::new(bucket),
            searcher: None,
            opened: false,
            generation: 0,
            tail: Arc::default(),
            tail_bytes: 0,
            applied: 0,
            since: now,
            last_write: now,
            last_search: now,
            writing: false,
            not_before: None,
        }
    }
}

/// The latest write of an id that is still in a tail.
#[derive(Clone, Debug)]
pub(crate) struct Latest {
    pub doc: TailDoc,
}

/// One index or data stream.
pub(crate) struct IndexState {
    pub name: Arc<str>,
    pub uuid: Id,
    pub created: Time,
    /// Frame that made it.
    pub number: u64,
    /// `{settings, mappings, aliases}` as a client sent it, else empty.
    pub body: Bytes,
    pub buckets: BTreeMap<Period, BucketState>,
    pub ids: HashMap<Id, Latest>,
    /// True when `index.json` is on disk.
    pub saved: bool,
}

impl IndexState {
    pub fn new(name: Arc<str>, number: u64, created: Time, body: Bytes) -> Self {
        let uuid = stdx::id::uuid_v8(created, &[&name, &number.to_string()]);
        Self { name, uuid, created, number, body, buckets: BTreeMap::new(), ids: HashMap::new(), saved: false }
    }
}

/// Everything known in memory.
pub(crate) struct State {
    pub root: PathBuf,
    pub lineage: Lineage,
    pub indices: BTreeMap<Arc<str>, IndexState>,
    /// Number of the last acknowledged frame.
    pub end: u64,
    pub feed: u64,
    pub arrival: Time,
    /// Frames at or below are committed everywhere.
    pub committed: u64,
    pub tail_bytes: usize,
    pub tail_docs: usize,
    recent: VecDeque<(Arc<Frame>, usize)>,
    recent_bytes: usize,
    pub followers: BTreeMap<String, Option<u64>>,
    /// Folders of dropped indices with their buckets, until the indexer has removed them.
    pub dropped: Vec<(PathBuf, Vec<Arc<Bucket>>)>,
    pub closed: bool,
    /// Ask the indexer to commit these now.
    pub flush: Vec<(Arc<str>, Period)>,
    pub counts: Counts,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Written documents.
    pub documents: u64,
    /// Documents that took their `@timestamp` from elsewhere in them.
    pub time_from_created: u64,
    /// Documents that took their arrival for `@timestamp`.
    pub time_from_arrival: u64,
    /// Bytes behind the last whole frame that were moved aside at the start.
    pub torn_bytes: u64,
    /// Commits of buckets.
    pub commits: u64,
    /// Commits that failed and are tried again.
    pub commit_failures: u64,
}

impl State {
    pub fn new(root: &Path, lineage: Lineage) -> Self {
        Self {
            root: root.into(),
            lineage,
            indices: BTreeMap::new(),
            end: 0,
            feed: 0,
            arrival: Time(0),
            committed: 0,
            tail_bytes: 0,
            tail_docs: 0,
            recent: VecDeque::new(),
            recent_bytes: 0,
            followers: BTreeMap::new(),
            dropped: Vec::new(),
            closed: false,
            flush: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The folder of an index: its name and the frame that made it, so that an index made anew never meets its predecessor's files.
    pub fn index_dir(&self, name: &str, number: u64) -> PathBuf {
        self.root.join("indices").join(format!("{name}@{number}"))
    }

    /// The index, made when it is not there.
    pub fn index_mut(&mut self, name: &Arc<str>, number: u64, created: Time) -> &mut IndexState {
        self.indices.entry(name.clone()).or_insert_with(|| IndexState::new(name.clone(), number, created, Bytes::new()))
    }

    /// The bucket, made when it is not there.
    pub fn bucket_mut(&mut self, name: &Arc<str>, period: Period) -> Option<&mut BucketState> {
        let lineage = self.lineage;
        let dir = self.index_dir(name, self.indices.get(name)?.number).join(period.name());
        let index = self.indices.get_mut(name)?;
        Some(index.buckets.entry(period).or_insert_with(|| BucketState::new(Bucket::new(dir, lineage))))
    }

    /// Puts an acknowledged or replayed frame's documents where searches find them.
    ///
    /// - `covered`: last frame that a bucket has committed already; asked for during a replay only.
    pub fn publish(&mut self, frame: &Arc<Frame>, covered: &dyn Fn(&Bucket) -> u64) {
        let now = Instant::now();
        match &frame.kind {
            crate::frame::Kind::CreateIndex { index, body } => {
                let entry = self.index_mut(index, frame.number, frame.arrival);
                if entry.body.is_empty() {
                    entry.body = body.clone();
                    entry.saved = false;
                }
            }
            crate::frame::Kind::DropIndex { index } => self.drop_index(index, frame.number),
            _ => {}
        }
        for (k, d) in frame.docs().iter().enumerate() {
            let meta = &d.event.meta;
            if self.index_mut(&meta.index, frame.number, frame.arrival).number > frame.number {
                // Replayed, for a predecessor of that name which was dropped.
                continue;
            }
            let Some(b) = self.bucket_mut(&meta.index, d.period) else { continue };
            if frame.number <= covered(&b.bucket) {
                continue;
            }
            let entry = TailDoc { frame: frame.clone(), k: k as u32 };
            if b.tail.is_empty() {
                b.since = now;
            }
            b.last_write = now;
            Arc::make_mut(&mut b.tail).push(entry.clone());
            let bytes = d.event.raw.len() + 64;
            b.tail_bytes += bytes;
            self.tail_bytes += bytes;
            self.tail_docs += 1;
            self.counts.documents += 1;
            if let Some(index) = self.indices.get_mut(&meta.index) {
                index.ids.insert(meta.id.clone(), Latest { doc: entry });
            }
        }
        if let crate::frame::Kind::Alerts { feed, .. } = &frame.kind {
            self.feed = self.feed.max(*feed);
        }
        self.end = frame.number;
        self.arrival = frame.arrival;
    }

    /// Keeps a frame for followers that are not far behind.
    pub fn remember(&mut self, frame: Arc<Frame>, bytes: usize) {
        self.recent.push_back((frame, bytes));
        self.recent_bytes += bytes;
        while self.recent_bytes > RECENT_BYTES_MAX && self.recent.len() > 1 {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, bytes)) = self.recent.pop_front() {
            self.recent_bytes -= bytes;
        }
    }

    /// Lets go of frames that every follower has passed.
    pub fn forget_passed(&mut self) {
        let slowest = self.slowest_follower();
        while self.recent.front().is_some_and(|(f, _)| f.number <= slowest) {
            self.forget_oldest();
        }
    }

    /// Recent frames above `number`, or `None` when a file must be read.
    pub fn recent_above(&self, number: u64, frames_max: usize, bytes_max: usize) -> Option<Vec<Arc<Frame>>> {
        if number >= self.end {
            return Some(Vec::new());
        }
        let first = self.recent.front()?.0.number;
        if number + 1 < first {
            return None;
        }
        let mut out = Vec::new();
        let mut sum = 0;
        for (frame, bytes) in self.recent.iter().skip((number + 1 - first) as usize) {
            if out.len() >= frames_max || (sum > 0 && sum + bytes > bytes_max) {
                break;
            }
            sum += bytes;
            out.push(frame.clone());
        }
        Some(out)
    }

    /// Number that every follower has passed; 0 while one has not said so.
    pub fn slowest_follower(&self) -> u64 {
        self.followers.values().map(|n| n.unwrap_or(0)).min().unwrap_or(self.end)
    }

    fn drop_index(&mut self, name: &Arc<str>, number: u64) {
        if self.indices.get(name).is_none_or(|i| i.number > number) {
            return;
        }
        if let Some(index) = self.indices.remove(name) {
            let mut buckets = Vec::new();
            let index_number = index.number;
            for b in index.buckets.into_values() {
                self.tail_bytes -= b.tail_bytes;
                self.tail_docs -= b.tail.len();
                b.bucket.dropped.store(true, std::sync::atomic::Ordering::Release);
                buckets.push(b.bucket);
            }
            self.dropped.push((self.index_dir(name, index_number), buckets));
        }
    }

    /// Takes the committed head off a bucket's tail and puts the searcher that has it in place.
    pub fn swap(&mut self, name: &Arc<str>, period: Period, applied: usize, searcher: Searcher) {
        let Some(index) = self.indices.get_mut(name) else { return };
        let Some(b) = index.buckets.get_mut(&period) else { return };
        let head: Vec<TailDoc> = Arc::make_mut(&mut b.tail).drain(..applied).collect();
        let mut bytes = 0;
        for t in &head {
            let d = t.doc();
            bytes += d.event.raw.len() + 64;
            if index.ids.get(&d.event.meta.id).is_some_and(|l| l.doc.doc().event.meta.seq == d.event.meta.seq) {
                index.ids.remove(&d.event.meta.id);
            }
        }
        if b.tail.is_empty() {
            b.tail = Arc::default();
        }
        if index.ids.is_empty() {
            index.ids = HashMap::new();
        }
        b.tail_bytes -= bytes;
        b.applied = 0;
        b.since = Instant::now();
        b.searcher = Some(searcher);
        b.opened = true;
        b.generation += 1;
        self.tail_bytes -= bytes;
        self.tail_docs -= head.len();
        self.counts.commits += 1;
    }

    /// The highest number such that every frame up to it is committed everywhere.
    pub fn committed_now(&self) -> u64 {
        let mut n = self.end;
        for index in self.indices.values() {
            if !index.saved {
                n = n.min(index.number.saturating_sub(1));
            }
            for b in index.buckets.values() {
                if let Some(first) = b.tail.first() {
                    n = n.min(first.number() - 1);
                }
            }
        }
        if !self.dropped.is_empty() {
            // The folder of a dropped index is still there: the frame must be read again after a crash.
            n = n.min(self.committed);
        }
        n
    }
}

/// True when this write leaves a document.
pub(crate) const fn leaves(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Created | Outcome::Updated)
}
