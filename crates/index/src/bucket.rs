//! A bucket: one tantivy index for one period of one data stream, or a whole plain index.
//!
//! Invariants: every leaf of a document is in a column, or the document names the path in `_rest`; the payload of each commit says up to
//! which frame of which log everything of this bucket is in it; a snapshot's searcher and covered number belong together.
//! Not here: which documents go where (`append`), when to commit (`indexer`), queries (`search`).
//! Source: `design/engine.md` §5 *Index*; `reference/rust-ecosystem.md` §1.9.

use crate::error::Error;
use crate::frame::Doc;
use crate::op::Outcome;
use crate::wal::Lineage;
use event::Scalar;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stdx::Id;
use tantivy::directory::MmapDirectory;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value as DocValue};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, JsonObjectOptions, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term};

/// Longest text in a column; longer text is found by reading the document.
pub const COLUMN_TEXT_MAX: usize = 8 << 10;
/// Largest integer that every column holds exactly.
const EXACT_INT_MAX: u64 = 1 << 53;
/// Most distinct fields of a document that get a column.
pub const DOC_FIELDS_MAX: usize = 1_000;
/// Deepest path that gets a column.
const PATH_KEYS_MAX: usize = 16;
/// Path in `_rest` of a document whose `@timestamp` is the time in the column, but written otherwise than [`stdx::Time::iso`] writes it.
pub const TIME_TEXT: &str = "@timestamp#text";
/// Path in `_rest` of a document of which not every path is known there.
pub const ANY_PATH: &str = "*";

/// The schema's fields.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Document id: indexed, stored.
    pub id: Field,
    /// Number of the write: fast.
    pub seq: Field,
    /// Document version: fast.
    pub version: Field,
    /// First `@timestamp` in microseconds: fast.
    pub time: Field,
    /// Every leaf: fast.
    pub doc: Field,
    /// Paths that have a leaf which no column holds: fast.
    pub rest: Field,
    /// The bytes: stored.
    pub source: Field,
}

fn schema() -> (Schema, Fields) {
    let mut b = Schema::builder();
    let raw = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let fields = Fields {
        id: b.add_text_field("_id", TextOptions::default().set_indexing_options(raw).set_stored()),
        seq: b.add_u64_field("_seq", FAST),
        version: b.add_u64_field("_version", FAST),
        time: b.add_i64_field("_time", FAST),
        doc: b.add_json_field("doc", JsonObjectOptions::default().set_fast("raw").set_expand_dots_enabled()),
        rest: b.add_text_field("_rest", TextOptions::default().set_fast("raw")),
        source: b.add_bytes_field("_source", STORED),
    };
    (b.build(), fields)
}

/// The fields, which are the same in every bucket.
pub(crate) fn fields() -> Fields {
    static FIELDS: std::sync::LazyLock<Fields> = std::sync::LazyLock::new(|| schema().1);
    *FIELDS
}

/// Reads a document's bytes.
pub(crate) fn source(searcher: &Searcher, f: &Fields, segment: u32, doc: u32) -> Result<bytes::Bytes, Error> {
    let doc: TantivyDocument = searcher.doc(tantivy::DocAddress::new(segment, doc))?;
    let bytes = doc
        .get_first(f.source)
        .and_then(|v| v.as_bytes())
        .ok_or_else(|| Error::Tantivy("a document without its bytes".into()))?;
    Ok(bytes::Bytes::copy_from_slice(bytes))
}

/// What a commit says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The log.
    pub lineage: Lineage,
    /// Every frame up to here is in.
    pub number: u64,
}

impl Covered {
    fn text(self) -> String {
        format!("1:{}:{}", self.lineage, self.number)
    }
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        if parts.next()? != "1" {
            return None;
        }
        Some(Self { lineage: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? })
    }
}

struct Open {
    index: tantivy::Index,
    writer: Option<IndexWriter>,
    reader: Option<IndexReader>,
}

/// A bucket on disk. Its lock is held by whoever commits or opens, never by a search that runs.
pub(crate) struct Bucket {
    dir: PathBuf,
    lineage: Lineage,
    fields: Fields,
    open: Mutex<Option<Open>>,
    /// Set when the index was dropped: nothing is written any more.
    pub dropped: AtomicBool,
    /// Last frame that the last commit covers.
    pub covered: AtomicU64,
}

