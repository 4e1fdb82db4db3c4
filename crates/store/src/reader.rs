//! A connection that only reads: the functions of every noun are methods of it.
//!
//! Invariants: nothing here writes; each call is one snapshot, held no longer than the call.
//! Not here: the SQL of one noun (its file).

use crate::error::Error;
use rusqlite::Connection;

/// Prepared statements kept per connection.
const STATEMENTS_CACHED: usize = 256;

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    pub(crate) conn: Connection,
    /// The data folder, where blobs are; none in memory.
    pub(crate) dir: Option<std::path::PathBuf>,
}

impl Reader {
    pub(crate) fn new(conn: Connection) -> Self {
        conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        Self { conn, dir: None }
    }
    /// Runs several reads on one snapshot.
    ///
    /// - errors: of beginning or ending the snapshot, and what `read` gives.
    pub fn snapshot<T>(&self, read: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        self.conn.execute_batch("BEGIN DEFERRED")?;
        let result = read(self);
        self.conn.execute_batch("COMMIT")?;
        result
    }
    /// A value of the store's own settings (lineage, keys).
    pub fn meta_get(&self, key: &str) -> Result<Option<String>, Error> {
        use rusqlite::OptionalExtension as _;
        let mut statement = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(statement.query_row([key], |r| r.get(0)).optional()?)
    }
    /// Lineage of this database: the feed's lineage.
    pub fn lineage(&self) -> Result<std::sync::Arc<str>, Error> {
        Ok(self.meta_get("lineage")?.unwrap_or_default().into())
    }
}
