//! Why the store did not do something.
//!
//! Invariants: each variant is something a caller does differently; a refusal of one command is a result, not an error, where
//! commands are independent.
//! Not here: HTTP statuses (`api`).

use std::path::PathBuf;
use std::sync::Arc;
use triage::command::Refusal;

/// Why the store did not do something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A guard does not hold; nothing was applied. The owner folds and works its commands off again.
    #[error("guard `{guard}` failed: found {found}")]
    Guard {
        /// `turn`, `epoch`, `follower`, `run`, `ended`, `question`.
        guard: &'static str,
        /// What stands there instead.
        found: String,
    },
    /// A command or document was refused, and with it the whole commit.
    #[error("{refusal}")]
    Refused {
        /// Number of the command, or of the document after all commands.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The disk is full: the whole batch failed, nothing is lost, and with room again it goes on.
    #[error("the disk is full")]
    Full(#[source] Arc<rusqlite::Error>),
    /// A constraint of the database failed: this commit is out.
    #[error("a constraint failed: {0}")]
    Constraint(#[source] Arc<rusqlite::Error>),
    /// The database failed otherwise.
    #[error("the database failed: {0}")]
    Database(#[source] Arc<rusqlite::Error>),
    /// A file operation failed.
    #[error("`{path}`: {source}")]
    Io {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// What the database holds does not read as what it should be.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// Table and key.
        what: String,
        /// Cause.
        why: String,
    },
    /// The database was written by a newer version.
    #[error(
        "the database has schema {found}, this version knows {known}: start the newer version again, or restore the backup made before it"
    )]
    SchemaTooNew {
        /// Version of the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The backup before a migration does not fit.
    #[error("the backup before the migration needs {needed} bytes, {free} are free: make room and start again")]
    NoRoomForBackup {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Another process uses the data folder.
    #[error("`{path}` is in use by another process")]
    Locked {
        /// Lock file.
        path: PathBuf,
    },
    /// A sealed secret does not open: another key, another place, or damaged.
    #[error("the secret of {what} does not open")]
    Sealed {
        /// Noun and id.
        what: String,
    },
    /// A transition panicked; this commit is out.
    #[error("a bug stopped this change: {0}")]
    Panicked(String),
    /// The queue of the writer is full.
    #[error("the writer's queue is full")]
    Busy,
    /// The writer is gone.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Stable code; each has a page in `docs/errors/`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Guard { .. } => "storeGuard",
            Self::Refused { .. } => "storeRefused",
            Self::Full(_) => "storeFull",
            Self::Constraint(_) => "storeConstraint",
            Self::Database(_) => "storeDatabase",
            Self::Io { .. } => "storeIo",
            Self::Damaged { .. } => "storeDamaged",
            Self::SchemaTooNew { .. } => "storeSchemaTooNew",
            Self::NoRoomForBackup { .. } => "storeNoRoomForBackup",
            Self::Locked { .. } => "storeLocked",
            Self::Sealed { .. } => "storeSealed",
            Self::Panicked(_) => "storePanicked",
            Self::Busy => "storeBusy",
            Self::Closed => "storeClosed",
        }
    }
    /// True where the whole batch fails with it.
    pub(crate) const fn is_world(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Constraint(_) | Self::Database(_) | Self::Io { .. })
    }
    /// A file error at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source: Arc::new(source) }
    }
    /// True when a sync of database or WAL failed: what was acknowledged is then unknown, and the process must end.
    pub fn is_failed_sync(&self) -> bool {
        match self {
            Self::Database(e) => matches!(
                e.sqlite_error().map(|e| e.extended_code),
                Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)
            ),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        let full = |e: &rusqlite::Error| {
            // A failed write below a quota or limit comes as an I/O error with the system's cause hidden: treat it as full too.
            matches!(
                e.sqlite_error(),
                Some(f) if f.code == rusqlite::ErrorCode::DiskFull || f.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE
            )
        };
        if full(&e) {
            return Self::Full(Arc::new(e));
        }
        if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
            return Self::Constraint(Arc::new(e));
        }
        Self::Database(Arc::new(e))
    }
}

/// A damaged row.
pub(crate) fn damaged(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Error {
    let what = what.into();
    move |e| Error::Damaged { what, why: e.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;
    use triage::command::RefusalKind;

    #[test]
    fn every_code_has_its_page() {
        let sql = || Arc::new(rusqlite::Error::InvalidQuery);
        let path = || PathBuf::from("f");
        let all = [
            Error::Guard { guard: "turn", found: String::new() },
            Error::Refused { index: 0, refusal: Refusal::new(RefusalKind::Invalid, "no") },
            Error::Full(sql()),
            Error::Constraint(sql()),
            Error::Database(sql()),
            Error::Io { path: path(), source: Arc::new(std::io::Error::other("x")) },
            Error::Damaged { what: String::new(), why: String::new() },
            Error::SchemaTooNew { found: 2, known: 1 },
            Error::NoRoomForBackup { needed: 2, free: 1 },
            Error::Locked { path: path() },
            Error::Sealed { what: String::new() },
            Error::Panicked(String::new()),
            Error::Busy,
            Error::Closed,
        ];
        let codes: BTreeSet<String> = all.iter().map(|e| e.code().to_owned()).collect();
        assert_eq!(codes.len(), all.len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(&folder)
            .unwrap()
            .filter_map(|e| e.unwrap().path().file_stem().map(|s| s.to_string_lossy().into_owned()))
            .filter(|name| name.starts_with("store"))
            .collect();
        assert_eq!(codes, pages, "each code has a page and each page a code");
        for code in &codes {
            let text = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap();
            assert!(text.starts_with(&format!("# {code}\n")) && text.contains("## What to do"), "{code}");
        }
    }
}