impl Bucket {
    /// Names a bucket without touching the disk.
    pub fn new(dir: PathBuf, lineage: Lineage) -> Self {
        Self {
            dir,
            lineage,
            fields: fields(),
            open: Mutex::new(None),
            dropped: AtomicBool::new(false),
            covered: AtomicU64::new(0),
        }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened<'a>(&self, slot: &'a mut Option<Open>, create: bool) -> Result<Option<&'a mut Open>, Error> {
        if slot.is_none() {
            if self.dropped.load(Ordering::Acquire) || (!create && !self.dir.join("meta.json").exists()) {
                return Ok(None);
            }
            std::fs::create_dir_all(&self.dir).map_err(|e| Error::io(&self.dir, &e))?;
            let directory = MmapDirectory::open(&self.dir).map_err(|e| Error::Tantivy(e.to_string()))?;
            let index = if tantivy::Index::exists(&directory).map_err(|e| Error::Tantivy(e.to_string()))? {
                tantivy::Index::open(directory)?
            } else {
                let settings = tantivy::IndexSettings {
                    docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(3) }),
                    docstore_compress_dedicated_thread: false,
                    ..Default::default()
                };
                tantivy::Index::create(directory, schema().0, settings)?
            };
            if let Some(c) = index.load_metas()?.payload.as_deref().and_then(Covered::parse)
                && c.lineage == self.lineage
            {
                self.covered.store(c.number, Ordering::Release);
            }
            *slot = Some(Open { index, writer: None, reader: None });
        }
        Ok(slot.as_mut())
    }

    /// Reads the payload of the last commit: the number of the last frame it covers, 0 for none.
    pub fn load_covered(&self) -> Result<u64, Error> {
        let mut slot = self.lock();
        self.opened(&mut slot, false)?;
        Ok(self.covered.load(Ordering::Acquire))
    }

    /// What a search reads; `None` when nothing was committed.
    pub fn searcher(&self) -> Result<Option<Searcher>, Error> {
        let mut slot = self.lock();
        let Some(open) = self.opened(&mut slot, false)? else { return Ok(None) };
        Ok(Some(reader(open)?.searcher()))
    }

    /// Gives documents to the writer, which is opened when needed.
    pub fn apply<'a>(&self, docs: impl Iterator<Item = &'a Doc>, heap_bytes: usize) -> Result<(), Error> {
        let mut slot = self.lock();
        let Some(open) = self.opened(&mut slot, true)? else { return Ok(()) };
        if open.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .memory_budget_per_thread(heap_bytes)
                .num_worker_threads(1)
                .num_merge_threads(1)
                .build();
            open.writer = Some(open.index.writer_with_options(options)?);
        }
        let Some(writer) = &open.writer else { return Ok(()) };
        for d in docs {
            let id = &d.event.meta.id;
            if matches!(d.outcome, Outcome::Updated | Outcome::Deleted) {
                writer.delete_term(Term::from_field_text(self.fields.id, id));
            }
            if matches!(d.outcome, Outcome::Created | Outcome::Updated) {
                writer.add_document(document(&self.fields, d))?;
            }
        }
        Ok(())
    }

    /// Commits what was applied, says that frames up to `number` are covered, and calls `swap` with the new searcher before anyone else
    /// can open one.
    pub fn commit(&self, number: u64, swap: impl FnOnce(Searcher)) -> Result<(), Error> {
        let mut slot = self.lock();
        let Some(open) = slot.as_mut() else { return Ok(()) };
        let Some(writer) = open.writer.as_mut() else { return Ok(()) };
        let mut prepared = writer.prepare_commit()?;
        prepared.set_payload(&Covered { lineage: self.lineage, number }.text());
        prepared.commit()?;
        let reader = reader(open)?;
        reader.reload()?;
        self.covered.store(number, Ordering::Release);
        swap(reader.searcher());
        Ok(())
    }

    /// Drops the writer with what it did not commit; after an error.
    pub fn abandon(&self) {
        if let Some(open) = self.lock().as_mut() {
            open.writer = None;
        }
    }

    /// Lets the writer go; its merges end on a thread of their own.
    pub fn close_writer(&self) {
        if let Some(writer) = self.lock().as_mut().and_then(|o| o.writer.take()) {
            std::thread::spawn(move || writer.wait_merging_threads());
        }
    }

    /// Lets everything go that costs memory, unless a writer is open.
    pub fn close_reader(&self) {
        let mut slot = self.lock();
        if slot.as_ref().is_some_and(|o| o.writer.is_none()) {
            *slot = None;
        }
    }

    /// Removes the bucket from the disk.
    pub fn remove(&self) -> Result<(), Error> {
        self.dropped.store(true, Ordering::Release);
        let mut slot = self.lock();
        *slot = None;
        match std::fs::remove_dir_all(&self.dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&self.dir, &e)),
            _ => Ok(()),
        }
    }
}

fn reader(open: &mut Open) -> Result<&IndexReader, Error> {
    if open.reader.is_none() {
        let builder = open.index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(4);
        open.reader = Some(builder.try_into()?);
    }
    open.reader.as_ref().ok_or(Error::Closed)
}

