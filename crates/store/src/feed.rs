//! The numbered feed of changes, and the audit trail as lists.
//!
//! Invariants: numbers have no gaps until the head that was cut; a reader that asks below the cut is told so.

use crate::alert::Where;
use crate::commit::{FeedKind, FeedRecord};
use crate::error::{Error, damaged};
use crate::reader::Reader;
use rusqlite::{ToSql, params};
use std::sync::Arc;
use stdx::{Id, Time, Value};
use triage::Actor;

/// Most rows of one audit list.
pub const AUDIT_LISTED_MAX: u64 = 10_000;

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Number, without gaps.
    pub seq: u64,
    /// Link that covers it.
    pub link: u64,
    /// Space.
    pub space: Arc<str>,
    /// When.
    pub at: Time,
    /// Who.
    pub by: Actor,
    /// What.
    pub action: Arc<str>,
    /// Noun and id of what it is about.
    pub of: (Arc<str>, Id),
    /// Body; `None` when it was erased.
    pub body: Option<Value>,
}

/// Which audit entries.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Noun and id.
    pub of: Option<(Arc<str>, Id)>,
    /// Prefix of the action, for example `case.`.
    pub action: Option<Arc<str>>,
    /// User.
    pub user: Option<Arc<str>>,
    /// Before this number (a cursor); newest first.
    pub before: Option<u64>,
    /// Rows at most.
    pub limit: u64,
}

fn read(mut rows: rusqlite::Rows<'_>) -> Result<Vec<FeedRecord>, Error> {
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        let changed: Option<String> = r.get(9)?;
        out.push(FeedRecord {
            n: r.get(0)?,
            commit: r.get(1)?,
            index: r.get(2)?,
            at: Time(r.get(3)?),
            topic: r.get(4)?,
            space: r.get(5)?,
            id: Id(r.get(6)?),
            version: r.get(7)?,
            kind: match r.get::<_, u8>(8)? {
                0 => FeedKind::Created,
                1 => FeedKind::Updated,
                _ => FeedKind::Deleted,
            },
            changed: changed.map_or(Ok(Value::Null), |c| stdx::json::parse(&c)).map_err(damaged("feed"))?,
            execution: r.get::<_, Option<Arc<str>>>(10)?.map(Id),
            by: r.get::<_, Option<Arc<str>>>(11)?.unwrap_or_else(|| "system".into()),
        });
    }
    Ok(out)
}

impl Reader {
    /// Feed records after number `n`, in order.
    pub fn feed_after(&self, n: u64, limit: u64) -> Result<Vec<FeedRecord>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT n, \"commit\", i, at, topic, space, id, version, kind, changed, execution, user FROM feed WHERE n > ?1 ORDER BY n LIMIT ?2",
        )?;
        read(statement.query(params![n, limit])?)
    }
    /// Feed records of one topic after number `n`, in order, and the number up to which all were looked at.
    pub fn feed_of(&self, topic: &str, n: u64, limit: u64) -> Result<(Vec<FeedRecord>, u64), Error> {
        // The end is read first: what is committed in between is looked at the next time.
        let end = self.feed_range()?.1;
        let mut statement = self.conn.prepare_cached(
            "SELECT n, \"commit\", i, at, topic, space, id, version, kind, changed, execution, user FROM feed \
             WHERE n > ?1 AND n <= ?2 AND topic = ?3 ORDER BY n LIMIT ?4",
        )?;
        let records = read(statement.query(params![n, end, topic, limit])?)?;
        let cut = records.len() as u64 == limit;
        let reached = if cut { records.last().map_or(n, |r| r.n) } else { end.max(n) };
        Ok((records, reached))
    }
    /// Numbers of the oldest kept and of the newest feed record: 0, 0 before the first.
    pub fn feed_range(&self) -> Result<(u64, u64), Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT coalesce((SELECT min(n) FROM feed), 0), feed FROM stream WHERE id = 0")?;
        Ok(statement.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?)
    }
    /// Audit entries, newest first.
    pub fn audit_list(&self, f: &AuditFilter) -> Result<Vec<AuditRow>, Error> {
        let mut w = Where::new();
        if let Some((noun, id)) = &f.of {
            w.and("noun = ? AND id = ?", [Box::new(noun.clone()) as Box<dyn ToSql>, Box::new(id.0.clone())]);
        }
        if let Some(action) = &f.action {
            w.and(
                "substr(action, 1, length(?)) = ?",
                [Box::new(action.clone()) as Box<dyn ToSql>, Box::new(action.clone())],
            );
        }
        if let Some(user) = &f.user {
            w.and("user = ?", [Box::new(user.clone()) as Box<dyn ToSql>]);
        }
        if let Some(before) = f.before {
            w.and("seq < ?", [Box::new(before) as Box<dyn ToSql>]);
        }
        let sql = format!(
            "SELECT seq, link, space, at, user, channel, execution, step, action, noun, id, body FROM audit WHERE {} \
             ORDER BY seq DESC LIMIT ?",
            w.text
        );
        w.values.push(Box::new(f.limit.min(AUDIT_LISTED_MAX)));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(w.params())?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let body: Option<String> = r.get(11)?;
            out.push(AuditRow {
                seq: r.get(0)?,
                link: r.get(1)?,
                space: r.get(2)?,
                at: Time(r.get(3)?),
                by: Actor {
                    user: r.get(4)?,
                    channel: r.get(5)?,
                    execution: r.get::<_, Option<Arc<str>>>(6)?.map(Id),
                    step: r.get(7)?,
                },
                action: r.get(8)?,
                of: (r.get(9)?, Id(r.get(10)?)),
                body: body.map(|b| stdx::json::parse(&b)).transpose().map_err(damaged("audit"))?,
            });
        }
        Ok(out)
    }
}
