//! The write-ahead log: segment files of checksummed frames behind one group fsync.
//!
//! Invariants: an acknowledged frame is on disk (`fdatasync`) before anyone is told; frame numbers have no gaps; a group is kept whole or
//! not at all: when a write fails the file is cut back to where the group began; bytes behind the last whole frame of the newest segment
//! were never acknowledged and are moved aside when the log is opened, and counted.
//! Not here: what frames mean (`frame`), who decides them (`append`).
//! Source: `design/engine.md` §5, §14.

use crate::error::Error;
use crate::frame::{self, FRAME_BYTES_MAX, Frame};
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdx::Time;

const MAGIC: &[u8; 7] = b"WFIRWAL";
/// Version of the file format that this build writes.
pub const FORMAT: u8 = 1;
const HEADER: usize = 7 + 1 + 16 + 8 + 8 + 4;
const FRAME_HEADER: usize = 4 + 4 + 8 + 8;
/// A mark (frame number and offset) is kept about every so many bytes.
const MARK_EVERY: u64 = 256 << 10;

/// Names one life of a log: a position of another lineage says nothing here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lineage(pub [u8; 16]);

impl std::fmt::Display for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl std::fmt::Debug for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
impl std::str::FromStr for Lineage {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        let mut b = [0; 16];
        if s.len() != 32 || !s.is_ascii() {
            return Err(());
        }
        for (i, x) in b.iter_mut().enumerate() {
            *x = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(|_| ())?;
        }
        Ok(Self(b))
    }
}

/// A place in the log: behind frame `number` of `lineage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The life of the log that the number belongs to.
    pub lineage: Lineage,
    /// Number of the last frame before this place; 0 is the beginning.
    pub number: u64,
}

/// Lets tests break the disk. Called with the number of bytes about to be written or before a sync.
pub trait Faults: Send + Sync {
    /// How many of the bytes get through, and the error that follows if not all do.
    fn write(&self, bytes: usize) -> (usize, Option<std::io::Error>);
}

struct Segment {
    path: PathBuf,
    first: u64,
    len: u64,
    marks: Vec<(u64, u64)>,
}

/// The log's files. One appender writes; readers open the files on their own.
pub(crate) struct Wal {
    dir: PathBuf,
    lineage: Lineage,
    segments: Vec<Segment>,
    file: File,
    end: u64,
    feed: u64,
    arrival: Time,
    segment_bytes: u64,
    faults: Option<Arc<dyn Faults>>,
    /// Bytes that were moved aside when the log was opened.
    pub torn_bytes: u64,
}

/// One frame's place in an encoded group.
pub(crate) struct Encoded {
    number: u64,
    offset: usize,
}

