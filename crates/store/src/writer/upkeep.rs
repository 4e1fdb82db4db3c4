//! What the writer does now and then: old answers, the feed's tail, runs past their time, free pages; erasure of audit bodies.
//!
//! Invariants: a run goes whole, and only when it has ended, nothing of it is open and its tree has ended; the feed is never cut above its slowest follower; an answer of a run is kept for `ANSWER_KEPT` after its end; an
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
/// Runs removed in one go.
const RUNS_SLICE: i64 = 200;
/// Id of the setting of all spaces that says how long things are kept.
pub const RETENTION: &str = "retention";
/// Days an ended run is kept where nothing else is set.
pub const EXECUTIONS_DAYS_DEFAULT: i64 = 90;
/// Most days that can be set.
pub const EXECUTIONS_DAYS_MAX: i64 = 36_500;

impl Writer {
    /// Removes what is no longer needed, in slices; true when there is more to do at once.
    pub fn upkeep(&mut self, now: Time) -> Result<bool, Error> {
        let retired = self.retire(now)?;
        let conn = &self.db.conn;
        let before = now - ANSWER_KEPT;
        conn.execute(
            "DELETE FROM answer WHERE (space, key) IN (SELECT a.space, a.key FROM answer a LEFT JOIN execution e ON e.id = a.execution \
             WHERE a.at < ?1 AND (e.id IS NULL OR e.finished < ?1) LIMIT ?2)",
            params![before.0, SLICE],
        )?;
        let old = now - crate::envelope::ATTEMPTS_KEPT;
        conn.execute(
            "DELETE FROM attempt WHERE n IN (SELECT n FROM attempt WHERE at < ?1 ORDER BY at LIMIT ?2)",
            params![old.0, SLICE],
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
        {
            // Each row is one page given back: a statement that is stepped once gives back one.
            let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            let mut pages = statement.query([])?;
            while pages.next()?.is_some() {}
        }
        conn.execute_batch("PRAGMA optimize")?;
        let free: i64 = conn.pragma_query_value(None, "freelist_count", |r| r.get(0))?;
        Ok(retired == RUNS_SLICE as usize || free > VACUUM_PAGES)
    }

    /// Removes a slice of the runs whose time is over, each with everything that belongs to it; how many. What people answered and the
    /// audit trail stay.
    fn retire(&mut self, now: Time) -> Result<usize, Error> {
        let setting = super::load::record_read(&self.db.conn, crate::commit::Noun::Setting, "*", RETENTION)?;
        let days = setting.and_then(|r| r.body.get("executions_days").and_then(stdx::Value::as_i64));
        let days = days.unwrap_or(EXECUTIONS_DAYS_DEFAULT).clamp(1, EXECUTIONS_DAYS_MAX);
        let cut = now - stdx::Duration::from_secs(days * 86_400);
        // Ids begin with the time of their cause, so the primary key finds old runs.
        let before = stdx::id::uuid_v8(cut, &[]);
        let before = &before.as_str()[..13];
        let txn = self.db.conn.transaction()?;
        let ids: Vec<String> = txn
            .prepare_cached(
                "SELECT e.id FROM execution e WHERE e.id < ?1 AND e.finished < ?2 \
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.execution = e.id) \
                 AND NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.execution = e.id) \
                 AND NOT EXISTS (SELECT 1 FROM question q WHERE q.execution = e.id AND q.state = 'open') \
                 AND NOT EXISTS (SELECT 1 FROM execution r WHERE r.id = e.root AND r.finished IS NULL) \
                 ORDER BY e.id LIMIT ?3",
            )?
            .query_map(params![before, cut.0, RUNS_SLICE], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            for table in ["journal", "payload", "timer"] {
                txn.prepare_cached(&format!("DELETE FROM {table} WHERE execution = ?1"))?.execute([id])?;
            }
            txn.prepare_cached("DELETE FROM execution_alert WHERE execution = ?1")?.execute([id])?;
            txn.prepare_cached("DELETE FROM execution WHERE id = ?1")?.execute([id])?;
        }
        txn.commit()?;
        Ok(ids.len())
    }
    /// Erases the body of an audit entry with its salt; the header stays. False when there is no such entry.
    pub fn audit_erase(&mut self, seq: u64) -> Result<bool, Error> {
        Ok(self.db.conn.execute("UPDATE audit SET salt = NULL, body = NULL WHERE seq = ?1", [seq])? > 0)
    }
}
