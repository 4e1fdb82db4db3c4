//! Cases with their attachments and user actions.
//!
//! Invariants: lifted columns, tags and assignees follow the body in the same commit; a deleted case leaves nothing behind.
//! Not here: finding (`case::find`), what may change (`triage::case`).

pub mod find;
pub mod timeline;

use crate::error::{Error, damaged};
use crate::reader::Reader;
use crate::words;
use rusqlite::{Connection, OptionalExtension as _, params};
use stdx::{Id, Time, Value};
use triage::{Attachment, Case, UserAction};

pub(crate) fn read(conn: &Connection, space: &str, id: &str) -> Result<Option<Case>, Error> {
    let mut statement = conn.prepare_cached("SELECT body FROM cases WHERE space = ?1 AND id = ?2")?;
    let body: Option<String> = statement.query_row([space, id], |r| r.get(0)).optional()?;
    body.map(|b| serde_json::from_str(&b).map_err(damaged(format!("case {id}")))).transpose()
}

pub(crate) fn attachments_read(conn: &Connection, case: &str, limit: i64) -> Result<Vec<Attachment>, Error> {
    let mut statement = conn.prepare_cached("SELECT body FROM attachment WHERE \"case\" = ?1 ORDER BY n LIMIT ?2")?;
    let mut rows = statement.query(params![case, limit])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(
            serde_json::from_str(r.get_ref(0)?.as_str().unwrap_or_default())
                .map_err(damaged(format!("attachment of {case}")))?,
        );
    }
    Ok(out)
}

/// Writes a new or changed case with its tags and assignees.
pub(crate) fn write(conn: &Connection, case: &Case, stored: bool) -> Result<(), Error> {
    let body = serde_json::to_string(case).map_err(damaged(format!("case {}", case.id)))?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO cases (space, id, number, version, owner, status, severity, title, description, category, reporter, created, \
         updated, closed, assigned, body) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) \
         ON CONFLICT (space, id) DO UPDATE SET version = excluded.version, status = excluded.status, severity = excluded.severity, \
         title = excluded.title, description = excluded.description, category = excluded.category, updated = excluded.updated, \
         closed = excluded.closed, assigned = excluded.assigned, body = excluded.body",
    )?;
    statement.execute(params![
        &*case.space,
        case.id.as_str(),
        case.number,
        case.version,
        &*case.owner,
        words::case_status_rank(&case.status),
        words::severity_rank(&case.severity),
        case.title.to_lowercase(),
        case.description.to_lowercase(),
        case.category.as_deref(),
        &*case.created.by.user,
        case.created.at.0,
        case.updated.as_ref().map(|s| s.at.0),
        case.closed.as_ref().map(|s| s.at.0),
        !case.assignees.is_empty(),
        body,
    ])?;
    if stored {
        conn.prepare_cached("DELETE FROM case_tag WHERE \"case\" = ?1")?.execute([case.id.as_str()])?;
        conn.prepare_cached("DELETE FROM case_assignee WHERE \"case\" = ?1")?.execute([case.id.as_str()])?;
    }
    for tag in &case.tags {
        let mut statement =
            conn.prepare_cached("INSERT OR IGNORE INTO case_tag (space, tag, \"case\") VALUES (?1, ?2, ?3)")?;
        statement.execute([&*case.space, &**tag, case.id.as_str()])?;
    }
    for uid in &case.assignees {
        let mut statement =
            conn.prepare_cached("INSERT OR IGNORE INTO case_assignee (space, uid, \"case\") VALUES (?1, ?2, ?3)")?;
        statement.execute([&*case.space, &**uid, case.id.as_str()])?;
    }
    Ok(())
}

