//! Rows of the approvals inbox.
//!
//! Invariants: `state` and `version` columns follow the body in the same commit.
//! Not here: who may decide (`api`), the transitions (`triage::question`).

use crate::alert::Where;
use crate::error::{Error, damaged};
use crate::reader::Reader;
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use std::sync::Arc;
use stdx::Id;
use triage::{QuestionRow, QuestionState};

/// Which rows, in which order.
#[derive(Clone, Debug, Default)]
pub struct QuestionFilter {
    /// Space.
    pub space: Arc<str>,
    /// `Some(true)` waits, `Some(false)` is closed.
    pub open: Option<bool>,
    /// Of this run.
    pub execution: Option<Id>,
    /// About this case or alert (an id anywhere in `about`).
    pub about: Option<Arc<str>>,
    /// Rows to skip.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

/// Most rows of one list.
pub const QUESTIONS_LISTED_MAX: u64 = 100_000;

pub(crate) fn read(conn: &Connection, id: &str) -> Result<Option<QuestionRow>, Error> {
    let mut statement = conn.prepare_cached("SELECT body FROM question WHERE id = ?1")?;
    let body: Option<String> = statement.query_row([id], |r| r.get(0)).optional()?;
    body.map(|b| serde_json::from_str(&b).map_err(damaged(format!("question {id}")))).transpose()
}

pub(crate) fn write(conn: &Connection, row: &QuestionRow, stored: bool) -> Result<(), Error> {
    let q = &row.question;
    let body = serde_json::to_string(row).map_err(damaged(format!("question {}", q.id)))?;
    if stored {
        let mut statement =
            conn.prepare_cached("UPDATE question SET state = ?2, version = ?3, closed = ?4, body = ?5 WHERE id = ?1")?;
        statement.execute(params![q.id.as_str(), row.state.as_str(), row.version, row.closed_at.map(|t| t.0), body])?;
        return Ok(());
    }
    let mut statement = conn.prepare_cached(
        "INSERT INTO question (id, space, execution, workflow, kind, state, version, asked, expires, closed, about, body) \
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    )?;
    let kind = match q.kind {
        triage::QuestionKind::Question => "question",
        triage::QuestionKind::Settlement => "settlement",
        triage::QuestionKind::Input => "input",
    };
    statement.execute(params![
        q.id.as_str(),
        &*q.space,
        q.execution.as_str(),
        q.workflow.as_str(),
        kind,
        row.state.as_str(),
        row.version,
        q.asked_at.0,
        q.expires_at.map(|t| t.0),
        row.closed_at.map(|t| t.0),
        stdx::json::text(&q.about),
        body,
    ])?;
    Ok(())
}

fn filter(f: &QuestionFilter) -> Where {
    let mut w = Where::new();
    w.and("space = ?", [Box::new(f.space.clone()) as Box<dyn ToSql>]);
    match f.open {
        Some(true) => w.and("state = 'open'", []),
        Some(false) => w.and("state <> 'open'", []),
        None => {}
    }
    if let Some(execution) = &f.execution {
        w.and("execution = ?", [Box::new(execution.0.clone()) as Box<dyn ToSql>]);
    }
    if let Some(about) = &f.about {
        w.and("instr(about, ?) > 0", [Box::new(format!("\"{about}\"")) as Box<dyn ToSql>]);
    }
    w
}

impl Reader {
    /// A row of the approvals inbox.
    pub fn question_get(&self, id: &str) -> Result<Option<QuestionRow>, Error> {
        read(&self.conn, id)
    }
    /// Rows: those that wait first, soonest end first; then the closed ones, newest first.
    pub fn question_list(&self, f: &QuestionFilter) -> Result<Vec<QuestionRow>, Error> {
        let mut w = filter(f);
        let sql = format!(
            "SELECT body FROM question WHERE {} ORDER BY state <> 'open', \
             CASE WHEN state = 'open' THEN coalesce(expires, 9223372036854775807) ELSE -closed END, asked, id LIMIT ? OFFSET ?",
            w.text
        );
        w.values.push(Box::new(f.limit.min(QUESTIONS_LISTED_MAX)));
        w.values.push(Box::new(f.offset));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(w.params())?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            out.push(serde_json::from_str(r.get_ref(0)?.as_str().unwrap_or_default()).map_err(damaged("question"))?);
        }
        Ok(out)
    }
    /// Number of rows that match.
    pub fn question_count(&self, f: &QuestionFilter) -> Result<u64, Error> {
        let w = filter(f);
        let mut statement = self.conn.prepare_cached(&format!("SELECT count(*) FROM question WHERE {}", w.text))?;
        Ok(statement.query_row(w.params(), |r| r.get(0))?)
    }
    /// True while the row waits for a person.
    pub fn question_open(&self, id: &str) -> Result<bool, Error> {
        Ok(self.question_get(id)?.is_some_and(|q| q.state == QuestionState::Open))
    }
}
