//! What the writer does now and then: old answers, the feed's tail, free pages; erasure of audit bodies.
//!
//! Invariants: the feed is never cut above its slowest follower; an answer of a run is kept for `ANSWER_KEPT` after its end; an
//! erased body leaves its header, so the chain still verifies.

use super::{ANSWER_KEPT, Writer};
use crate::error::Error;
use rusqlite::params;
use stdx::Time;

/// Feed records kept for pages that reconnect.
pub const FEED_KEPT: i64 = 100_000;
/// Rows removed in one go.
const SLICE: i64 = 10_000;
/// Pages given back in one go.
const VACUUM_PAGES: i64 = 1000;

impl Writer {
    /// Removes what is no longer needed, in slices.
    pub fn upkeep(&mut self, now: Time) -> Result<(), Error> {
        let conn = &self.db.conn;
        let before = now - ANSWER_KEPT;
        conn.execute(
            "DELETE FROM answer WHERE (space, key) IN (SELECT a.space, a.key FROM answer a LEFT JOIN execution e ON e.id = a.execution \
             WHERE a.at < ?1 AND (e.id IS NULL OR e.finished < ?1) LIMIT ?2)",
            params![before.0, SLICE],
        )?;
        let cut: i64 = conn.query_row(
            "SELECT min(feed - ?1, coalesce((SELECT min(number) FROM follower WHERE lineage = \
             (SELECT value FROM meta WHERE key = 'lineage')), feed)) FROM stream WHERE id = 0",
            [FEED_KEPT],
            |r| r.get(0),
        )?;
        if cut > 0 {
            conn.execute(
                "DELETE FROM feed WHERE n IN (SELECT n FROM feed WHERE n <= ?1 ORDER BY n LIMIT ?2)",
                params![cut, SLICE],
            )?;
        }
        conn.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES}); PRAGMA optimize;"))?;
        Ok(())
    }
    /// Erases the body of an audit entry with its salt; the header stays. False when there is no such entry.
    pub fn audit_erase(&mut self, seq: u64) -> Result<bool, Error> {
        Ok(self.db.conn.execute("UPDATE audit SET salt = NULL, body = NULL WHERE seq = ?1", [seq])? > 0)
    }
}