/// Removes a case with everything that belongs to it.
pub(crate) fn remove(conn: &Connection, space: &str, id: &str) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM cases WHERE space = ?1 AND id = ?2")?.execute([space, id])?;
    for sql in [
        "DELETE FROM case_tag WHERE \"case\" = ?1",
        "DELETE FROM case_assignee WHERE \"case\" = ?1",
        "DELETE FROM attachment WHERE \"case\" = ?1",
        "DELETE FROM case_alert WHERE \"case\" = ?1",
        "DELETE FROM user_action WHERE \"case\" = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Writes a new or changed attachment, with `None` removes it.
pub(crate) fn attachment_write(
    conn: &Connection,
    case: &Id,
    n: u64,
    row: Option<&Attachment>,
    stored: bool,
) -> Result<(), Error> {
    if stored {
        conn.prepare_cached("DELETE FROM case_alert WHERE \"case\" = ?1 AND n = ?2")?
            .execute(params![case.as_str(), n])?;
    }
    let Some(a) = row else {
        conn.prepare_cached("DELETE FROM attachment WHERE \"case\" = ?1 AND n = ?2")?
            .execute(params![case.as_str(), n])?;
        return Ok(());
    };
    let body = serde_json::to_string(a).map_err(damaged(format!("attachment {}", a.id)))?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO attachment (\"case\", n, space, id, kind, at, body) VALUES (?1,?2,?3,?4,?5,?6,?7) \
         ON CONFLICT (\"case\", n) DO UPDATE SET body = excluded.body",
    )?;
    statement.execute(params![case.as_str(), n, &*a.space, a.id.as_str(), &*a.kind, a.created.at.0, body])?;
    for (alert, index) in a.alerts() {
        let mut statement = conn.prepare_cached(
            "INSERT OR IGNORE INTO case_alert (alert, \"case\", n, space, \"index\", at) VALUES (?1,?2,?3,?4,?5,?6)",
        )?;
        statement.execute(params![alert.as_str(), case.as_str(), n, &*a.space, &*index, a.created.at.0])?;
    }
    Ok(())
}

/// Writes a user action.
pub(crate) fn action_write(conn: &Connection, a: &UserAction) -> Result<(), Error> {
    let body = serde_json::to_string(a).map_err(damaged(format!("user action {}", a.id)))?;
    let mut statement = conn.prepare_cached(
        "INSERT INTO user_action (\"case\", n, space, id, at, kind, execution, body) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
    )?;
    statement.execute(params![
        a.case.as_str(),
        a.n,
        &*a.space,
        a.id.as_str(),
        a.at.0,
        &*a.kind,
        a.by.execution.as_ref().map(|e| e.as_str()),
        body
    ])?;
    Ok(())
}

/// Which user actions of a case.
#[derive(Clone, Debug, Default)]
pub struct ActionFilter {
    /// Types of `kibana-apis.md` §2.13, and the words `user`, `alert`, `attachment`, `action`; empty is all.
    pub types: Vec<String>,
    /// Newest first.
    pub newest_first: bool,
    /// Rows to skip.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

fn action_matches(a: &UserAction, types: &[String]) -> bool {
    let comment = || a.payload.path(&["comment", "type"]).and_then(Value::as_str).unwrap_or("user").to_owned();
    types.is_empty()
        || types.iter().any(|t| match t.as_str() {
            "user" => &*a.kind == "comment" && comment() == "user",
            "alert" => &*a.kind == "comment" && comment() == "alert",
            "attachment" => {
                &*a.kind == "comment" && matches!(comment().as_str(), "externalReference" | "persistableState")
            }
            "action" => &*a.kind != "comment",
            other => other == &*a.kind,
        })
}

impl Reader {
    /// A case.
    pub fn case_get(&self, space: &str, id: &str) -> Result<Option<Case>, Error> {
        read(&self.conn, space, id)
    }
    /// A case by its number.
    pub fn case_by_number(&self, space: &str, number: u64) -> Result<Option<Case>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT body FROM cases WHERE space = ?1 AND number = ?2")?;
        let body: Option<String> = statement.query_row(params![space, number], |r| r.get(0)).optional()?;
        body.map(|b| serde_json::from_str(&b).map_err(damaged(format!("case {number}")))).transpose()
    }
    /// All attachments of a case, oldest first.
    pub fn comment_list(&self, case: &str) -> Result<Vec<Attachment>, Error> {
        attachments_read(&self.conn, case, i64::MAX)
    }
    /// One attachment of a case.
    pub fn comment_get(&self, case: &str, id: &str) -> Result<Option<Attachment>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT body FROM attachment WHERE id = ?1 AND \"case\" = ?2")?;
        let body: Option<String> = statement.query_row([id, case], |r| r.get(0)).optional()?;
        body.map(|b| serde_json::from_str(&b).map_err(damaged(format!("attachment {id}")))).transpose()
    }
    /// User actions of a case that match, and how many match in all.
    pub fn user_action_list(&self, case: &str, f: &ActionFilter) -> Result<(Vec<UserAction>, u64), Error> {
        let order = if f.newest_first { "DESC" } else { "ASC" };
        let sql = format!("SELECT body FROM user_action WHERE \"case\" = ?1 ORDER BY n {order}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([case])?;
        let (mut out, mut total) = (Vec::new(), 0);
        while let Some(r) = rows.next()? {
            let a: UserAction = serde_json::from_str(r.get_ref(0)?.as_str().unwrap_or_default())
                .map_err(damaged(format!("user action of {case}")))?;
            if action_matches(&a, &f.types) {
                if total >= f.offset && (out.len() as u64) < f.limit {
                    out.push(a);
                }
                total += 1;
            }
        }
        Ok((out, total))
    }
    /// Alerts of a case, oldest first: id, index, when it was attached.
    pub fn case_alerts(&self, case: &str) -> Result<Vec<(Id, String, Time)>, Error> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT alert, \"index\", at FROM case_alert WHERE \"case\" = ?1 ORDER BY n, alert")?;
        let rows = statement.query_map([case], |r| Ok((Id(r.get(0)?), r.get(1)?, Time(r.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Cases that an alert is attached to, newest first.
    pub fn cases_of_alert(&self, space: &str, alert: &str) -> Result<Vec<Case>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.body FROM case_alert a JOIN cases c ON c.id = a.\"case\" AND c.space = a.space \
             WHERE a.alert = ?1 AND a.space = ?2 ORDER BY c.created DESC",
        )?;
        let mut rows = statement.query([alert, space])?;
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            out.push(serde_json::from_str(r.get_ref(0)?.as_str().unwrap_or_default()).map_err(damaged("case"))?);
        }
        Ok(out)
    }
    /// Runs that changed a case, oldest first: ids.
    pub fn case_executions(&self, case: &str) -> Result<Vec<Id>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT execution FROM user_action WHERE \"case\" = ?1 AND execution IS NOT NULL GROUP BY execution ORDER BY min(n)",
        )?;
        let rows = statement.query_map([case], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    /// Cases that a run changed: ids, in the order of the first change.
    pub fn execution_cases(&self, execution: &str) -> Result<Vec<Id>, Error> {
        let mut statement = self.conn.prepare_cached(
            "SELECT \"case\" FROM user_action WHERE execution = ?1 GROUP BY \"case\" ORDER BY min(at)",
        )?;
        let rows = statement.query_map([execution], |r| r.get(0).map(Id))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