impl Wal {
    /// Opens or starts the log.
    ///
    /// - `begin_after`: a new log numbers its frames from here, so that numbers never fall over a lost log.
    /// - errors: `Newer`, `Damaged` (an older segment or a header), `Io`, `DiskFull`.
    pub fn open(
        dir: &Path,
        begin_after: u64,
        segment_bytes: u64,
        faults: Option<Arc<dyn Faults>>,
    ) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, &e))?;
        let mut paths: Vec<(u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, &e))? {
            let path = entry.map_err(|e| Error::io(dir, &e))?.path();
            if path.extension().is_some_and(|e| e == "wal")
                && let Some(first) = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok())
            {
                paths.push((first, path));
            }
        }
        paths.sort();
        // A newest segment whose header never reached the disk holds nothing.
        while let Some((_, path)) = paths.last() {
            let len = std::fs::metadata(path).map_err(|e| Error::io(path, &e))?.len();
            if len >= HEADER as u64 || (len > 0 && paths.len() == 1) {
                break;
            }
            std::fs::remove_file(path).map_err(|e| Error::io(path, &e))?;
            paths.pop();
        }
        if paths.is_empty() {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| Error::Io { path: dir.into(), message: e.to_string() })?;
            let lineage = Lineage(id);
            let (segment, file) = create(dir, lineage, begin_after + 1, 0, faults.as_ref())?;
            return Ok(Self {
                dir: dir.into(),
                lineage,
                segments: vec![segment],
                file,
                end: begin_after,
                feed: 0,
                arrival: Time(0),
                segment_bytes,
                faults,
                torn_bytes: 0,
            });
        }
        let mut segments = Vec::new();
        let mut lineage = None;
        let (mut end, mut feed, mut arrival, mut torn_bytes) = (0, 0, Time(0), 0);
        let last = paths.len() - 1;
        for (i, (first, path)) in paths.into_iter().enumerate() {
            let mut file = File::open(&path).map_err(|e| Error::io(&path, &e))?;
            let head = read_header(&mut file, &path)?;
            if head.first != first || *lineage.get_or_insert(head.lineage) != head.lineage {
                return Err(Error::Damaged { path, at: 0, what: "a header of another log" });
            }
            feed = feed.max(head.feed);
            let mut len = file.metadata().map_err(|e| Error::io(&path, &e))?.len();
            let mut marks = Vec::new();
            if i == last {
                end = first - 1;
                let mut reader = SegmentReader::new(file, HEADER as u64, len);
                let mut mark_at = 0;
                loop {
                    let at = reader.at;
                    match reader.next() {
                        Ok(Some(raw)) if raw.number == end + 1 => {
                            let f = frame::decode(raw.number, raw.arrival, &raw.body)
                                .map_err(|what| Error::Damaged { path: path.clone(), at, what })?;
                            end = raw.number;
                            arrival = raw.arrival;
                            if let frame::Kind::Alerts { feed: f, .. } = f.kind {
                                feed = feed.max(f);
                            }
                            if at >= mark_at {
                                marks.push((raw.number, at));
                                mark_at = at + MARK_EVERY;
                            }
                        }
                        Ok(None) => break,
                        Ok(Some(_)) | Err(_) => {
                            torn_bytes = len - at;
                            set_aside(&path, at)?;
                            len = at;
                            break;
                        }
                    }
                }
            }
            segments.push(Segment { path, first, len, marks });
        }
        let newest = segments.last().expect("at least one segment");
        let mut file =
            OpenOptions::new().read(true).write(true).open(&newest.path).map_err(|e| Error::io(&newest.path, &e))?;
        file.seek(SeekFrom::End(0)).map_err(|e| Error::io(&newest.path, &e))?;
        Ok(Self {
            dir: dir.into(),
            lineage: lineage.expect("at least one segment"),
            segments,
            file,
            end,
            feed,
            arrival,
            segment_bytes,
            faults,
            torn_bytes,
        })
    }

    /// The life of this log.
    pub const fn lineage(&self) -> Lineage {
        self.lineage
    }
    /// Number of the last frame.
    pub const fn end(&self) -> u64 {
        self.end
    }
    /// Highest feed position in the log.
    pub const fn feed(&self) -> u64 {
        self.feed
    }
    /// Arrival of the last frame.
    pub const fn arrival(&self) -> Time {
        self.arrival
    }
    /// Number before the first frame that is still there.
    pub fn begin(&self) -> u64 {
        self.segments[0].first - 1
    }
    /// Bytes of segments that hold frames above `number`.
    pub fn bytes_above(&self, number: u64) -> u64 {
        let mut sum = 0;
        for (i, s) in self.segments.iter().enumerate() {
            if self.segments.get(i + 1).is_none_or(|next| next.first > number + 1) {
                sum += s.len;
            }
        }
        sum
    }

    /// Encodes frames that follow the end of the log, in order.
    pub fn encode(frames: &[Frame], out: &mut Vec<u8>) -> Vec<Encoded> {
        let mut places = Vec::with_capacity(frames.len());
        for f in frames {
            let offset = out.len();
            out.extend_from_slice(&[0; FRAME_HEADER]);
            frame::encode(out, f);
            let body = offset + FRAME_HEADER;
            let len = out.len() - body;
            assert!(len <= FRAME_BYTES_MAX, "a frame of {len} bytes");
            out[offset..offset + 4].copy_from_slice(&(len as u32).to_le_bytes());
            out[offset + 8..offset + 16].copy_from_slice(&f.number.to_le_bytes());
            out[offset + 16..body].copy_from_slice(&f.arrival.0.to_le_bytes());
            let crc = crc32fast::hash(&out[offset + 8..]);
            out[offset + 4..offset + 8].copy_from_slice(&crc.to_le_bytes());
            places.push(Encoded { number: f.number, offset });
        }
        places
    }

    /// Writes a group and syncs it.
    ///
    /// - errors: `DiskFull` and `Io` leave the log as it was. A sync that fails for another reason than space ends the process: what the
    ///   disk holds is then unknown, and only a restart finds out.
    pub fn append(&mut self, frames: &[Frame], bytes: &[u8], places: &[Encoded]) -> Result<(), Error> {
        let Some(last) = frames.last() else { return Ok(()) };
        if self.segments.last().expect("a segment").len >= self.segment_bytes {
            self.roll()?;
        }
        let at = self.segments.last().expect("a segment").len;
        let path = self.segments.last().expect("a segment").path.clone();
        if let Err(e) = write(&mut self.file, bytes, self.faults.as_ref()) {
            self.cut_back(&path, at);
            return Err(Error::io(&path, &e));
        }
        if let Err(e) = self.file.sync_data() {
            let e = Error::io(&path, &e);
            if matches!(e, Error::DiskFull) {
                self.cut_back(&path, at);
                return Err(e);
            }
            fatal(&path, &e);
        }
        let segment = self.segments.last_mut().expect("a segment");
        for p in places {
            let offset = at + p.offset as u64;
            if segment.marks.last().is_none_or(|(_, o)| offset >= o + MARK_EVERY) {
                segment.marks.push((p.number, offset));
            }
        }
        segment.len += bytes.len() as u64;
        self.end = last.number;
        self.arrival = last.arrival;
        for f in frames {
            if let frame::Kind::Alerts { feed, .. } = &f.kind {
                self.feed = self.feed.max(*feed);
            }
        }
        Ok(())
    }

    fn cut_back(&mut self, path: &Path, at: u64) {
        // What cannot be cut back must not stay: half a group behind acknowledged frames would be found as a torn tail, but a later group
        // would stand behind it.
        if let Err(e) = self.file.set_len(at).and_then(|()| self.file.seek(SeekFrom::Start(at)).map(|_| ())) {
            fatal(path, &Error::io(path, &e));
        }
    }

    fn roll(&mut self) -> Result<(), Error> {
        let (segment, file) = create(&self.dir, self.lineage, self.end + 1, self.feed, self.faults.as_ref())?;
        self.segments.push(segment);
        self.file = file;
        Ok(())
    }

    /// Removes segments whose frames are all at or below `number`; the newest stays.
    pub fn cut(&mut self, number: u64) -> Result<(), Error> {
        while self.segments.len() > 1 && self.segments[1].first <= number + 1 {
            std::fs::remove_file(&self.segments[0].path).map_err(|e| Error::io(&self.segments[0].path, &e))?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Where to begin reading for frames above `number`: files with offset and length, in order.
    pub fn plan(&self, number: u64) -> Vec<(PathBuf, u64, u64)> {
        let mut out = Vec::new();
        for (i, s) in self.segments.iter().enumerate() {
            if self.segments.get(i + 1).is_some_and(|next| next.first <= number + 1) {
                continue;
            }
            let at = s.marks.iter().rev().find(|(n, _)| *n <= number + 1).map_or(HEADER as u64, |(_, o)| *o);
            out.push((s.path.clone(), at, s.len));
        }
        out
    }
}

/// Reads frames above `number` by a plan of [`Wal::plan`] until `bytes_max` is reached (at least one frame).
pub(crate) fn read(plan: Vec<(PathBuf, u64, u64)>, number: u64, bytes_max: usize) -> Result<Vec<Frame>, Error> {
    let mut out = Vec::new();
    let mut bytes = 0;
    for (path, at, len) in plan {
        let file = File::open(&path).map_err(|e| Error::io(&path, &e))?;
        let mut reader = SegmentReader::new(file, at, len);
        loop {
            let at = reader.at;
            let Some(raw) = reader.next().map_err(|what| Error::Damaged { path: path.clone(), at, what })? else {
                break;
            };
            if raw.number <= number {
                continue;
            }
            bytes += raw.body.len();
            out.push(frame::decode(raw.number, raw.arrival, &raw.body).map_err(|what| Error::Damaged {
                path: path.clone(),
                at,
                what,
            })?);
            if bytes >= bytes_max {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

fn fatal(path: &Path, e: &Error) -> ! {
    tracing::error!(path = %path.display(), "the log cannot be synced, the process ends: {e}");
    eprintln!("watchfire: the log {} cannot be synced, the process ends: {e}", path.display());
    std::process::abort()
}

fn write(file: &mut File, bytes: &[u8], faults: Option<&Arc<dyn Faults>>) -> std::io::Result<()> {
    if let Some(faults) = faults {
        let (n, error) = faults.write(bytes.len());
        file.write_all(&bytes[..n.min(bytes.len())])?;
        return error.map_or(Ok(()), Err);
    }
    file.write_all(bytes)
}

fn create(
    dir: &Path,
    lineage: Lineage,
    first: u64,
    feed: u64,
    faults: Option<&Arc<dyn Faults>>,
) -> Result<(Segment, File), Error> {
    let path = dir.join(format!("{first:020}.wal"));
    let mut head = Vec::with_capacity(HEADER);
    head.extend_from_slice(MAGIC);
    head.push(FORMAT);
    head.extend_from_slice(&lineage.0);
    head.extend_from_slice(&first.to_le_bytes());
    head.extend_from_slice(&feed.to_le_bytes());
    let crc = crc32fast::hash(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    let made = (|| {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        write(&mut file, &head, faults)?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(file)
    })();
    match made {
        Ok(file) => Ok((Segment { path, first, len: HEADER as u64, marks: Vec::new() }, file)),
        Err(e) => {
            let _ = std::fs::remove_file(&path);
            Err(Error::io(path, &e))
        }
    }
}

struct Head {
    lineage: Lineage,
    first: u64,
    feed: u64,
}

fn read_header(file: &mut File, path: &Path) -> Result<Head, Error> {
    let damaged = |what| Error::Damaged { path: path.into(), at: 0, what };
    let mut h = [0; HEADER];
    file.read_exact(&mut h).map_err(|_| damaged("no whole header"))?;
    if h[..7] != MAGIC[..] {
        return Err(damaged("no log of this program"));
    }
    if h[7] > FORMAT {
        return Err(Error::Newer { path: path.into(), found: h[7], known: FORMAT });
    }
    let word = |at: usize| u64::from_le_bytes(h[at..at + 8].try_into().expect("eight bytes"));
    if crc32fast::hash(&h[..HEADER - 4]) != u32::from_le_bytes(h[HEADER - 4..].try_into().expect("four bytes")) {
        return Err(damaged("a header with a wrong checksum"));
    }
    Ok(Head { lineage: Lineage(h[8..24].try_into().expect("sixteen bytes")), first: word(24), feed: word(32) })
}

/// Moves everything from `at` on into a file beside the log, so that a person may look at it.
fn set_aside(path: &Path, at: u64) -> Result<(), Error> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io)?;
    file.seek(SeekFrom::Start(at)).map_err(io)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(io)?;
    // Keeping a copy is a courtesy: where it fails (a full disk) the log must open all the same.
    let _ = std::fs::write(path.with_extension("torn"), &tail);
    file.set_len(at).map_err(io)?;
    file.sync_all().map_err(io)
}

struct Raw {
    number: u64,
    arrival: Time,
    body: Bytes,
}

struct SegmentReader {
    file: std::io::BufReader<File>,
    at: u64,
    len: u64,
    sought: bool,
}

impl SegmentReader {
    fn new(file: File, at: u64, len: u64) -> Self {
        Self { file: std::io::BufReader::with_capacity(256 << 10, file), at, len, sought: false }
    }

    /// The next frame; `None` at the exact end; what is wrong otherwise.
    fn next(&mut self) -> Result<Option<Raw>, &'static str> {
        if self.at == self.len {
            return Ok(None);
        }
        if !self.sought {
            self.file.seek(SeekFrom::Start(self.at)).map_err(|_| "a place that cannot be read")?;
            self.sought = true;
        }
        let mut h = [0; FRAME_HEADER];
        self.file.read_exact(&mut h).map_err(|_| "half a frame header")?;
        let len = u32::from_le_bytes(h[..4].try_into().expect("four bytes")) as usize;
        if len > FRAME_BYTES_MAX || self.at + (FRAME_HEADER + len) as u64 > self.len {
            return Err("a frame that ends behind the file");
        }
        let mut body = vec![0; len];
        self.file.read_exact(&mut body).map_err(|_| "half a frame")?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&h[8..]);
        crc.update(&body);
        if crc.finalize() != u32::from_le_bytes(h[4..8].try_into().expect("four bytes")) {
            return Err("a frame with a wrong checksum");
        }
        self.at += (FRAME_HEADER + len) as u64;
        let word = |at: usize| u64::from_le_bytes(h[at..at + 8].try_into().expect("eight bytes"));
        Ok(Some(Raw { number: word(8), arrival: Time(word(16) as i64), body: Bytes::from(body) }))
    }
}
