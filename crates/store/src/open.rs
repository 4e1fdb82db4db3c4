//! Opening a data folder: lock, pragmas, migrations, readers.
//!
//! Invariants: one process per folder; the writer syncs every commit (`synchronous=FULL`); readers cannot write.
//! Not here: the thread (`store`).

use crate::error::Error;
use crate::reader::Reader;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Name of the database in the data folder.
pub const DATABASE: &str = "state.db";
/// Name of the lock file in the data folder.
pub const LOCK: &str = "watchfire.lock";
/// Name of the folder for backups before migrations.
pub const BACKUP: &str = "backup";
/// How long a connection waits for a lock.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i64 = 2 * 1024;

/// Takes the folder's lock; it is held as long as the file is open.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join(LOCK);
    let file =
        File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::io(path)(e)),
    }
}

/// Opens the writer's connection.
pub(crate) fn writer(dir: &Path) -> Result<Connection, Error> {
    crate::schema::refuse_newer(&dir.join(DATABASE))?;
    let conn = Connection::open(dir.join(DATABASE))?;
    conn.busy_timeout(BUSY)?;
    // Before the first table: only then it takes effect.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Opens a connection that only reads.
pub(crate) fn reader(dir: &Path) -> Result<Reader, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(Reader { dir: Some(dir.to_owned()), ..Reader::new(conn) })
}

/// Opens the connection that checkpoints beside the writer.
pub(crate) fn checkpointer(dir: &Path) -> Result<Connection, Error> {
    let conn = Connection::open(dir.join(DATABASE))?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(conn)
}