/// A leaf or the table of leaves, as tantivy reads it.
#[derive(Clone, Copy, Debug)]
enum Node<'a> {
    Leaf(Scalar<'a>),
    Leaves(&'a [(&'a str, Scalar<'a>)]),
}

struct Leaves<'a>(std::slice::Iter<'a, (&'a str, Scalar<'a>)>);

impl<'a> Iterator for Leaves<'a> {
    type Item = (&'a str, Node<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(k, s)| (*k, Node::Leaf(*s)))
    }
}

impl<'a> DocValue<'a> for Node<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Leaves<'a>;
    fn as_value(&self) -> ReferenceValue<'a, Self> {
        match self {
            Node::Leaf(s) => ReferenceValue::Leaf(match *s {
                Scalar::Null => ReferenceValueLeaf::Null,
                Scalar::Bool(b) => ReferenceValueLeaf::Bool(b),
                Scalar::Int(i) => ReferenceValueLeaf::I64(i),
                Scalar::Float(f) => ReferenceValueLeaf::F64(f),
                Scalar::Str(s) => ReferenceValueLeaf::Str(s),
            }),
            Node::Leaves(l) => ReferenceValue::Object(Leaves(l.iter())),
        }
    }
}

/// True when a column can hold the leaf exactly.
fn fits(path: &str, leaf: Scalar<'_>) -> bool {
    let value = match leaf {
        Scalar::Str(s) => s.len() <= COLUMN_TEXT_MAX,
        Scalar::Int(i) => i.unsigned_abs() <= EXACT_INT_MAX,
        Scalar::Float(f) => f.is_finite(),
        _ => true,
    };
    value && column_path(path)
}

/// True when a column can have this name.
pub(crate) fn column_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 512
        && path.bytes().all(|b| b >= b' ' && b != b'\\')
        && path.split('.').take(PATH_KEYS_MAX + 1).count() <= PATH_KEYS_MAX
        && !path.split('.').any(str::is_empty)
}

fn document(f: &Fields, d: &Doc) -> TantivyDocument {
    let raw = &d.event.raw;
    let mut doc = TantivyDocument::with_capacity(raw.len() * 3 + 256);
    doc.add_text(f.id, &*d.event.meta.id);
    doc.add_u64(f.seq, d.event.meta.seq);
    doc.add_u64(f.version, d.event.meta.version);
    let mut leaves = Vec::with_capacity(64);
    let mut rest: Vec<&str> = Vec::new();
    let mut time = None;
    for (path, leaf) in d.event.leaves() {
        if matches!(leaf, Scalar::Null) {
            continue;
        }
        if path == "@timestamp" {
            // The column of times has it; a second value or one that is no time is only in the document.
            match (time, event::timestamp::parse(leaf)) {
                (None, Some(t)) => {
                    time = Some(t);
                    match leaf {
                        Scalar::Str(s) if lang::date::parse_time(s) != Some(t) => rest.push(path),
                        Scalar::Str(s) if s == t.iso() => {}
                        _ => rest.push(TIME_TEXT),
                    }
                }
                _ => rest.push(path),
            }
            continue;
        }
        if !fits(path, leaf) {
            rest.push(if column_path(path) { path } else { ANY_PATH });
        } else if leaves.len() >= DOC_FIELDS_MAX {
            rest.push(ANY_PATH);
        } else {
            leaves.push((path, leaf));
        }
    }
    if let Some(t) = time {
        doc.add_i64(f.time, t.0);
    }
    rest.sort_unstable();
    rest.dedup();
    for path in rest {
        doc.add_text(f.rest, path);
    }
    if !leaves.is_empty() {
        doc.add_field_value(f.doc, Node::Leaves(&leaves));
    }
    doc.add_bytes(f.source, raw);
    doc
}

/// A committed document found by id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Segment of the searcher.
    pub segment: u32,
    /// Document in it.
    pub doc: u32,
    /// Its version.
    pub version: u64,
    /// Its write.
    pub seq: u64,
}

/// Finds the live document with this id.
pub(crate) fn find(searcher: &Searcher, f: &Fields, id: &Id) -> Result<Option<Found>, Error> {
    let term = Term::from_field_text(f.id, id);
    for (i, segment) in searcher.segment_readers().iter().enumerate() {
        let inverted = segment.inverted_index(f.id)?;
        let Some(mut postings) =
            inverted.read_postings(&term, IndexRecordOption::Basic).map_err(|e| Error::Tantivy(e.to_string()))?
        else {
            continue;
        };
        use tantivy::DocSet;
        let mut doc = postings.doc();
        while doc != tantivy::TERMINATED {
            if segment.alive_bitset().is_none_or(|a| a.is_alive(doc)) {
                let read = |name| segment.fast_fields().u64(name).map(|c| c.first(doc).unwrap_or_default());
                return Ok(Some(Found { segment: i as u32, doc, version: read("_version")?, seq: read("_seq")? }));
            }
            doc = postings.advance();
        }
    }
    Ok(None)
}
