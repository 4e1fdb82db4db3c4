//! Documents: workflows, rules, connectors, users, keys, sessions, settings; followers and summary windows.
//!
//! Invariants: each version of a workflow is kept, so that a run finds the one it started with.
//! Not here: what the bodies mean (`workflow`, `rule`, `api`).

use crate::batch::{Record, Window};
use crate::commit::{LogPosition, Noun};
use crate::error::{Error, damaged};
use crate::reader::Reader;
use rusqlite::{OptionalExtension as _, params};
use std::sync::Arc;
use stdx::{Id, Time};

/// A version of a document in its history.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordVersion {
    /// Version.
    pub version: u64,
    /// When.
    pub at: Time,
    /// Who.
    pub by: Arc<str>,
    /// Body.
    pub body: stdx::Value,
}

/// A summary window that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    /// Rule.
    pub rule: Id,
    /// Action uuid.
    pub action: Arc<str>,
    /// The window.
    pub window: Window,
}

impl Reader {
    /// A document.
    pub fn record_get(&self, noun: Noun, space: &str, id: &str) -> Result<Option<Record>, Error> {
        crate::writer::record_read(&self.conn, noun, space, id)
    }
    /// All documents of a noun in a space, by id.
    pub fn record_list(&self, noun: Noun, space: &str) -> Result<Vec<(Id, Record)>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, version, created, created_by, updated, updated_by, body FROM record WHERE noun = ?1 AND space = ?2 ORDER BY id",
        )?;
        let mut rows = statement.query([noun.as_str(), space])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let id: Arc<str> = r.get(0)?;
            let body = stdx::json::parse(r.get_ref(6)?.as_str().unwrap_or_default())
                .map_err(damaged(format!("{} {id}", noun.as_str())))?;
            let record = Record {
                version: r.get(1)?,
                created: Time(r.get(2)?),
                created_by: r.get(3)?,
                updated: Time(r.get(4)?),
                updated_by: r.get(5)?,
                body,
            };
            out.push((Id(id), record));
        }
        Ok(out)
    }
    /// Ids and versions of a space's documents, in the order of ids: what changed since a look, without reading the documents.
    pub fn record_versions(&self, noun: Noun, space: &str) -> Result<Vec<(Id, u64)>, Error> {
        let mut statement =
            self.conn.prepare_cached("SELECT id, version FROM record WHERE noun = ?1 AND space = ?2 ORDER BY id")?;
        let rows = statement.query_map([noun.as_str(), space], |r| Ok((Id(r.get(0)?), r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Documents whose text holds `member: text` somewhere; the caller looks where.
    pub fn record_holding(
        &self,
        noun: Noun,
        space: &str,
        member: &str,
        text: &str,
    ) -> Result<Vec<(Id, Record)>, Error> {
        let needle = format!("{}:{}", stdx::json::text(&member.into()), stdx::json::text(&text.into()));
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM record WHERE noun = ?1 AND space = ?2 AND instr(body, ?3) > 0 ORDER BY id",
        )?;
        let rows = statement.query_map(params![noun.as_str(), space, needle], |r| r.get::<_, Arc<str>>(0))?;
        let mut out = Vec::new();
        for id in rows {
            let id = id?;
            if let Some(record) = self.record_get(noun, space, &id)? {
                out.push((Id(id), record));
            }
        }
        Ok(out)
    }
    /// One kept version of a document.
    pub fn record_version(
        &self,
        noun: Noun,
        space: &str,
        id: &str,
        version: u64,
    ) -> Result<Option<RecordVersion>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT version, at, by, body FROM record_version WHERE noun = ?1 AND space = ?2 AND id = ?3 AND version = ?4",
        )?;
        let row = statement
            .query_row(params![noun.as_str(), space, id, version], |r| {
                Ok((r.get(0)?, Time(r.get(1)?), r.get(2)?, r.get::<_, String>(3)?))
            })
            .optional()?;
        row.map(|(version, at, by, body)| {
            let body = stdx::json::parse(&body).map_err(damaged(format!("{} {id}", noun.as_str())))?;
            Ok(RecordVersion { version, at, by, body })
        })
        .transpose()
    }
    /// The kept versions of a document, newest first.
    pub fn record_history(&self, noun: Noun, space: &str, id: &str) -> Result<Vec<RecordVersion>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT version, at, by, body FROM record_version WHERE noun = ?1 AND space = ?2 AND id = ?3 ORDER BY version DESC",
        )?;
        let mut rows = statement.query([noun.as_str(), space, id])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let body = stdx::json::parse(r.get_ref(3)?.as_str().unwrap_or_default())
                .map_err(damaged(format!("{} {id}", noun.as_str())))?;
            out.push(RecordVersion { version: r.get(0)?, at: Time(r.get(1)?), by: r.get(2)?, body });
        }
        Ok(out)
    }
    /// Where a follower stands; the beginning when it never committed.
    pub fn follower_get(&self, id: &str) -> Result<LogPosition, Error> {
        let mut statement = self.conn.prepare_cached("SELECT lineage, number FROM follower WHERE id = ?1")?;
        let row =
            statement.query_row([id], |r| Ok(LogPosition { lineage: r.get(0)?, number: r.get(1)? })).optional()?;
        Ok(row.unwrap_or_default())
    }
    /// Summary windows due at or before `now`, soonest first.
    pub fn summary_due(&self, now: Time, limit: u64) -> Result<Vec<SummaryRow>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT rule, action, space, opened, due, count, alerts, template FROM summary WHERE due <= ?1 ORDER BY due LIMIT ?2",
        )?;
        let mut rows = statement.query(params![now.0, limit])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            let (alerts, template): (String, String) = (r.get(6)?, r.get(7)?);
            out.push(SummaryRow {
                rule: Id(r.get(0)?),
                action: r.get(1)?,
                window: Window {
                    space: r.get(2)?,
                    opened: Time(r.get(3)?),
                    due: Time(r.get(4)?),
                    count: r.get(5)?,
                    alerts: serde_json::from_str(&alerts).map_err(damaged("summary"))?,
                    template: Arc::new(serde_json::from_str(&template).map_err(damaged("summary"))?),
                },
            });
        }
        Ok(out)
    }
    /// When the next summary window closes.
    pub fn summary_next(&self) -> Result<Option<Time>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT min(due) FROM summary")?;
        Ok(statement.query_row([], |r| r.get::<_, Option<i64>>(0))?.map(Time))
    }
}
