//! What can go wrong in the event store, one variant per thing a caller can do differently.
//!
//! Invariants: errors of single items are `ItemError` and never fail their neighbours.

use std::path::PathBuf;

/// A failure of the store as a whole or of one request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No room on the disk; nothing of the request was kept. Try again when there is room.
    #[error("the disk is full, nothing was written")]
    DiskFull,
    /// More is waiting than may wait; try again after the given time.
    #[error("too much is waiting ({what}), try again")]
    Busy {
        /// Which limit was met.
        what: &'static str,
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The file system failed.
    #[error("`{path}`: {message}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        message: String,
    },
    /// Another process holds the folder.
    #[error("`{0}` is in use by another process")]
    Locked(PathBuf),
    /// A file was written by a newer version.
    #[error("`{path}` has format version {found}, this build reads up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// A file is damaged somewhere else than at its end.
    #[error("`{path}` is damaged at byte {at}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What was found.
        what: &'static str,
    },
    /// The named index does not exist.
    #[error("no such index `{0}`")]
    NoSuchIndex(String),
    /// The name cannot be an index name.
    #[error("invalid index name `{name}`, {why}")]
    BadIndexName {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The request asks for something that this store does not do.
    #[error("{0}")]
    Unsupported(String),
    /// The request is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// The store is shutting down.
    #[error("the event store is closed")]
    Closed,
    /// The search engine below failed.
    #[error("index bucket: {0}")]
    Tantivy(String),
}

impl Error {
    /// Wraps an I/O error; a full disk becomes `DiskFull`.
    pub(crate) fn io(path: impl Into<PathBuf>, e: &std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::StorageFull
            || e.raw_os_error() == Some(libc::EFBIG)
            || e.raw_os_error() == Some(libc::EDQUOT)
        {
            return Self::DiskFull;
        }
        Self::Io { path: path.into(), message: e.to_string() }
    }
}

impl From<tantivy::TantivyError> for Error {
    fn from(e: tantivy::TantivyError) -> Self {
        if let tantivy::TantivyError::IoError(io) = &e
            && io.kind() == std::io::ErrorKind::StorageFull
        {
            return Self::DiskFull;
        }
        Self::Tantivy(e.to_string())
    }
}

/// Why one operation of a batch was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// `create` of an id that is there.
    #[error("[{id}]: version conflict, document already exists (current version [{version}])")]
    Exists {
        /// The id.
        id: String,
        /// Its version.
        version: u64,
    },
    /// `if_seq_no` does not hold.
    #[error("[{id}]: version conflict, required seqNo [{required}], current document has seqNo [{current}]")]
    SeqConflict {
        /// The id.
        id: String,
        /// What was asked for.
        required: u64,
        /// What is there; 0 when nothing is.
        current: u64,
    },
    /// `update` of an id that is not there.
    #[error("[{0}]: document missing")]
    Missing(String),
    /// The source is no JSON object, or its `@timestamp` is no time.
    #[error("{0}")]
    BadDocument(String),
    /// The index name cannot be one.
    #[error("invalid index name [{name}], {why}")]
    BadIndexName {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The id is empty or longer than 512 bytes.
    #[error("{0}")]
    BadId(String),
    /// The document is larger than `DOC_BYTES_MAX`.
    #[error("the document has {bytes} bytes, more than {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}
